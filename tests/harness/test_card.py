"""`jina-eval card`: what mteb and the hub read of it."""

import pytest
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results

from harness.cli import main
from results.store import RecordStore
from tests.results.factories import make_record

TYPES = {"STSBenchmark": "STS", "SICK-R": "STS"}
SCORES = {"STSBenchmark": 0.8234, "SICK-R": 0.7}
MODEL = "org/a|model"


def measured(task, score, *, suite="STSBenchmark+SICK-R", types=TYPES, view="dim=8", **changes):
    experiment = None if view == "dim=8" else "embed_dim_4"
    record = make_record(score, experiment, model=MODEL, task=task, view=view, **changes)
    facts = record.provenance.model_copy(
        update={"suite": suite, "suite_tasks": types, "view": view, "dim": int(view[4:])}
    )
    part = {"main_score": score, "hf_subset": "default", "languages": ["eng-Latn"]}
    result = {
        "dataset_revision": "r",
        "task_name": task,
        "mteb_version": "2.26.24",
        "scores": {"test": [part]},
        "evaluation_time": 1.0,
        "kg_co2_emissions": None,
    }
    return type(record)(record.ref, result, facts, record.examples)


def write(folder, records):
    store = RecordStore(folder / "records")
    for record in records:
        store.write(record, {"name": MODEL})
    return folder


@pytest.fixture
def run(tmp_path):
    plain = [measured(task, score) for task, score in SCORES.items()]
    return write(tmp_path / "run", [*plain, measured("SICK-R", 0.35, view="dim=4")])


def test_the_hub_reads_the_scores_back(run, tmp_path, capfd):
    assert main(["card", MODEL, "--from", str(run), "-o", str(tmp_path / "card.md")]) == 0
    card = ModelCard.load(tmp_path / "card.md")
    assert card.data.tags == ["mteb"]
    metadata = yaml.safe_load((tmp_path / "card.md").read_text().split("---")[1])
    name, results = model_index_to_eval_results(metadata["model-index"])
    assert name == "a|model"
    found = {result.dataset_name: result for result in results}
    assert {name: result.metric_value for name, result in found.items()} == {
        "STSBenchmark (default)": 0.8234,
        "SICK-R (default)": 0.7,  # of the widest vectors
    }
    one = found["STSBenchmark (default)"]
    assert (one.task_name, one.metric_type, one.dataset_split) == ("STS", "cosine_spearman", "test")
    assert one.dataset_type == "mteb/stsbenchmark-sts"
    assert card.data.eval_results == results


def test_what_is_said_is_mtebs_own(run, tmp_path, capfd):
    from mteb.results import TaskResult

    assert main(["card", MODEL, "--from", str(run), "-o", str(tmp_path / "card.md")]) == 0
    (folder,) = (run / "records/results").glob("*/*")
    theirs = [
        result
        for task in SCORES
        for result in TaskResult.from_disk(folder / f"{task}.json").get_hf_eval_results()
    ]
    key = str
    assert sorted(ModelCard.load(tmp_path / "card.md").data.eval_results, key=key) == sorted(
        theirs, key=key
    )


def test_the_section_has_scores_dimensions_and_how_it_was_measured(run, capfd):
    assert main(["card", MODEL, "--from", str(run)]) == 0
    text = capfd.readouterr().out
    for line in (
        "| STS | 2 | 76.17 |",
        "| Mean (task) | 2 | 76.17 |",
        "| 8 | float32 | 32 | 76.17 | 100.0 % | 76.17 |",
        "| 4 | float32 | 16 | – | – | – |",  # a task is missing
        "| Precision | float32 |",
        "| Measured | 2026-01-01 |",
        "| Speed | 50 texts/s |",
    ):
        assert line in text
    assert r"a\|model, revision 1" in text  # a name with a line of a table in it
    assert "org/data | r |" in text


def test_each_suite_has_a_section_and_a_task_of_two_comes_once(tmp_path, capfd):
    both = write(tmp_path / "a", [measured(task, score) for task, score in SCORES.items()])
    one = measured("SICK-R", 0.7, suite="SICK-R", types={"SICK-R": "STS"})
    other = write(tmp_path / "b", [one])
    sources = ["--from", str(both), "--from", str(other)]
    assert main(["card", MODEL, *sources]) == 0
    text = capfd.readouterr().out
    assert "## Evaluation: SICK-R\n" in text and "## Evaluation: STSBenchmark+SICK-R\n" in text
    assert text.count("name: SICK-R (default)") == 1
    assert main(["card", MODEL, "--suite", "SICK-R", *sources]) == 0
    assert "STSBenchmark" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["org/none"], "nothing here is 'org/none'; there are: a|model"),
        ([MODEL, "--suite", "english"], "no records of suite 'english'"),
        ([MODEL, "-o", "card.txt"], "expected a .md file"),
        ([f"{MODEL}@dim=4"], "a card has every view"),
        ([f"{MODEL}@routing"], "neither a view nor a setting"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(run, capfd, arguments, said):
    assert main(["card", *arguments, "--from", str(run)]) == 2
    assert said in " ".join(capfd.readouterr().err.split())


def test_settings_are_chosen_and_not_guessed(tmp_path, capfd):
    runs = [
        write(tmp_path / name, [measured("SICK-R", 0.7, seed=seed)])
        for name, seed in (("a", 1), ("b", 2))
    ]
    sources = [part for run in runs for part in ("--from", str(run))]
    assert main(["card", MODEL, *sources]) == 2
    assert "is not one but several" in " ".join(capfd.readouterr().err.split())
    assert main(["card", f"{MODEL}@seed=2", *sources]) == 0
    assert "| Seed | 2 |" in capfd.readouterr().out


def test_tasks_that_were_not_measured_are_named(tmp_path, capfd):
    run = write(tmp_path / "run", [measured("SICK-R", 0.7)])
    assert main(["card", MODEL, "--from", str(run)]) == 0
    text = capfd.readouterr().out
    assert "Not measured: STSBenchmark." in text
    assert "| Mean (task) | 2 | – |" in text
