"""Differences of metrics that are no means over examples."""

import itertools

import numpy as np
import pytest
import scipy.stats

from results.statistics import (
    StatisticsError,
    paired_difference,
    paired_metric_difference,
    paired_resample,
    paired_swap_test,
)


def ranks(values):
    return scipy.stats.rankdata(values)


class Correlation:
    """Pearson's correlation with gold values: Spearman's, for ranks."""

    def __init__(self, gold):
        self.gold = gold

    def __call__(self, indices, outputs):
        gold = self.gold[indices] - self.gold[indices].mean()
        outputs = outputs - outputs.mean()
        return float(gold @ outputs / np.sqrt((gold @ gold) * (outputs @ outputs)))


def mean(indices, outputs):
    return float(outputs.mean())


def similar(rng, gold, noise):
    return ranks(gold + rng.normal(0, noise, size=len(gold)))


def test_of_a_mean_it_is_the_difference_of_means():
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 9))
    expected = paired_difference(a, b)
    found = paired_metric_difference(a, b, mean)
    assert (found.mean, found.n) == (pytest.approx(expected.mean), 9)
    assert found.p == expected.p  # both exact
    spread = (a - b).std() / 3
    assert found.low == pytest.approx(expected.low, abs=0.17 * spread)
    assert found.high == pytest.approx(expected.high, abs=0.17 * spread)


def test_swaps_are_exact_where_they_are_few():
    rng = np.random.default_rng(2)
    gold = rng.random(7)
    a, b = similar(rng, gold, 0.2), similar(rng, gold, 0.5)
    metric, everything = Correlation(gold), np.arange(7)

    def swapped(choice):
        first = np.where(choice, b, a)
        return metric(everything, first) - metric(everything, a + b - first)

    observed = abs(swapped(np.zeros(7, dtype=bool)))
    outcomes = [
        abs(swapped(np.array(choice))) for choice in itertools.product((False, True), repeat=7)
    ]
    exact = np.mean([outcome >= observed - 1e-9 for outcome in outcomes])
    assert paired_metric_difference(a, b, metric, resamples=128).p == exact
    drawn = paired_metric_difference(a, b, metric, resamples=127).p
    assert drawn != exact
    assert paired_metric_difference(a, b, metric, resamples=127).p == drawn
    assert drawn == pytest.approx(exact, abs=0.2)


def test_a_better_model_is_found_and_every_number_repeats():
    rng = np.random.default_rng(3)
    gold = rng.random(150)
    a, b = similar(rng, gold, 0.1), similar(rng, gold, 0.4)
    found = paired_metric_difference(a, b, Correlation(gold), resamples=300)
    assert 0 < found.low < found.mean < found.high
    assert found.p == 1 / 301
    assert paired_metric_difference(a, b, Correlation(gold), resamples=300) == found
    assert paired_metric_difference(a, b, Correlation(gold), resamples=300, seed=1) != found


def test_no_more_false_alarms_than_announced():
    rng = np.random.default_rng(4)
    alarms = 0
    for seed in range(200):
        gold = rng.random(40)
        a, b = similar(rng, gold, 0.4), similar(rng, gold, 0.4)

        metric = Correlation(gold)

        def swapped(mask, a=a, b=b, metric=metric):
            first, second = np.where(mask, b, a), np.where(mask, a, b)
            return metric(slice(None), first), metric(slice(None), second)

        alarms += paired_swap_test(40, swapped, seed=seed, resamples=99) <= 0.05
    low, high = scipy.stats.binom.ppf([0.001, 0.999], 200, 0.05)
    assert low <= alarms <= high


def test_interval_covers_the_true_difference_as_often_as_it_says():
    rng = np.random.default_rng(5)
    covered = 0
    for seed in range(200):
        gold, first, second = rng.normal(size=(3, 80))
        a, b = gold + first, gold + 2 * second
        truth = 2**-0.5 - 5**-0.5  # correlations of a sum with its part
        metric = Correlation(gold)

        def both(indices, a=a, b=b, metric=metric):
            return metric(indices, a[indices]), metric(indices, b[indices])

        low, high = paired_resample(80, both, seed=seed, resamples=200)
        covered += low <= truth <= high
    assert 0.90 <= covered / 200 <= 0.99


def test_outputs_may_have_more_than_one_number_an_example():
    gold = np.array([0, 1, 1, 0, 1])
    a = np.eye(2)[gold]
    b = np.eye(2)[1 - gold]

    def accuracy(indices, outputs):
        return float((outputs.argmax(axis=1) == gold[indices]).mean())

    found = paired_metric_difference(a, b, accuracy)
    assert (found.mean, found.low, found.high, found.p) == (1, 1, 1, 2 / 32)


def test_a_metric_that_is_undefined_for_a_resample_is_an_error():
    gold = np.array([1.0, 0.0, 0.0])

    def precision(indices, outputs):
        hits = gold[indices]
        return float(outputs @ hits / hits.sum()) if hits.any() else float("nan")

    with pytest.raises(StatisticsError, match=r"nan and .*too few"):
        paired_metric_difference(np.ones(3), np.ones(3), precision)


def test_what_cannot_be_compared_is_named():
    with pytest.raises(StatisticsError, match=r"\(3,\) and \(2,\)"):
        paired_metric_difference(np.ones(3), np.ones(2), mean)
    with pytest.raises(StatisticsError, match="needs at least 2"):
        paired_resample(1, lambda indices: (0.0, 0.0))
    with pytest.raises(StatisticsError, match="resamples 0"):
        paired_swap_test(3, lambda mask: (0.0, 0.0), resamples=0)
