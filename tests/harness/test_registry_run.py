"""A hub model whose prompts only mteb's registry knows, from `jina-eval run` to the records."""

import json
import shutil
from types import SimpleNamespace

import mteb
import numpy as np
import pytest
from mteb.mocks import MOCK_TASK_TEST_GRID
from mteb.types import PromptType

from harness.cli import main
from harness.errors import EvaluationError
from harness.first_line import first_line, remarks
from harness.jobs import TaskRunner
from harness.plan import Job, resolve_run
from harness.spec import RunSpec
from model.backends import load_backend
from model.chunking import WHOLE
from model.registry import RegistryEntry
from model.routing import Route, make_routing
from model.source import resolve_model
from model.usage import Usage
from model.views import View
from results.provenance import RouteFacts
from results.record import RecordRef
from tests.hub_server import COMMIT, point_client_to, serve_hub
from tests.results.factories import make_identity

E5 = "intfloat/e5-small-v2"
TASKS = "PerlFaqRetrieval,LeeDocumentSTS"


def with_config(folder, target, **values):
    """A copy of a model with other values in its configuration."""
    copy = shutil.copytree(folder, target)
    path = copy / "config_sentence_transformers.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return copy


@pytest.fixture(scope="module")
def served(tiny_model, tmp_path_factory):
    """Tiny models under names that mteb knows and does not know."""
    root = tmp_path_factory.mktemp("served")
    own = with_config(tiny_model, root / "own", prompts={"query": "own: ", "passage": "text: "})
    nobodys = with_config(tiny_model, root / "nobodys", prompts={}, similarity_fn_name=None)
    plain = {"e5-small-v2": nobodys, "multilingual-e5-small": own, "multilingual-e5-base": nobodys}
    with (
        serve_hub("intfloat", **plain) as hub,
        serve_hub("nomic-ai", **{"nomic-embed-text-v1.5": nobodys}) as other,
        serve_hub("me", **{"my-e5-tuned": nobodys, "my-bert": nobodys}) as mine,
    ):
        hub.repositories.update(other.repositories)
        hub.repositories.update(mine.repositories)
        yield hub


@pytest.fixture(autouse=True)
def online(served, tmp_path, monkeypatch):
    point_client_to(served, tmp_path / "hub", monkeypatch)


def resolve(name, **values):
    spec = {"model": name, "tasks": tuple(TASKS.split(",")), "device": "cpu", **values}
    return resolve_run(RunSpec(**spec))


def test_every_task_type_and_side_is_encoded_as_mteb_does():
    from datasets import Dataset
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
    from sentence_transformers import SentenceTransformer
    from torch.utils.data import DataLoader

    source = resolve_model(E5)
    theirs = SentenceTransformerEncoderWrapper(
        SentenceTransformer(str(source.folder), device="cpu"),
        model_prompts=mteb.get_model_meta(E5).loader_kwargs["model_prompts"],
    )
    backend = load_backend(source, device="cpu")
    routing = make_routing(source.default_routing, source.prompts)
    texts = DataLoader(Dataset.from_dict({"text": ["abc"]}))
    seen = set()
    for task in {task.metadata.type: task.metadata for task in MOCK_TASK_TEST_GRID}.values():
        for side in (PromptType.query, PromptType.document, None):
            expected = theirs.encode(
                texts, task_metadata=task, hf_split="test", hf_subset="default", prompt_type=side
            )
            route = routing.route(task, side)
            found = backend.encode(["abc"], route, lambda done: None).vectors
            np.testing.assert_allclose(found, expected, atol=1e-6, err_msg=f"{task.type} {side}")
            seen.add(route.prompt)
    assert seen == {"query: ", "passage: ", ""}


def test_a_run_says_and_records_which_prompts_it_used(tmp_path, capfd, monkeypatch):
    command = ["run", "-m", E5, "-o", str(tmp_path / "run"), "--tasks", TASKS]
    command += ["--view", "dim=full", "--device", "cpu"]
    assert main(command) == 0
    lines = [line for line in capfd.readouterr().err.splitlines() if line.strip()]
    assert lines[0] == (
        f"{E5}: float32 on cpu; prompts of mteb's registry (query 'query: ', document 'passage: ')"
    )
    assert f"this is {COMMIT[:12]}" in lines[1]
    assert not any("warning" in line for line in lines)
    records = {}
    for path in (tmp_path / "run" / "records").rglob("provenance.json"):
        facts = json.loads(path.read_text())
        records[facts["identity"]["task"]] = facts
    sides = {
        task: {side: one["prompt"] for side, one in facts["identity"]["routes"].items()}
        for task, facts in records.items()
    }
    assert sides == {
        "PerlFaqRetrieval": {"query": "query: ", "document": "passage: "},
        "LeeDocumentSTS": {"": ""},
    }
    facts = records["PerlFaqRetrieval"]
    assert facts["prompts"]["origin"] == "registry"
    assert facts["prompts"]["registry"] == {"query": "query: ", "document": "passage: "}
    assert facts["registry"]["loader"] == "SentenceTransformerEncoderWrapper"
    assert facts["registry"]["mteb_version"] == mteb.__version__

    def ask_again(*arguments):
        raise AssertionError("the registry was asked on a rerun of stored work")

    monkeypatch.setattr("model.registry._look_up", ask_again)
    assert main(command) == 0
    assert "are stored already" in capfd.readouterr().err


def test_the_configurations_prompts_win_and_other_ones_of_the_registry_are_named():
    run = resolve("intfloat/multilingual-e5-small")
    assert run.prompts.origin == "configuration"
    assert run.prompts.differ
    line = first_line(run)
    assert "prompts of the model's configuration (query 'own: ', passage 'text: ')" in line
    assert "mteb's registry has others (query 'query: ', document 'passage: ')" in line
    asked = resolve("intfloat/multilingual-e5-small", routing="registry")
    assert asked.prompts.origin == "registry"
    assert "not those of the model's configuration (query 'own: '" in first_line(asked)
    routes = asked.routes(asked.tasks[0]) | asked.routes(asked.tasks[1])
    assert routes["query"].prompt == "query: "
    assert asked.experiment(asked.views[0])["routing"] == "registry"


def test_the_run_spec_comes_first():
    run = resolve(E5, routing="none")
    assert run.prompts.origin == "run spec"
    assert run.prompts.warning is None
    assert "prompts of the run spec" in first_line(run)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("nomic-ai/nomic-embed-text-v1.5", "through NomicWrapper, which is not reproduced"),
        ("me/my-e5-tuned", "models of this family need prompts"),
    ],
)
def test_a_model_that_needs_prompts_and_gets_none_is_warned_of(name, known, tmp_path, capfd):
    command = ["run", "-m", name, "-o", str(tmp_path / "run"), "--tasks", "LeeDocumentSTS"]
    assert main([*command, "--view", "dim=full", "--device", "cpu", "--quiet"]) == 0
    said = capfd.readouterr().err.splitlines()
    warned = [line for line in said if line.startswith("warning: ")]
    assert len(warned) == 2
    assert said[-1] == warned[0] == warned[1]
    assert f"{name} runs without any prompt: " in said[-1]
    assert known in said[-1]
    (path,) = (tmp_path / "run" / "records").rglob("provenance.json")
    assert json.loads(path.read_text())["prompts"]["warning"] in said[-1]


def test_a_model_of_no_known_family_is_not_warned_of():
    run = resolve("me/my-bert")
    assert run.prompts.warning is None
    assert first_line(run) == "me/my-bert: float32 on cpu; no prompts"


def test_what_mteb_does_otherwise_is_said():
    said = " ".join(remarks(resolve("nomic-ai/nomic-embed-text-v1.5")))
    assert "mteb runs it through NomicWrapper, whose own processing is not reproduced" in said
    assert "mteb runs code of its checkpoint, which jina-eval never does" in said


def limited(monkeypatch, **values):
    """Let the registry say something else of a model's loader."""
    entry = RegistryEntry("2", COMMIT, "SentenceTransformerEncoderWrapper", **values)
    monkeypatch.setattr("model.source.registry_entry", lambda name: entry)


def test_the_registrys_maximum_length_holds_where_the_files_state_none(monkeypatch):
    limited(monkeypatch, max_length=32)
    monkeypatch.setattr("model.source._read_max_length", lambda folder: None)
    run = resolve("me/my-bert")
    assert run.max_length == run.identity(run.tasks[0], run.views[0]).max_length == 32
    assert load_backend(run.source, **run.settings()).max_length == 32


def test_what_the_files_state_wins_over_the_registry_and_is_said(monkeypatch):
    limited(monkeypatch, max_length=32, not_applied=("add_eos_token=True",))
    run = resolve("me/my-bert")
    assert (run.max_length, run.settings()["max_length"]) == (64, None)
    said = " ".join(remarks(run))
    assert "mteb cuts its texts at 32 tokens, its files at 64" in said
    assert "arguments of mteb's loader that are not applied: add_eos_token=True" in said


def test_the_registrys_similarity_holds_where_the_configuration_states_none(monkeypatch):
    limited(monkeypatch, similarity="dot")
    run = resolve("me/my-bert")
    assert run.identity(run.tasks[0], run.views[0]).similarity == "dot"
    assert "similarity dot" in first_line(run)
    run = resolve(E5.replace("e5-small-v2", "multilingual-e5-small"))
    assert run.source.similarity == "cosine"
    assert "mteb states the similarity dot, its configuration another" in remarks(run)


def test_parts_of_a_task_may_have_prompts_of_their_own(monkeypatch):
    """By task name, as mteb looks them up; routes name the parts only where they differ."""
    prompts = {"query": "q: ", "CQADupstackGisRetrieval-query": "gis: ", "document": "d: "}
    limited(monkeypatch, prompts=prompts)
    run = resolve("me/my-bert", suite="english-v1", tasks=("CQADupstackRetrieval", "SciFact"))
    cqa, scifact = sorted(run.tasks, key=lambda task: task.metadata.name)
    plain = {side: one.prompt for side, one in run.routes(scifact).items()}
    assert plain == {"query": "q: ", "document": "d: "}
    routes = {side: one.prompt for side, one in run.routes(cqa).items()}
    assert len(routes) == 13
    assert routes.pop("document") == "d: "
    assert routes.pop("CQADupstackGisRetrieval/query") == "gis: "
    assert routes["CQADupstackTexRetrieval/query"] == "q: "
    assert set(routes.values()) == {"q: "}


def test_a_part_that_is_encoded_otherwise_than_planned_is_refused():
    planned = {
        "A/query": RouteFacts(adapter=None, prompt="a "),
        "B/query": RouteFacts(adapter=None, prompt="b "),
        "document": RouteFacts(adapter=None, prompt=""),
    }
    identity = make_identity(routes=planned)
    job = Job(None, View(), WHOLE, RecordRef("m", "1", None, "Both"), identity, stored=False)
    usage = Usage()
    usage.task_routes |= {("A", "query"): Route(None, "a "), ("B", "document"): Route()}
    runner = TaskRunner.__new__(TaskRunner)
    runner._run = SimpleNamespace(source=SimpleNamespace(kind="sentence-transformers"))
    with pytest.raises(EvaluationError, match="no text of side 'B/query' was encoded"):
        runner._check_routes(job, usage)
    usage.task_routes["B", "query"] = Route(None, "b ")
    runner._check_routes(job, usage)
    usage.task_routes["B", "query"] = Route(None, "a ")
    with pytest.raises(EvaluationError, match="asked for side 'query' with route"):
        runner._check_routes(job, usage)
