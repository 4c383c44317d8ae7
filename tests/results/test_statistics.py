"""Differences of means over examples: known answers, simulations, and scipy as the judge."""

import itertools
import tracemalloc
from math import comb

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from results.statistics import PairedDifference, StatisticsError, align, holm, paired_difference


def difference(differences, **options):
    differences = np.asarray(differences, dtype=float)
    return paired_difference(differences, np.zeros(len(differences)), **options)


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1, 1, 1], 2 / 8),
        ([1, 2, 4], 2 / 8),
        ([1, -2, 4], 6 / 8),  # sums of ±1±2±4 that are 3, 5 or 7 apart from 0
        ([1, 2, -4], 8 / 8),
        ([0, 0, 1, 2, 4], 2 / 8),
        ([1, 2, 4, *[0] * 5000], 2 / 8),
        ([0, 0, 0], 1),
        ([1, 1, -1, 0], 1),
        ([1] * 8 + [-1] * 2 + [0] * 90, 2 * (comb(10, 8) + 10 + 1) / 2**10),  # McNemar
        ([0.1, 0.2, -0.3, 0.7, 0.7], 10 / 32),
    ],
)
def test_small_cases_are_exact(differences, p):
    found = difference(differences)
    assert found.p == pytest.approx(p, rel=1e-12)
    assert found.mean == pytest.approx(np.mean(differences))
    assert found.n == len(differences)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=8))
@settings(deadline=None, max_examples=60)
def test_exact_p_is_that_of_all_signs_in_whole_numbers(pairs):
    whole = [first - second for first, second in pairs]
    # As tenths, equal differences and sums come out unequal in floating point.
    a, b = (np.array(side) / 10 for side in zip(*pairs, strict=True))
    observed = abs(sum(whole))
    sums = [
        abs(sum(sign * d for sign, d in zip(signs, whole, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(whole))
    ]
    exact = sum(s >= observed for s in sums) / len(sums)
    assert paired_difference(a, b, resamples=2 ** len(whole)).p == pytest.approx(exact)


def test_interval_of_two_examples_by_hand():
    # Resample means: 0 and 1 with chance 1/4 each, 1/2 with chance 1/2.
    assert difference([0, 1]) == PairedDifference(mean=0.5, low=0, high=1, p=1, n=2)
    # Of 40 equal ones and a single other, a resample lacks the other with chance 0.37.
    found = difference([0] * 40 + [41])
    assert (found.low, found.high) == (0, 3)


def test_never_zero_however_sure():
    assert 0 < difference(np.ones(9_000)).p < 1e-300
    assert difference(np.linspace(1, 2, 50), resamples=999).p == 1 / 1000


@pytest.mark.parametrize("kind", ["normal", "accuracy", "graded", "skewed"])
def test_interval_and_p_agree_with_scipy(kind):
    rng = np.random.default_rng(5)
    differences = {
        "normal": rng.normal(0.1, 1, size=80),
        "accuracy": rng.choice([-1.0, 0.0, 1.0], p=[0.1, 0.7, 0.2], size=300),
        "graded": rng.choice([-1, -0.5, 0, 0.5, 1], p=[0.2, 0.2, 0.1, 0.25, 0.25], size=300),
        "skewed": rng.exponential(size=60) - 0.8,
    }[kind]
    found = difference(differences, seed=1)
    interval = scipy.stats.bootstrap(
        (differences,), np.mean, n_resamples=20_000, method="percentile", rng=2
    ).confidence_interval
    test = scipy.stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=20_000, rng=3
    )
    # Five standard errors: of a quantile of 10,000 draws (about 0.027 of the spread), and of a
    # share of them.
    spread = differences.std() / len(differences) ** 0.5
    assert found.low == pytest.approx(interval.low, abs=0.17 * spread)
    assert found.high == pytest.approx(interval.high, abs=0.17 * spread)
    assert found.p == pytest.approx(test.pvalue, abs=5 * (test.pvalue / 8_000) ** 0.5)


@pytest.mark.parametrize("kind", ["normal", "accuracy"])
def test_interval_covers_the_true_difference_as_often_as_it_says(kind):
    rng = np.random.default_rng(11)
    covered = 0
    for seed in range(300):
        if kind == "normal":
            differences, truth = rng.normal(0.3, 1, size=50), 0.3
        else:
            differences = rng.choice([-1.0, 0.0, 1.0], p=[0.1, 0.6, 0.3], size=100)
            truth = 0.2
        found = difference(differences, seed=seed, resamples=1000)
        covered += found.low <= truth <= found.high
    assert 0.90 <= covered / 300 <= 0.99


@pytest.mark.parametrize("kind", ["normal", "accuracy", "graded", "ranks"])
def test_no_more_false_alarms_than_announced(kind):
    rng = np.random.default_rng(12)
    alarms = 0
    for seed in range(600):
        if kind == "normal":
            a, b = rng.normal(size=(2, 25))
        elif kind == "accuracy":
            a, b = (rng.random((2, 400)) < 0.7).astype(float)
        elif kind == "graded":
            a, b = rng.integers(3, size=(2, 300)) / 2
        else:
            a, b = 1 / rng.integers(1, 11, size=(2, 60))
        alarms += paired_difference(a, b, seed=seed, resamples=499).p <= 0.05
    # Accuracies have steps, so that their test may alarm less often.
    low = 0 if kind == "accuracy" else scipy.stats.binom.ppf(0.001, 600, 0.05)
    assert low <= alarms <= scipy.stats.binom.ppf(0.999, 600, 0.05)


@pytest.mark.parametrize("grades", [2, 4, 10**9], ids=["exact", "drawn together", "one by one"])
def test_same_seed_same_numbers_in_any_order_on_any_number_of_threads(grades):
    rng = np.random.default_rng(13)
    a, b = rng.integers(grades, size=(2, 3000)) / (grades - 1)
    first = paired_difference(a, b, resamples=500)
    order = rng.permutation(3000)
    assert paired_difference(a[order], b[order], resamples=500) == first
    for threads in (1, 2):
        with threadpool_limits(threads):
            assert paired_difference(a, b, resamples=500) == first
    other = paired_difference(a, b, resamples=500, seed=1)
    assert (other.low, other.high) != (first.low, first.high)
    back = paired_difference(b, a, resamples=500)
    assert (back.mean, back.p) == (-first.mean, first.p)


def test_memory_does_not_grow_with_the_resamples():
    a = np.random.default_rng(14).random(100_000)
    peaks = []
    for resamples in (20, 200):
        tracemalloc.start()
        difference(a, resamples=resamples)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0] < 60e6


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ([0.1, 0.2], [0.1], r"shapes \(2,\) and \(1,\)"),
        ([[0.1]], [[0.1]], r"both must be \(n,\)"),
        ([0.1, float("nan")], [0.1, 0.2], "score of example 1 is nan"),
        ([0.1, 0.2], [float("-inf"), 0.2], "score of example 0 is -inf"),
        ([0.1], [0.2], "1 examples; a comparison needs at least 2"),
        ([], [], "0 examples"),
    ],
)
def test_what_cannot_be_compared_is_named(a, b, said):
    with pytest.raises(StatisticsError, match=said):
        paired_difference(np.array(a), np.array(b))


def test_no_resamples_are_refused():
    with pytest.raises(StatisticsError, match="resamples 0"):
        difference([1, 2], resamples=0)


def test_scores_are_aligned_by_id():
    ids, a, b = align({"q2": 0.2, "q1": 0.1}, {"q1": 1.0, "q2": 2.0})
    assert ids == ("q1", "q2")
    assert (a.tolist(), b.tolist()) == ([0.1, 0.2], [1.0, 2.0])


def test_examples_of_one_model_only_are_named():
    scores = {f"q{i}": 0.5 for i in range(9)}
    fewer = dict.fromkeys(list(scores)[5:], 0.5)
    with pytest.raises(StatisticsError, match=r"5 of 9 .* second model, such as 'q0', 'q1', 'q2';"):
        align(scores, fewer)
    with pytest.raises(StatisticsError, match="5 of 9 examples have no score of the first model"):
        align(fewer, scores)


def closed_bonferroni(p_values):
    """Holm's method by its definition: the closed test of Bonferroni tests."""
    places = range(len(p_values))
    sets = [s for size in places for s in itertools.combinations(places, size + 1)]
    return [
        max(min(1, len(s) * min(p_values[j] for j in s)) for s in sets if i in s) for i in places
    ]


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.02, 0.02, 0.9]) == pytest.approx([0.06, 0.06, 0.9])
    assert holm([0.7, 0.6]) == (1, 1)
    assert holm([]) == ()


@given(st.lists(st.floats(0, 1) | st.sampled_from([0.01, 0.02, 0.5]), min_size=1, max_size=6))
def test_holm_is_the_closed_test(p_values):
    assert holm(p_values) == pytest.approx(closed_bonferroni(p_values))


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_holm_refuses_what_is_no_probability(p):
    with pytest.raises(StatisticsError, match=f"p-value {p}"):
        holm([0.5, p])
