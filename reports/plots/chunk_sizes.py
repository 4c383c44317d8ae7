"""Naive against late chunking, by the size of the chunks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.leaderboard import Entry, Leaderboard
from reports.plots.labels import Label, label_right
from reports.plots.picture import Picture
from reports.plots.scope import name_of
from reports.plots.style import (
    WIDTH,
    Look,
    axes_at,
    calm,
    drawing,
    log_ticks,
    looks_of,
    notes_height,
    picture,
    run_of,
    sheet,
    shortened,
    write_notes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_chunk_sizes"]

_MOST_TASKS = 6
_COLUMNS = 2
_HIGH = 1.75
_WIDE = 2.0
_MEAN = "Mean"
_MARKERS = {"late": "o", "naive": "s"}
Point = tuple[int, float]


@dataclass(frozen=True)
class _Run:
    """A model's chunkings.

    Attributes:
        name: What tells it from the board's other models; empty if there are none.
        look: Of its first entry; the colour is for all.
        whole: The entry without chunks, if there is one.
        chunked: (kind, size) to entry.
    """

    name: str
    look: Look
    whole: Entry | None
    chunked: Mapping[tuple[str, int], Entry]


def plot_chunk_sizes(board: Leaderboard) -> Picture | None:
    """Score against the size of chunks, naive beside late: a panel for the mean and for each task.

    Documents that are not chunked are a line across.

    Returns:
        None unless some model was measured with chunks of a fixed size.
    """
    runs, others = _runs(board)
    if not runs:
        return None
    tasks = _tasks(board, runs)
    if not tasks:
        return None
    title = f"Naive and late chunking by chunk size: {name_of(board)}"
    shown = tasks[:_MOST_TASKS]
    panels = [(_MEAN, tasks)] if len(tasks) > 1 else []
    panels += [(task, (task,)) for task in shown]
    notes = []
    if others:
        notes.append(f"Left out, as their chunks have no fixed size: {', '.join(others)}.")
    if len(tasks) > len(shown):
        notes.append(f"Tasks that are in the mean alone: {len(tasks) - len(shown)}.")
    with drawing():
        rows = -(-len(panels) // _COLUMNS)
        height = 0.7 + rows * (_HIGH + 0.7) + notes_height(notes) + 0.05
        figure = sheet(height, title, "Score × 100 of searches whose documents are cut in chunks.")
        for number, (name, over) in enumerate(panels):
            left = 0.5 + (number % _COLUMNS) * WIDTH / _COLUMNS
            axis = axes_at(figure, left, 0.85 + (number // _COLUMNS) * (_HIGH + 0.7), _WIDE, _HIGH)
            heading = f"{name} of {len(over)} tasks" if name == _MEAN else name
            axis.set_title(heading, loc="left", weight="bold" if name == _MEAN else "normal")
            if number % _COLUMNS == 0:
                axis.set_ylabel("score × 100")
            axis.set_xlabel("tokens a chunk")
            _draw(axis, runs, over)
        write_notes(figure, notes)
        return picture("chunk_sizes", title, figure, _description(board, runs, tasks, notes))


def _runs(board: Leaderboard) -> tuple[list[_Run], list[str]]:
    """Models with chunks of fixed sizes, and the names of the other chunkings."""
    looks = looks_of(board)
    groups: dict[tuple[object, ...], list[Entry]] = {}
    for entry in board.entries:
        groups.setdefault(run_of(entry), []).append(entry)
    runs, others = [], []
    for entries in groups.values():
        chunked, whole = {}, None
        for entry in entries:
            chunking = entry.some_record.provenance.identity.chunking
            found = re.fullmatch(r"(naive|late):fixed=(\d+)", chunking)
            if found:
                chunked[found[1], int(found[2])] = entry
            elif chunking == "none":
                whole = entry
            else:
                others.append(chunking)
        if chunked:
            first = entries[0]
            model = first.some_record.provenance.identity.model.rsplit("/", 1)[-1]
            runs.append(_Run(model, looks[first.label], whole, chunked))
    if len(runs) == 1:
        runs = [_Run("", runs[0].look, runs[0].whole, runs[0].chunked)]
    return runs, list(dict.fromkeys(others))


def _tasks(board: Leaderboard, runs: Sequence[_Run]) -> tuple[str, ...]:
    """Tasks that all chunked entries have."""
    entries = [entry for run in runs for entry in run.chunked.values()]
    return tuple(
        column.name
        for column in board.tasks
        if all(entry.score(entry.main_view, column.name) is not None for entry in entries)
    )


def _points(run: _Run, kind: str, tasks: Sequence[str]) -> tuple[Point, ...]:
    scores = [
        (size, entry.mean(entry.main_view, tasks))
        for (name, size), entry in run.chunked.items()
        if name == kind
    ]
    return tuple(sorted((size, 100 * score) for size, score in scores if score is not None))


def _draw(axis: Axes, runs: Sequence[_Run], tasks: Sequence[str]) -> None:
    labels, ticks = [], sorted({size for run in runs for _, size in run.chunked})
    for run in runs:
        colour = run.look.colour
        for kind, line in (("late", "-"), ("naive", (0, (1, 1.2)))):
            points = _points(run, kind, tasks)
            if points:
                axis.plot(
                    *zip(*points, strict=True),
                    color=colour,
                    marker=_MARKERS[kind],
                    markerfacecolor=colour if kind == "late" else "white",
                    linestyle=line,
                    markersize=4,
                    linewidth=1.3,
                )
                labels.append(Label(_named(kind, run), (points[-1],), run.look.ink))
        level = run.whole.mean(run.whole.main_view, tasks) if run.whole else None
        if level is not None:
            axis.axhline(100 * level, color=colour, linestyle=(0, (6, 2)), linewidth=0.9)
            text = _named("not chunked", run)
            labels.append(Label(text, ((float(ticks[-1]), 100 * level),), run.look.ink))
    calm(axis)
    log_ticks(axis, ticks)
    axis.margins(y=0.15)
    axis.autoscale_view(scalex=False)
    axis.set_ylim(axis.get_ylim())
    label_right(axis, labels, room=WIDTH / _COLUMNS - _WIDE - 0.55)


def _named(kind: str, run: _Run) -> str:
    return shortened(f"{run.name}, {kind}" if run.name else kind)


def _description(
    board: Leaderboard, runs: Sequence[_Run], tasks: Sequence[str], notes: Sequence[str]
) -> str:
    parts = [
        f"Naive and late chunking by chunk size on the suite {board.suite}, mean of "
        f"{len(tasks)} tasks."
    ]
    for run in runs:
        late, naive = dict(_points(run, "late", tasks)), dict(_points(run, "naive", tasks))
        parts += [
            f"{run.name + ', ' if run.name else ''}{size} tokens: naive {naive[size]:.1f}, "
            f"late {late[size]:.1f}."
            for size in sorted(set(late) & set(naive))
        ]
    return " ".join([*parts, *notes])
