"""The sign-flip test: known answers, simulations, and scipy as the judge."""

import itertools
from math import comb

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from results.stats.errors import StatisticsError
from results.stats.sign_flip import confidence_interval, flip_p_value, smallest_p_value


def p_value(differences):
    return flip_p_value(np.asarray(differences, dtype=float))


def interval(differences):
    differences = np.asarray(differences, dtype=float)
    spread = differences.std() / np.sqrt(len(differences))
    return confidence_interval(
        lambda other: (differences - other) / len(differences), differences.mean(), spread
    )


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1, 1, 1], 2 / 8),
        ([1, 2, 4], 2 / 8),
        ([1, -2, 4], 6 / 8),  # sums of ±1±2±4 that are 3, 5 or 7 away from 0
        ([1, 2, -4], 8 / 8),
        ([0, 0, 1, 2, 4], 2 / 8),
        ([1, 2, 4, *[0] * 5000], 2 / 8),
        ([0, 0, 0], 1),
        ([1, 1, -1, 0], 1),
        ([1] * 8 + [-1] * 2 + [0] * 90, 2 * (comb(10, 8) + 10 + 1) / 2**10),  # McNemar
        ([0.1, 0.2, -0.3, 0.7, 0.7], 10 / 32),
        ([], 1),
    ],
)
def test_small_cases_are_exact(differences, p):
    assert p_value(differences) == pytest.approx(p, rel=1e-12)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=10))
@settings(deadline=None, max_examples=60)
def test_exact_p_is_that_of_all_signs_in_whole_numbers(pairs):
    whole = [first - second for first, second in pairs]
    # As tenths, equal differences and sums come out unequal in floating point.
    a, b = (np.array(side) / 10 for side in zip(*pairs, strict=True))
    sums = [
        abs(sum(sign * d for sign, d in zip(signs, whole, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(whole))
    ]
    exact = sum(s >= abs(sum(whole)) for s in sums) / len(sums)
    assert p_value(a - b) == pytest.approx(exact)


def test_mcnemar_is_scipys_binomial_test_for_any_number_of_pairs():
    for better, worse in ((3, 17), (90, 120), (2_100, 2_300), (30_000, 30_500)):
        differences = [1] * better + [-1] * worse + [0] * 1000
        exact = scipy.stats.binomtest(better, better + worse).pvalue
        assert p_value(differences) == pytest.approx(exact, rel=1e-9)


def test_never_zero_however_sure():
    assert 0 < p_value(np.ones(9_000)) < 1e-300
    assert 0 < p_value(np.linspace(1, 2, 3000)) < 1e-300
    assert p_value(np.linspace(1, 2, 40)) == pytest.approx(2.0**-39, rel=1e-6, abs=0)


@pytest.mark.parametrize("n", [30, 60, 300])
@pytest.mark.parametrize("kind", ["normal", "skewed", "tenths", "graded", "few are large"])
def test_p_is_that_of_a_million_flips(kind, n):
    rng = np.random.default_rng(5)
    differences = {
        "normal": rng.normal(0.25, 1, size=n),
        "skewed": rng.exponential(size=n) - 0.7,
        "tenths": np.round(rng.normal(0.05, 0.3, size=n), 1),
        "graded": rng.choice([-1, -0.5, 0, 0.5, 1], p=[0.2, 0.2, 0.1, 0.2, 0.3], size=n),
        "few are large": np.where(np.arange(n) < 8, 6.0, 1) * rng.normal(0.3, 1, size=n),
    }[kind]
    least = abs(differences.sum()) - 1e-9
    hits = sum(
        int((np.abs((rng.integers(0, 2, (20_000, n)) * 2 - 1) @ differences) >= least).sum())
        for _ in range(10)
    )
    p = p_value(differences)
    assert p == pytest.approx(hits / 200_000, rel=0.03, abs=5 * (p / 200_000) ** 0.5)


def test_the_tail_is_right_where_no_resampling_reaches():
    """Ten levels with thousands of units: exact by convolution of binomials."""
    rng = np.random.default_rng(8)
    whole = rng.choice([-3, -1, 0, 1, 2, 3], p=[0.1, 0.2, 0.2, 0.2, 0.2, 0.1], size=2000)
    counts = np.bincount(np.abs(whole))
    chances = np.ones(1)
    for size, count in enumerate(counts):
        for _ in range(int(count) if size else 0):
            step = np.zeros(2 * size + 1)
            step[0] = step[-1] = 0.5
            chances = np.convolve(chances, step)
    sums = np.arange(len(chances)) - (len(chances) - 1) // 2
    exact = chances[np.abs(sums) >= abs(whole.sum())].sum()
    assert exact < 1e-6
    assert p_value(whole / 7) == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize("kind", ["normal", "accuracy", "skewed"])
def test_interval_covers_the_true_difference_as_often_as_it_says(kind):
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(400):
        if kind == "normal":
            differences, truth = rng.normal(0.3, 1, size=50), 0.3
        elif kind == "accuracy":
            differences = rng.choice([-1.0, 0.0, 1.0], p=[0.1, 0.6, 0.3], size=100)
            truth = 0.2
        else:
            differences, truth = rng.exponential(size=200), 1.0
        low, high = interval(differences)
        covered += low <= truth <= high
    assert 0.92 <= covered / 400 <= 0.98


@given(
    st.lists(st.integers(-6, 6), min_size=6, max_size=60),
    st.sampled_from([1.0, 0.1, 1 / 3]),
)
@settings(deadline=None, max_examples=80)
def test_the_interval_leaves_out_zero_exactly_if_the_test_is_significant(whole, scale):
    differences = np.array(whole) * scale
    low, high = interval(differences)
    assert low <= differences.mean() + 1e-12 and differences.mean() - 1e-12 <= high
    assert (low <= 0 <= high) == (p_value(differences) >= 0.05)


def test_too_few_units_have_no_interval():
    assert interval([1.0, 2.0, 3.0, 4.0, 5.0]) is None
    assert smallest_p_value(5) == 2 / 32
    assert interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) is not None


@pytest.mark.parametrize("grades", [2, 4, 10**9], ids=["exact", "lattice", "continuous"])
def test_same_numbers_in_any_order_on_any_number_of_threads(grades):
    rng = np.random.default_rng(13)
    a, b = rng.integers(grades, size=(2, 3000)) / (grades - 1)
    first = p_value(a - b)
    order = rng.permutation(3000)
    assert p_value((a - b)[order]) == pytest.approx(first, rel=1e-9)
    for threads in (1, 2):
        with threadpool_limits(threads):
            assert p_value(a - b) == first
    assert p_value(b - a) == first


def test_what_is_no_number_is_named():
    with pytest.raises(StatisticsError, match="the contribution of unit 1 is nan"):
        p_value([0.1, float("nan")])
