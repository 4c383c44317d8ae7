"""`jina-eval results export`: nothing is lost, and no name promises what mteb would not measure."""

import json

import mteb
import pytest
from mteb.models.model_implementations import MODEL_REGISTRY

from harness.cli import main
from harness.mteb_loader import departures
from harness.output import Output
from results.provenance import RouteFacts
from tests.results.factories import make_record

JINA = "jinaai/jina-embeddings-v3"
COMMIT = "215a6e121fa0183376388ac6b1ae230326bfeaed"
QUERY = "Represent the query for retrieving evidence documents: "
DOCUMENT = "Represent the document for retrieval: "
MTEB_ROUTES = {
    "query": RouteFacts(adapter="retrieval.query", prompt=QUERY),
    "document": RouteFacts(adapter="retrieval.passage", prompt=DOCUMENT),
}
PAPER_ROUTES = dict.fromkeys(MTEB_ROUTES, RouteFacts(adapter="text-matching", prompt=""))


def record(
    scores,
    *,
    task="STS22.v2",
    kind="STS",
    routing="mteb",
    experiment=None,
    given=("precision", "max_length"),
    **identity,
):
    """A record whose metrics by subset are these, of a model that mteb does not list."""
    mean = sum(metrics["main_score"] for metrics in scores.values()) / len(scores)
    made = make_record(mean, experiment=experiment, task=task, **identity)
    provenance = made.provenance
    provenance = provenance.model_copy(
        update={
            "run_spec": {"routing": routing},
            "run_spec_given": dict.fromkeys(given),
            "task": provenance.task.model_copy(update={"name": task, "type": kind}),
        }
    )
    result = {
        "dataset_revision": provenance.identity.dataset_revision,
        "task_name": task,
        "mteb_version": "2.26.24",
        "evaluation_time": 1.0,
        "kg_co2_emissions": None,
        "date": None,
        "scores": {
            "test": [
                {"hf_subset": subset, "languages": ["eng-Latn"], **metrics}
                for subset, metrics in scores.items()
            ]
        },
    }
    return type(made)(ref=made.ref, task_result=result, provenance=provenance)


def score(value, **more):
    return {"main_score": value, "spearman": value, **more}


def run_folder(folder, *records, settings=None):
    for each in records:
        meta = {"name": each.ref.model, "revision": each.ref.revision, "n_parameters": 7}
        meta |= {"experiment_kwargs": settings, "languages": None, "license": None}
        Output(folder).store.write(each, meta)
    return str(folder)


def export(to, *folders):
    return main(["results", "export", "--to", str(to), *(f"--from={each}" for each in folders)])


def exported(to, model="org/model", revision="1", task="STS22.v2", experiment=None):
    cache = mteb.ResultCache(to.parent)
    found = cache.load_task_result(task, model, revision, experiment_name=experiment)
    return {one["hf_subset"]: one["main_score"] for one in found.scores["test"]}


def snapshot(to):
    return {path.relative_to(to): path.read_bytes() for path in to.rglob("*") if path.is_file()}


def error(capfd):
    return next(x for x in capfd.readouterr().err.splitlines() if x.startswith("error:"))


@pytest.fixture
def to(tmp_path):
    return tmp_path / "results"


FULL = {"en": score(0.1), "de": score(0.2), "fr": score(0.3)}


@pytest.mark.parametrize("narrow_first", [False, True])
def test_a_narrowed_record_does_not_narrow_the_file(tmp_path, to, narrow_first):
    full = run_folder(tmp_path / "full", record(FULL))
    narrow = run_folder(tmp_path / "narrow", record({"de": FULL["de"]}))
    folders = [narrow, full] if narrow_first else [full, narrow]
    assert export(to, *folders) == 0
    expected = {"en": 0.1, "de": 0.2, "fr": 0.3}
    assert exported(to) == expected
    # The same in calls of their own, in which the file is what is there.
    again = to.parent / "again" / "results"
    for folder in folders:
        assert export(again, folder) == 0
    assert exported(again) == expected


def test_subsets_of_two_suites_are_joined(tmp_path, to):
    one = run_folder(tmp_path / "one", record({"en": score(0.1), "de": score(0.2)}))
    other = run_folder(tmp_path / "other", record({"de": score(0.2), "fr": score(0.3)}))
    assert export(to, one, other) == 0
    assert exported(to) == {"en": 0.1, "de": 0.2, "fr": 0.3}


def test_exporting_again_changes_no_byte(tmp_path, to):
    folder = run_folder(tmp_path / "run", record({"en": score(1 / 3, nauc=0.123456789)}))
    assert export(to, folder) == 0
    before = snapshot(to)
    assert export(to, folder) == 0
    assert snapshot(to) == before


def test_sources_that_contradict_one_another_are_refused(tmp_path, to, capfd):
    one = run_folder(tmp_path / "one", record(FULL))
    # The mean is the same: a comparison of means would take them for equal.
    swapped = {"en": score(0.2), "de": score(0.1), "fr": score(0.3)}
    other = run_folder(tmp_path / "other", record(swapped))
    assert export(to, one, other) == 2
    said = error(capfd)
    assert "main_score of test/en is 0.1 in" in said
    assert "0.2 in" in said
    assert not to.exists()


def test_a_file_that_contradicts_is_refused_and_kept(tmp_path, to, capfd):
    assert export(to, run_folder(tmp_path / "one", record(FULL))) == 0
    before = snapshot(to)
    other = run_folder(tmp_path / "other", record({"en": score(0.5)}), record(FULL, task="STS17"))
    assert export(to, other) == 2
    assert "0.1 in the file, 0.5 in" in error(capfd)
    assert snapshot(to) == before


def test_another_revision_of_the_data_is_refused(tmp_path, to, capfd):
    one = run_folder(tmp_path / "one", record({"en": score(0.1)}))
    other = run_folder(tmp_path / "other", record({"de": score(0.2)}, dataset_revision="later"))
    assert export(to, one, other) == 2
    assert "dataset revision" in error(capfd)
    assert not to.exists()


def test_metadata_that_are_there_stay(tmp_path, to):
    path = to / "org__model" / "1" / "model_meta.json"
    path.parent.mkdir(parents=True)
    there = {
        "name": "org/model",
        "revision": "1",
        "languages": ["deu-Latn"],
        "license": "mit",
        "training_datasets": ["STS12"],
        "n_parameters": None,
        "use_instructions": False,
        "own": {"of": "somebody"},
    }
    path.write_text(json.dumps(there))
    assert export(to, run_folder(tmp_path / "run", record(FULL))) == 0
    assert json.loads(path.read_text()) == there | {"n_parameters": 7, "experiment_kwargs": None}


def test_metadata_come_from_mtebs_registry(tmp_path, to):
    name = "sentence-transformers/all-MiniLM-L6-v2"
    assert export(to, run_folder(tmp_path / "run", record(FULL, model=name))) == 0
    path = to / "sentence-transformers__all-MiniLM-L6-v2" / "1" / "model_meta.json"
    found, known = json.loads(path.read_text()), MODEL_REGISTRY[name]
    assert found["license"] == known.license
    assert set(found["training_datasets"]) == known.training_datasets
    assert found["languages"] == known.languages
    assert found["revision"] == "1"


def test_metadata_of_another_model_are_refused(tmp_path, to, capfd):
    path = to / "org__model" / "1" / "model_meta.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"name": "org/other", "revision": "1"}')
    assert export(to, run_folder(tmp_path / "run", record(FULL))) == 2
    assert "has name 'org/other', the records have 'org/model'" in error(capfd)


def test_mteb_routing_goes_out_under_the_loaders_name_and_paper_does_not(tmp_path, to):
    common = {"task": "ArguAna", "kind": "Retrieval", "model": JINA, "revision": COMMIT}
    paper = record({"default": score(0.5433)}, **common, routing="paper", routes=PAPER_ROUTES)
    loader = record(
        {"default": score(0.4329)},
        **common,
        routing="mteb",
        experiment="routing_mteb",
        routes=MTEB_ROUTES,
    )
    plain = run_folder(tmp_path / "run", paper)
    run_folder(tmp_path / "run", loader, settings={"routing": "mteb"})
    assert export(to, plain) == 0
    found = {"model": JINA, "revision": COMMIT, "task": "ArguAna"}
    assert exported(to, **found) == {"default": 0.4329}
    assert exported(to, **found, experiment="routing_paper") == {"default": 0.5433}
    # mteb leaves experiments out of a model's results unless asked for them.
    loaded = mteb.ResultCache(to.parent).load_results(validate_and_filter=False)
    (model,) = loaded.model_results
    assert [task.get_score() for task in model.task_results] == [0.4329]


def departing(settings=None, **changes):
    return departures(record({"en": score(0.1)}, **changes), settings or {})


def both(query, document):
    return {
        "query": RouteFacts(adapter=None, prompt=query),
        "document": RouteFacts(adapter=None, prompt=document),
    }


def test_prompts_of_the_registry_are_the_loaders():
    model = "intfloat/e5-small-v2"
    of = {"model": model, "kind": "Retrieval", "task": "ArguAna"}
    assert departing(**of, routes=both("query: ", "passage: ")) == {}
    assert departing(**of, routes=both("", "")) == {"prompts": "none"}
    assert departing(**of, routes=both("Query: ", "passage: ")) == {"prompts": "own"}
    assert departing(**of, routes=both("", ""), routing="none") == {"routing": "none"}


def test_instructions_of_the_registry_are_the_loaders():
    of = {
        "model": "intfloat/multilingual-e5-large-instruct",
        "kind": "Retrieval",
        "task": "SciFact",
    }
    instruction = "Given a scientific claim, retrieve documents that support or refute the claim"
    prompt = f"Instruct: {instruction}\nQuery: "
    assert departing(**of, routes=both(prompt, ""), precision="float16") == {}
    assert departing(**of, routes=both("", ""), precision="float16") == {"prompts": "none"}
    assert departing(**of, routes=both(prompt, "")) == {"precision": "float32"}


def test_a_loader_with_code_of_its_own_is_named():
    assert departing(model="nomic-ai/nomic-embed-text-v1") == {"loader": "sentence-transformers"}


def test_adapters_of_a_model_that_mteb_does_not_list_are_named():
    routes = {"": RouteFacts(adapter="text-matching", prompt="")}
    assert departing(routes=routes) == {"routing": "mteb"}
    assert departing(routes={"": RouteFacts(adapter=None, prompt="x ")}) == {}


def test_tasks_without_an_adapter_in_mtebs_wrapper():
    of = {"model": JINA, "kind": "InstructionReranking", "task": "Core17InstructionRetrieval"}
    assert departing(**of, routes=both("", "")) == {}
    assert departing(**of, routes=MTEB_ROUTES) == {"routing": "mteb"}


def test_precision_and_length_are_named_and_views_left_out():
    assert departing({"precision": "bfloat16"}, precision="bfloat16") == {"precision": "bfloat16"}
    assert departing({"precision": "bfloat16"}, precision="bfloat16", given=()) == {}
    assert departing({"max_length": 32}, max_length=32) == {"max_length": 32}
    assert departing({"embed_dim": 32}) is None
    assert departing({"chunking": "late-fixed-64"}) is None
    assert departing({"seed": 7}) is None
