"""How all plots look: colours, markers, letters, the sheet they are drawn on, and how it is saved.

The same records give the same bytes: no date, no version of a library, no setting of the user's.
"""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from reports.grid import visible
from reports.leaderboard import Entry, Leaderboard
from reports.plots.picture import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "GREY",
    "INK",
    "PAPER_GREY",
    "WIDTH",
    "Look",
    "axes_at",
    "calm",
    "drawing",
    "legible",
    "log_ticks",
    "looks_of",
    "notes_height",
    "picture",
    "run_of",
    "sheet",
    "shortened",
    "write_notes",
]

# Okabe and Ito's palette, which colour-blind readers can tell apart
# (https://jfly.uni-koeln.de/color/), without its yellow, too light on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
# One more than colours: the eighth model has the first one's colour, not its marker.
# Letters need more contrast than lines: the same hues, dark enough for small print.
_INKS = ("#005a8e", "#a84a00", "#00704f", "#9c4476", "#1f6f9f", "#8a5f00", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
_LINES = ("-", (0, (6, 1, 1, 1)), (0, (3, 1)))
_CHUNKED_LINES = {"late": (0, (4, 1.2)), "naive": (0, (1, 1.2))}

INK = "#24292f"
GREY = "#57606a"
"""Of letters that stand back; dark enough to be read on white."""

PAPER_GREY = "#8c959f"
"""Of published curves behind ours."""

_RULE = "#d0d7de"
WIDTH = 7.2
"""Of every sheet in inches: the width of a printed page's text."""

_FONT = "DejaVu Sans"
_STYLE = {
    "svg.hashsalt": "jina-eval",
    "svg.fonttype": "path",
    "font.family": [_FONT],  # comes with matplotlib: the same letters on every machine
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.6,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "hatch.linewidth": 0.5,
    "text.color": INK,
    "text.parse_math": False,  # a model's name is no formula, whatever its dollar signs
    "axes.unicode_minus": True,
}

LineStyle = str | tuple[int, tuple[float, ...]]


@dataclass(frozen=True)
class Look:
    """How an entry is drawn in every plot of a board.

    Attributes:
        colour: One for each model and routing; chunkings share it.
        ink: The same for letters.
        marker: One for each entry, so that print in black and white tells them apart.
        line: Says how documents were chunked; of the eighth model on, other lines.
    """

    colour: str
    ink: str
    marker: str
    line: LineStyle


def run_of(entry: Entry) -> tuple[object, ...]:
    """What the entries that differ by their chunking alone have in common."""
    facts = entry.some_record.provenance
    identity = facts.identity
    return (
        identity.model,
        identity.fingerprint,
        identity.backend,
        facts.run_spec.get("routing"),
        identity.precision,
        identity.max_length,
        identity.seed,
        identity.mteb_version,
    )


def looks_of(board: Leaderboard) -> dict[str, Look]:
    """The look of each entry, by its label."""
    runs = list(dict.fromkeys(run_of(entry) for entry in board.entries))
    looks = {}
    for number, entry in enumerate(board.entries):
        run = runs.index(run_of(entry))
        kind = entry.some_record.provenance.identity.chunking.split(":")[0]
        looks[entry.label] = Look(
            colour=_COLOURS[run % len(_COLOURS)],
            ink=_INKS[run % len(_INKS)],
            marker=_MARKERS[number % len(_MARKERS)],
            line=_CHUNKED_LINES.get(kind, _LINES[run // len(_COLOURS) % len(_LINES)]),
        )
    return looks


@contextmanager
def drawing() -> Iterator[None]:
    """All drawing happens within: our style upon the library's own, never the user's."""
    from matplotlib import style

    with style.context(["default", _STYLE]):
        yield


def sheet(height: float, title: str, subtitle: str = "") -> Figure:
    """A sheet of `WIDTH` × `height` inches with a title in its upper left corner."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)  # what measures letters
    figure.text(
        0.1 / WIDTH, 1 - 0.1 / height, shortened(title, 80), size=10, weight="bold", va="top"
    )
    if subtitle:
        figure.text(
            0.1 / WIDTH, 1 - 0.31 / height, legible(subtitle), size=7.5, color=GREY, va="top"
        )
    return figure


def axes_at(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes whose place is told in inches from the sheet's upper left corner."""
    wide, high = figure.get_size_inches()
    place = (left / wide, 1 - (top + height) / high, width / wide, height / high)
    axes: Axes = figure.add_axes(place)
    return axes


def calm(axis: Axes, grid: Literal["x", "y", "both"] = "y") -> None:
    """Take away what is no data, frame and minor ticks; a grid along one axis or both."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis=grid, color=_RULE, linewidth=0.5)
    axis.set_axisbelow(True)
    axis.minorticks_off()
    axis.tick_params(length=2.5, pad=2)


def log_ticks(axis: Axes, values: Sequence[int], *, base: int = 2) -> None:
    """A logarithmic axis with ticks at these values; those too near the next go unnamed."""
    axis.set_xscale("log", base=base)
    axis.set_xlim(min(values) / 1.18, max(values) * 1.18)
    figure = axis.get_figure()
    assert figure is not None
    # In points of 1/72 inch: a digit of this size is 4.6 wide.
    places = axis.transData.transform([(value, 0) for value in values])[:, 0] * 72 / figure.dpi
    named: list[int] = []
    end = float("inf")
    for value, place in sorted(zip(values, places, strict=True), reverse=True):
        half = 2.3 * len(_short(value)) + 1.5
        if place + half <= end:
            named.append(value)
            end = place - half
    axis.set_xticks(list(values), [_short(v) if v in named else "" for v in values])
    axis.minorticks_off()


def _short(value: int) -> str:
    """A number of at most four digits: 8192, 16k."""
    return str(value) if value < 10_000 else f"{value // 1024}k"


def notes_height(notes: Sequence[str]) -> float:
    """Inches that the notes below a plot need."""
    return 0.08 + 0.125 * len(_wrapped(notes)) if notes else 0.0


def write_notes(figure: Figure, notes: Sequence[str]) -> None:
    """Write the notes at the sheet's lower left corner."""
    if notes:
        high = figure.get_size_inches()[1]
        figure.text(
            0.1 / WIDTH,
            0.05 / high,
            "\n".join(_wrapped(notes)),
            size=6.5,
            color=GREY,
            va="bottom",
            linespacing=1.3,
        )


def _wrapped(notes: Sequence[str]) -> list[str]:
    return [line for note in notes for line in textwrap.wrap(legible(note), 128)]


def picture(name: str, title: str, figure: Figure, description: str) -> Picture:
    """Turn a figure into bytes."""
    png, svg = io.BytesIO(), io.StringIO()
    # Without these fields the files would hold the date and the library's version.
    figure.savefig(png, format="png", dpi=160, metadata={"Software": None})
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    return Picture(name, visible(title), png.getvalue(), svg.getvalue(), visible(description))


def shortened(label: str, limit: int = 48) -> str:
    """A name that fits; its end stays, where settings stand that tell rows apart."""
    # "late 256" and "adapter=separation" say themselves what they are.
    label = re.sub(r"\b(?:chunking|routing) (?=[^,()]+[,)])", "", label)
    label = legible(re.sub(r"\b(late|naive):fixed=(?=\d+[,)])", r"\1 ", label))
    if len(label) > limit:
        label = f"{label[: limit // 2]}…{label[-(limit // 2 - 1) :]}"
    return label


def legible(text: str) -> str:
    """A text whose letters are all seen; those that the font lacks by their number."""
    known = _letters()
    return "".join(
        letter if ord(letter) in known or letter == "\n" else f"\\u{ord(letter):04x}"
        for letter in visible(text)
    )


@lru_cache(maxsize=1)
def _letters() -> Mapping[int, int]:
    from matplotlib.font_manager import findfont, get_font

    letters: Mapping[int, int] = get_font(findfont(_FONT)).get_charmap()
    return letters
