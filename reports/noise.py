"""Which places of a leaderboard are more than chance.

Two entries are compared on the examples of every task. The variance of a task's difference comes
from its paired examples (`results.influence`, without resampling), that of the mean over tasks from
those of the tasks, as if independent. A difference within 1.96 standard deviations is noise, and
such entries share a place. Of a task without per-example scores the variance is not known: it can
only add to the noise, so that what is noise without it is noise, and the rest is not known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from results.errors import NoExamplesError
from results.record import Record
from results.statistics import StatisticsError

if TYPE_CHECKING:
    import pandas as pd

    from reports.leaderboard import Entry, Leaderboard
    from results.influence import Contributions

__all__ = ["Examples", "Rank", "Ranking", "plain_ranking", "rank_by_noise"]

Examples = Callable[[Record], "pd.DataFrame"]
"""Gives a record's per-example scores."""

_NORMAL = 1.96
_MOST_REASONS = 5


@dataclass(frozen=True)
class Rank:
    """An entry's place.

    Attributes:
        place: 1 for the best; those that share a place have the first one's.
        shared: Whether others have the same place.
        known: Whether the distance to the place before is known to be more than noise.
    """

    place: int
    shared: bool = False
    known: bool = True

    def __str__(self) -> str:
        return f"{self.place}{'=' * self.shared}{'' if self.known else '?'}"


@dataclass(frozen=True)
class Ranking:
    """The places of a leaderboard.

    Attributes:
        ranks: By the label of each entry that was measured on all tasks.
        notes: What to know about them, a sentence each.
        has_ties: Whether ties were looked for.
    """

    ranks: Mapping[str, Rank] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    has_ties: bool = False


@dataclass
class _Distance:
    """Two entries: the sum of the tasks' variances, and the tasks that have none."""

    variance: float = 0.0
    unknown: list[str] = field(default_factory=list)


def plain_ranking(board: Leaderboard) -> Ranking:
    """Places by the mean over tasks alone; only equal means share one."""
    means = _means(board)
    if len(means) < 2:
        return Ranking({label: Rank(1) for label in means})
    groups = _grouped(means, lambda best, label: means[best] - means[label] <= 0)
    return Ranking(
        _ranks(groups), ("Rank: by task; without per-example scores, no ties are told.",)
    )


def rank_by_noise(board: Leaderboard, examples: Examples | None) -> Ranking:
    """Places at which entries that noise does not tell from the best of the place are equal.

    Args:
        board: A leaderboard.
        examples: Gives a record's per-example scores; None if there are none, and then no
            difference is called noise.
    """
    means = _means(board)
    if examples is None or len(means) < 2:
        return plain_ranking(board)
    entries = [entry for entry in board.entries if entry.label in means]
    distances, reasons = _distances(board, entries, examples)
    count = len(board.tasks)

    def is_noise(best: str, label: str) -> bool:
        margin = _NORMAL * math.sqrt(distances[best, label].variance) / count
        return means[best] - means[label] <= margin

    groups = _grouped(means, is_noise)
    ranks = _ranks(groups)
    for above, group in pairwise(groups):
        if distances[above[0], group[0]].unknown:
            rank = ranks[group[0]]
            ranks |= {label: Rank(rank.place, rank.shared, known=False) for label in group}
    notes = [
        "Rank: by task; = is a tie with the first of the place, within the 95 % margin of the "
        "paired difference over the examples."
    ]
    if not all(rank.known for rank in ranks.values()):
        notes.append(f"?: whether it is a tie is not known, for want of {_said(reasons)}.")
    return Ranking(ranks, tuple(notes), has_ties=True)


def _means(board: Leaderboard) -> dict[str, float]:
    """Mean over tasks of the entries that have one, best first."""
    found = ((entry.label, board.mean_task(entry, entry.main_view)) for entry in board.entries)
    return {label: mean for label, mean in found if mean is not None}


def _grouped(means: Mapping[str, float], same: Callable[[str, str], bool]) -> list[list[str]]:
    """Labels in order, those together that are the same as the first of them."""
    groups: list[list[str]] = []
    for label in means:
        if groups and same(groups[-1][0], label):
            groups[-1].append(label)
        else:
            groups.append([label])
    return groups


def _ranks(groups: Sequence[Sequence[str]]) -> dict[str, Rank]:
    ranks: dict[str, Rank] = {}
    for group in groups:
        rank = Rank(len(ranks) + 1, shared=len(group) > 1)
        ranks |= dict.fromkeys(group, rank)
    return ranks


def _distances(
    board: Leaderboard, entries: Sequence[Entry], examples: Examples
) -> tuple[dict[tuple[str, str], _Distance], dict[str, str]]:
    """Every pair of entries, the better one first; and why tasks have no variance."""
    pairs = [(a, b) for i, a in enumerate(entries) for b in entries[i + 1 :]]
    distances = {(a.label, b.label): _Distance() for a, b in pairs}
    reasons: dict[str, str] = {}
    for task in board.tasks:  # one task's examples in memory at a time
        own = {e.label: e.records[e.main_view, task.name] for e in entries}
        taken, said = _taken_apart(own, examples)
        if said:
            reasons[task.name] = next(iter(said.values()))
        for a, b in pairs:
            distance = distances[a.label, b.label]
            if own[a.label].provenance.key == own[b.label].provenance.key:
                continue
            try:
                distance.variance += _variance(own, taken, a.label, b.label)
            except StatisticsError as error:
                distance.unknown.append(task.name)
                reasons.setdefault(task.name, str(error))
    return distances, reasons


def _taken_apart(
    records: Mapping[str, Record], examples: Examples
) -> tuple[dict[str, Contributions], dict[str, str]]:
    """Contributions by label where there are some, and elsewhere why there are none."""
    from results.influence import contributions

    taken: dict[str, Contributions] = {}
    reasons: dict[str, str] = {}
    for label, record in records.items():
        try:
            taken[label] = contributions(record, examples(record))
        except (StatisticsError, NoExamplesError) as error:
            reasons[label] = str(error)
    return taken, reasons


def _variance(
    records: Mapping[str, Record], taken: Mapping[str, Contributions], first: str, second: str
) -> float:
    from results.influence import difference_variance

    if first not in taken or second not in taken:
        raise StatisticsError("no per-example scores")
    versions = {records[label].provenance.identity.mteb_version for label in (first, second)}
    if len(versions) > 1:
        raise StatisticsError(f"scored by mteb {' and '.join(sorted(versions))}")
    return difference_variance(taken[first], taken[second])


def _said(reasons: Mapping[str, str]) -> str:
    """Tasks without per-example scores, and why the first have none."""
    tasks = ", ".join(list(reasons)[:_MOST_REASONS])
    more = f" and {len(reasons) - _MOST_REASONS} more" if len(reasons) > _MOST_REASONS else ""
    why = next(iter(reasons.values()), "")
    return f"per-example scores of {tasks}{more} ({why})"
