"""Score against document length: how far into a document a model reads."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from reports.leaderboard import Entry, Leaderboard
from reports.plots.labels import Label, label_right
from reports.plots.picture import Picture
from reports.plots.published import Curve, length_curve
from reports.plots.scope import name_of
from reports.plots.style import (
    GREY,
    PAPER_GREY,
    WIDTH,
    Look,
    axes_at,
    calm,
    drawing,
    log_ticks,
    looks_of,
    notes_height,
    picture,
    sheet,
    shortened,
    write_notes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_lengths"]

_SHORTEST, _LONGEST = 32, 2**20
_HIGH = 2.2
_WIDE = 1.75
_COLUMNS = 2
_MOST_LINES = 10
"""With more, none can be followed."""

Point = tuple[int, float]


@dataclass(frozen=True)
class _Line:
    label: str
    look: Look
    points: tuple[Point, ...]
    max_length: int | None


def plot_lengths(board: Leaderboard) -> Picture | None:
    """Score against document length: one panel for each task whose splits are lengths.

    A dotted line from top to bottom is the longest text that a model reads.

    Returns:
        None if no task has two lengths or more.
    """
    looks = looks_of(board)
    panels = {column.name: _lines(board, looks, column.name) for column in board.tasks}
    panels = {task: lines for task, lines in panels.items() if lines}
    if not panels:
        return None
    title = f"Score against document length: {name_of(board)}"
    published = {task: curve for task in panels if (curve := length_curve(board, task))}
    with drawing():
        rows = -(-len(panels) // _COLUMNS)
        notes = [f"Grey: {curve.label} ({curve.source})." for curve in list(published.values())[:1]]
        most = max(map(len, panels.values()))
        if most > _MOST_LINES:
            notes.append(f"Drawn: of {most} lines the {_MOST_LINES} that are highest on average.")
        # Notes of what finds no room come after drawing: a line is kept for them.
        height = 0.65 + rows * (_HIGH + 0.75) + notes_height([*notes, " "]) + 0.12
        figure = sheet(
            height, title, "Widest view of each model. Dashed upright: the longest text it reads."
        )
        unnamed: set[str] = set()
        for number, (task, lines) in enumerate(panels.items()):
            left = 0.5 + (number % _COLUMNS) * WIDTH / _COLUMNS
            top = 0.95 + (number // _COLUMNS) * (_HIGH + 0.75)
            axis = axes_at(figure, left, top, _WIDE, _HIGH)
            axis.set_title(task, loc="left", y=1.09, pad=0)
            if number % _COLUMNS == 0:
                axis.set_ylabel("score × 100")
            axis.set_xlabel("document length in tokens")
            unnamed |= set(_draw(axis, _highest(lines), published.get(task)))
        if unnamed:
            notes.append(f"Lines whose names find no room: {len(unnamed)}.")
        write_notes(figure, notes)
        return picture("lengths", title, figure, _description(board, panels, notes))


def length_of(split: str) -> int | None:
    """The length that a split's name ends with, such as 256 in "test_256"; None if none does.

    Lengths are powers of two, so that no year passes for one.
    """
    found = re.search(r"(?:^|[^0-9])(\d+)$", split)
    length = int(found[1]) if found else 0
    return length if _SHORTEST <= length <= _LONGEST and length & (length - 1) == 0 else None


def _lines(board: Leaderboard, looks: Mapping[str, Look], task: str) -> tuple[_Line, ...]:
    lines = []
    for entry in board.entries:
        points = _points(entry, task)
        if len(points) > 1:
            limit = entry.some_record.provenance.identity.max_length
            lines.append(_Line(entry.label, looks[entry.label], points, limit))
    return tuple(lines)


def _highest(lines: Sequence[_Line]) -> list[_Line]:
    """The lines that are drawn, in their order."""
    by_mean = sorted(lines, key=lambda line: -fmean(score for _, score in line.points))
    kept = by_mean[:_MOST_LINES]
    return [line for line in lines if line in kept]


def _points(entry: Entry, task: str) -> tuple[Point, ...]:
    record = entry.records.get((entry.main_view, task))
    if record is None:
        return ()
    points = []
    for split, subsets in record.task_result["scores"].items():
        length = length_of(split)
        scores = [subset.get("main_score") for subset in subsets]
        known = [score for score in scores if score is not None and math.isfinite(score)]
        if length is not None and known and len(known) == len(scores):
            points.append((length, 100 * fmean(known)))
    return tuple(sorted(points))


def _draw(axis: Axes, lines: Sequence[_Line], published: Curve | None) -> tuple[str, ...]:
    """Draw one panel and return the labels that found no room."""
    labels = []
    ticks = sorted({length for line in lines for length, _ in line.points})
    if published is not None:
        ticks = sorted({*ticks, *(length for length, _ in published.points)})
        axis.plot(
            *zip(*published.points, strict=True),
            color=PAPER_GREY,
            marker="o",
            markersize=4,
            linewidth=2.2,
            alpha=0.6,
            zorder=1,
        )
    for line in lines:
        axis.plot(
            *zip(*line.points, strict=True),
            color=line.look.colour,
            marker=line.look.marker,
            linestyle=line.look.line,
            markersize=3.4,
            linewidth=1.2,
            clip_on=False,
        )
        text = shortened(line.label)
        labels.append(Label(text, (line.points[-1],), line.look.ink))
    calm(axis)
    log_ticks(axis, ticks)
    axis.set_ylim(0, 100)
    limits = {line.max_length for line in lines if line.max_length}
    for limit in sorted(one for one in limits if ticks[0] <= one <= ticks[-1]):
        axis.axvline(limit, color=GREY, linestyle=(0, (4, 3)), linewidth=0.8, zorder=0)
        if len(limits) == 1:  # of several each stands over its tick, and names would meet
            side = {ticks[0]: "left", ticks[-1]: "right"}.get(limit, "center")
            axis.annotate(
                f"reads {limit}",
                (limit, 100),
                xytext=(0, 1.5),
                textcoords="offset points",
                size=6,
                color=GREY,
                ha=side,
                va="bottom",
            )
    if published is not None and published.points[-1][0] == ticks[-1]:
        labels.append(Label("published", (published.points[-1],), GREY))
    elif published is not None:  # it ends earlier: its name stands there
        axis.annotate(
            "published",
            published.points[-1],
            xytext=(4, -8),
            textcoords="offset points",
            size=6.5,
            color=GREY,
        )
    return label_right(axis, labels, room=WIDTH / _COLUMNS - _WIDE - 0.55, size=6.5)


def _description(
    board: Leaderboard, panels: Mapping[str, tuple[_Line, ...]], notes: Sequence[str]
) -> str:
    parts = [f"Score against document length on the suite {board.suite}."]
    for task, lines in panels.items():
        best = lines[0]
        (short, first), (long, last) = best.points[0], best.points[-1]
        reads = f"; it reads {best.max_length} tokens" if best.max_length else ""
        parts.append(
            f"{task}: {best.label} {first:.1f} at {short} tokens, {last:.1f} at {long}{reads}."
        )
    return " ".join([*parts, *notes])
