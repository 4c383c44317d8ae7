"""Tables before they have a format: the same cells for terminal, Markdown and HTML."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from jina_eval.core.display import visible

__all__ = [
    "MISSING",
    "Cell",
    "Column",
    "Grid",
    "mark_best",
    "number",
    "percent",
    "share",
    "short_type",
    "spaced",
    "visible",
]

MISSING = "–"
"""Shown for what was not measured; never a zero."""


_SHORT_TYPES = {
    "Retrieval": "Retr.",
    "Reranking": "Rerank.",
    "InstructionRetrieval": "I.Retr.",
    "InstructionReranking": "I.Rer.",
    "Classification": "Class.",
    "MultilabelClassification": "Multil.",
    "PairClassification": "Pair",
    "Clustering": "Clust.",
    "BitextMining": "Bitext",
    "Summarization": "Summ.",
    "Regression": "Regr.",
    "ZeroShotClassification": "Zero",
}


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: Its heading.
        short: A heading for where space is scarce.
        numeric: Whether cells are right-aligned and the best one is marked.
    """

    title: str
    short: str = ""
    numeric: bool = True


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: What is shown.
        short: What is shown where space is scarce, if that is something else.
        value: The number behind it; None for a text, or where nothing was measured.
        best: Whether it is the best of its column.
    """

    text: str
    value: float | None = None
    best: bool = False
    short: str = ""


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
        title: What it shows.
        columns: Its columns; the first names the row.
        rows: A cell for each column.
        notes: Lines below the table.
        keys: Number of leading columns that name the row; where a wide table
            is split, each part repeats them.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    keys: int = 1


def short_type(name: str) -> str:
    """A task type in at most seven letters."""
    return _SHORT_TYPES.get(name, name[:7])


def spaced(name: str) -> str:
    """A name in CamelCase as words, which may wrap: "Bitext Mining"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)


def percent(score: float | None) -> Cell:
    """A score × 100 with two decimals."""
    if score is None:
        return Cell(MISSING)
    text = f"{100 * score:.2f}"
    return Cell("0.00" if text == "-0.00" else text, value=score)


def share(value: float | None) -> Cell:
    """A share in percent, with one decimal."""
    return Cell(MISSING) if value is None else Cell(f"{100 * value:.1f} %")


def number(value: float | None) -> Cell:
    """A whole number with thousands separated."""
    return Cell(MISSING) if value is None else Cell(f"{value:,.0f}")


def mark_best(rows: Sequence[Sequence[Cell]]) -> tuple[tuple[Cell, ...], ...]:
    """Mark the highest value of each column, ties included, if there are others to beat.

    Values are compared as shown: what looks equal is a tie.
    """
    best: dict[int, float] = {}
    for index, column in enumerate(zip(*rows, strict=True)):
        values = [round(cell.value, 4) for cell in column if cell.value is not None]
        if len(values) > 1:
            best[index] = max(values)
    return tuple(
        tuple(
            replace(cell, best=True)
            if cell.value is not None and round(cell.value, 4) == best.get(index)
            else cell
            for index, cell in enumerate(row)
        )
        for row in rows
    )
