"""Which part of a board a plot is over."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from reports.leaderboard import Entry, Leaderboard
from reports.plots.style import run_of

__all__ = ["name_of", "of_model", "of_task", "scope_words", "shared_tasks"]


def shared_tasks(entries: Iterable[Entry], tasks: Sequence[str]) -> tuple[str, ...]:
    """All the tasks, if some entry has them all; else those that every entry with any of them has.

    So that no mean is over other tasks than the one beside it: an entry that lacks one of the
    tasks has no mean.
    """
    have = [
        {task for task in tasks if entry.score(entry.main_view, task) is not None}
        for entry in entries
    ]
    have = [some for some in have if some]
    if not have or any(len(some) == len(tasks) for some in have):
        return tuple(tasks)
    common = set.intersection(*have)
    return tuple(task for task in tasks if task in common)


def scope_words(shared: Sequence[str], tasks: Sequence[str]) -> str:
    """What a mean is over, such as "mean of 3 of 16 tasks"."""
    if len(tasks) == 1:
        return tasks[0]
    if len(shared) == len(tasks):
        return f"mean of all {len(tasks)} tasks"
    return f"mean of {len(shared)} of {len(tasks)} tasks"


def name_of(board: Leaderboard) -> str:
    """What a plot's heading calls it: the task if there is but one, else the suite."""
    return board.tasks[0].name if len(board.tasks) == 1 else board.suite


def of_task(board: Leaderboard, task: str) -> Leaderboard:
    """The board of one of its tasks alone, without the entries that lack it; best first."""
    entries = [
        Entry(entry.label, {place: r for place, r in entry.records.items() if place[1] == task})
        for entry in board.entries
    ]
    measured = [entry for entry in entries if entry.records]

    def rank(entry: Entry) -> tuple[bool, float, str]:
        score = entry.score(entry.main_view, task)
        return score is None, -(score or 0.0), entry.label

    return replace(
        board,
        tasks=tuple(column for column in board.tasks if column.name == task),
        entries=tuple(sorted(measured, key=rank)),
    )


def of_model(board: Leaderboard, entry: Entry) -> Leaderboard:
    """The board of one model: this entry first, then those of its other routings and chunkings."""
    model, fingerprint = run_of(entry)[:2]
    others = [
        other
        for other in board.entries
        if other.label != entry.label and run_of(other)[:2] == (model, fingerprint)
    ]
    return replace(board, entries=(entry, *others))
