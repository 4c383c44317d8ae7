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

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
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

_TEXTS = ("split", "subset", "id", "prediction", "gold")
_TOLERANCE = 1e-3
"""By how much the contributions' mean may miss the score; mteb rounds some of its scores."""

_OF_CLUSTERS = 0.05
"""Likewise for the V-measure: mteb draws texts with replacement, and how often is not kept."""


@dataclass(frozen=True)
class Contributions:
    """What n examples of a task add to its score, in the order of their splits, subsets and ids.

    Attributes:
        places: Digest of these; equal ones are of the same examples.
        groups: Number of the split and subset of each, shape (n,).
        values: Contributions, shape (n,); the score is the mean over the groups' means.
    """

    places: str
    groups: Indices
    values: Floats


@dataclass(frozen=True)
class _Part:
    """Examples of one split and subset."""

    ids: Sequence[str]
    golds: Sequence[Any]
    found: Sequence[Any]


def contributions(record: Record, table: pd.DataFrame) -> Contributions:
    """Take a record's score apart.

    Args:
        record: The record.
        table: Its examples, see `results.examples`.

    Raises:
        StatisticsError: If there are below two examples, or its score is none of those that can
            be taken apart: means, Spearman's correlation, average precision, F1 and V-measure.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    facts = record.provenance
    if len(table) < 2:
        raise StatisticsError(f"{len(table)} examples; noise needs at least 2")
    kinds = dict.fromkeys(_TEXTS, pa.large_string()) | {"score": pa.float64()}
    rows = pa.Table.from_pandas(table, pa.schema(list(kinds.items())), preserve_index=False)
    rows, between = rows.combine_chunks(), pa.scalar("\0", pa.large_string())
    parts = pc.binary_join_element_wise(rows["split"], rows["subset"], between)
    places = pc.binary_join_element_wise(parts, rows["id"], between)
    order = pc.sort_indices(places)
    rows = rows.take(order)
    groups = parts.take(order).combine_chunks().dictionary_encode().indices.to_numpy()
    digest = hashlib.sha256("\1".join(places.take(order).to_pylist()).encode()).hexdigest()
    if not rows["score"].null_count:
        values = rows["score"].to_numpy()
        if abs(_mean(values, groups) - facts.score) <= _TOLERANCE:
            return Contributions(digest, groups, values)
    metric = _metric(facts.task.main_score, facts.task.type)
    if metric is None or rows["prediction"].null_count or rows["gold"].null_count:
        raise StatisticsError(f"{facts.task.main_score} is no mean over examples")
    ids = rows["id"].to_pylist()
    # All at once: a task may have a hundred thousand.
    golds, found = (
        json.loads(f"[{','.join(rows[name].to_pylist())}]") for name in ("gold", "prediction")
    )
    ends = np.cumsum(np.bincount(groups)).tolist()
    values = np.concatenate(
        [
            metric(_Part(ids[start:end], golds[start:end], found[start:end]))
            for start, end in pairwise([0, *ends])
        ]
    )
    # mteb may have computed it otherwise, as over labels that are not kept.
    allowed = _OF_CLUSTERS if metric is _cluster_rows else _TOLERANCE
    if not abs(_mean(values, groups) - facts.score) <= allowed:
        raise StatisticsError(f"{facts.task.main_score} does not follow from these examples")
    return Contributions(digest, groups, values)


def difference_variance(first: Contributions, second: Contributions) -> float:
    """Variance of the difference between two scores on the same examples.

    Splits and subsets are the task's own and not drawn: only the examples within them are. One
    that is alone in its subset is held against all.

    Raises:
        StatisticsError: If they are of different examples.
    """
    if first.places != second.places:
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


def _metric(name: str, task_type: str) -> Callable[[_Part], Floats] | None:
    """How to take a metric apart, within one split and subset."""
    if name == "spearman" or name.endswith("_spearman"):
        return lambda part: spearman_contributions(*_numbers(part))
    if name == "ap" or name.endswith("_ap"):
        return lambda part: precision_contributions(*_numbers(part))
    if name == "v_measure":
        return _cluster_rows
    if name in ("f1", "f1_weighted"):
        weighted = name == "f1_weighted" or task_type == "BitextMining"
        return lambda part: _f1_rows(part, weighted=weighted)
    return None


def _numbers(part: _Part) -> tuple[Floats, Floats]:
    return np.array(part.golds, dtype=np.float64), np.array(part.found, dtype=np.float64)


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


def _f1_rows(part: _Part, *, weighted: bool) -> Floats:
    """Mean over experiments, where there are several; a label, or a list of labels, an example."""
    several = isinstance(part.found[0], list)
    experiments = list(zip(*part.found, strict=True)) if several else [part.found]
    values = [f1_contributions(part.golds, one, weighted=weighted) for one in experiments]
    return np.asarray(np.mean(values, axis=0))


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


def _cluster_rows(part: _Part) -> Floats:
    if isinstance(part.found[0], dict):
        return _by_level(part)
    names, sets = np.unique([one.partition("/")[0] for one in part.ids], return_inverse=True)
    golds, found = _codes(part.golds), _codes(part.found)
    values, total = np.empty(len(sets)), 0.0
    for number in range(len(names)):  # each counts the same, whatever its size
        here = sets == number
        own = v_measure_contributions(golds[here], found[here])
        total += float(own.mean())
        values[here] = (own - own.mean()) * len(sets) / (len(names) * len(own))
    return total / len(names) + values


def _by_level(part: _Part) -> Floats:
    """Mean over levels and experiments, each over the texts that were drawn for it."""
    total, count = np.zeros(len(part.golds)), 0
    for number, level in enumerate(part.found[0]):
        # Shape (texts, experiments); what was not drawn, null, becomes NaN.
        clusters = np.array([one[level] for one in part.found], dtype=np.float64)
        drawn = np.isfinite(clusters)
        labelled = np.asarray(drawn.any(axis=1))
        labels = np.full(len(part.golds), -1)
        labels[labelled] = _codes(
            [
                gold[number] if isinstance(gold, list) else gold
                for gold, has in zip(part.golds, labelled, strict=True)
                if has
            ]
        )
        for experiment in range(clusters.shape[1]):
            here = drawn[:, experiment]
            own = v_measure_contributions(labels[here], clusters[here, experiment])
            total += own.mean()
            total[here] += (own - own.mean()) * len(total) / len(own)
            count += 1
    return total / count


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


def _codes(values: Sequence[Any]) -> Indices:
    """A number for each value."""
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.int64)
