"""Two models on the same tasks: how far apart they are, and whether that is more than chance.

The same examples are scored for both, so they are compared example by example
(`results.statistics`). P-values are corrected over the tasks (Holm).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from results.errors import RecordError
from results.record import Record
from results.statistics import (
    PairedDifference,
    StatisticsError,
    holm,
    paired_difference,
    paired_metric_difference,
)

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

__all__ = [
    "Comparison",
    "ComparisonError",
    "TaskComparison",
    "TypeComparison",
    "compare",
    "paired_test",
]

Examples = Callable[[Record], "pd.DataFrame"]
"""Gives a record's per-example scores."""

_ALPHA = 0.05
_NORMAL = 1.96
_METRIC_RESAMPLES = 1000
"""Fewer where the metric is computed anew for each, a millisecond a time."""

_RANKED = ("cosine_spearman", "spearman")
_PRECISION = ("max_ap", "ap", "cosine_ap")


class ComparisonError(RecordError):
    """Records cannot be compared; the message says why."""


@dataclass(frozen=True)
class TaskComparison:
    """One task; scores between 0 and 1.

    Attributes:
        task: Its name.
        type: Its type.
        metric: Name of its main score.
        baseline: The baseline's main score.
        candidate: The candidate's.
        test: Candidate minus baseline with interval and p-value; None where there is no test.
        p: The p-value corrected over the tasks; None likewise.
        reason: Why there is no test; empty if there is one.
    """

    task: str
    type: str
    metric: str
    baseline: float
    candidate: float
    test: PairedDifference | None = None
    p: float | None = None
    reason: str = ""

    @property
    def difference(self) -> float:
        """Candidate minus baseline."""
        return self.candidate - self.baseline

    @property
    def verdict(self) -> str:
        """In a word: better, worse, not told apart; or not tested."""
        if self.p is None:
            return "not tested" if self.difference else "equal"
        if self.p >= _ALPHA:
            return "not told apart"
        return "better" if self.difference > 0 else "worse"


@dataclass(frozen=True)
class TypeComparison:
    """The tasks of one type.

    Attributes:
        type: mteb's task type.
        tasks: How many tasks both were measured on.
        difference: Mean of candidate minus baseline over them.
        margin: Half of its 95 % interval, from the tasks' own intervals as if independent; None
            where one of them has none.
    """

    type: str
    tasks: int
    difference: float
    margin: float | None

    @property
    def verdict(self) -> str:
        """In a word, as of a task."""
        if self.margin is None:
            return "not tested" if self.difference else "equal"
        if abs(self.difference) <= self.margin:
            return "not told apart"
        return "better" if self.difference > 0 else "worse"


@dataclass(frozen=True)
class Comparison:
    """Two models on the tasks that both were measured on.

    Attributes:
        baseline: What the candidate is compared with.
        candidate: The other.
        tasks: Task by task.
        missing: Tasks that one of them was not measured on.
    """

    baseline: str
    candidate: str
    tasks: tuple[TaskComparison, ...]
    missing: tuple[str, ...]

    @property
    def types(self) -> tuple[TypeComparison, ...]:
        """Type by type."""
        names = dict.fromkeys(task.type for task in self.tasks)
        return tuple(_of_type(name, [t for t in self.tasks if t.type == name]) for name in names)

    @property
    def mean_task(self) -> float:
        """Mean difference over the tasks."""
        return fmean(task.difference for task in self.tasks)

    @property
    def mean_type(self) -> float:
        """Mean over the types' means."""
        return fmean(one.difference for one in self.types)

    @property
    def sentence(self) -> str:
        """What came out, in words."""
        parts = []
        for verdict in ("better", "worse"):
            found = [one for one in self.types if one.verdict == verdict]
            if found:
                named = ", ".join(_said(one) for one in found)
                parts.append(f"{verdict} on {len(found)} ({named})")
        rest = sum(one.verdict in ("not told apart", "equal") for one in self.types)
        untested = sum(one.verdict == "not tested" for one in self.types)
        if rest:
            parts.append(f"not told apart on {rest}")
        if untested:
            parts.append(f"untested on {untested}")
        count = len(self.types)
        plural = "types" if count != 1 else "type"
        return (
            f"Of {count} task {plural}, {self.candidate} is {_joined(parts)}, "
            f"compared with {self.baseline}."
        )


def compare(
    baseline: tuple[str, Mapping[str, Record]],
    candidate: tuple[str, Mapping[str, Record]],
    examples: Examples,
    *,
    seed: int = 0,
) -> Comparison:
    """Compare two models.

    Args:
        baseline: What to call it, and its record by task.
        candidate: The other.
        examples: Gives a record's per-example scores.
        seed: Decides every draw.

    Raises:
        ComparisonError: If they have no task in common, or one of these is over different data.
    """
    (first, old), (second, new) = baseline, candidate
    common = [task for task in old if task in new]
    if not common:
        raise ComparisonError(f"{first} and {second} have no task in common")
    tasks = [_compare_task(old[task], new[task], examples, seed) for task in common]
    tested = [row for row, task in enumerate(tasks) if task.test is not None]
    p_values = [task.test.p for task in tasks if task.test is not None]
    for row, p in zip(tested, holm(p_values), strict=True):
        tasks[row] = replace(tasks[row], p=p)
    missing = sorted(old.keys() ^ new.keys())
    return Comparison(first, second, tuple(tasks), tuple(missing))


def _compare_task(old: Record, new: Record, examples: Examples, seed: int) -> TaskComparison:
    was, now = old.provenance, new.provenance
    if was.task.content_hash != now.task.content_hash:
        raise ComparisonError(
            f"task {old.ref.task} was measured on different data: "
            f"{was.task.content_hash[:12]} and {now.task.content_hash[:12]}"
        )
    if was.identity.mteb_version != now.identity.mteb_version:
        raise ComparisonError(
            f"task {old.ref.task} was scored by mteb {was.identity.mteb_version} and "
            f"{now.identity.mteb_version}; measure both with one version"
        )
    plain = TaskComparison(was.task.name, was.task.type, was.task.main_score, was.score, now.score)
    if was.key == now.key and was.score == now.score:
        return replace(plain, reason="one record")
    try:
        return replace(plain, test=paired_test(plain, examples(old), examples(new), seed))
    except (StatisticsError, RecordError) as error:
        return replace(plain, reason=str(error))


def paired_test(
    task: TaskComparison, old: pd.DataFrame, new: pd.DataFrame, seed: int = 0
) -> PairedDifference:
    """Test one task's difference over its examples.

    Args:
        task: Metric and both scores.
        old: The baseline's examples, see `results.examples`.
        new: The candidate's.
        seed: Decides every draw.

    Raises:
        StatisticsError: If the examples differ, or the metric has no paired test.
    """
    old, new = _aligned(old), _aligned(new)
    if not old.index.equals(new.index):
        raise StatisticsError("the two were scored on different examples")
    groups: npt.NDArray[np.int64] = np.asarray(
        old.groupby(level=["split", "subset"], sort=False).ngroup(), dtype=np.int64
    )
    if old["score"].notna().all() and new["score"].notna().all():
        weights = _weights(groups)
        scores = [table["score"].to_numpy(dtype=np.float64) for table in (old, new)]
        for found, score in zip(scores, (task.baseline, task.candidate), strict=True):
            if abs(float(found @ weights) / len(weights) - score) > 1e-3:
                raise StatisticsError(f"{task.metric} is no mean over these examples")
        return paired_difference(scores[1] * weights, scores[0] * weights, seed=seed)
    if task.metric in _RANKED:
        metric, outputs = _spearman, [_ranks(_numbers(table), groups) for table in (old, new)]
    elif task.metric in _PRECISION:
        metric, outputs = _average_precision, [_numbers(table) for table in (old, new)]
    else:
        raise StatisticsError(f"{task.metric} has no paired test")
    gold = np.array([float(json.loads(value)) for value in old["gold"]])
    return paired_metric_difference(
        outputs[1],
        outputs[0],
        lambda rows, values: _over_groups(metric, gold[rows], values, groups[rows]),
        seed=seed,
        resamples=_METRIC_RESAMPLES,
    )


def _aligned(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_index(["split", "subset", "id"]).sort_index()


def _weights(groups: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Each example's weight in a mean over the means of groups, 1 on the mean."""
    counts = np.bincount(groups)
    weights: npt.NDArray[np.float64] = len(groups) / (len(counts) * counts[groups])
    return weights


def _numbers(table: pd.DataFrame) -> npt.NDArray[np.float64]:
    return np.array([float(json.loads(value)) for value in table["prediction"]])


def _ranks(
    values: npt.NDArray[np.float64], groups: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Ranks within each group as shares of its size: one scale for both models."""
    from scipy.stats import rankdata

    ranks = np.empty(len(values))
    for group in np.unique(groups):
        here = groups == group
        ranks[here] = rankdata(values[here]) / here.sum()
    return ranks


def _over_groups(
    metric: Callable[[npt.NDArray[Any], npt.NDArray[Any]], float],
    gold: npt.NDArray[np.float64],
    values: npt.NDArray[np.float64],
    groups: npt.NDArray[np.int64],
) -> float:
    scores = (metric(gold[groups == one], values[groups == one]) for one in np.unique(groups))
    known = [score for score in scores if math.isfinite(score)]
    return fmean(known) if known else math.nan


def _spearman(gold: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> float:
    from scipy.stats import rankdata

    ranks = [rankdata(one) - (len(one) + 1) / 2 for one in (gold, values)]
    size = math.sqrt(float((ranks[0] ** 2).sum()) * float((ranks[1] ** 2).sum()))
    return float((ranks[0] * ranks[1]).sum()) / size if size else math.nan


def _average_precision(gold: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(gold, values)) if gold.any() else math.nan


def _of_type(name: str, tasks: Sequence[TaskComparison]) -> TypeComparison:
    variances = [0.0 if task.reason == "one record" else _variance(task.test) for task in tasks]
    known = [variance for variance in variances if variance is not None]
    margin = None
    if len(known) == len(tasks):
        margin = _NORMAL * math.sqrt(sum(known)) / len(tasks)
    return TypeComparison(name, len(tasks), fmean(task.difference for task in tasks), margin)


def _variance(test: PairedDifference | None) -> float | None:
    return None if test is None else ((test.high - test.low) / (2 * _NORMAL)) ** 2


def _said(one: TypeComparison) -> str:
    return f"{one.type} by {100 * abs(one.difference):.1f} ± {100 * (one.margin or 0.0):.1f}"


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
