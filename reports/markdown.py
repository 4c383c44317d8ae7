"""Tables as GitHub Markdown."""

from collections.abc import Sequence

from reports.grid import Cell, Grid, visible

__all__ = ["render_markdown"]

# Letters that mean something inside a line of Markdown or HTML; names come from users.
_ESCAPED = str.maketrans(
    {**{sign: f"\\{sign}" for sign in "\\`*_[]|~"}, "<": "&lt;", ">": "&gt;", "&": "&amp;"}
)


def render_markdown(
    title: str, grids: Sequence[Grid], images: Sequence[tuple[str, str]], *, level: int = 1
) -> str:
    """A document of some tables, or a section of one.

    Args:
        title: Its heading.
        grids: Its tables, at least one.
        images: File name and description of pictures beside it, shown after the first table.
        level: Of its heading, 1 for a document.
    """
    parts = [f"{'#' * level} {_escape(title)}\n"]
    first, *others = (_render_grid(grid, level + 1) for grid in grids)
    parts.append(first)
    parts += [f"![{_escape(description)}]({name})\n" for name, description in images]
    parts += others
    return "\n".join(parts)


def _render_grid(grid: Grid, level: int) -> str:
    lines = [
        f"{'#' * level} {_escape(grid.title)}",
        "",
        _line([_escape(column.title) for column in grid.columns]),
        _line(["---:" if column.numeric else ":---" for column in grid.columns]),
        *(_line([_render_cell(cell) for cell in row]) for row in grid.rows),
        "",
        *(f"{_escape(note)}\n" for note in grid.notes),
    ]
    return "\n".join(lines)


def _render_cell(cell: Cell) -> str:
    text = _escape(cell.text)
    return f"**{text}**" if cell.best else text


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escape(text: str) -> str:
    return visible(" ".join(text.split())).translate(_ESCAPED)
