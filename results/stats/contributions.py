"""A record's score, taken apart into what each of its examples adds.

Where a score is the mean over examples, an example's contribution is its own score; else see
`results.stats.influence`. Data, trained classifiers and the cluster centres that a seed gives are
taken as they are: the chance that a test asks about is which examples were asked.
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
from results.stats.errors import StatisticsError
from results.stats.influence import (
    f1_contributions,
    kendall_contributions,
    precision_contributions,
    spearman_contributions,
    v_measure_contributions,
)

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]
    Indices = npt.NDArray[np.int64]

__all__ = ["Contributions", "contributions", "example_places"]

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
        StatisticsError: If there are fewer than two examples, or its score is none of those that
            can be taken apart: means, Spearman's and Kendall's correlation, average precision, F1
            and V-measure.
    """
    import pyarrow as pa

    facts = record.provenance
    if len(table) < 2:
        raise StatisticsError(f"{len(table)} examples; a test needs at least 2")
    kinds = dict.fromkeys(_TEXTS, pa.large_string()) | {"score": pa.float64()}
    rows = pa.Table.from_pandas(table, pa.schema(list(kinds.items())), preserve_index=False)
    order, groups, digest = _order(rows.combine_chunks())
    rows = rows.combine_chunks().take(order)
    if not rows["score"].null_count:
        values = rows["score"].to_numpy()
        if abs(_mean(values, groups) - facts.score) <= _TOLERANCE:
            return Contributions(digest, groups, values)
    metric = _metric(facts.task.main_score, facts.task.type)
    if metric is None or rows["prediction"].null_count or rows["gold"].null_count:
        raise StatisticsError(f"no per-example test for {facts.task.main_score}")
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


def example_places(table: pd.DataFrame) -> tuple[Indices, Indices, str]:
    """The order in which `contributions` has the examples of a table.

    Returns:
        The rows of the table in that order, shape (n,); the number of the split and subset of
        each, shape (n,); and a digest of all splits, subsets and ids.
    """
    import pyarrow as pa

    schema = pa.schema([(name, pa.large_string()) for name in _TEXTS[:3]])
    rows = pa.Table.from_pandas(table, schema, preserve_index=False).combine_chunks()
    order, groups, digest = _order(rows)
    return order.to_numpy().astype(np.int64), groups, digest


def _order(rows: Any) -> tuple[Any, Indices, str]:
    import pyarrow as pa
    import pyarrow.compute as pc

    between = pa.scalar("\0", pa.large_string())
    parts = pc.binary_join_element_wise(rows["split"], rows["subset"], between)
    places = pc.binary_join_element_wise(parts, rows["id"], between)
    order = pc.sort_indices(places)
    groups = parts.take(order).combine_chunks().dictionary_encode().indices.to_numpy()
    digest = hashlib.sha256("\1".join(places.take(order).to_pylist()).encode()).hexdigest()
    return order, groups.astype(np.int64), digest


def _mean(values: Floats, groups: Indices) -> float:
    """The mean over the means of groups."""
    return float((np.bincount(groups, values) / np.bincount(groups)).mean())


def _metric(name: str, task_type: str) -> Callable[[_Part], Floats] | None:
    """How to take a metric apart, within one split and subset."""
    if name == "spearman" or name.endswith("_spearman"):
        return lambda part: _correlated(part, spearman_contributions)
    if name in ("kendalltau", "kendall"):
        return lambda part: _correlated(part, kendall_contributions)
    if name == "ap" or name.endswith("_ap"):
        return lambda part: precision_contributions(*_numbers(part.golds, part.found))
    if name == "v_measure":
        return _cluster_rows
    if name in ("f1", "f1_weighted"):
        weighted = name == "f1_weighted" or task_type == "BitextMining"
        return lambda part: _f1_rows(part, weighted=weighted)
    return None


def _numbers(golds: Sequence[Any], found: Sequence[Any]) -> tuple[Floats, Floats]:
    return np.array(golds, dtype=np.float64), np.array(found, dtype=np.float64)


def _experiments(part: _Part) -> list[Sequence[Any]]:
    """What was predicted, experiment by experiment where there are several."""
    several = isinstance(part.found[0], list)
    return list(zip(*part.found, strict=True)) if several else [part.found]


def _correlated(part: _Part, metric: Callable[[Floats, Floats], Floats]) -> Floats:
    values = [metric(*_numbers(part.golds, one)) for one in _experiments(part)]
    return np.asarray(np.mean(values, axis=0))


def _f1_rows(part: _Part, *, weighted: bool) -> Floats:
    """Mean over experiments; a prediction is a label or a list of labels."""
    values = [f1_contributions(part.golds, one, weighted=weighted) for one in _experiments(part)]
    return np.asarray(np.mean(values, axis=0))


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


def _codes(values: Sequence[Any]) -> Indices:
    """A number for each value."""
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.int64)
