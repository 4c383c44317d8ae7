"""One HTML page that needs nothing else: no network, no script."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from reports.grid import Cell, Column, Grid

__all__ = ["render_html"]

_STYLE = Path(__file__).with_name("page.css")


def render_html(title: str, grids: Sequence[Grid], pictures: Sequence[tuple[str, str]]) -> str:
    """A page of some tables.

    Args:
        title: Its heading.
        grids: Its tables, at least one.
        pictures: SVG text and description of each picture, put after the first table.
    """
    first, *others = (_render_grid(grid, number) for number, grid in enumerate(grids))
    figures = "\n".join(
        f'<figure class="scroll" tabindex="0" role="img" aria-label="{escape(description)}">'
        f"{_inline(svg)}</figure>"
        for svg, description in pictures
    )
    rest = "\n".join(others)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{_text(title)}</title>
<style>
{_STYLE.read_text(encoding="utf-8")}</style>
</head>
<body>
<main>
<h1>{_text(title)}</h1>
{first}
{figures}
{rest}
</main>
</body>
</html>
"""


def _render_grid(grid: Grid, number: int) -> str:
    head = "".join(
        f'<th scope="col"{_align(column)}>{_text(column.title)}</th>' for column in grid.columns
    )
    body = "\n".join(_render_row(grid.columns, row) for row in grid.rows)
    notes = "".join(f"<p>{_text(note)}</p>" for note in grid.notes)
    return f"""<section aria-labelledby="table-{number}">
<h2 id="table-{number}">{_text(grid.title)}</h2>
<div class="scroll" tabindex="0" role="region" aria-labelledby="table-{number}">
<table>
<caption>{_text(grid.title)}</caption>
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody>
</table>
</div>
<div class="notes">{notes}</div>
</section>"""


def _render_row(columns: Sequence[Column], row: Sequence[Cell]) -> str:
    first, *rest = row
    cells = "".join(
        f"<td{_align(column)}>{_render_cell(cell)}</td>"
        for column, cell in zip(columns[1:], rest, strict=True)
    )
    return f'<tr><th scope="row">{_text(first.text)}</th>{cells}</tr>'


def _render_cell(cell: Cell) -> str:
    return f"<strong>{_text(cell.text)}</strong>" if cell.best else _text(cell.text)


def _align(column: Column) -> str:
    return ' class="number"' if column.numeric else ""


def _text(text: str) -> str:
    """Escaped, and kept from turning the direction of what stands beside it."""
    return f"<bdi>{escape(text)}</bdi>" if not text.isascii() else escape(text)


def _inline(svg: str) -> str:
    """An SVG file's text without the lines that only a file of its own needs."""
    return svg[svg.index("<svg") :]
