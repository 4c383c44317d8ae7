"""Which examples of a task are drawn together, found from its data."""

import json

import numpy as np
import pandas as pd
import pytest

from harness.evaluation import evaluate_task
from harness.example_units import ExampleUnits
from harness.jobs import LoadedTask
from harness.p_mrr import p_mrr_by_query
from harness.subqueries import scores_over_subqueries
from results.stats.units import Design, sample_of
from tasks.loading import load_fresh
from tasks.suites import get_suite
from tests.results.factories import make_record
from tests.tasks.encoders import RandomEncoder

STARTER = {task.metadata.name: task for task in get_suite("starter").tasks()}


def units_of(name):
    """Number of independent units of a starter task, and of examples."""
    loaded = LoadedTask.of(load_fresh(STARTER[name], 42))
    found = evaluate_task(loaded.copy(42), RandomEncoder(16), loaded.expected)
    table = ExampleUnits(loaded.task).add(found.examples)
    return Design([sample_of(make_record(), table)], [1.0]).units, len(table)


@pytest.mark.parametrize(
    ("task", "units", "examples"),
    [
        ("LeeDocumentSTS", 50, 1225),  # documents of all their pairs
        ("UdhrBitextMining", 30, 870),  # paragraphs in 29 languages
        ("DebianFaqRetrieval", 66, 660),  # questions in ten languages
        ("DebianFaqCrossLingualRetrieval", 66, 594),
        ("SyntheticPasskeyRetrieval", 12, 72),  # queries at six lengths
        ("PerlFaqRetrieval", 150, 150),
    ],
)
def test_units_of_the_starter_suite(task, units, examples):
    assert units_of(task) == (units, examples)


class Lookup:
    """Texts by subset and row."""

    def __init__(self, texts, side="text"):
        self._texts, self._side = texts, side

    def sides(self, subset):
        return (self._side, "document") if self._side == "query" else (self._side,)

    def texts(self, split, subset, side, ids):
        return [self._texts[subset][row] for row in range(len(ids))]


def keys(texts, golds=None, *, ids=None, side="text"):
    """The keys of each example, by subset."""
    rows = [
        ("test", subset, str(row) if ids is None else ids[subset][row], golds[subset][row])
        if golds
        else ("test", subset, str(row) if ids is None else ids[subset][row], '"x"')
        for subset, some in texts.items()
        for row in range(len(some))
    ]
    table = pd.DataFrame(rows, columns=["split", "subset", "id", "gold"])
    units = ExampleUnits.__new__(ExampleUnits)
    units._lookup, units._known, units._has_parts = Lookup(texts, side), None, False
    found = units.add(table)["units"].map(lambda one: set(one.split())).tolist()
    ends = np.cumsum([len(some) for some in texts.values()])
    return dict(
        zip(
            texts,
            (found[end - len(some) : end] for end, some in zip(ends, texts.values(), strict=True)),
            strict=True,
        )
    )


def test_a_repeated_text_links_its_examples_whatever_white_space_is_around_it():
    (found,) = keys({"default": ["one", " one\n", "two"]}).values()
    assert found[0] == found[1] and not found[0] & found[2]


def test_subsets_of_the_same_labels_row_by_row_are_translations():
    texts = {"en": ["a", "b", "c"], "de": ["d", "e", "f"], "fr": ["g", "h", "i"]}
    golds = {"en": ["1", "2", "1"], "de": ["1", "2", "1"], "fr": ["2", "2", "1"]}
    found = keys(texts, golds)
    for row in range(3):
        assert found["en"][row] & found["de"][row]
        assert not found["en"][row] & found["fr"][row]
    assert not found["en"][0] & found["de"][1]


def test_rows_are_no_evidence_where_texts_show_what_is_parallel():
    """Of one language a paragraph is missing: rows would link others than the texts."""
    texts = {"de-en": ["p1", "p2", "p3", "p4"], "cs-en": ["p1", "p3", "p4", "p5"]}
    golds = {name: ["0", "1", "2", "3"] for name in texts}
    found = keys(texts, golds)
    assert found["de-en"][2] == found["cs-en"][1]
    assert not found["de-en"][1] & found["cs-en"][1]


def test_queries_are_linked_by_id_and_by_their_only_document():
    texts = {"short": ["a", "b"], "long": ["c", "d"]}
    ids = {"short": ["q1", "q2"], "long": ["q1", "q3"]}
    golds = {"short": ['{"d1": 1}', '{"d2": 1}'], "long": ['{"d3": 1, "d4": 1}', '{"d2": 2}']}
    found = keys(texts, golds, ids=ids, side="query")
    assert found["short"][0] & found["long"][0]
    assert found["short"][1] & found["long"][1]
    assert not found["short"][0] & found["short"][1]


def test_keys_are_too_short_to_tell_a_text():
    (found,) = keys({"default": ["a private text"]}).values()
    assert all(len(key) == 8 and int(key, 16) < 2**32 for key in found[0])


def mtebs_p_mrr(judged, results, changed):
    from mteb._evaluators.retrieval_metrics import evaluate_p_mrr_change

    return evaluate_p_mrr_change(judged, results, changed, [1, 10])["p-MRR"]


def test_p_mrr_by_query_has_mtebs_mean():
    rng = np.random.default_rng(0)
    documents = [f"d{n}" for n in range(12)]
    judged, results, changed = {}, {}, {}
    for number in range(20):
        relevant = rng.choice(documents, 4, replace=False).tolist()
        lost = relevant[: int(rng.integers(1, 4))]
        judged[f"q{number}-og"] = dict.fromkeys(relevant, 1)
        judged[f"q{number}-changed"] = {name: int(name not in lost) for name in relevant}
        changed[f"q{number}"] = lost
        for form in ("og", "changed"):
            scores = np.round(rng.random(12), 1)  # with ties
            results[f"q{number}-{form}"] = dict(zip(documents, scores.tolist(), strict=True))
    score = mtebs_p_mrr(judged, results, changed)
    found = p_mrr_by_query(list(judged), judged, results, score)
    assert found.mean() == pytest.approx(score, abs=1e-12)
    assert len(set(found.tolist())) > 10
    assert json.dumps(found[0]) == json.dumps(found[1])  # both forms of a query
    # Judgements that do not tell what changed give no scores rather than wrong ones.
    assert p_mrr_by_query(list(judged), judged, results, score + 0.1) is None


def test_scores_over_subqueries_have_mtebs_mean():
    from mteb._evaluators.retrieval_metrics import max_over_subqueries

    rng = np.random.default_rng(1)
    documents = [f"d{n}" for n in range(15)]
    judged, results = {}, {}
    for number in range(12):
        relevant = dict.fromkeys(rng.choice(documents, 3, replace=False).tolist(), 1)
        for part in range(int(rng.integers(1, 5))):
            name = f"user_{number}_{part}"
            judged[name] = relevant
            scores = np.round(rng.random(15), 1).tolist()
            results[name] = dict(zip(documents, scores, strict=True))
    metric = "max_over_subqueries_map_at_1000"
    score = max_over_subqueries(judged, results, [1, 10, 1000])[metric]
    found = scores_over_subqueries(list(judged), judged, results, "map_cut_1000", score)
    assert found.mean() == pytest.approx(score, abs=1e-5)
    assert len(found) == len(judged) > 20
    other = scores_over_subqueries(list(judged), judged, results, "map_cut_1000", score + 0.1)
    assert other is None
