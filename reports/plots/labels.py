"""Names beside what they name, none upon another: direct labels instead of legends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from reports.plots.style import PAPER_GREY

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

__all__ = ["Label", "label_inside", "label_right"]

_SIZE = 7.0
_LINE = 1.25
"""Height of a line of text, in sizes of its letters."""

_PAD = 1.5
"""Points kept free around a label."""

_LEADER = 13.0
"""Points between axes and the names in their margin."""

_DIRECTIONS = ((1, 0), (0, 1), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))


@dataclass(frozen=True)
class Label:
    """A name to be written.

    Attributes:
        text: The name, as it is shown.
        points: Where it may stand, in the axes' data: best place first.
        colour: Of its letters.
        bold: Whether it is to be seen first.
    """

    text: str
    points: tuple[tuple[float, float], ...]
    colour: str
    bold: bool = False


def label_right(
    axis: Axes, labels: Sequence[Label], *, room: float, size: float = _SIZE
) -> tuple[str, ...]:
    """Write names in the margin right of the axes, at the height of each one's first point.

    Names that are too long lose letters from their middle.

    Args:
        axis: The axes, in their final place and limits.
        labels: Most important first.
        room: Width of the margin in inches.
        size: Of the letters, in points.

    Returns:
        The texts that found no room.
    """
    figure = axis.figure
    per_point = figure.dpi / 72
    box = axis.get_window_extent()
    step = size * _LINE * per_point
    count = max(1, int((box.height + step) // step))
    shown, left_out = list(labels[:count]), labels[count:]
    ends = [axis.transData.transform(label.points[0]) for label in shown]
    order = sorted(range(len(shown)), key=lambda i: (ends[i][1], -i))
    heights = _spread([float(ends[i][1]) for i in order], step, box.y0, box.y1)
    for place, height in zip(order, heights, strict=True):
        label, (end_x, end_y) = shown[place], ends[place]
        x = box.x1 + _LEADER * per_point
        label = _cut(axis, label, size, room * figure.dpi - _LEADER * per_point)
        corners = [
            (end_x + 3 * per_point, end_y),
            (x - 6 * per_point, height),
            (x - 1.5 * per_point, height),
        ]
        _draw_line(axis, corners, label.colour)
        _draw_text(axis, label, x, height, size, ha="left", va="center_baseline")
    return tuple(label.text for label in left_out)


def _spread(wanted: Sequence[float], step: float, low: float, high: float) -> list[float]:
    """Heights in rising order, at least `step` apart and as near as can be to those wanted."""
    # Neighbours that are too near form a block, around the middle of what they want.
    blocks: list[list[float]] = []  # number, sum of wanted first places
    for height in wanted:
        blocks.append([1, height])
        while len(blocks) > 1 and _first(blocks[-2]) + step * blocks[-2][0] > _first(blocks[-1]):
            count, total = blocks.pop()
            blocks[-1][1] += total - count * step * blocks[-1][0]
            blocks[-1][0] += count
    heights = [_first(block) + step * i for block in blocks for i in range(int(block[0]))]
    for i, height in enumerate(heights):  # not below the axes …
        heights[i] = max(height, low if i == 0 else heights[i - 1] + step)
    top = high + step / 2
    for i in reversed(range(len(heights))):  # … nor above
        heights[i] = min(heights[i], top)
        top = heights[i] - step
    return heights


def _first(block: Sequence[float]) -> float:
    return block[1] / block[0]


def label_inside(
    axis: Axes,
    labels: Sequence[Label],
    *,
    lines: Sequence[Sequence[tuple[float, float]]] = (),
    size: float = _SIZE,
    reach: Sequence[float] = (5, 11, 20),
    width: float | None = None,
) -> tuple[str, ...]:
    """Write names within the axes, where they touch no line, no point and no other name.

    Args:
        axis: The axes, in their final place and limits.
        labels: Most important first.
        lines: What to keep clear of, in the axes' data; a line of one point is a marker.
        size: Of the letters, in points.
        reach: Distances to try, in points; from 10 on a thin line leads to the name.
        width: How far beyond the axes' right edge a name may reach, in points; 0 if left out.

    Returns:
        The texts that found no room.
    """
    import numpy as np

    per_point = axis.figure.dpi / 72
    taken = _dots(axis, lines, per_point)
    bounds = axis.get_window_extent()
    right = bounds.x1 + (width or 0) * per_point
    boxes: list[tuple[float, float, float, float]] = []
    left_out = []
    for label in labels:
        wide, high = _extent(axis, label, size)
        for distance, (x, y), direction in _tries(axis, label, reach):
            box = _box(x, y, wide, high, direction, distance * per_point)
            pad = _PAD * per_point
            grown = (box[0] - pad, box[1] - pad, box[2] + pad, box[3] + pad)
            if (
                grown[0] < bounds.x0
                or grown[2] > right
                or grown[1] < bounds.y0 - pad
                or grown[3] > bounds.y1 + 2 * pad
                or any(_overlap(grown, other) for other in boxes)
                or bool(
                    np.any(
                        (taken[:, 0] > grown[0])
                        & (taken[:, 0] < grown[2])
                        & (taken[:, 1] > grown[1])
                        & (taken[:, 1] < grown[3])
                    )
                )
            ):
                continue
            boxes.append(grown)
            _write(axis, label, box, (x, y), size, leader=distance >= 10)
            break
        else:
            left_out.append(label.text)
    return tuple(left_out)


def _tries(
    axis: Axes, label: Label, reach: Sequence[float]
) -> list[tuple[float, tuple[float, float], tuple[int, int]]]:
    places = [tuple(map(float, place)) for place in axis.transData.transform(label.points)]
    return [
        (distance, (place[0], place[1]), direction)
        for distance in reach
        for place in places
        for direction in _DIRECTIONS
    ]


def _dots(
    axis: Axes, lines: Sequence[Sequence[tuple[float, float]]], per_point: float
) -> np.ndarray:
    """Lines as dots, dense enough that no name slips between two of them; (n, 2) in pixels."""
    import numpy as np

    dots = [np.empty((0, 2))]
    for line in lines:
        corners = axis.transData.transform(list(line))
        for start, end in pairwise(corners):
            count = int(math.hypot(*(end - start)) // (2 * per_point)) + 2
            dots.append(np.linspace(start, end, count))
        around = np.array([(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]) * 2.5 * per_point
        dots += [corner + around for corner in corners]
    return np.concatenate(dots)


def _extent(axis: Axes, label: Label, size: float) -> tuple[float, float]:
    text = axis.text(0, 0, label.text, size=size, weight="bold" if label.bold else "normal")
    box = text.get_window_extent(axis.figure.canvas.get_renderer())  # type: ignore[attr-defined]
    text.remove()
    return float(box.width), float(box.height)


def _cut(axis: Axes, label: Label, size: float, width: float) -> Label:
    """The label, with as many letters of its middle left out as makes it fit; width in pixels."""
    text = label.text
    keep = len(text)
    while keep > 4 and _extent(axis, label, size)[0] > width:
        keep -= 1
        head = keep // 3  # settings at the end tell more than the name
        label = replace(label, text=f"{text[:head]}…{text[-(keep - head - 1) :]}")
    return label


def _box(
    x: float, y: float, wide: float, high: float, direction: tuple[int, int], distance: float
) -> tuple[float, float, float, float]:
    dx, dy = direction
    reach = distance * (0.7 if dx and dy else 1)
    left = x + dx * reach - wide * (1 - dx) / 2
    low = y + dy * reach - high * (1 - dy) / 2
    return left, low, left + wide, low + high


def _overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _write(
    axis: Axes,
    label: Label,
    box: Sequence[float],
    point: tuple[float, float],
    size: float,
    *,
    leader: bool,
) -> None:
    if leader:
        near = (min(max(point[0], box[0]), box[2]), min(max(point[1], box[1]), box[3]))
        _draw_line(axis, [point, near], PAPER_GREY)
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    _draw_text(axis, label, *middle, size, ha="center", va="center")


def _draw_line(axis: Axes, corners: Sequence[tuple[float, float]], colour: str) -> None:
    """A thin line; on the sheet, so that it is none of the axes' data."""
    from matplotlib.lines import Line2D

    figure = axis.figure
    x, y = zip(*(_on_sheet(axis, *corner) for corner in corners), strict=True)
    line = Line2D(x, y, color=colour, linewidth=0.5, alpha=0.7, transform=figure.transSubfigure)
    figure.add_artist(line)


def _draw_text(
    axis: Axes, label: Label, x: float, y: float, size: float, *, ha: str, va: str
) -> None:
    axis.figure.text(
        *_on_sheet(axis, x, y),
        label.text,
        color=label.colour,
        size=size,
        weight="bold" if label.bold else "normal",
        ha=ha,
        va=va,
    )


def _on_sheet(axis: Axes, x: float, y: float) -> tuple[float, float]:
    """Pixels as parts of the sheet, which hold at every resolution."""
    box = axis.figure.bbox
    return float(x / box.width), float(y / box.height)
