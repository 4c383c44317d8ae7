"""Which places of a leaderboard are more than chance.

Two entries are compared on the examples of all tasks, by the test that `jina-eval compare` and the
gate use (`results.stats.paired`). Entries share a place with the first of it unless the difference
of their means is significant at 5 %, corrected for all pairs of the leaderboard (Bonferroni): the
best and the worst of many equal models are far apart by chance. A task without per-example scores
can only add to the chance: what is a tie without it is a tie, and the rest is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from itertools import pairwise
from operator import add
from typing import TYPE_CHECKING

from results.errors import NoExamplesError
from results.record import Record
from results.stats.errors import StatisticsError
from results.stats.multiple import LEVEL

if TYPE_CHECKING:
    import pandas as pd

    from reports.leaderboard import Entry, Leaderboard
    from results.stats.units import Design, Reduced, Sample

__all__ = ["Examples", "Rank", "Ranking", "plain_ranking", "rank_by_noise"]

Examples = Callable[[Record], "pd.DataFrame"]
"""Gives a record's per-example scores."""

_MOST_REASONS = 5
_MOST_UNITS = 2**14
"""Most independent units of a leaderboard; joining more into these changes no verdict."""


@dataclass(frozen=True)
class Rank:
    """An entry's place.

    Attributes:
        place: 1 for the best; those that share a place have the first one's.
        shared: Whether others have the same place.
        known: Whether the difference to the place before is known to be significant.
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
    """Places at which entries without a significant difference from the first of it are tied.

    Args:
        board: A leaderboard.
        examples: Gives a record's per-example scores; None if there are none, and then only equal
            means are ties.
    """
    means = _means(board)
    if examples is None or len(means) < 2:
        return plain_ranking(board)
    tests = _Tests(board, [entry for entry in board.entries if entry.label in means], examples)
    pairs = len(means) * (len(means) - 1) / 2
    groups = _grouped(means, lambda best, label: tests.p_value(best, label) * pairs >= LEVEL)
    ranks = _ranks(groups)
    for above, group in pairwise(groups):
        if tests.unknown(above[0], group[0]):
            rank = ranks[group[0]]
            ranks |= {label: Rank(rank.place, rank.shared, known=False) for label in group}
    notes = [
        "Rank: by task; = is a tie with the first of the place: no significant difference at 5 %, "
        "corrected for all pairs of this table."
    ]
    if not all(rank.known for rank in ranks.values()):
        notes.append(f"?: may be a tie; there are no {_said(tests.reasons)}.")
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


class _Tests:
    """Tests of any two entries on the mean over all tasks.

    Attributes:
        reasons: Tasks without a test, and why.
    """

    def __init__(self, board: Leaderboard, entries: Sequence[Entry], examples: Examples) -> None:
        self.reasons: dict[str, str] = {}
        self._records = {
            entry.label: [entry.records[entry.main_view, task.name] for task in board.tasks]
            for entry in entries
        }
        self._tasks = [task.name for task in board.tasks]
        self._examples = examples
        self._unknown: dict[str, set[str]] = {entry.label: set() for entry in entries}

    def unknown(self, first: str, second: str) -> set[str]:
        """Tasks that a test of two entries cannot take into account."""
        found = set()
        for place, task in enumerate(self._tasks):
            facts = [self._records[label][place].provenance for label in (first, second)]
            if facts[0].key == facts[1].key:
                continue
            versions = {one.identity.mteb_version for one in facts}
            if len(versions) > 1:
                self.reasons.setdefault(task, f"scored by mteb {' and '.join(sorted(versions))}")
            if len(versions) > 1 or any(task in self._unknown[one] for one in (first, second)):
                found.add(task)
        return found

    def p_value(self, first: str, second: str) -> float:
        """The p-value of the difference of two means, or less where a task is unknown."""
        from results.stats.sign_flip import flip_p_value

        if self._design is None:
            means = [sum(one.provenance.score for one in self._records[n]) for n in (first, second)]
            return 1.0 if means[0] <= means[1] else 0.0
        difference = self._reduced[first] - self._reduced[second]
        residuals, shares = self._design.flips(difference)
        return flip_p_value(residuals + shares * difference.mean)

    @cached_property
    def _samples(self) -> list[Sample | None]:
        """Each task's examples; None where nobody has them."""
        from results.stats.units import sample_of

        samples: list[Sample | None] = []
        for place in range(len(self._tasks)):
            samples.append(None)
            for records in self._records.values():
                try:
                    samples[-1] = sample_of(records[place], self._examples(records[place]))
                    break
                except (StatisticsError, NoExamplesError):
                    continue
        return samples

    @cached_property
    def _design(self) -> Design | None:
        from results.stats.units import Design

        known = [sample for sample in self._samples if sample is not None]
        weights = [1 / len(self._tasks)] * len(known)
        return Design(known, weights, _MOST_UNITS) if known else None

    @cached_property
    def _reduced(self) -> dict[str, Reduced]:
        """What each entry's examples add to its mean; one task's in memory at a time."""
        parts: dict[str, list[Reduced]] = {label: [] for label in self._records}
        number = 0
        for place, sample in enumerate(self._samples):
            for label, records in self._records.items():
                found = self._part(label, records[place], place, sample, number)
                parts[label] = [reduce(add, [*parts[label], found])] if found else parts[label]
            number += sample is not None
        return {label: one[0] for label, one in parts.items()}

    def _part(
        self, label: str, record: Record, place: int, sample: Sample | None, number: int
    ) -> Reduced | None:
        from results.stats.contributions import contributions

        assert self._design is not None
        task = self._tasks[place]
        try:
            if sample is None:
                raise StatisticsError("no per-example scores")
            found = contributions(record, self._examples(record))
            if found.places != sample.places:
                raise StatisticsError("scored on different examples")
            return self._design.reduce(number, found.values)
        except (StatisticsError, NoExamplesError) as error:
            self._unknown[label].add(task)
            self.reasons.setdefault(task, str(error))
        score = record.provenance.score
        return self._design.constant(score / len(self._tasks))


def _said(reasons: Mapping[str, str]) -> str:
    """Tasks without per-example scores, and why the first have none."""
    tasks = ", ".join(list(reasons)[:_MOST_REASONS])
    more = f" and {len(reasons) - _MOST_REASONS} more" if len(reasons) > _MOST_REASONS else ""
    why = next(iter(reasons.values()), "")
    return f"per-example scores of {tasks}{more} ({why})"
