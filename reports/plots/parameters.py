"""Score against number of parameters: ours among published models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.leaderboard import Leaderboard
from reports.plots.labels import Label, label_inside
from reports.plots.picture import Picture
from reports.plots.published import Mean, published_means
from reports.plots.style import (
    GREY,
    WIDTH,
    axes_at,
    calm,
    drawing,
    looks_of,
    notes_height,
    picture,
    sheet,
    shortened,
    write_notes,
)
from reports.published_rows import benchmark_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_parameters"]

_HIGH = 3.6
_TICKS = tuple(step * 10**power for power in range(6, 12) for step in (1, 3))


@dataclass(frozen=True)
class _Point:
    """A model: parameters, score × 100."""

    label: str
    parameters: int
    score: float
    colour: str
    ink: str
    marker: str
    measured: bool


def plot_parameters(board: Leaderboard) -> Picture | None:
    """Score over all tasks against parameters: measured models filled, published ones hollow.

    A published mean that lacks tasks compares with no other, and is left out.

    Returns:
        None if nothing that can be drawn was published of the suite's benchmark.
    """
    published = published_means(board)
    count = len(board.tasks)
    shown = [m for m in published if m.parameters and m.n_tasks == count and not m.is_broken]
    if not shown:
        return None
    looks = looks_of(board)
    ours, left_out = [], []
    for entry in board.entries:
        score = board.mean_task(entry, entry.main_view)
        parameters = entry.some_record.provenance.model.parameters
        if score is None or not parameters:
            reason = "parameters unknown" if score is not None else "not all tasks measured"
            left_out.append(f"{entry.label} ({reason})")
            continue
        look = looks[entry.label]
        ours.append(
            _Point(entry.label, parameters, 100 * score, look.colour, look.ink, look.marker, True)
        )
    theirs = [
        _Point(m.model.rsplit("/", 1)[-1], m.parameters or 0, m.score, GREY, GREY, "o", False)
        for m in shown
    ]
    title = f"Score against parameters: {board.suite}"
    notes = _notes(published, shown, count, left_out)
    with drawing():
        height = 1.1 + _HIGH + notes_height([*notes, " "])
        subtitle = (
            f"Mean of all {len(board.tasks)} tasks of {benchmark_of(board.suite)}, score × 100. "
            "Filled: measured here. Hollow: published."
        )
        figure = sheet(height, title, subtitle)
        unnamed = _draw(axes_at(figure, 0.5, 0.65, WIDTH - 1.6, _HIGH), [*ours, *theirs])
        if unnamed:
            notes.append(f"Names left out for want of room: {len(unnamed)}.")
        write_notes(figure, notes)
        return picture("parameters", title, figure, _description(board, ours, theirs, notes))


def _draw(axis: Axes, points: Sequence[_Point]) -> tuple[str, ...]:
    """Draw the points and return the names that found no room."""
    for point in points:
        axis.plot(
            point.parameters,
            point.score,
            color=point.colour,
            marker=point.marker,
            markerfacecolor=point.colour if point.measured else "white",
            markersize=7 if point.measured else 5,
            linestyle="none",
            zorder=3 if point.measured else 2,
        )
    calm(axis, grid="both")
    sizes = [point.parameters for point in points]
    axis.set_xscale("log")
    low, high = min(sizes) / 1.7, max(sizes) * 1.7
    ticks = [tick for tick in _TICKS if low <= tick <= high]
    axis.set_xticks(ticks, [_short(tick) for tick in ticks])
    axis.set_xlim(low, high)
    axis.minorticks_off()
    axis.margins(y=0.1)
    axis.autoscale_view(scalex=False)
    axis.set_ylim(axis.get_ylim())
    axis.set_xlabel("parameters")
    axis.set_ylabel("score × 100")
    labels = [
        Label(shortened(p.label, 40), ((p.parameters, p.score),), p.ink, bold=p.measured)
        for p in points
    ]
    dots = [[(float(p.parameters), p.score)] for p in points]
    return label_inside(axis, labels, lines=dots, reach=(6, 12, 20, 30), width=70)


def _short(parameters: int) -> str:
    if parameters >= 10**9:
        return f"{parameters // 10**9}B"
    return f"{parameters // 10**6}M"


def _notes(
    published: Sequence[Mean], shown: Sequence[Mean], count: int, left_out: Sequence[str]
) -> list[str]:
    notes = [f"Published: {'; '.join(dict.fromkeys(mean.source for mean in shown))}."]
    notes += [f"{m.model.rsplit('/', 1)[-1]}: {m.note}." for m in shown if m.note]
    same = [mean for mean in published if mean.n_tasks == count]
    groups = (
        (f"not over the same {count} tasks", [m for m in published if m.n_tasks != count]),
        ("known to be broken", [m for m in same if m.is_broken]),
        ("parameters not made known", [m for m in same if not (m.is_broken or m.parameters)]),
    )
    for reason, means in groups:
        if means:
            names = ", ".join(mean.model.rsplit("/", 1)[-1] for mean in means)
            notes.append(f"Published, but left out ({reason}): {names}.")
    if left_out:
        notes.append(f"Measured, but left out: {', '.join(left_out)}.")
    return notes


def _description(
    board: Leaderboard, ours: Sequence[_Point], theirs: Sequence[_Point], notes: Sequence[str]
) -> str:
    def words(points: Sequence[_Point]) -> str:
        return "; ".join(f"{p.label} {p.score:.1f} at {p.parameters / 1e6:,.0f}M" for p in points)

    return " ".join(
        [
            f"Score against parameters on {benchmark_of(board.suite)}.",
            f"Measured: {words(ours) or 'none'}. Published: {words(theirs)}.",
            *notes,
        ]
    )
