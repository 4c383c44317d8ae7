"""Score against bytes per vector: what storage buys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from reports.leaderboard import Entry, Leaderboard
from reports.plots.labels import Label, label_inside
from reports.plots.picture import Picture
from reports.plots.scope import name_of, scope_words, shared_tasks
from reports.plots.style import (
    GREY,
    INK,
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
from results.vector_bytes import vector_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["pareto_front", "plot_bytes"]

_MARKERS = {
    "float32": "o",
    "float16": "s",
    "int8": "D",
    "uint8": "d",
    "binary": "^",
    "ubinary": "v",
}
_RESCORED = "P"
# Markers being precisions, print in black and white tells models apart by these.
_LINES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1, 1, 1)))
_MOST = 8
"""So many models are drawn in full; of more, the best."""

_TELLING = 0.1
"""Points of score by which a point of the front must be above the one named before it."""

_HIGH = 3.9


@dataclass(frozen=True)
class _View:
    """One view of one entry: bytes of a vector, score × 100."""

    entry: str
    look: Look
    view: str
    size: int
    score: float

    @property
    def precision(self) -> str:
        return self.view.split(",", 1)[1] if "," in self.view else "float32"


def plot_bytes(board: Leaderboard) -> Picture | None:
    """Score against bytes per stored vector, over dimensions and precisions.

    A marker is a precision, a line one precision of one model over its dimensions. The Pareto
    front joins what nothing beats that is as small.

    Returns:
        None if there are fewer than two views with a known size.
    """
    looks = looks_of(board)
    names = [column.name for column in board.tasks]
    tasks = shared_tasks(board.entries, names)
    by_entry = {entry.label: _views(entry, looks, tasks) for entry in board.entries}
    by_entry = {label: views for label, views in by_entry.items() if views}
    left_out = len(by_entry) - _MOST
    by_entry = dict(list(by_entry.items())[:_MOST])
    views = [view for some in by_entry.values() for view in some]
    if len(views) < 2 or len({view.size for view in views}) < 2:
        return None
    title = f"Score against bytes per vector: {name_of(board)}"
    front = pareto_front([(view.size, view.score) for view in views])
    notes = [f"Rows of the leaderboard that are not drawn: {left_out}."] if left_out > 0 else []
    with drawing():
        height = 1.45 + _HIGH + notes_height([*notes, " "])
        figure = sheet(height, title, f"Score × 100, {scope_words(tasks, names)}.")
        axis = axes_at(figure, 0.5, 0.9, WIDTH - 0.75, _HIGH)
        unnamed = _draw(axis, by_entry, [views[i] for i in front])
        _draw_key(figure, height, _key(views))
        if unnamed:
            notes.append(f"Names left out for want of room: {unnamed}.")
        write_notes(figure, notes)
        best = [views[i] for i in front]
        return picture("bytes", title, figure, _description(board, by_entry, best, notes))


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Places of the points (cost, gain) with more gain than all that cost less or as much.

    They come in rising order; of equal points the first counts.
    """
    front: list[int] = []
    for place in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1], i)):
        if not front or points[place][1] > points[front[-1]][1]:
            front.append(place)
    return front


def _views(entry: Entry, looks: Mapping[str, Look], tasks: Sequence[str]) -> list[_View]:
    found = []
    for view in entry.views:
        size = None if entry.is_mixed(view) else vector_bytes(view, entry.dim(view))
        score = entry.mean(view, tasks)
        if size is not None and score is not None:
            found.append(_View(entry.label, looks[entry.label], view, size, 100 * score))
    return found


def _marker(view: _View) -> str:
    return _MARKERS.get(view.precision, _RESCORED)


def _key(views: Sequence[_View]) -> dict[str, str]:
    """The marker of each precision, most bits first."""
    order = [*_MARKERS, *sorted({view.precision for view in views} - set(_MARKERS))]
    markers = {view.precision: _marker(view) for view in views}
    return {name: markers[name] for name in order if name in markers}


def _draw(axis: Axes, by_entry: Mapping[str, Sequence[_View]], front: Sequence[_View]) -> int:
    """Draw all views and the front, and return how many names found no room."""
    views = [view for some in by_entry.values() for view in some]
    sizes = [view.size for view in views]
    # Upwards and to the right of a point of the front nothing is better for its size.
    steps_x = [view.size for view in front] + [max(sizes) * 1.15]
    steps_y = [view.score for view in front] + [front[-1].score]
    axis.step(steps_x, steps_y, where="post", color=INK, linewidth=0.8, zorder=1)
    lines: list[Sequence[tuple[float, float]]] = []
    for number, some in enumerate(by_entry.values()):
        for precision in dict.fromkeys(view.precision for view in some):
            line = sorted((v.size, v.score) for v in some if v.precision == precision)
            look, best = (
                some[0].look,
                {(v.size, v.score) for v in front if v.entry == some[0].entry},
            )
            axis.plot(
                *zip(*line, strict=True),
                color=look.colour,
                linewidth=0.7,
                alpha=0.8,
                linestyle=_LINES[number % len(_LINES)],
            )
            for size, score in line:
                axis.plot(
                    size,
                    score,
                    color=look.colour,
                    marker=_MARKERS.get(precision, _RESCORED),
                    markersize=6 if (size, score) in best else 4,
                    markeredgecolor=INK if (size, score) in best else look.colour,
                    markeredgewidth=0.9,
                    markerfacecolor=look.colour if (size, score) in best else "white",
                    linestyle="none",
                    zorder=3,
                )
            lines.append(line)
    calm(axis, grid="both")
    powers = range(min(sizes).bit_length() - 1, max(sizes).bit_length() + 1)
    log_ticks(axis, [2**power for power in powers])
    axis.set_xlim(min(sizes) / 1.3, max(sizes) * 1.5)
    axis.margins(y=0.08)
    axis.autoscale_view(scalex=False)
    axis.set_ylim(axis.get_ylim())
    axis.set_xlabel("bytes per stored vector")
    axis.set_ylabel("score × 100")
    steps = list(zip(steps_x, steps_y, strict=True))
    corners = [
        point for (x, y), (following, _) in pairwise(steps) for point in ((x, y), (following, y))
    ]
    return _name(axis, by_entry, front, [*lines, corners])


def _name(
    axis: Axes,
    by_entry: Mapping[str, Sequence[_View]],
    front: Sequence[_View],
    lines: Sequence[Sequence[tuple[float, float]]],
) -> int:
    """Name the models, then the points of the front."""
    labels = []
    for label, some in by_entry.items():
        ordered = sorted(some, key=lambda view: (-view.size, -view.score))
        points = tuple((float(view.size), view.score) for view in ordered)
        labels.append(Label(shortened(label, 36), points, some[0].look.ink, bold=True))
    several = len(by_entry) > 1
    told = float("-inf")
    for view in front:
        if view.score - told < _TELLING:  # hardly above the one before: drawn, not named
            continue
        told = view.score
        text = view.view.removeprefix("dim=")
        colour = view.look.ink if several else INK
        labels.append(Label(text, ((float(view.size), view.score),), colour))
    return len(label_inside(axis, labels, lines=lines, size=6.5, reach=(5, 8, 12, 18, 26)))


def _draw_key(figure: Figure, height: float, markers: Mapping[str, str]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=GREY, marker=marker, markerfacecolor="white", linestyle="none",
               markersize=4, label=name)
        for name, marker in markers.items()
    ]  # fmt: skip
    handles.append(
        Line2D([], [], color=INK, marker="o", markersize=5, linewidth=0.8, label="Pareto front")
    )
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.02, 1 - 0.45 / height),
        ncols=len(handles),
        frameon=False,
        fontsize=7,
        handletextpad=0.3,
        columnspacing=1.2,
        borderpad=0.2,
    )


def _description(
    board: Leaderboard,
    by_entry: Mapping[str, Sequence[_View]],
    front: Sequence[_View],
    notes: Sequence[str],
) -> str:
    points = "; ".join(
        f"{view.size} bytes: {view.entry} at {view.view}, {view.score:.1f}" for view in front
    )
    return " ".join(
        [
            f"Score against bytes per vector on the suite {board.suite}, for "
            f"{', '.join(by_entry)}. Pareto front: {points}.",
            *notes,
        ]
    )
