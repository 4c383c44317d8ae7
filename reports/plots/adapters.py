"""Each adapter forced on every task type: does the routing choose the right one?"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.grid import MISSING, short_type, spaced
from reports.leaderboard import Entry, Leaderboard
from reports.plots.picture import Picture
from reports.plots.scope import name_of, shared_tasks
from reports.plots.style import (
    GREY,
    INK,
    WIDTH,
    axes_at,
    drawing,
    legible,
    notes_height,
    picture,
    run_of,
    sheet,
    write_notes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_adapters"]

_FORCED = "adapter="
_OWN = "routing "
_CELL = 0.34
"""Height of a cell in inches."""


@dataclass(frozen=True)
class _Table:
    """The scores of one model.

    Attributes:
        model: Its name.
        rows: Names of the rows: adapters, then the model's own routings.
        scores: Score × 100 by (row, type); None where it was not measured.
        chosen: (adapter, type) to the part of the type's tasks for which a routing chooses it.
        tasks: The tasks of each type over which the means are.
        of: How many tasks each type has.
    """

    model: str
    rows: tuple[str, ...]
    scores: Mapping[tuple[str, str], float | None]
    chosen: Mapping[tuple[str, str], float]
    tasks: Mapping[str, tuple[str, ...]]
    of: Mapping[str, int]

    @property
    def adapters(self) -> tuple[str, ...]:
        """The rows of forced adapters."""
        return tuple(row for row in self.rows if not row.startswith(_OWN))


def plot_adapters(board: Leaderboard) -> Picture | None:
    """Adapter × task type: the score, with the cells framed that the model's own routing chooses.

    Colours are by column: the worst of a type is light, the best dark.

    Returns:
        None unless some model was measured with two adapters or more forced on all tasks.
    """
    tables = _tables(board)
    if not tables:
        return None
    title = f"Which adapter for which task type: {name_of(board)}"
    notes = [
        "Framed: chosen by the model's own routing; dashed: for some of the type's tasks, or for "
        "one side of a search. Bold: the best adapter of the column. Colour: from the column's "
        "worst, light, to its best, dark."
    ]
    with drawing():
        heights = [0.57 + _CELL * len(table.rows) for table in tables]
        height = 0.6 + sum(heights) + notes_height(notes) + 0.05
        figure = sheet(height, title, "Score × 100 of each adapter for all texts of all tasks.")
        top = 0.6
        for table, high in zip(tables, heights, strict=True):
            left = 0.35 + 0.066 * max(len(row) for row in table.rows)
            wide = min(WIDTH - left - 0.1, 0.95 * len(table.tasks))
            axis = axes_at(figure, left, top + 0.42, wide, _CELL * len(table.rows))
            _draw(axis, table, wide / len(table.tasks))
            if len(tables) > 1:
                axis.set_title(legible(table.model), loc="left", weight="bold", pad=26)
            top += high
        write_notes(figure, notes)
        return picture("adapters", title, figure, _description(board, tables))


def _tables(board: Leaderboard) -> list[_Table]:
    models: dict[tuple[object, ...], list[Entry]] = {}
    for entry in board.entries:
        run = run_of(entry)
        if entry.some_record.provenance.identity.chunking == "none":
            models.setdefault((*run[:3], *run[4:]), []).append(entry)
    tables = [_table(board, entries) for entries in models.values()]
    return [table for table in tables if table is not None]


def _routing(entry: Entry) -> str:
    return str(entry.some_record.provenance.run_spec.get("routing"))


def _table(board: Leaderboard, entries: Sequence[Entry]) -> _Table | None:
    forced = sorted(
        (entry for entry in entries if _routing(entry).startswith(_FORCED)), key=_routing
    )
    if len(forced) < 2:
        return None
    own = [entry for entry in entries if not _routing(entry).startswith(_FORCED)]
    rows = {_routing(entry).removeprefix(_FORCED): entry for entry in forced}
    rows |= {f"{_OWN}{_routing(entry)}": entry for entry in own}
    tasks = {}
    for kind in board.types:
        shared = shared_tasks(rows.values(), board.tasks_of(kind))
        if any(e.mean(e.main_view, shared) is not None for e in rows.values()):
            tasks[kind] = shared
    if not tasks:
        return None
    scores = {
        (row, kind): None if mean is None else 100 * mean
        for row, entry in rows.items()
        for kind, shared in tasks.items()
        for mean in [entry.mean(entry.main_view, shared)]
    }
    return _Table(
        model=entries[0].some_record.provenance.identity.model,
        rows=tuple(rows),
        scores=scores,
        chosen=_chosen(own[0], tasks) if own else {},
        tasks=tasks,
        of={kind: len(board.tasks_of(kind)) for kind in tasks},
    )


def _chosen(entry: Entry, tasks: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], float]:
    """(adapter, type) to the part of the type's tasks, and of their two sides, that it gets."""
    chosen: dict[tuple[str, str], float] = {}
    for kind, names in tasks.items():
        records = [entry.records.get((entry.main_view, name)) for name in names]
        known = [record.provenance.identity.routes for record in records if record is not None]
        for routes in known:
            for route in routes.values():
                key = (str(route.adapter), kind)
                chosen[key] = chosen.get(key, 0.0) + 1 / len(routes) / len(known)
    return chosen


def _draw(axis: Axes, table: _Table, cell_width: float) -> None:
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    kinds = list(table.tasks)
    colours = colormaps["Blues"]
    for column, kind in enumerate(kinds):
        known = [s for row in table.rows if (s := table.scores[row, kind]) is not None]
        low, high = (min(known), max(known)) if known else (0.0, 0.0)
        best = max(
            (s for row in table.adapters if (s := table.scores[row, kind]) is not None),
            default=None,
        )
        for place, row in enumerate(table.rows):
            score = table.scores[row, kind]
            if score is None:
                axis.add_patch(
                    Rectangle((column, place), 1, 1, facecolor="white", hatch="////",
                              edgecolor="#d0d7de", linewidth=0)
                )  # fmt: skip
                axis.text(column + 0.5, place + 0.5, MISSING, ha="center", va="center", color=GREY)
                continue
            part = (score - low) / (high - low) if high > low else 0.5
            colour = colours(0.04 + 0.76 * part)
            axis.add_patch(Rectangle((column, place), 1, 1, facecolor=colour, linewidth=0))
            axis.text(
                column + 0.5,
                place + 0.5,
                f"{score:.1f}",
                ha="center",
                va="center_baseline",
                color=_readable(colour),
                weight="bold" if row in table.adapters and score == best else "normal",
            )
            part_chosen = table.chosen.get((row, kind), 0.0)
            if part_chosen > 0:
                _frame(axis, column, place, dashed=part_chosen < 0.999)
    _finish(axis, table, kinds, cell_width)


def _frame(axis: Axes, column: int, row: int, *, dashed: bool) -> None:
    """A dark frame in a white one: seen on light cells and on dark ones."""
    from matplotlib.patches import Rectangle

    for colour, width, line in (("white", 3.4, "-"), (INK, 1.6, (0, (3, 1.6)) if dashed else "-")):
        axis.add_patch(
            Rectangle(
                (column + 0.04, row + 0.08),
                0.92,
                0.84,
                fill=False,
                edgecolor=colour,
                linewidth=width,
                linestyle=line,
                zorder=4,
            )
        )


def _finish(axis: Axes, table: _Table, kinds: Sequence[str], cell_width: float) -> None:
    axis.set_xlim(0, len(kinds))
    axis.set_ylim(len(table.rows), 0)
    own = len(table.rows) - len(table.adapters)
    if own:
        axis.axhline(len(table.rows) - own, color="white", linewidth=4)
    letters = max(6, int(cell_width / 0.0565))
    headings = []
    for kind in kinds:
        lines = textwrap.wrap(spaced(kind), letters, break_long_words=False)
        if max(len(line) for line in lines) > letters:
            lines = [short_type(kind)]
        if len(table.tasks[kind]) < table.of[kind]:
            lines.append(f"{len(table.tasks[kind])} of {table.of[kind]}")
        headings.append("\n".join(lines))
    axis.set_xticks([i + 0.5 for i in range(len(kinds))], headings, size=7, linespacing=1.05)
    axis.xaxis.tick_top()
    axis.set_yticks(
        [i + 0.5 for i in range(len(table.rows))], [legible(row) for row in table.rows], size=7.5
    )
    axis.tick_params(length=0, colors=INK)
    axis.spines[:].set_visible(False)


def _readable(colour: tuple[float, float, float, float]) -> str:
    """Black or white letters, whichever stands out more on a colour."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "white" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else "black"


def _description(board: Leaderboard, tables: Sequence[_Table]) -> str:
    parts = [f"Score by adapter and task type on the suite {board.suite}."]
    for table in tables:
        for kind in table.tasks:
            known = {
                row: score
                for row in table.rows
                if not row.startswith("routing ") and (score := table.scores[row, kind]) is not None
            }
            if not known:
                continue
            best = max(known, key=lambda row: known[row])
            chosen = " and ".join(row for row in table.rows if table.chosen.get((row, kind)))
            routed = f"; routed to {chosen}" if chosen else ""
            parts.append(f"{table.model}, {spaced(kind)}: best {best} ({known[best]:.1f}){routed}.")
    return " ".join(parts)
