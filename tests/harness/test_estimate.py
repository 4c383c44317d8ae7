"""What `plan` expects, held against what a run then reads."""

import pytest

from harness.estimate import estimate
from harness.output import Output
from harness.plan import make_plan, resolve_run
from harness.spec import RunSpec
from tests.harness.test_views_run import run

TASKS = (
    "PerlFaqRetrieval",
    "WordNetSupersenseClassification",  # a sample is drawn
    "WordNetSupersenseClustering",  # the same texts
    "LeeDocumentSTS",
    "UdhrBitextMining",  # many scripts
)
PAGES = "PerlFaqRetrieval"
QUESTIONS = "DebianFaqCrossLingualRetrieval"  # several subsets


@pytest.fixture
def spec(tiny_model, tmp_path):
    def make(**more):
        cache = str(tmp_path / "cache")
        values = {"model": str(tiny_model), "views": ("dim=16",), "cache": cache, "workers": 0}
        return RunSpec(**(values | more))

    return make


def planned(folder, asked):
    output = Output(folder)
    return estimate(make_plan(resolve_run(asked), output.store), output.store)


def read(records, task=None):
    costs = [r.provenance.cost for place, r in records.items() if task in (None, place[0])]
    return sum(cost.encoded_texts for cost in costs), sum(cost.encoded_tokens for cost in costs)


def check(folder, asked):
    """The plan is that of the run, as a whole and task by task."""
    expected = planned(folder, asked)
    records = run(folder, asked)
    for row in expected.tasks:
        assert row.counted
        assert (row.texts, row.tokens) == pytest.approx(read(records, row.task), rel=0.1), row.task
    assert (expected.texts, expected.tokens) == pytest.approx(read(records), rel=0.1)
    return expected


def test_texts_and_tokens_of_every_type_are_those_that_a_run_reads(spec, tmp_path):
    """Samples are drawn, prompts and scripts counted, and then nothing is left to read."""
    asked = spec(tasks=TASKS)
    assert check(tmp_path / "run", asked).texts > 2000
    warm = planned(tmp_path / "again", asked)
    assert (warm.texts, warm.tokens) == (0, 0)
    assert warm.asked > 2000
    cold = planned(tmp_path / "again", asked.model_copy(update={"cache": "off"}))
    assert cold.texts > 2000


@pytest.mark.parametrize(
    ("task", "chunkings"),
    [
        (PAGES, ("late:fixed=16",)),
        (QUESTIONS, ("naive:fixed=16",)),
        (
            QUESTIONS,
            ("none", "late:fixed=16", "late:sentences=1", "naive:fixed=8", "naive:fixed=4"),
        ),
    ],
)
def test_tokens_of_chunks_are_those_that_a_run_reads(spec, tmp_path, task, chunkings):
    asked = spec(tasks=(task,), chunkings=chunkings)
    check(tmp_path / "run", asked)
    warm = planned(tmp_path / "again", asked)
    assert (warm.texts, warm.tokens) == (0, 0)
    # With one chunking more, every document is read again, for all of them.
    more = spec(tasks=(task,), chunkings=(*chunkings, "late:fixed=5"))
    assert planned(tmp_path / "again", more).texts > 0


def test_data_that_are_not_here_are_estimated_by_script_and_chunking(spec, tmp_path):
    """By their statistics, with the tokenizer's own tokens per character; no data are loaded."""

    def row(**more):
        asked = spec(suite="SciFact", **more)
        (found,) = planned(tmp_path / "run", asked).tasks
        assert not found.counted
        return found

    whole, late = row(), row(chunkings=("late:fixed=32",))
    both = row(chunkings=("late:fixed=32", "late:fixed=16"))
    naive = row(chunkings=("naive:fixed=32",))
    assert whole.texts == late.texts == both.texts == 5483
    assert whole.tokens < late.tokens == both.tokens
    assert whole.tokens < naive.tokens
    assert whole.seconds < late.seconds
