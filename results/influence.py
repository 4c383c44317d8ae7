"""What each example adds to a task's score: how far a score, or a difference of two, is chance.

Where a score is the mean over examples, an example's contribution is its own score. Else it is the
score plus the example's influence on it: the derivative of the score by the example's weight
(infinitesimal jackknife: Jaeckel 1972; Efron and Tibshirani, An Introduction to the Bootstrap,
1993, chapter 21). The mean over contributions is the score, and the variance of a mean over them
is that of the score to first order, as the bootstrap would find it, without a single resample.

Data, clusters and trained classifiers are taken as they are: the chance that is meant is which
examples were asked. For ranks see Croux and Dehon (2010), here with ties.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from results.record import Record
from results.statistics import StatisticsError

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]
    Indices = npt.NDArray[np.int64]

__all__ = ["Contributions", "contributions", "difference_variance"]

_PLACES = ["split", "subset", "id"]
_TOLERANCE = 1e-3
"""By how much the contributions' mean may miss the score; mteb rounds some of its scores."""

_OF_CLUSTERS = 0.05
"""Likewise for the V-measure: mteb draws texts with replacement, and how often is not kept."""


@dataclass(frozen=True)
class Contributions:
    """What n examples of a task add to its score.

    Attributes:
        places: A row an example: split, subset and id, sorted.
        groups: Number of the split and subset of each, shape (n,).
        values: Contributions, shape (n,); the score is the mean over the groups' means.
    """

    places: pd.DataFrame
    groups: Indices
    values: Floats


def contributions(record: Record, table: pd.DataFrame) -> Contributions:
    """Take a record's score apart.

    Args:
        record: The record.
        table: Its examples, see `results.examples`.

    Raises:
        StatisticsError: If there are below two examples, or its score is none of those that can
            be taken apart: means, Spearman's correlation, average precision, F1 and V-measure.
    """
    facts = record.provenance
    if len(table) < 2:
        raise StatisticsError(f"{len(table)} examples; noise needs at least 2")
    table = table.sort_values(_PLACES, ignore_index=True)
    groups: Indices = np.asarray(table.groupby(_PLACES[:2], sort=False).ngroup(), dtype=np.int64)
    if table["score"].notna().all():
        values = table["score"].to_numpy(dtype=np.float64)
        if abs(_mean(values, groups) - facts.score) <= _TOLERANCE:
            return Contributions(table[_PLACES], groups, values)
    metric = _metric(facts.task.main_score, facts.task.type)
    if metric is None or table["prediction"].isna().any() or table["gold"].isna().any():
        raise StatisticsError(f"{facts.task.main_score} is no mean over examples")
    values = np.empty(len(table))
    for group in range(int(groups.max()) + 1):
        here = groups == group
        values[here] = metric(table.loc[here])
    # mteb may have computed it otherwise, as over labels that are not kept.
    allowed = _OF_CLUSTERS if metric is _cluster_rows else _TOLERANCE
    if not abs(_mean(values, groups) - facts.score) <= allowed:
        raise StatisticsError(f"{facts.task.main_score} does not follow from these examples")
    return Contributions(table[_PLACES], groups, values)


def difference_variance(first: Contributions, second: Contributions) -> float:
    """Variance of the difference between two scores on the same examples.

    Splits and subsets are the task's own and not drawn: only the examples within them are. One
    that is alone in its subset is held against all.

    Raises:
        StatisticsError: If they are of different examples.
    """
    if len(first.values) != len(second.values) or not first.places.equals(second.places):
        raise StatisticsError("the two were scored on different examples")
    differences, groups = first.values - second.values, first.groups
    counts = np.bincount(groups)
    means = np.bincount(groups, differences) / counts
    alone = counts == 1
    spread = differences - np.where(alone, differences.mean(), means)[groups]
    squares = np.bincount(groups, spread**2) / np.where(alone, 1, counts - 1)
    return float((squares / counts).sum()) / len(counts) ** 2


def _mean(values: Floats, groups: Indices) -> float:
    """The mean over the means of groups."""
    return float((np.bincount(groups, values) / np.bincount(groups)).mean())


def _metric(name: str, task_type: str) -> Callable[[pd.DataFrame], Floats] | None:
    """How to take a metric apart, within one split and subset."""
    if name == "spearman" or name.endswith("_spearman"):
        return _spearman_rows
    if name == "ap" or name.endswith("_ap"):
        return _precision_rows
    if name == "v_measure":
        return _cluster_rows
    if name == "f1" and task_type == "BitextMining":
        return lambda rows: _f1_rows(rows, weighted=True)
    if name in ("f1", "f1_weighted"):
        return lambda rows: _f1_rows(rows, weighted=name == "f1_weighted")
    return None


def _parsed(column: pd.Series[str]) -> list[Any]:
    """Pieces of JSON, all at once."""
    values: list[Any] = json.loads(f"[{','.join(column)}]")
    return values


def _spearman_rows(rows: pd.DataFrame) -> Floats:
    golds, found = (np.array(_parsed(rows[name]), dtype=float) for name in ("gold", "prediction"))
    return spearman_contributions(golds, found)


def _precision_rows(rows: pd.DataFrame) -> Floats:
    golds, found = (np.array(_parsed(rows[name]), dtype=float) for name in ("gold", "prediction"))
    return precision_contributions(golds, found)


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


def _f1_rows(rows: pd.DataFrame, *, weighted: bool) -> Floats:
    """Mean over experiments, where there are several; a label, or a list of labels, an example."""
    golds, found = _parsed(rows["gold"]), _parsed(rows["prediction"])
    several = isinstance(found[0], list)
    experiments = list(zip(*found, strict=True)) if several else [found]
    values = [f1_contributions(golds, list(one), weighted=weighted) for one in experiments]
    return np.mean(values, axis=0) if values else np.full(len(rows), np.nan)


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


def _cluster_rows(rows: pd.DataFrame) -> Floats:
    golds, found = _parsed(rows["gold"]), _parsed(rows["prediction"])
    if isinstance(found[0], dict):
        return _by_level(golds, found)
    sets = rows["id"].str.partition("/")[0].to_numpy()
    names = np.unique(sets)
    values, total = np.empty(len(rows)), 0.0
    for name in names:  # each counts the same, whatever its size
        here = np.flatnonzero(sets == name)
        own = v_measure_contributions([golds[i] for i in here], [found[i] for i in here])
        total += float(own.mean())
        values[here] = (own - own.mean()) * len(rows) / (len(names) * len(here))
    return np.asarray(total / len(names) + values)


def _by_level(golds: Sequence[Any], found: Sequence[dict[str, Any]]) -> Floats:
    """Mean over levels and experiments, each over the texts that were drawn for it."""
    total, count = np.zeros(len(golds)), 0
    for number, level in enumerate(found[0]):
        for clusters in zip(*(one[level] for one in found), strict=True):
            here = [row for row, cluster in enumerate(clusters) if cluster is not None]
            labels = [golds[i][number] if isinstance(golds[i], list) else golds[i] for i in here]
            own = v_measure_contributions(labels, [clusters[i] for i in here])
            score = float(own.mean())
            total += score
            total[here] += (own - score) * len(golds) / len(here)
            count += 1
    return total / count


def v_measure_contributions(golds: Sequence[Any], found: Sequence[Any]) -> Floats:
    """Contributions to the V-measure.

    Args:
        golds: A label an example.
        found: The cluster of each.
    """
    rows, labels = _codes(golds)
    columns, clusters = _codes(found)
    cells, which = np.unique(rows * clusters + columns, return_inverse=True)
    own = [
        -np.log(np.bincount(codes, minlength=size)[codes] / len(golds))
        for codes, size in ((rows, labels), (columns, clusters), (which, len(cells)))
    ]
    entropies = [float(one.mean()) for one in own]
    apart, joint = entropies[0] + entropies[1], entropies[2]
    if apart <= 0:  # one label in one cluster
        return np.ones(len(golds))
    moved = [one - entropy for one, entropy in zip(own, entropies, strict=True)]
    values: Floats = 2 - 2 * joint / apart - 2 * moved[2] / apart
    return values + 2 * joint * (moved[0] + moved[1]) / apart**2


def _codes(values: Sequence[Any]) -> tuple[Indices, int]:
    """A number for each value, and how many there are."""
    numbers: dict[Any, int] = {}
    codes = np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.int64)
    return codes, len(numbers)
