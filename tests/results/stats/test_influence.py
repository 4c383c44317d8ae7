import json

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr
from sklearn.metrics import average_precision_score, f1_score, v_measure_score

from results.examples import ExampleRows, examples_table
from results.record import Record
from results.stats.contributions import contributions
from results.stats.errors import StatisticsError
from results.stats.influence import (
    f1_contributions,
    kendall_contributions,
    precision_contributions,
    spearman_contributions,
    v_measure_contributions,
)
from tests.results.factories import make_record

N = 600
RNG = np.random.default_rng(1)
QUALITY = RNG.normal(size=N)
RATINGS = np.round(np.clip(QUALITY + 2.5, 0, 5))
SIMILARITY = np.round(QUALITY + RNG.normal(size=N), 1)  # with ties
LABELS = RNG.integers(0, 5, N)
GUESSES = np.where(RNG.random(N) < 0.6, LABELS, RNG.integers(0, 5, N))

METRICS = {
    "spearman": (
        spearman_contributions,
        lambda a, b: spearmanr(a, b).statistic,
        RATINGS,
        SIMILARITY,
    ),
    "kendall": (
        kendall_contributions,
        lambda a, b: kendalltau(a, b).statistic,
        RATINGS,
        SIMILARITY,
    ),
    "ap": (
        precision_contributions,
        average_precision_score,
        (QUALITY > 0.3).astype(float),
        SIMILARITY,
    ),
    "v_measure": (v_measure_contributions, v_measure_score, LABELS, GUESSES),
    "f1 macro": (
        lambda a, b: f1_contributions(a, b, weighted=False),
        lambda a, b: f1_score(a, b, average="macro"),
        LABELS,
        GUESSES,
    ),
    "f1 weighted": (
        lambda a, b: f1_contributions(a, b, weighted=True),
        lambda a, b: f1_score(a, b, average="weighted"),
        LABELS,
        GUESSES,
    ),
}


@pytest.mark.parametrize("name", list(METRICS))
def test_contributions_are_the_score_and_what_leaving_an_example_out_moves(name):
    taken_apart, metric, golds, found = METRICS[name]
    values = taken_apart(golds, found)
    score = metric(golds, found)
    assert values.mean() == pytest.approx(score, abs=1e-12)
    for row in range(0, N, 40):
        rest = np.arange(N) != row
        without = metric(golds[rest], found[rest])
        assert (score - without) * (N - 1) == pytest.approx(values[row] - score, abs=0.02, rel=0.05)


@pytest.mark.parametrize("name", list(METRICS))
def test_the_variance_is_the_bootstraps(name):
    taken_apart, metric, golds, found = METRICS[name]
    drawn = np.random.default_rng(2).integers(0, N, (300, N))
    bootstrap = np.std([metric(golds[rows], found[rows]) for rows in drawn])
    assert taken_apart(golds, found).std() / np.sqrt(N) == pytest.approx(bootstrap, rel=0.2)


def test_f1_of_several_labels_is_scikit_learns():
    golds = [[int(a), int(b)] for a, b in zip(LABELS, GUESSES, strict=True)]
    found = [[int(a)] for a in LABELS]
    binary = [
        np.array([[label in row for label in range(5)] for row in rows]) for rows in (golds, found)
    ]
    values = f1_contributions(golds, found, weighted=False)
    assert values.mean() == pytest.approx(f1_score(*binary, average="macro"), abs=1e-12)


def record(metric, score, table, kind="STS"):
    plain = make_record(score)
    task = plain.provenance.task.model_copy(update={"main_score": metric, "type": kind})
    return Record(
        plain.ref, plain.task_result, plain.provenance.model_copy(update={"task": task})
    ), table


def texts(values):
    return [json.dumps(value) for value in values]


def rows(scores=None, predictions=None, golds=None, subset="default"):
    n = len(golds if scores is None else scores)
    return "test", subset, ExampleRows(np.arange(n), scores, predictions, golds)


def test_the_order_of_the_rows_does_not_matter():
    scores = [0.1, 0.5, 0.9, 0.3]
    table = examples_table([rows(scores)])
    one = contributions(*record("ndcg_at_10", 0.45, table))
    other = contributions(*record("ndcg_at_10", 0.45, table[::-1]))
    assert (one.places, one.values.tolist()) == (other.places, other.values.tolist())


def test_clusters_of_several_draws_and_levels():
    golds = [["a", "x"], ["a", "y"], ["b", "y"], ["b", "x"]] * 5
    first = [0, 0, 1, None] * 5
    found = [{"Level 0": [one, 1 - i % 2], "Level 1": [i % 3, 0]} for i, one in enumerate(first)]
    drawn = [i for i, one in enumerate(first) if one is not None]
    score = np.mean(
        [
            v_measure_score([golds[i][0] for i in drawn], [first[i] for i in drawn]),
            v_measure_score([gold[0] for gold in golds], [1 - i % 2 for i in range(20)]),
            v_measure_score([gold[1] for gold in golds], [i % 3 for i in range(20)]),
            v_measure_score([gold[1] for gold in golds], [0] * 20),
        ]
    )
    table = examples_table([rows(None, texts(found), texts(golds))])
    values = contributions(*record("v_measure", score, table, "Clustering")).values
    assert values.mean() == pytest.approx(score, abs=1e-12)


def test_sets_of_texts_count_the_same_whatever_their_sizes():
    sets = {"0": (list("aabb"), [0, 0, 1, 1]), "1": (list("abababab"), [0, 0, 0, 0, 1, 1, 1, 2])}
    score = np.mean([v_measure_score(*pair) for pair in sets.values()])
    ids = [f"{name}/{place}" for name, (golds, _) in sets.items() for place in range(len(golds))]
    golds = [gold for pair in sets.values() for gold in pair[0]]
    found = [cluster for pair in sets.values() for cluster in pair[1]]
    part = ("test", "default", ExampleRows(ids, None, texts(found), texts(golds)))
    values = contributions(*record("v_measure", score, examples_table([part]), "Clustering")).values
    assert values.mean() == pytest.approx(score, abs=1e-12)


def test_f1_of_pairs_in_two_languages():
    found = [0, 1, 1, 3, 0]
    score = f1_score(range(5), found, average="weighted")
    table = examples_table([rows([1.0, 1, 0, 1, 0], texts(found), texts(range(5)))])
    values = contributions(*record("f1", score, table, "BitextMining")).values
    assert values.mean() == pytest.approx(score, abs=1e-12)


def test_clusters_of_texts_drawn_twice_are_near_enough():
    golds, found = ["a", "a", "b", "b"] * 5, [{"Level 0": [i % 4 // 3]} for i in range(20)]
    table = examples_table([rows(None, texts(found), texts(golds))])
    score = v_measure_score(golds, [one["Level 0"][0] for one in found])
    near = contributions(*record("v_measure", score + 0.03, table, "Clustering"))
    assert len(near.values) == 20
    with pytest.raises(StatisticsError, match="v_measure does not follow"):
        contributions(*record("v_measure", score + 0.3, table, "Clustering"))


@pytest.mark.parametrize(
    ("metric", "score", "table", "said"),
    [
        ("p-MRR", 0.5, [rows(golds=["{}"] * 3)], "no per-example test for p-MRR"),
        (
            "cosine_spearman",
            0.9,
            [rows(None, texts([1, 3, 2]), texts([1, 2, 3]))],
            "does not follow",
        ),
        ("ap", 0.9, [rows(None, texts([1, 3, 2]), texts([0, 0, 0]))], "without a single positive"),
        ("spearman", 0.9, [rows(None, texts([1, 1, 1]), texts([0, 1, 2]))], "all the same"),
        ("ndcg_at_10", 0.9, [rows([0.9])], "1 examples; a test needs at least 2"),
    ],
)
def test_what_cannot_be_taken_apart_says_why(metric, score, table, said):
    with pytest.raises(StatisticsError, match=said):
        contributions(*record(metric, score, examples_table(table)))


def test_f1_where_nothing_is_right_is_nothing():
    assert list(f1_contributions([0, 1], [2, 3], weighted=False)) == [0, 0]
