"""Plots, as bytes: the same records give the same bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.grid import spaced, visible
from reports.leaderboard import Entry, Leaderboard

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

__all__ = ["Picture", "plot_dimensions"]

# Okabe and Ito's palette, which colour-blind readers can tell apart
# (https://jfly.uni-koeln.de/color/), without its yellow, too light on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
# One more than colours: the eighth model has the first one's colour, not its marker.
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
_LINES = ("-", ":")
_MAX_COLUMNS = 3
_OVERALL = "All tasks"


@dataclass(frozen=True)
class Picture:
    """A plot in two formats.

    Attributes:
        png: For documents.
        svg: For pages and print.
        description: What is seen, in words.
    """

    png: bytes
    svg: str
    description: str


@dataclass(frozen=True)
class _Curve:
    """One model in one panel; scores × 100."""

    label: str
    dims: tuple[int, ...]
    scores: tuple[float, ...]
    style: int


def plot_dimensions(board: Leaderboard) -> Picture | None:
    """Score against dimension: one panel for all tasks and one for each task type.

    A model that was read at one dimension only is a point, and one without
    dimensions a dashed line across. Points that lack one of the panel's tasks
    are left out.

    Returns:
        None if no model was read at two dimensions or more.
    """
    panels = [
        (_OVERALL, _panel(board, None)),
        *((spaced(t), _panel(board, t)) for t in board.types),
    ]
    panels = [(title, curves) for title, curves in panels if curves]
    if not any(len(curve.dims) > 1 for _, curves in panels for curve in curves):
        return None
    from matplotlib import rc_context

    with rc_context(
        {
            "svg.hashsalt": "jina-eval",
            "svg.fonttype": "path",
            "font.size": 9,
            "text.parse_math": False,  # a model's name is no formula, whatever its dollar signs
        }
    ):
        figure = _draw(board, panels)
        png, svg = io.BytesIO(), io.StringIO()
        # Without these fields the files would hold the date and the library's version.
        figure.savefig(png, format="png", dpi=160, metadata={"Software": None})
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    names = ", ".join(entry.label for entry in board.entries)
    description = f"Score against embedding dimension on the suite {board.suite}, for {names}."
    return Picture(png.getvalue(), svg.getvalue(), description)


def _panel(board: Leaderboard, task_type: str | None) -> tuple[_Curve, ...]:
    curves = []
    for style, entry in enumerate(board.entries):
        # Of one dimension's precisions, the vectors as they are: a curve has one score at each.
        views = [view for view in entry.views if not entry.is_mixed(view) and "," not in view]
        points = [(entry.dim(view), _mean(board, entry, view, task_type)) for view in views]
        known = [(dim, 100 * score) for dim, score in points if score is not None]
        if not known:
            continue
        with_dim = sorted((dim, score) for dim, score in known if dim is not None)
        dims, scores = zip(*(with_dim or [(0, known[0][1])]), strict=True)
        curves.append(_Curve(entry.label, dims if with_dim else (), scores, style))
    return tuple(curves)


def _mean(board: Leaderboard, entry: Entry, view: str, task_type: str | None) -> float | None:
    if task_type is None:
        return board.mean_task(entry, view)
    return board.type_mean(entry, view, task_type)


def _draw(board: Leaderboard, panels: Sequence[tuple[str, tuple[_Curve, ...]]]) -> Figure:
    from matplotlib.figure import Figure

    columns = min(_MAX_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    # Panels may lack a model, so that no single one has all names.
    styles = {curve.style: curve for _, curves in panels for curve in curves}
    # A lone panel is as wide as two, for the legend's sake.
    figure = Figure(figsize=(3.4 * max(columns, 2), 2.5 * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    ticks = sorted({dim for _, curves in panels for curve in curves for dim in curve.dims})
    handles: dict[int, Line2D] = {}
    for number, (axis, (title, curves)) in enumerate(zip(axes, panels, strict=False)):
        handles |= _draw_panel(axis, title, curves, ticks)
        if number % columns == 0:
            axis.set_ylabel("score × 100")
        if number + columns >= len(panels):  # nothing below it
            axis.set_xlabel("dimensions", fontsize=8)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    named = [(handles[style], _shortened(styles[style].label)) for style in sorted(styles)]
    legend_rows = _draw_legend(
        figure, f"Score against embedding dimension: {visible(board.suite)}", named, columns
    )
    figure.set_figheight(2.5 * rows + 0.5 + 0.2 * legend_rows)
    return figure


def _draw_legend(figure: Figure, title: str, named: list[tuple[Line2D, str]], columns: int) -> int:
    """Draw the legend in as many columns as fit and return its number of rows."""
    for ncols in range(min(columns, len(named)), 0, -1):
        # The title is the legend's own: two things at the top of a figure would overlap.
        legend = figure.legend(
            *zip(*named, strict=True),
            title=title,
            title_fontproperties={"weight": "bold", "size": 11},
            alignment="left",
            loc="outside upper left",
            ncols=ncols,
            frameon=False,
        )
        if ncols == 1 or legend.get_window_extent().width <= figure.bbox.width:
            break
        legend.remove()
    return -(-len(named) // ncols)


def _draw_panel(
    axis: Axes, title: str, curves: Sequence[_Curve], ticks: Sequence[int]
) -> dict[int, Line2D]:
    """Draw one panel and return the line of each style."""
    axis.set_xscale("log", base=2)
    axis.set_title(title, loc="left", fontsize=9, weight="bold" if title == _OVERALL else "normal")
    lines = {curve.style: _draw_curve(axis, curve) for curve in curves}
    axis.set_xticks(list(ticks), [str(tick) for tick in ticks])
    axis.minorticks_off()
    axis.set_xlim(min(ticks) / 1.25, max(ticks) * 1.25)
    axis.margins(y=0.15)
    axis.grid(axis="y", color="#d0d7de", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)
    return lines


def _draw_curve(axis: Axes, curve: _Curve) -> Line2D:
    colour = _COLOURS[curve.style % len(_COLOURS)]
    if not curve.dims:
        return axis.axhline(curve.scores[0], color=colour, linestyle="--", linewidth=1.2)
    (line,) = axis.plot(
        curve.dims,
        curve.scores,
        color=colour,
        marker=_MARKERS[curve.style % len(_MARKERS)],
        markersize=4,
        linestyle=_LINES[curve.style // len(_COLOURS) % len(_LINES)],
    )
    return line


def _shortened(label: str, limit: int = 38) -> str:
    """A name that fits the legend; its end stays, where settings stand that tell rows apart."""
    label = visible(label)
    if len(label) > limit:
        label = f"{label[: limit // 2]}…{label[-(limit // 2 - 1) :]}"
    return label
