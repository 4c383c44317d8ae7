"""Independent units: which examples of a task, or of several, are drawn together.

Examples are often not independent: pairs share a document, the same paragraph is asked in thirty
languages, a text occurs twice, two tasks are made of the same questions. Each example names what it
shares by keys (`results.examples`). Examples that share a key, directly or through others, are one
cluster, and a test draws clusters.

Where sharing links most of a task into one cluster, as with all pairs of fifty documents, the keys
themselves are the units, and the variance counts every two examples that share one (Fafchamps and
Gubert, Journal of Development Economics 83, 2007; Cameron and Miller, Journal of Human Resources
50, 2015, section IV). It is a little low for few units, since means are subtracted; it is divided
by (1 - s)², where s is the share of the pairs of examples that share a key. With that, the rate of
false alarms stays near its nominal level in simulations (docs/comparing.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from results.stats.contributions import example_places

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    from results.record import Record

    Floats = npt.NDArray[np.float64]
    Indices = npt.NDArray[np.int64]

__all__ = ["Design", "Reduced", "Sample", "sample_of"]

SEARCHES = ("Retrieval", "Reranking", "InstructionRetrieval", "InstructionReranking")

_LARGE = 0.02
"""Share of the weight from which on a cluster is taken apart into its keys."""

_MOST_PAIRS = 3 * 10**7
"""Pairs of examples sharing a key that are counted exactly."""


@dataclass(frozen=True)
class Sample:
    """The examples of one task, without anybody's scores.

    Attributes:
        places: Digest of their splits, subsets and ids.
        groups: Number of the split and subset of each, shape (n,).
        rows: For each mention of a key, the example, shape (m,).
        keys: And the key, shape (m,).
    """

    places: str
    groups: Indices
    rows: Indices
    keys: npt.NDArray[np.uint64]


def sample_of(record: Record, table: pd.DataFrame) -> Sample:
    """The examples of a record, in the order of `contributions`.

    Args:
        record: The record.
        table: Its examples. Records from before keys were kept have none; then queries of the same
            id are one unit, and all else is independent.
    """
    order, groups, places = example_places(table)
    known = "units" in table and table["units"].notna().any()
    if known:
        names = table["units"].to_numpy(dtype=object)[order]
        split = [name.split() if isinstance(name, str) else () for name in names]
        rows = np.repeat(np.arange(len(split)), [len(keys) for keys in split])
        keys = np.array([int(key, 16) for keys in split for key in keys], dtype=np.uint64)
    elif record.provenance.task.type in SEARCHES:
        _, numbers = np.unique(table["id"].to_numpy(dtype=str)[order], return_inverse=True)
        # Above the 32 bits of keys, so that no query is taken for a text.
        rows, keys = np.arange(len(order)), numbers.astype(np.uint64) + np.uint64(2**32)
    else:
        rows, keys = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.uint64)
    return Sample(places, groups, rows.astype(np.int64), keys)


@dataclass(frozen=True)
class Reduced:
    """A weighted mean of tasks' scores of one model, and what each unit adds to its spread.

    Attributes:
        mean: The mean.
        clusters: Weighted contributions by cluster, less the means of their subsets, shape (c,).
        webs: For each cluster that is taken apart, the same by example.
    """

    mean: float
    clusters: Floats
    webs: tuple[Floats, ...]

    def __add__(self, other: Reduced) -> Reduced:
        webs = tuple(a + b for a, b in zip(self.webs, other.webs, strict=True))
        return Reduced(self.mean + other.mean, self.clusters + other.clusters, webs)

    def __sub__(self, other: Reduced) -> Reduced:
        webs = tuple(a - b for a, b in zip(self.webs, other.webs, strict=True))
        return Reduced(self.mean - other.mean, self.clusters - other.clusters, webs)


class Design:
    """Which units a weighted mean over tasks is made of. Says nothing of any model."""

    def __init__(
        self, samples: Sequence[Sample], weights: Sequence[float], most: int | None = None
    ) -> None:
        """Find the clusters.

        Args:
            samples: The tasks' examples.
            weights: Each task's weight in the mean.
            most: The largest number of clusters to tell apart; any two are joined beyond it, which
                costs nothing where they are many. None for no limit.
        """
        self._samples, self._weights = samples, weights
        self._starts = np.cumsum([0, *(len(one.groups) for one in samples)])
        self._of_example = np.concatenate(
            [w * _example_weights(one.groups) for one, w in zip(samples, weights, strict=True)]
        )
        rows = np.concatenate(
            [one.rows + start for one, start in zip(samples, self._starts, strict=False)]
        )
        _, keys = np.unique(np.concatenate([one.keys for one in samples]), return_inverse=True)
        labels = _components(len(self._of_example), rows, keys)
        self._webs = tuple(_webs(labels, self._of_example, rows, keys))
        for web in self._webs:
            labels[web.examples] = -1
        kept = labels >= 0
        _, labels[kept] = np.unique(labels[kept], return_inverse=True)
        if most is not None:
            labels[kept] %= most
        self._labels = labels
        self._count = int(labels.max()) + 1
        self._shares = np.bincount(labels[kept], self._of_example[kept], minlength=self._count)
        self._is_crossed = len(samples) == 1 and self._all_units_are_alike(samples[0].groups)

    def _all_units_are_alike(self, groups: Indices) -> bool:
        """Whether each unit has as many examples of each subset as any other."""
        if not groups.any():  # a single subset
            return True
        if self._webs:
            return False
        count = int(groups.max()) + 1
        cells = np.bincount(self._labels * count + groups, minlength=self._count * count)
        sizes = cells.reshape(self._count, count)
        return bool((sizes == sizes[0]).all())

    def reduce(self, task: int, values: Floats) -> Reduced:
        """One task's part of a model's weighted mean.

        Args:
            task: Which of the samples.
            values: The model's contributions, in the sample's order.
        """
        start, end = self._starts[task : task + 2].tolist()
        weights, labels = self._of_example[start:end], self._labels[start:end]
        residuals = weights * self._centred(task, values)
        kept = labels >= 0
        webs = []
        for web in self._webs:
            own = np.zeros(len(web.examples))
            low, high = np.searchsorted(web.examples, (start, end))
            own[low:high] = residuals[web.examples[low:high] - start]
            webs.append(own)
        clusters = np.zeros(self._count)
        np.add.at(clusters, labels[kept], residuals[kept])
        return Reduced(float(weights @ values), clusters, tuple(webs))

    def constant(self, score: float) -> Reduced:
        """A part of the mean of which nothing but the weighted score is known."""
        webs = tuple(np.zeros(len(web.examples)) for web in self._webs)
        return Reduced(score, np.zeros(self._count), webs)

    def _centred(self, task: int, values: Floats) -> Floats:
        """Contributions less the mean of their subset, which is the task's own and not drawn."""
        groups = self._samples[task].groups
        counts = np.bincount(groups)
        if self._is_crossed:  # as the classical test has it: nothing is estimated
            return np.asarray(values - _example_weights(groups) @ values)
        alone = counts[groups] == 1
        means = (np.bincount(groups, values) / counts)[groups]
        if alone.sum() > 1:
            means[alone] = values[alone].mean()
        factors = np.sqrt(counts / np.maximum(counts - 1, 1))
        centred: Floats = (values - means) * factors[groups]
        return centred

    @property
    def labels(self) -> Indices:
        """The cluster of each example, shape (n,); -1 in clusters that are taken apart."""
        return self._labels

    @property
    def units(self) -> int:
        """Number of independent units."""
        return self._count + sum(len(web.shares) for web in self._webs)

    def flips(self, difference: Reduced) -> tuple[Floats, Floats]:
        """What a sign-flip test of a difference of two models flips.

        Returns:
            What each unit adds to the spread of the difference, and its share of the weight, both
            of shape (units,). If the true difference is d, a unit adds the first plus its share of
            (observed difference - d).
        """
        webs = [
            web.residuals(values) for web, values in zip(self._webs, difference.webs, strict=True)
        ]
        shares = [web.shares for web in self._webs]
        whole = np.concatenate([self._shares, *shares])
        return np.concatenate([difference.clusters, *webs]), whole / whole.sum()


def _example_weights(groups: Indices) -> Floats:
    """Each example's weight in a mean over the means of groups; they add up to 1."""
    counts = np.bincount(groups)
    weights: Floats = 1 / (len(counts) * counts[groups])
    return weights


def _components(n: int, rows: Indices, keys: Indices) -> Indices:
    """The cluster of each example, which those that share a key have in common, shape (n,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = n + (int(keys.max()) + 1 if len(keys) else 0)
    graph = coo_array((np.ones(len(rows), dtype=np.int8), (rows, n + keys)), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    return np.asarray(labels[:n], dtype=np.int64)


@dataclass(frozen=True)
class _Web:
    """A cluster that is taken apart into its keys.

    Attributes:
        examples: Its examples, shape (n,).
        shares: Weight of each key, that of an example split between its keys, shape (k,).
        incidence: Which example has which key, sparse, shape (n, k).
        weights: Weight of each example, shape (n,).
    """

    examples: Indices
    shares: Floats
    incidence: Any
    weights: Floats

    @cached_property
    def _linked(self) -> Any:
        """Which examples share a key, sparse, shape (n, n); None if those are too many."""
        degrees = np.asarray(self.incidence.sum(axis=0)).ravel()
        if float((degrees**2).sum()) > _MOST_PAIRS:
            return None
        linked = (self.incidence @ self.incidence.T).tocsr()
        linked.data[:] = 1.0
        return linked

    @cached_property
    def _correction(self) -> float:
        """What the variance is multiplied with, see the module."""
        shares = self.weights / self.weights.sum()
        if self._linked is None:
            sums = np.asarray(self.incidence.T @ shares)
            linked = float((sums**2).sum())
        else:
            linked = float(shares @ (self._linked @ shares))
        return 1 / (1 - min(linked, 0.5)) ** 2

    def residuals(self, values: Floats) -> Floats:
        """What each key adds to a difference's spread, shape (k,); its squares are the variance.

        Args:
            values: Weighted contributions of the examples, less their means, shape (n,).
        """
        values = values - self.weights * (values.sum() / self.weights.sum())
        sums = np.asarray(self.incidence.T @ values)
        squares, own = float((sums**2).sum()), float((values**2).sum())
        if not squares:
            return sums
        # Too many pairs to count: an example then counts in each of its keys, which errs upwards.
        found = squares if self._linked is None else float(values @ (self._linked @ values))
        variance = max(found, own / 2) * self._correction
        scaled = sums * np.sqrt(variance / squares)
        return np.asarray(scaled - self.shares * (scaled.sum() / self.shares.sum()))


def _webs(labels: Indices, weights: Floats, rows: Indices, keys: Indices) -> list[_Web]:
    """The large clusters that no single key holds together."""
    from scipy.sparse import coo_array

    shares = np.bincount(labels, weights) / weights.sum()
    sizes = np.bincount(labels)
    webs = []
    for label in np.flatnonzero((shares > _LARGE) & (sizes > 1)):
        examples = np.flatnonzero(labels == label)
        mentions = labels[rows] == label
        _, own_keys = np.unique(keys[mentions], return_inverse=True)
        own_rows = np.searchsorted(examples, rows[mentions])
        incidence = coo_array((np.ones(len(own_rows)), (own_rows, own_keys))).tocsr()
        incidence.data[:] = 1.0  # a pair of one text with itself has its key once
        incidence = _without_twins(incidence)
        degrees = np.asarray(incidence.sum(axis=0)).ravel()
        if degrees.max() == len(examples):
            continue
        own = weights[examples]
        per_key = own / np.asarray(incidence.sum(axis=1)).ravel()
        webs.append(_Web(examples, np.asarray(incidence.T @ per_key), incidence, own))
    return webs


def _without_twins(incidence: Any) -> Any:
    """The matrix with one of any keys that the same examples have."""
    columns = incidence.tocsc()
    columns.sort_indices()
    seen: dict[bytes, int] = {}
    for column in range(columns.shape[1]):
        rows = columns.indices[columns.indptr[column] : columns.indptr[column + 1]]
        seen.setdefault(rows.tobytes(), column)
    return columns[:, sorted(seen.values())].tocsr()
