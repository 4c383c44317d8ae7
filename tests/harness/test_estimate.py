"""What `plan` expects, held against what a run then reads."""

import pytest

from harness.estimate import estimate
from harness.output import Output
from harness.plan import make_plan, resolve_run
from harness.spec import RunSpec
from tests.harness.test_views_run import run

SEARCHES = ("PerlFaqRetrieval", "DebianFaqReranking", "DebianFaqCrossLingualRetrieval")
OTHERS = (
    "WordNetSupersenseClassification",
    "WebFeaturesMultilabelClassification",
    "WordNetSupersenseClustering",
    "LeeDocumentSTS",
    "UdhrBitextMining",
)


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
    asked = spec(tasks=(*SEARCHES, *OTHERS))
    assert check(tmp_path / "run", asked).texts > 3000
    warm = planned(tmp_path / "again", asked)
    assert (warm.texts, warm.tokens) == (0, 0)
    assert warm.asked > 3000
    cold = planned(tmp_path / "again", asked.model_copy(update={"cache": "off"}))
    assert cold.texts > 3000


@pytest.mark.parametrize(
    "chunkings",
    [
        ("late:fixed=16",),
        ("naive:fixed=16",),
        ("none", "late:fixed=16", "late:sentences=1", "naive:fixed=8", "naive:sentences=2"),
    ],
)
def test_tokens_of_chunks_are_those_that_a_run_reads(spec, tmp_path, chunkings):
    check(tmp_path / "run", spec(tasks=SEARCHES, chunkings=chunkings))
    # Of what is cached nothing is read; one more chunking needs every document again.
    warm = planned(tmp_path / "again", spec(tasks=SEARCHES, chunkings=chunkings))
    assert (warm.texts, warm.tokens) == (0, 0)
    more = spec(tasks=SEARCHES[:1], chunkings=(*chunkings, "late:fixed=5"))
    check(tmp_path / "more", more)


def test_data_that_are_not_here_are_estimated_by_script_and_chunking(spec, tmp_path):
    """By their statistics, with the tokenizer's own tokens per character; no data are loaded."""

    def row(**more):
        asked = spec(suite="SciFact", model="minilm", views=("dim=384",), **more)
        (found,) = planned(tmp_path / "run", asked).tasks
        assert not found.counted
        return found

    whole, late = row(), row(chunkings=("late:fixed=64",))
    both = row(chunkings=("late:fixed=64", "late:fixed=32"))
    naive = row(chunkings=("naive:fixed=32",))
    assert whole.texts == late.texts == both.texts == 5483
    assert whole.tokens < late.tokens == both.tokens
    assert whole.tokens < naive.tokens
    assert whole.seconds < late.seconds
