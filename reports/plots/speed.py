"""Quality against speed, of what was measured on one device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.leaderboard import Entry, Leaderboard
from reports.plots.labels import Label, label_inside
from reports.plots.picture import Picture
from reports.plots.scope import name_of, scope_words, shared_tasks
from reports.plots.style import (
    WIDTH,
    Look,
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

__all__ = ["plot_speed"]

_HIGH = 3.3


@dataclass(frozen=True)
class _Point:
    label: str
    look: Look
    speed: float
    score: float


def plot_speed(board: Leaderboard) -> Picture | None:
    """Score of the widest view against texts encoded per second.

    Speeds of different devices do not compare: the device of most entries is drawn, the others
    are named as left out.

    Returns:
        None if fewer than two entries have a speed on the same device.
    """
    devices = {entry.label: _device(entry) for entry in board.entries}
    known = [device for device in devices.values() if device is not None]
    if not known:
        return None
    device = max(dict.fromkeys(known), key=known.count)
    names = [column.name for column in board.tasks]
    looks = looks_of(board)
    tasks = shared_tasks(board.entries, names)
    points, left_out = [], []
    for entry in board.entries:
        score = entry.mean(entry.main_view, tasks)
        speed = entry.texts_per_second
        if devices[entry.label] != device or score is None or speed is None:
            left_out.append(entry.label)
        else:
            points.append(_Point(entry.label, looks[entry.label], speed, 100 * score))
    if len(points) < 2:
        return None
    title = f"Quality against speed: {name_of(board)}"
    notes = [f"Not drawn, as without a speed or score on this device: {', '.join(left_out)}."]
    notes = notes if left_out else []
    with drawing():
        height = 1.1 + _HIGH + notes_height([*notes, " "])
        figure = sheet(
            height, title, f"Measured on {device[0]}. Score × 100, {scope_words(tasks, names)}."
        )
        axis = axes_at(figure, 0.5, 0.65, WIDTH - 1.6, _HIGH)
        for point in points:
            axis.plot(
                point.speed,
                point.score,
                color=point.look.colour,
                marker=point.look.marker,
                markersize=6,
                linestyle="none",
            )
        calm(axis, grid="both")
        speeds = [point.speed for point in points]
        axis.set_xscale("log")
        axis.set_xlim(min(speeds) / 1.6, max(speeds) * 1.6)
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
        axis.xaxis.set_minor_formatter(lambda value, _: "")
        if max(speeds) / min(speeds) < 30:
            axis.set_xticks(_round_numbers(min(speeds) / 1.6, max(speeds) * 1.6))
        axis.minorticks_off()
        axis.margins(y=0.12)
        axis.autoscale_view(scalex=False)
        axis.set_ylim(axis.get_ylim())
        axis.set_xlabel("texts encoded per second")
        axis.set_ylabel("score × 100")
        labels = [Label(shortened(p.label, 40), ((p.speed, p.score),), p.look.ink) for p in points]
        dots = [[(p.speed, p.score)] for p in points]
        unnamed = label_inside(axis, labels, lines=dots, reach=(6, 12, 20, 30), width=70)
        if unnamed:
            notes.append(f"Names left out for want of room: {len(unnamed)}.")
        write_notes(figure, notes)
        return picture("speed", title, figure, _description(board, device, points, notes))


def _round_numbers(low: float, high: float) -> list[float]:
    return [
        step * 10.0**power
        for power in range(-4, 9)
        for step in (1, 2, 5)
        if low <= step * 10.0**power <= high
    ]


def _device(entry: Entry) -> tuple[str, str] | None:
    """Device and platform of all records that have a speed; None if there are none or several."""
    found = {
        (record.provenance.environment.device, record.provenance.environment.platform)
        for record in entry.records.values()
        if record.provenance.speed is not None
    }
    return found.pop() if len(found) == 1 else None


def _description(
    board: Leaderboard, device: tuple[str, str], points: Sequence[_Point], notes: Sequence[str]
) -> str:
    found = "; ".join(f"{p.label} {p.score:.1f} at {p.speed:,.0f} texts/s" for p in points)
    return " ".join(
        [f"Score against speed on the suite {board.suite}, on {device[0]}: {found}.", *notes]
    )
