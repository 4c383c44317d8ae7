"""`jina-eval report`: rows out of a checkout, examples and texts out of several stores."""

import json

import pytest

from harness.cli import main
from harness.stores import Stores
from results.store import RecordStore
from tests.results.factories import make_record

SUITE = "STSBenchmark+SICK-R"
SCORES = {"STSBenchmark": 0.82, "SICK-R": 0.7}
TYPES = dict.fromkeys(SCORES, "STS")


def measured(task, score, model="org/model"):
    record = make_record(score, model=model, task=task, splits={"test": ("default",)})
    facts = record.provenance.model_copy(update={"suite": SUITE, "suite_tasks": TYPES})
    return type(record)(record.ref, record.task_result, facts, record.examples)


@pytest.fixture
def run(tmp_path):
    store = RecordStore(tmp_path / "run" / "records")
    for task, score in SCORES.items():
        store.write(measured(task, score), {"name": "org/model"})
    return tmp_path / "run"


@pytest.fixture
def checkout(tmp_path):
    """Scores of two models; of one of them there are two revisions."""
    for model, revision in (("org__model", "1"), ("org__other", "1"), ("org__other", "2")):
        folder = tmp_path / "checkout" / "results" / model / revision
        folder.mkdir(parents=True)
        for task, score in SCORES.items():
            scores = {"main_score": score - 0.1, "cosine_spearman": score - 0.1}
            part = {"hf_subset": "default", "languages": ["eng-Latn"], **scores}
            result = {
                "task_name": task,
                "dataset_revision": "r",
                "mteb_version": "2.0.0",
                "evaluation_time": 1.0,
                "kg_co2_emissions": None,
                # The suite has the test split alone.
                "scores": {"test": [part], "validation": [part | {"main_score": 0.1}]},
            }
            (folder / f"{task}.json").write_text(json.dumps(result))
    return tmp_path / "checkout"


def report(capfd, *arguments):
    code = main(["report", *map(str, arguments)])
    printed = capfd.readouterr()
    return code, printed.out + printed.err


def test_measured_models_get_their_published_scores_beside_them(run, checkout, capfd):
    code, text = report(capfd, run, "--published", checkout)
    assert code == 0, text
    page = (run / "reports" / "leaderboard.md").read_text()
    (row,) = [line for line in page.splitlines() if "| published |" in line]
    # Of the test split, 0.82 − 0.1 and 0.7 − 0.1, and not of the other one.
    assert row.split(" | ")[2:4] == ["66.00", "66.00"]
    assert "72.00" in page and "60.00" in page


def test_other_models_are_named_with_their_revision(run, checkout, capfd):
    code, text = report(capfd, run, "--published", checkout, "--published-model", "org/other@2")
    assert code == 0, text
    page = (run / "reports" / "leaderboard.md").read_text()
    assert "other (repository)" in page
    assert "revision 2" in page


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--published-model", "org/other"], "give --published"),
        (["--published", "{c}", "--published-model", "org/other"], "org/other@REVISION"),
        (["--published", "{c}", "--published-model", "org/none"], "no published scores of"),
        (["--published", "{c}/results"], "none of the measured models (org/model)"),
    ],
)
def test_what_is_not_there_is_named(run, checkout, capfd, arguments, said):
    code, text = report(capfd, run, *(one.format(c=checkout) for one in arguments))
    assert code == 2
    assert said in " ".join(text.split())
    assert not (run / "reports").exists()


def test_examples_come_from_the_store_that_has_the_record(tmp_path):
    folders = [RecordStore(tmp_path / name) for name in "ab"]
    for store, model in zip(folders, ("org/one", "org/two"), strict=True):
        store.write(measured("SICK-R", 0.5, model), {"name": model})
    both = Stores(folders)
    assert [record.ref.model for record in both.records] == ["org/one", "org/two"]
    for record in both.records:
        assert len(both.examples(record)) == 5
    assert len(both.texts("SICK-R", "c" * 64)) == 0
