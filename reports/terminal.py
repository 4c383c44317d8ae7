"""Tables for the terminal."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from reports.grid import Cell, Grid
from reports.leaderboard import Leaderboard
from reports.tables import all_grids

__all__ = ["leaderboard_tables", "render_grid"]


def leaderboard_tables(board: Leaderboard) -> tuple[Group, ...]:
    """A leaderboard's tables, ready to be printed by rich."""
    return tuple(render_grid(grid) for grid in all_grids(board))


def render_grid(grid: Grid) -> Group:
    """One table; numbers never wrap, names may."""
    table = Table(padding=(0, 1, 0, 0), box=None, header_style="bold")
    longest = min(40, max((len(row[0].text) for row in grid.rows), default=0))
    for index, column in enumerate(grid.columns):
        table.add_column(
            Text(column.short or column.title),
            justify="right" if column.numeric else "left",
            no_wrap=column.numeric,
            overflow="fold",
            min_width=longest if index == 0 else None,
        )
    for row in grid.rows:
        table.add_row(*(_render_cell(cell) for cell in row))
    notes = (Text(note, style="dim") for note in grid.notes)
    return Group(Text(grid.title, style="bold"), table, *notes)


def _render_cell(cell: Cell) -> Text:
    return Text(cell.short or cell.text, style="bold green" if cell.best else "")
