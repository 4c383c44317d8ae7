r"""Tables as LaTeX, in the style of booktabs, to be put into a paper with \input."""

import re
from collections.abc import Sequence

from reports.grid import Cell, Column, Grid, visible

__all__ = ["escape_latex", "render_latex"]

_ESCAPED = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedbl{}",
        "`": r"\textasciigrave{}",
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        # After the end of a line these would be its arguments.
        **{sign: f"{{{sign}}}" for sign in "[]*"},
        "–": r"\textendash{}",
        "…": r"\dots{}",
        "×": r"$\times$",
        "−": r"$-$",
        "±": r"$\pm$",
        "→": r"$\rightarrow$",
    }
)

_JOINED = re.compile(r"([-',])(?=\1)")
"""Two of these in a row would become another sign."""

# pdfTeX's own encoding has no straight double quote.
_HEAD = r"""% Made by jina-eval. Needs \usepackage{booktabs}; letters beyond Latin need LuaLaTeX.
\providecommand{\textquotedbl}{''}
"""


def render_latex(title: str, grids: Sequence[Grid]) -> str:
    """A file of some tables, each a float of its own.

    Args:
        title: What they are of; each caption begins with it.
        grids: The tables.
    """
    return "\n".join([_HEAD, *(_render_grid(title, grid) for grid in grids)])


def escape_latex(text: str) -> str:
    """A text that LaTeX prints as it is, on one line."""
    escaped = visible(" ".join(text.split())).translate(_ESCAPED)
    return _JOINED.sub(r"\1{}", escaped)


def _render_grid(title: str, grid: Grid) -> str:
    columns = "".join("r" if column.numeric else "l" for column in grid.columns)
    notes = " ".join(escape_latex(note) for note in grid.notes)
    lines = [
        r"\begin{table}",
        r"\centering\small",
        rf"\caption{{{escape_latex(title)}: {escape_latex(grid.title)}}}",
        rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
        r"\toprule",
        _line([_heading(column) for column in grid.columns]),
        r"\midrule",
        *(_line([_render_cell(cell) for cell in row]) for row in grid.rows),
        r"\bottomrule",
        r"\end{tabular}",
        *([rf"\par\smallskip\footnotesize {notes}"] if notes else []),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _heading(column: Column) -> str:
    return escape_latex(column.short or column.title)


def _render_cell(cell: Cell) -> str:
    text = escape_latex(cell.short or cell.text)
    return rf"\textbf{{{text}}}" if cell.best else text


def _line(cells: Sequence[str]) -> str:
    return rf"{' & '.join(cells)} \\"
