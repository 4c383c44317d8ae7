"""What each example adds to a metric that is not a mean over examples.

An example's contribution is the metric plus the example's influence on it: the derivative of the
metric by the example's weight (infinitesimal jackknife: Jaeckel 1972; Efron and Tibshirani, An
Introduction to the Bootstrap, 1993, chapter 21). The mean over the contributions is the metric, and
the variance of that mean is the metric's to first order, as the bootstrap finds it, without a
single resample.

For ranks see Croux and Dehon, Statistical Methods and Applications 19 (2010), here with ties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from results.stats.errors import StatisticsError

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Indices = npt.NDArray[np.int64]

__all__ = [
    "f1_contributions",
    "kendall_contributions",
    "precision_contributions",
    "spearman_contributions",
    "v_measure_contributions",
]

_CHUNK = 2**22
"""Pairs of examples that are compared at a time."""


def spearman_contributions(first: Floats, second: Floats) -> Floats:
    """Contributions to Spearman's correlation, ties having their middle rank.

    Args:
        first: Values, shape (n,).
        second: Likewise.

    Raises:
        StatisticsError: If all values of one of them are the same.
    """
    x, y = (_Ranked.of(values) for values in (first, second))
    sizes = [float((one.ranks**2).mean()) for one in (x, y)]
    if not all(sizes):
        raise StatisticsError("a correlation with values that are all the same")
    product = float((x.ranks * y.ranks).mean())
    # A weight moves the sum by its own term, and the ranks of all others.
    by_product = x.ranks * y.ranks + x.moved(y.ranks) + y.moved(x.ranks) - 3 * product
    by_size = [
        (one.ranks**2 + 2 * one.moved(one.ranks)) / size - 3
        for one, size in zip((x, y), sizes, strict=True)
    ]
    root = float(np.sqrt(sizes[0] * sizes[1]))
    correlation = product / root
    values: Floats = correlation + by_product / root - correlation * (by_size[0] + by_size[1]) / 2
    return values


@dataclass(frozen=True)
class _Ranked:
    """Values by their places: middle ranks between −½ and ½, the order, and where ties begin."""

    ranks: Floats
    order: Indices
    low: Indices
    high: Indices

    @classmethod
    def of(cls, values: Floats) -> _Ranked:
        order = np.argsort(values, kind="stable")
        ordered = values[order]
        low = np.searchsorted(ordered, values, side="left")
        high = np.searchsorted(ordered, values, side="right")
        return cls((low + high) / (2 * len(values)) - 0.5, order, low, high)

    def moved(self, other: Floats) -> Floats:
        """Mean over all j of other[j], where j ranks above i, half where they are tied.

        It is how i's weight moves the ranks of others, times what those count.
        """
        below = np.concatenate([[0.0], np.cumsum(other[self.order])])
        values: Floats = (below[-1] - (below[self.low] + below[self.high]) / 2) / len(other)
        return values


def precision_contributions(golds: Floats, found: Floats) -> Floats:
    """Contributions to average precision, ties coming in together.

    Args:
        golds: 1 for what should be found, else 0; shape (n,).
        found: How surely each is, shape (n,).

    Raises:
        StatisticsError: If nothing should be found.
    """
    positive = golds > 0
    if not positive.any():
        raise StatisticsError("average precision without a single positive example")
    order = np.argsort(-found, kind="stable")
    descending = -found[order]
    # Of each example, how many come up to and with it, and how many of these are right.
    before = np.searchsorted(descending, -found, side="left")
    upto = np.searchsorted(descending, -found, side="right")
    precision = np.concatenate([[0], np.cumsum(positive[order])])[upto] / upto
    total = positive.sum()
    average = float(precision[positive].mean())
    # What comes at or below k has k among what comes before it.
    share = np.concatenate([[0.0], np.cumsum((positive / upto)[order])])
    loss = np.concatenate([[0.0], np.cumsum((positive * precision / upto)[order])])
    below = np.where(positive, share[-1] - share[before], 0) - (loss[-1] - loss[before])
    values: Floats = average + len(golds) / total * (positive * (precision - average) + below)
    return values


def kendall_contributions(first: Floats, second: Floats) -> Floats:
    """Contributions to Kendall's tau-b.

    Args:
        first: Values, shape (n,).
        second: Likewise.

    Raises:
        StatisticsError: If all values of one of them are the same.
    """
    n = len(first)
    both, one, other = np.empty(n), np.empty(n), np.empty(n)
    rows = max(1, _CHUNK // n)
    for start in range(0, n, rows):
        part = slice(start, start + rows)
        signs = [np.sign(values[part, None] - values[None]) for values in (first, second)]
        both[part] = (signs[0] * signs[1]).mean(axis=1)
        one[part] = np.abs(signs[0]).mean(axis=1)
        other[part] = np.abs(signs[1]).mean(axis=1)
    agreed, sizes = float(both.mean()), [float(one.mean()), float(other.mean())]
    if not all(sizes):
        raise StatisticsError("a correlation with values that are all the same")
    root = float(np.sqrt(sizes[0] * sizes[1]))
    tau = agreed / root
    # Each of the three is a mean over pairs, so that a weight counts twice.
    moved = 2 * (both - agreed) / root
    moved -= tau * ((one - sizes[0]) / sizes[0] + (other - sizes[1]) / sizes[1])
    values: Floats = tau + moved
    return values


def f1_contributions(golds: Sequence[Any], found: Sequence[Any], *, weighted: bool) -> Floats:
    """Contributions to F1: its mean over labels, or weighted by how often each is right.

    Args:
        golds: A label an example, or a list of labels.
        found: Likewise.
        weighted: Which of the two.
    """
    numbers: dict[Any, int] = {}

    def pairs(values: Sequence[Any]) -> tuple[Indices, Indices]:
        """Rows and numbers of labels."""
        sets = [set(value) if isinstance(value, list) else {value} for value in values]
        rows = np.repeat(np.arange(len(sets)), [len(labels) for labels in sets])
        labels = [numbers.setdefault(one, len(numbers)) for one_set in sets for one in one_set]
        return rows, np.array(labels, dtype=np.int64)

    n = len(golds)
    right, given = pairs(golds), pairs(found)
    count = len(numbers)
    keys = [rows * count + labels for rows, labels in (right, given)]
    both_keys = np.intersect1d(keys[0], keys[1])
    hit = both_keys // count, both_keys % count
    of_gold, of_found, hits = (
        np.bincount(labels, minlength=count) for _, labels in (right, given, hit)
    )
    both = of_gold + of_found
    f1 = 2 * hits / both
    weights = of_gold / of_gold.sum() if weighted else np.full(count, 1 / count)
    score = float((weights * f1).sum())

    def summed(where: tuple[Indices, Indices], values: Floats) -> Floats:
        # Of nothing, the sums would be whole numbers.
        return np.asarray(np.bincount(where[0], values[where[1]], minlength=n), dtype=np.float64)

    lost: Floats = weights * f1 / both
    moved = summed(hit, 2 * weights / both) - summed(right, lost) - summed(given, lost)
    if weighted:
        moved = moved + summed(right, (f1 - score) / of_gold.sum())
    return score + n * moved


def v_measure_contributions(golds: npt.NDArray[Any], found: npt.NDArray[Any]) -> Floats:
    """Contributions to the V-measure.

    Args:
        golds: Number of the label of each example, shape (n,).
        found: That of its cluster.
    """
    (labels, rows), (clusters, columns) = (
        np.unique(values, return_inverse=True) for values in (golds, found)
    )
    cells, which = np.unique(rows * len(clusters) + columns, return_inverse=True)
    own = [
        -np.log(np.bincount(codes, minlength=size)[codes] / len(rows))
        for codes, size in ((rows, len(labels)), (columns, len(clusters)), (which, len(cells)))
    ]
    entropies = [float(one.mean()) for one in own]
    apart, joint = entropies[0] + entropies[1], entropies[2]
    if apart <= 0:  # one label in one cluster
        return np.ones(len(rows))
    moved = [one - entropy for one, entropy in zip(own, entropies, strict=True)]
    values: Floats = 2 - 2 * joint / apart - 2 * moved[2] / apart
    return values + 2 * joint * (moved[0] + moved[1]) / apart**2
