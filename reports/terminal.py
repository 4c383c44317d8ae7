"""Tables for the terminal."""

from rich.table import Table
from rich.text import Text

from reports.grid import Cell, Grid
from reports.leaderboard import Leaderboard
from reports.tables import all_grids

__all__ = ["leaderboard_tables", "render_grid"]


def leaderboard_tables(board: Leaderboard) -> tuple[Table, ...]:
    """A leaderboard's tables, ready to be printed by rich."""
    return tuple(render_grid(grid) for grid in all_grids(board))


def render_grid(grid: Grid) -> Table:
    """One table; numbers never wrap, names may."""
    table = Table(
        title=Text(grid.title, style="bold"),
        caption=Text("\n".join(grid.notes), style="dim"),
        title_justify="left",
        caption_justify="left",
        padding=(0, 1, 0, 0),
        box=None,
        header_style="bold",
    )
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
    return table


def _render_cell(cell: Cell) -> Text:
    return Text(cell.short or cell.text, style="bold green" if cell.best else "")
