"""Two models on the same tasks: how far apart they are, and whether that is more than chance.

The same examples are scored for both, so they are compared example by example
(`results.stats.paired`). All that one comparison states, task by task, type by type and of the
means, is one family of hypotheses: p-values are corrected over all of them (Holm), and every
sentence follows from the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from results.errors import RecordError
from results.record import Record
from results.stats.errors import StatisticsError
from results.stats.multiple import LEVEL, could_be_rejected, holm
from results.stats.paired import PairedDifference, TaskPair, mean_difference, pair_task

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Comparison",
    "ComparisonError",
    "MeanComparison",
    "TaskComparison",
    "Verdict",
    "compare",
]

Examples = Callable[[Record], "pd.DataFrame"]
"""Gives a record's per-example scores."""

Verdict = Literal[
    "better", "worse", "no significant difference", "equal", "too few examples", "not tested"
]

_SAME_RECORD = "one record"


class ComparisonError(RecordError):
    """Records cannot be compared; the message says why."""


@dataclass(frozen=True, kw_only=True)
class _Tested:
    """A difference, and what a test says of it.

    Attributes:
        test: Candidate minus baseline with interval and p-value; None where there is no test.
        p: The p-value, corrected over all hypotheses of the comparison; None likewise.
        could_differ: Whether so many examples could give a significant difference at all.
        reason: Why there is no test; empty if there is one.
    """

    test: PairedDifference | None = None
    p: float | None = None
    could_differ: bool = True
    reason: str = ""

    @property
    def difference(self) -> float:
        """Candidate minus baseline."""
        raise NotImplementedError

    @property
    def margin(self) -> float | None:
        """Half of the 95 % confidence interval; None where there is none."""
        if self.test is None or not np.isfinite(self.test.high - self.test.low):
            return None
        return (self.test.high - self.test.low) / 2

    @property
    def verdict(self) -> Verdict:
        """What came out, in words."""
        if self.p is None:
            return "not tested" if self.difference else "equal"
        if self.p < LEVEL:
            return "better" if self.difference > 0 else "worse"
        return "no significant difference" if self.could_differ else "too few examples"


@dataclass(frozen=True, kw_only=True)
class TaskComparison(_Tested):
    """One task; scores between 0 and 1.

    Attributes:
        task: Its name.
        type: Its type.
        metric: Name of its main score.
        baseline: The baseline's main score.
        candidate: The candidate's.
    """

    task: str
    type: str
    metric: str
    baseline: float
    candidate: float

    @property
    def difference(self) -> float:
        """Candidate minus baseline."""
        return self.candidate - self.baseline


@dataclass(frozen=True, kw_only=True)
class MeanComparison(_Tested):
    """A mean over tasks: those of one type, all, or all types.

    Attributes:
        name: The type, "tasks" or "types".
        tasks: How many tasks both were measured on.
        mean: Mean of candidate minus baseline over them.
    """

    name: str
    tasks: int
    mean: float

    @property
    def difference(self) -> float:
        """Candidate minus baseline."""
        return self.mean


@dataclass(frozen=True)
class Comparison:
    """Two models on the tasks that both were measured on.

    Attributes:
        baseline: What the candidate is compared with.
        candidate: The other.
        tasks: Task by task.
        types: Type by type.
        mean_task: The mean over the tasks.
        mean_type: The mean over the types' means.
        missing: Tasks that one of them was not measured on.
        hypotheses: Number of hypotheses that the p-values are corrected for.
    """

    baseline: str
    candidate: str
    tasks: tuple[TaskComparison, ...]
    types: tuple[MeanComparison, ...]
    mean_task: MeanComparison
    mean_type: MeanComparison
    missing: tuple[str, ...]
    hypotheses: int = 0

    @property
    def sentence(self) -> str:
        """What came out, in words: nothing but what the rows say."""
        parts = []
        for verdict in ("better", "worse"):
            found = [one for one in self.types if one.verdict == verdict]
            if found:
                parts.append(f"{verdict} on {len(found)} ({', '.join(map(_points, found))})")
        for verdict, said in (
            ("no significant difference", "with no significant difference on"),
            ("equal", "equal on"),
            ("too few examples", "with too few examples on"),
            ("not tested", "not tested on"),
        ):
            count = sum(one.verdict == verdict for one in self.types)
            if count:
                parts.append(f"{said} {count}")
        plural = "types" if len(self.types) != 1 else "type"
        return (
            f"Of {len(self.types)} task {plural}, {self.candidate} is {_joined(parts)}, "
            f"compared with {self.baseline}.{self._overall()}"
        )

    def _overall(self) -> str:
        if len(self.tasks) == 1:
            return ""
        one = self.mean_task
        if one.verdict in ("better", "worse"):
            margin = "" if one.margin is None else f" ± {100 * one.margin:.1f}"
            size = f"by {100 * abs(one.difference):.1f}{margin}"
            return f" The mean over {one.tasks} tasks is {one.verdict} {size}."
        return f" The mean over {one.tasks} tasks: {one.verdict}."


def compare(
    baseline: tuple[str, Mapping[str, Record]],
    candidates: Sequence[tuple[str, Mapping[str, Record]]],
    examples: Examples,
) -> tuple[Comparison, ...]:
    """Compare models with a baseline. All hypotheses about all of them are one family.

    Args:
        baseline: What to call it, and its record by task.
        candidates: The others.
        examples: Gives a record's per-example scores.

    Raises:
        ComparisonError: If two have no task in common, or a task is over different data.
    """
    drafts = [_draft(baseline, candidate, examples) for candidate in candidates]
    family = [
        (draft.rows, key, one.test)
        for draft in drafts
        for key, one in draft.distinct()
        if one.test is not None
    ]
    p_values = [test.p for _, _, test in family]
    adjusted = holm(p_values)
    for place, (rows, key, test) in enumerate(family):
        could = could_be_rejected(p_values, place, test.smallest_p, LEVEL)
        rows[key] = replace(rows[key], p=adjusted[place], could_differ=could)
    return tuple(draft.finish(len(family)) for draft in drafts)


_Key = tuple[Literal["task", "type", "mean"], str]


@dataclass
class _Draft:
    """A comparison before the correction for the number of tests.

    Attributes:
        names: What baseline and candidate are called.
        rows: The hypotheses.
        same_as: Rows that state what another one does: a type of one task, say.
        missing: As in `Comparison`.
    """

    names: tuple[str, str]
    missing: tuple[str, ...]
    rows: dict[_Key, TaskComparison | MeanComparison] = field(default_factory=dict)
    same_as: dict[_Key, _Key] = field(default_factory=dict)

    def distinct(self) -> Iterator[tuple[_Key, TaskComparison | MeanComparison]]:
        """The hypotheses, each once."""
        return ((key, one) for key, one in self.rows.items() if key not in self.same_as)

    def finish(self, hypotheses: int) -> Comparison:
        """The comparison, once the rows have their p-values."""
        for key, other in self.same_as.items():
            known = self.rows[other]
            self.rows[key] = replace(self.rows[key], p=known.p, could_differ=known.could_differ)
        tasks = tuple(one for one in self.rows.values() if isinstance(one, TaskComparison))
        means = {key: one for key, one in self.rows.items() if isinstance(one, MeanComparison)}
        types = tuple(one for (kind, _), one in means.items() if kind == "type")
        overall = (means["mean", "tasks"], means["mean", "types"])
        return Comparison(*self.names, tasks, types, *overall, self.missing, hypotheses)


def _draft(
    baseline: tuple[str, Mapping[str, Record]],
    candidate: tuple[str, Mapping[str, Record]],
    examples: Examples,
) -> _Draft:
    (first, old), (second, new) = baseline, candidate
    common = [task for task in old if task in new]
    if not common:
        raise ComparisonError(f"{first} and {second} have no task in common")
    draft = _Draft((first, second), tuple(sorted(old.keys() ^ new.keys())))
    pairs: dict[str, TaskPair | None] = {}
    for task in common:
        row, pair = _compare_task(old[task], new[task], examples)
        draft.rows["task", task], pairs[task] = row, pair
    tasks = [one for one in draft.rows.values() if isinstance(one, TaskComparison)]
    types = list(dict.fromkeys(task.type for task in tasks))
    for kind in types:
        members = [task for task in tasks if task.type == kind]
        draft.rows["type", kind] = _mean(kind, members, [1 / len(members)] * len(members), pairs)
        if len(members) == 1:
            draft.same_as["type", kind] = "task", members[0].task
    draft.rows["mean", "tasks"] = _mean("tasks", tasks, [1 / len(tasks)] * len(tasks), pairs)
    sizes = {kind: sum(task.type == kind for task in tasks) for kind in types}
    by_type = [1 / (len(types) * sizes[task.type]) for task in tasks]
    draft.rows["mean", "types"] = _mean("types", tasks, by_type, pairs)
    if len(types) == 1:
        kind = types[0]
        only = draft.same_as.get(("type", kind), ("type", kind))
        draft.same_as["mean", "tasks"] = draft.same_as["mean", "types"] = only
    elif len(types) == len(tasks):
        draft.same_as["mean", "types"] = "mean", "tasks"
    return draft


def _mean(
    name: str,
    tasks: Sequence[TaskComparison],
    weights: Sequence[float],
    pairs: Mapping[str, TaskPair | None],
) -> MeanComparison:
    mean = float(sum(w * task.difference for w, task in zip(weights, tasks, strict=True)))
    plain = MeanComparison(name=name, tasks=len(tasks), mean=mean)
    known, known_weights = [], []
    for task, weight in zip(tasks, weights, strict=True):
        pair = pairs[task.task]
        if pair is not None:
            known.append(pair)
            known_weights.append(weight)
        elif task.reason != _SAME_RECORD:
            return replace(plain, reason=f"{task.task}: {task.reason}")
    if not known:
        return replace(plain, reason=_SAME_RECORD)
    return replace(plain, test=mean_difference(known, known_weights))


def _compare_task(
    old: Record, new: Record, examples: Examples
) -> tuple[TaskComparison, TaskPair | None]:
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
    plain = TaskComparison(
        task=was.task.name,
        type=was.task.type,
        metric=was.task.main_score,
        baseline=was.score,
        candidate=now.score,
    )
    if was.key == now.key and was.score == now.score:
        return replace(plain, reason=_SAME_RECORD), None
    try:
        pair = pair_task((new, examples(new)), (old, examples(old)))
    except (StatisticsError, RecordError) as error:
        return replace(plain, reason=str(error)), None
    return replace(plain, test=mean_difference([pair], [1.0])), pair


def _points(one: MeanComparison) -> str:
    margin = "" if one.margin is None else f" ± {100 * one.margin:.1f}"
    return f"{one.name} by {100 * abs(one.difference):.1f}{margin}"


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
