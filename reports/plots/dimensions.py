"""Score against dimension: what a vector loses when it is cut short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reports.grid import spaced
from reports.leaderboard import Entry, Leaderboard
from reports.plots.labels import Label, label_inside, label_right
from reports.plots.picture import Picture
from reports.plots.published import Curve, matryoshka_curve
from reports.plots.scope import name_of, scope_words, shared_tasks
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
    from matplotlib.figure import Figure

__all__ = ["plot_dimensions"]

_COLUMNS = 4
_FIRST = 2.75
"""Height of the row of the first panel, in inches."""

_BLOCK = 2.3
"""Height of a row of panels by type."""

_FEW = 6
"""Up to so many lines, all are drawn alike and named in each panel; of more, the best stand out."""

Point = tuple[float, float]


@dataclass(frozen=True)
class _Line:
    """One entry in one panel; scores × 100.

    Attributes:
        label: The entry's.
        look: How it is drawn.
        points: (dimension, score), in rising order; empty for a model without dimensions.
        level: The score of a model without dimensions.
    """

    label: str
    look: Look
    points: tuple[Point, ...]
    level: float | None = None

    @property
    def retention(self) -> tuple[Point, ...]:
        """(dimension, percent of the widest one's score); empty where that makes no sense."""
        if len(self.points) < 2 or self.points[-1][1] <= 0:
            return ()
        return tuple((dim, 100 * score / self.points[-1][1]) for dim, score in self.points)


@dataclass(frozen=True)
class _Panel:
    """The lines over some tasks.

    Attributes:
        title: The tasks' type, or all of them.
        over: What the mean is over, in words.
        lines: In the order of the board.
        published: A published curve to draw behind them.
    """

    title: str
    over: str
    lines: tuple[_Line, ...]
    published: Curve | None


def plot_dimensions(board: Leaderboard) -> Picture | None:
    """Score against dimension: a panel for all tasks and one for each task type.

    Below each, the part that is left of the widest vector's score. A model that was read at one
    dimension only is a point, and one without dimensions a dashed line across. Points that lack
    one of the panel's tasks are left out.

    Returns:
        None if no model was read at two dimensions or more.
    """
    looks = looks_of(board)
    names = [column.name for column in board.tasks]
    panels = [_panel(board, looks, "All tasks" if len(names) > 1 else names[0], names, None)]
    if len(board.types) > 1:
        panels += [_panel(board, looks, spaced(t), board.tasks_of(t), t) for t in board.types]
    panels = [panel for panel in panels if panel.lines]
    if not any(len(line.points) > 1 for panel in panels for line in panel.lines):
        return None
    title = f"Score against embedding dimension: {name_of(board)}"
    with drawing():
        figure, unnamed = _draw(title, panels)
        return picture("dimensions", title, figure, _description(board, panels, unnamed))


def _panel(
    board: Leaderboard,
    looks: Mapping[str, Look],
    title: str,
    tasks: Sequence[str],
    task_type: str | None,
) -> _Panel:
    shared = shared_tasks(board.entries, tasks)
    lines = [_line(entry, looks[entry.label], shared) for entry in board.entries] if shared else []
    alone = board.types[0] if len(board.types) == 1 and len(board.tasks) > 1 else None
    kind = task_type or alone
    return _Panel(
        title=title,
        over=scope_words(shared, tasks),
        lines=tuple(line for line in lines if line is not None),
        published=matryoshka_curve(board, kind) if kind else None,
    )


def _line(entry: Entry, look: Look, tasks: Sequence[str]) -> _Line | None:
    # Of one dimension's precisions, the vectors as they are: a line has one score at each.
    views = [view for view in entry.views if not entry.is_mixed(view) and "," not in view]
    scores = [(entry.dim(view), entry.mean(view, tasks)) for view in views]
    known = [(dim, 100 * score) for dim, score in scores if score is not None]
    points = sorted((float(dim), score) for dim, score in known if dim is not None)
    if points:
        return _Line(entry.label, look, tuple(points))
    return _Line(entry.label, look, (), known[0][1]) if known else None


def _draw(title: str, panels: Sequence[_Panel]) -> tuple[Figure, tuple[str, ...]]:
    """Draw the sheet and return it with the labels of the lines that could not be named."""
    rows = -(-(len(panels) - 1) // _COLUMNS)
    notes = _notes(panels)
    first, rest = panels[0], panels[1:]
    height = 0.6 + _FIRST + rows * _BLOCK + notes_height([*notes, ""]) + 0.05
    figure = sheet(height, title, "Each model read at several lengths of its vectors; score × 100.")
    ticks = sorted({int(d) for panel in panels for line in panel.lines for d, _ in line.points})
    score = axes_at(figure, 0.5, 0.85, 2.45, _FIRST - 0.75)
    unnamed = _draw_scores(score, first, ticks, named="right")
    heading = first.title if first.over == first.title else f"{first.title} ({first.over})"
    score.set_title(heading, loc="left", weight="bold")
    score.set_ylabel("score × 100")
    score.set_xlabel("dimensions")
    share = axes_at(figure, 5.1, 0.85, WIDTH - 5.2, _FIRST - 0.75)
    _draw_retention(share, first, ticks)
    share.set_title("% of the widest", loc="left")
    share.set_xlabel("dimensions")
    wide = WIDTH / _COLUMNS
    for number, panel in enumerate(rest):
        top = 0.75 + _FIRST + (number // _COLUMNS) * _BLOCK
        left = 0.45 + (number % _COLUMNS) * wide
        upper = axes_at(figure, left, top, wide - 0.53, 1.15)
        _draw_scores(upper, panel, ticks, named="inside")
        upper.tick_params(labelbottom=False)
        partial = panel.over if " of " in panel.over and "all" not in panel.over else ""
        upper.set_title(panel.title, loc="left", y=1.1 if partial else 1.03, pad=0)
        upper.text(0, 1.03, partial, transform=upper.transAxes, size=6, color=GREY)
        lower = axes_at(figure, left, top + 1.25, wide - 0.53, 0.62)
        _draw_retention(lower, panel, ticks)
        if number % _COLUMNS == 0:
            upper.set_ylabel("score × 100")
            lower.set_ylabel("% of widest")
    write_notes(figure, [*notes, *_unnamed_note(unnamed)])
    return figure, unnamed


def _draw_scores(axis: Axes, panel: _Panel, ticks: Sequence[int], *, named: str) -> tuple[str, ...]:
    """Draw one panel and return the labels that found no room."""
    many = len(panel.lines) > _FEW
    if panel.published is not None:
        axis.plot(
            *zip(*panel.published.points, strict=True),
            color=PAPER_GREY,
            linewidth=2.2,
            alpha=0.6,
            zorder=1,
        )
    for place, line in enumerate(panel.lines):
        colour = line.look.colour
        weight = _weight(place, len(panel.lines))
        if line.level is not None:
            axis.axhline(line.level, color=colour, linestyle="--", linewidth=1.0)
        else:
            axis.plot(
                *zip(*line.points, strict=True),
                color=colour,
                marker=line.look.marker,
                linestyle=line.look.line,
                **weight,
            )
    _finish(axis, ticks, room=0.12 if named == "inside" else 0.0)
    published = panel.published.points if panel.published else ()
    labels = [_label(line, ticks, limit=48 if named == "right" else 22) for line in panel.lines]
    if named == "right":
        grey = [Label("published", (published[-1],), GREY)] if published else []
        return label_right(axis, [*labels, *grey], room=1.65)
    shown = labels if not many else labels[:3]
    if published:
        shown = [*shown, Label("published", tuple(published[::-1]), GREY)]
    label_inside(
        axis, shown, lines=[*_obstacles(panel.lines, ticks), published], size=6, reach=(4, 8)
    )
    return ()


def _label(line: _Line, ticks: Sequence[int], limit: int) -> Label:
    level = [(float(tick), line.level or 0.0) for tick in reversed(ticks)]
    points = tuple(reversed(line.points)) or tuple(level)
    return Label(shortened(line.label, limit), points, line.look.ink)


def _obstacles(lines: Sequence[_Line], ticks: Sequence[int]) -> list[tuple[Point, ...]]:
    across = [
        tuple((float(t), line.level) for t in (ticks[0], ticks[-1]))
        for line in lines
        if line.level is not None
    ]
    return [*(line.points for line in lines if line.points), *across]


def _draw_retention(axis: Axes, panel: _Panel, ticks: Sequence[int]) -> None:
    axis.axhline(100, color=GREY, linewidth=0.6)
    if panel.published is not None:
        points = panel.published.points
        axis.plot(
            [dim for dim, _ in points],
            [100 * s / points[-1][1] for _, s in points],
            color=PAPER_GREY,
            linewidth=2.2,
            alpha=0.6,
            zorder=1,
        )
    for place, line in enumerate(panel.lines):
        if line.retention:
            weight = _weight(place, len(panel.lines))
            axis.plot(
                *zip(*line.retention, strict=True),
                color=line.look.colour,
                marker=line.look.marker,
                linestyle=line.look.line,
                **weight,
            )
    _finish(axis, ticks)


def _weight(place: int, of: int) -> dict[str, Any]:
    """Width of a line and size of its markers: of many lines, all but the best stand back."""
    if of <= _FEW:
        return {"linewidth": 1.2, "markersize": 3.4, "alpha": 1.0}
    if place < _FEW:
        return {"linewidth": 1.2, "markersize": 2.6, "alpha": 1.0, "zorder": 3}
    return {"linewidth": 0.6, "markersize": 0.0, "alpha": 0.55}


def _finish(axis: Axes, ticks: Sequence[int], *, room: float = 0.0) -> None:
    """Axes, with some of their height kept free for names above the lines."""
    calm(axis)
    log_ticks(axis, ticks)
    axis.margins(y=0.08)
    axis.autoscale_view(scalex=False)
    low, high = axis.get_ylim()
    axis.set_ylim(low, high + room * (high - low))


def _notes(panels: Sequence[_Panel]) -> list[str]:
    published = [panel.published for panel in panels if panel.published is not None]
    if not published:
        return []
    return [
        f"Grey: jina-embeddings-v3 as published ({published[0].source}), over the paper's own "
        "choice of tasks: its shape compares with ours, its height does not."
    ]


def _unnamed_note(unnamed: Sequence[str]) -> list[str]:
    count = len(unnamed)
    return [f"Drawn without their names: {count}; the leaderboard has all."] * bool(count)


def _description(board: Leaderboard, panels: Sequence[_Panel], unnamed: Sequence[str]) -> str:
    names = ", ".join(entry.label for entry in board.entries)
    parts = [f"Score against embedding dimension on the suite {board.suite}, for {names}."]
    for line in panels[0].lines[:_FEW]:
        if line.retention:
            dim, kept = line.retention[0]
            widest = line.retention[-1][0]
            parts.append(
                f"{line.label} keeps {kept:.1f} % of its score ({panels[0].over}) at {dim:.0f} of "
                f"{widest:.0f} dimensions."
            )
    return " ".join([*parts, *_notes(panels), *_unnamed_note(unnamed)])
