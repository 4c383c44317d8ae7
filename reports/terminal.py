"""Tables for the terminal: as wide as it is, and no number ever cut."""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions, Group
from rich.table import Table
from rich.text import Text

from reports.grid import Cell, Column, Grid, visible
from reports.leaderboard import Leaderboard
from reports.tables import all_grids

__all__ = ["leaderboard_tables", "render_grid"]

# Widths in terminal cells. Names and other texts wrap before a table is split.
_WIDEST_HEADING = 16
_WIDEST_NAME = 40
_NARROWEST_NAME = 20
_NARROWEST_TEXT = 12
_GAP = 1


def leaderboard_tables(board: Leaderboard) -> tuple[Group, ...]:
    """A leaderboard's tables, ready to be printed by rich."""
    return tuple(render_grid(grid) for grid in all_grids(board))


def render_grid(grid: Grid) -> Group:
    """One table; texts wrap, numbers never do.

    A table that is wider than the terminal becomes several, one below the
    other, each with the names of the rows.
    """
    notes = (Text(visible(note), style="dim") for note in grid.notes)
    return Group(Text(visible(grid.title), style="bold"), _Fitted(grid), *notes)


class _Fitted:
    """A table in as many parts as the width at hand asks for."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table | Text]:
        for number, part in enumerate(_parts(self._grid, options.max_width)):
            if number:
                yield Text()
            yield _table(self._grid, part)


def _parts(grid: Grid, width: int) -> list[dict[int, int]]:
    """The columns of each part with their widths.

    A part has one column beside the keys even where that is too wide.
    """
    sizes = [_sizes(grid, index) for index in range(len(grid.columns))]
    keys = list(range(grid.keys))
    parts: list[list[int]] = [[]]
    for index in range(grid.keys, len(grid.columns)):
        narrowest = sum(sizes[i][0] + _GAP for i in [*keys, *parts[-1], index])
        if parts[-1] and narrowest > width:
            parts.append([])
        parts[-1].append(index)
    return [_shrunk({i: sizes[i] for i in [*keys, *part]}, width) for part in parts]


def _sizes(grid: Grid, index: int) -> tuple[int, int]:
    """The narrowest and the widest that a column may be."""
    column = grid.columns[index]
    texts = [*_heading(column), *(_shown(row[index]) for row in grid.rows)]
    widest = max(map(cell_len, texts))
    if index == 0:
        widest = min(widest, _WIDEST_NAME)
        return min(widest, _NARROWEST_NAME), widest
    return widest if column.numeric else min(widest, _NARROWEST_TEXT), widest


def _shrunk(sizes: dict[int, tuple[int, int]], width: int) -> dict[int, int]:
    """Widths that fit, taken from the widest column first."""
    widths = {index: widest for index, (_, widest) in sizes.items()}
    while sum(widths.values()) + _GAP * len(widths) > width:
        yielding = [index for index in widths if widths[index] > sizes[index][0]]
        if not yielding:
            break
        widths[max(yielding, key=lambda index: widths[index])] -= 1
    return widths


def _table(grid: Grid, widths: dict[int, int]) -> Table:
    table = Table(padding=(0, _GAP, 0, 0), box=None, header_style="bold")
    for index, width in widths.items():
        column = grid.columns[index]
        table.add_column(
            Text("\n".join(_heading(column))),
            justify="right" if column.numeric else "left",
            overflow="fold",
            width=width,
            vertical="bottom",
        )
    for row in grid.rows:
        table.add_row(*(_render_cell(row[index]) for index in widths))
    return table


def _heading(column: Column) -> Sequence[str]:
    """The heading's lines; a name in CamelCase or with dashes has no place to wrap at."""
    text = visible(column.short or column.title)
    return chop_cells(text, _WIDEST_HEADING) if column.numeric else [text]


def _shown(cell: Cell) -> str:
    return visible(cell.short or cell.text)


def _render_cell(cell: Cell) -> Text:
    return Text(_shown(cell), style="bold green" if cell.best else "")
