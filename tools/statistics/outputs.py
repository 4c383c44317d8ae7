"""A task's outputs as numbers: what can be exchanged, disturbed, drawn again and scored."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata

from results.record import Record
from results.stats.contributions import contributions
from results.stats.influence import (
    bitext_contributions,
    precision_contributions,
    spearman_contributions,
    v_measure_contributions,
)
from results.stats.units import Sample

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Metric = Callable[[Any, Any], Floats]

__all__ = ["Outputs", "read_outputs"]


@dataclass(frozen=True)
class Outputs:
    """One model's outputs on one task.

    Attributes:
        kind: "means", "similarities", "labels" or "clusters".
        values: Output of each example: shape (n,), of clusters (n, experiments), -1 if not drawn.
        golds: What is right, shape (n,); empty for means.
        groups: Number of the split and subset of each, shape (n,).
        metric: Takes golds and outputs of one group apart.
        documents: For searches, scores of the best documents, shape (n, 10), else None.
        places: Which of these is the relevant one, shape (n,); -1 for none.
    """

    kind: str
    values: Floats
    golds: npt.NDArray[Any]
    groups: Indices
    metric: Metric | None = None
    documents: Floats | None = None
    places: Indices | None = None

    def contributions(self) -> Floats:
        """What each example adds to the score, shape (n,)."""
        if self.metric is None:
            return self.values
        found = np.empty(len(self.values))
        for group in np.unique(self.groups):
            here = self.groups == group
            found[here] = self.metric(self.golds[here], self.values[here])
        return found

    def exchanged(self, other: Outputs, mask: npt.NDArray[np.bool_]) -> tuple[Outputs, Outputs]:
        """Both models' outputs, exchanged where a mask, shape (n,), is true."""
        shaped = mask.reshape(-1, *[1] * (self.values.ndim - 1))
        first = np.where(shaped, other.values, self.values)
        second = np.where(shaped, self.values, other.values)
        return replace(self, values=first), replace(other, values=second)

    def drawn(self, rows: Indices) -> Outputs:
        """The outputs of some examples, which may repeat."""
        return replace(
            self, values=self.values[rows], golds=self.golds[rows], groups=self.groups[rows]
        )

    def disturbed(self, rng: np.random.Generator, sample: Sample) -> Outputs:
        """The same model with noise of its own; similarities with noise of their texts as well."""
        n = len(self.values)
        if self.documents is not None and self.places is not None:
            noisy = self.documents + rng.normal(0, 0.5, self.documents.shape)
            own = noisy[np.arange(n), self.places]
            ranks = (noisy > own[:, None]).sum(axis=1)
            gains = np.where(self.places >= 0, 1 / np.log2(ranks + 2), 0.0)
            return replace(self, values=gains)
        if self.kind == "means":  # shares of experiments that were right
            return replace(self, values=rng.binomial(10, np.clip(self.values, 0, 1)) / 10)
        if self.kind == "similarities":
            _, keys = np.unique(sample.keys, return_inverse=True)
            of_keys = rng.normal(0, 1, int(keys.max()) + 1)[keys] if len(keys) else keys
            noise = rng.normal(0, 1, n) + np.bincount(sample.rows, of_keys, minlength=n)
            return replace(self, values=self.values + noise * self.values.std() / 6)
        changed = rng.random(self.values.shape) < 0.1
        others = rng.permutation(self.values, axis=0)
        return replace(self, values=np.where(changed & (self.values >= 0), others, self.values))

    def comparable(self) -> Outputs:
        """Similarities as ranks within their group, so that two models' are on one scale."""
        if self.kind != "similarities":
            return self
        ranks = np.empty(len(self.values))
        for group in np.unique(self.groups):
            here = self.groups == group
            ranks[here] = rankdata(self.values[here]) / here.sum()
        return replace(self, values=ranks)


def read_outputs(record: Record, table: pd.DataFrame) -> Outputs:
    """A record's outputs; the table in the order of `contributions`."""
    known = contributions(record, table)
    kind = record.provenance.task.type
    groups, none = known.groups, np.zeros(len(table))
    golds, found = table["gold"].tolist(), table["prediction"].tolist()
    if kind in ("STS", "PairClassification"):
        metric = spearman_contributions if kind == "STS" else precision_contributions
        return Outputs("similarities", _floats(found), _floats(golds), groups, metric)
    if kind == "BitextMining":
        return Outputs("labels", _floats(found), _floats(golds), groups, _bitext)
    if kind == "Clustering":
        clusters = [json.loads(one)["Level 0"] for one in found]
        values = np.array([[-1 if c is None else c for c in one] for one in clusters], dtype=float)
        labels = np.unique(golds, return_inverse=True)[1]
        return Outputs("clusters", values, labels, groups, _clusters)
    if kind in ("Retrieval", "Reranking"):
        documents, places = _searched(found, golds)
        return Outputs("means", known.values, none, groups, None, documents, places)
    return Outputs("means", known.values, none, groups)


def _floats(column: Sequence[str]) -> Floats:
    return np.array([float(json.loads(one)) for one in column])


def _searched(predictions: Sequence[str], golds: Sequence[str]) -> tuple[Floats, Indices]:
    """Scores of the best ten, in units of their spread, and which is relevant."""
    documents = np.full((len(predictions), 10), -np.inf)
    places = np.full(len(predictions), -1)
    for row, (found, right) in enumerate(zip(predictions, golds, strict=True)):
        scores, relevant = json.loads(found), json.loads(right)
        documents[row, : len(scores)] = list(scores.values())
        hits = [place for place, name in enumerate(scores) if name in relevant]
        places[row] = hits[0] if hits else -1
    known = np.isfinite(documents)
    return documents / documents[known].std(), places


def _bitext(golds: Any, found: Any) -> Floats:
    return bitext_contributions(golds.astype(np.int64), found.astype(np.int64))


def _clusters(golds: Any, found: Any) -> Floats:
    """Mean over experiments, each over the texts that were drawn for it."""
    total = np.zeros(len(golds))
    for experiment in range(found.shape[1]):
        drawn = found[:, experiment] >= 0
        own = v_measure_contributions(golds[drawn], found[drawn, experiment])
        total += own.mean()
        total[drawn] += (own - own.mean()) * len(total) / drawn.sum()
    return np.asarray(total / found.shape[1])
