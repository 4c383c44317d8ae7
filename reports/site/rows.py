"""What the pages say of a board's entries and tasks, reckoned once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from reports.grid import MISSING, visible
from reports.leaderboard import Entry, Leaderboard, TaskColumn
from reports.noise import Rank
from reports.site.markup import Data
from results.record import Record

__all__ = ["BoardRows", "Row", "board_rows", "bytes_of", "figure", "percent", "whole"]


@dataclass(frozen=True)
class Row:
    """An entry as the pages show it.

    Attributes:
        entry: The entry.
        slug: Its page's file stem.
        view: Its main view.
        scores: Score by task in that view, for the tasks that were measured.
        records: Record by task in that view.
        rank: Its place by mean over tasks; None if it is incomplete.
        borda: Its Borda rank; None if it is incomplete, or alone.
        mean_task: Mean over all tasks.
        mean_type: Mean over the types.
        by_type: Mean by type; None where a task is missing.
    """

    entry: Entry
    slug: str
    view: str
    scores: dict[str, float]
    records: dict[str, Record]
    rank: Rank | None
    borda: int | None
    mean_task: float | None
    mean_type: float | None
    by_type: dict[str, float | None]


@dataclass(frozen=True)
class BoardRows:
    """A board as the pages show it.

    Attributes:
        board: The board.
        slug: Its name in links.
        rows: Its entries, best first.
        task_slugs: File stem of each task's page, by name.
        ranked: Place and entry of those that were measured on a task, best first, by task; equal
            as shown, equal in place.
    """

    board: Leaderboard
    slug: str
    rows: tuple[Row, ...]
    task_slugs: dict[str, str]
    ranked: dict[str, tuple[tuple[int, Row], ...]]

    @cached_property
    def best_by_type(self) -> dict[str, float | None]:
        """The best mean of each type; None where nobody has one."""
        return {
            kind: max(
                (one for row in self.rows if (one := row.by_type[kind]) is not None), default=None
            )
            for kind in self.board.types
        }

    @cached_property
    def complete(self) -> int:
        """Number of entries that have a rank."""
        return sum(row.rank is not None for row in self.rows)

    def measured_tasks(self) -> tuple[TaskColumn, ...]:
        """Tasks that some entry was measured on."""
        known = {task for row in self.rows for task in row.scores}
        return tuple(task for task in self.board.tasks if task.name in known)


def board_rows(
    board: Leaderboard, slug: str, model_slugs: dict[str, str], task_slugs: dict[str, str]
) -> BoardRows:
    """The board with everything reckoned.

    Args:
        board: The board.
        slug: Its name in links.
        model_slugs: File stem of each entry's page, by label.
        task_slugs: File stem of each task's page, by name.
    """
    rows = []
    for entry in board.entries:
        view = entry.main_view
        scores = {task.name: entry.score(view, task.name) for task in board.tasks}
        rows.append(
            Row(
                entry=entry,
                slug=model_slugs[entry.label],
                view=view,
                scores={name: score for name, score in scores.items() if score is not None},
                records={
                    task.name: entry.records[view, task.name]
                    for task in board.tasks
                    if (view, task.name) in entry.records
                },
                rank=board.ranking.ranks.get(entry.label),
                borda=board.borda.get(entry.label),
                mean_task=board.mean_task(entry, view),
                mean_type=board.mean_type(entry, view),
                by_type={kind: board.type_mean(entry, view, kind) for kind in board.types},
            )
        )
    ranked = {task.name: _ranked(rows, task.name) for task in board.tasks}
    return BoardRows(board, slug, tuple(rows), task_slugs, ranked)


def _ranked(rows: Sequence[Row], task: str) -> tuple[tuple[int, Row], ...]:
    found = sorted(
        (row for row in rows if task in row.scores),
        key=lambda row: (-row.scores[task], row.entry.label),
    )
    return tuple(zip(_places([row.scores[task] for row in found]), found, strict=True))


def _places(scores: Sequence[float]) -> list[int]:
    """Place of each of some scores that come best first; equal as shown, equal in place."""
    places: list[int] = []
    for index, score in enumerate(scores):
        tied = index > 0 and round(score, 4) == round(scores[index - 1], 4)
        places.append(places[-1] if tied else index + 1)
    return places


def percent(score: float | None, *, best: bool = False) -> Data:
    """A score × 100 with two decimals."""
    if score is None:
        return Data(MISSING)
    shown = f"{100 * score:.2f}"
    return Data("0.00" if shown == "-0.00" else shown, round(score, 6), best)


def whole(value: float | None) -> Data:
    """A whole number with thousands separated."""
    return Data(MISSING) if value is None else Data(f"{value:,.0f}", value)


def figure(value: float | None, shown: str) -> Data:
    """A number with words of its own."""
    return Data(MISSING) if value is None else Data(visible(shown), value)


def bytes_of(entry: Entry, view: str) -> Data:
    """Bytes of one stored vector of a view, or the fewest and the most."""
    found = entry.vector_bytes(view)
    if found is None:
        return Data(MISSING)
    low, high = found
    return Data(f"{low:,}" if low == high else f"{low:,}–{high:,}", high)
