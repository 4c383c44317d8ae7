"""Pieces of HTML. Whatever comes from records is escaped here, and only here."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

from reports.grid import MISSING, visible

__all__ = [
    "Data",
    "Head",
    "Table",
    "facts_list",
    "link",
    "name",
    "readable",
    "render_table",
    "text",
]

# As in `reports.grid.visible`, but lines may break, and marks that belong into
# texts written from right to left stay: the page isolates each text.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)

# Rows from which on a table scrolls under its head, so that the head stays in sight.
_LONG = 30

# Where a name may break: between the words of CamelCase and after a hyphen, underscore or slash.
_PLAIN = re.compile(r"[\w ./()-]*")
_WORD_ENDS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[-_/])(?=\w)")


@dataclass(frozen=True)
class Head:
    """A column's heading.

    Attributes:
        key: What links call the column; unique in its table.
        title: Its heading.
        numeric: Whether it holds numbers, of which the highest come first.
        group: The columns that are shown and hidden with it.
        help: What it means, where the heading does not say.
        low: Whether the lowest come first, as of ranks.
    """

    key: str
    title: str
    numeric: bool = True
    group: str = ""
    help: str = ""
    low: bool = False


@dataclass(frozen=True)
class Data:
    """A cell.

    Attributes:
        html: What is shown, as HTML.
        order: What it is sorted by; None for the last place, as of what was not measured.
        best: Whether it is the best of its column.
    """

    html: str
    order: float | str | None = None
    best: bool = False


@dataclass(frozen=True)
class Table:
    """A table that can be sorted.

    Attributes:
        id: Its name in links; unique in its page.
        caption: What it shows.
        heads: Its columns; the first names the row.
        rows: A cell for each column.
        sorted_by: Key of the column that the rows come sorted by; empty for none.
        descending: Whether the highest come first.
        attributes: Data of each row, by name, for the page's filters.
        main: Whether its state stands in the address without its name.
    """

    id: str
    caption: str
    heads: Sequence[Head]
    rows: Sequence[Sequence[Data]]
    sorted_by: str = ""
    descending: bool = True
    attributes: Sequence[dict[str, str]] = field(default_factory=list)
    main: bool = False


def readable(value: str) -> str:
    """A text with its line breaks, in which nothing hides: what is not seen is named."""
    return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", value)


def text(value: str) -> str:
    """A name as HTML: escaped, and kept from turning the direction of what stands beside it."""
    shown = escape(visible(value))
    return shown if value.isascii() else f"<bdi>{shown}</bdi>"


def name(value: str) -> str:
    """As `text`, and a long name may break between its words; a blank one is called so."""
    if not value.strip():
        return "(no name)"
    shown = _WORD_ENDS.sub("<wbr>", value) if value.isascii() and _PLAIN.fullmatch(value) else None
    return text(value) if shown is None else shown


def link(href: str, value: str) -> str:
    """A link that is called `value`."""
    return f'<a href="{escape(href)}">{name(value)}</a>'


def facts_list(facts: Iterable[tuple[str, str]]) -> str:
    """Names and values, the values as HTML; those without a value are left out."""
    rows = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>"
        for name, value in facts
        if value and value != MISSING
    )
    return f'<dl class="facts">{rows}</dl>'


def render_table(table: Table) -> str:
    """The table in a box of its own that scrolls."""
    heads = "".join(_head(head, table) for head in table.heads)
    marks = list(table.attributes) or [{}] * len(table.rows)
    rows = "\n".join(
        _row(table.heads, row, mark) for row, mark in zip(table.rows, marks, strict=True)
    )
    caption = escape(visible(table.caption))
    main = " data-main" if table.main else ""
    size = " long" if len(table.rows) > _LONG else ""
    return f"""<div class="scroll{size}" tabindex="0" role="region" aria-label="{caption}">
<table class="sortable" id="{escape(table.id)}"{main}>
<caption>{caption}</caption>
<thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>"""


def _head(head: Head, table: Table) -> str:
    sort = ""
    if head.key == table.sorted_by:
        sort = f' aria-sort="{"descending" if table.descending else "ascending"}"'
    title = f' title="{escape(head.help)}"' if head.help else ""
    title += " data-low" if head.low else ""
    return (
        f'<th scope="col" data-key="{escape(head.key)}"{_class(head)}{sort}{title}>'
        f"{text(head.title)}</th>"
    )


def _row(heads: Sequence[Head], row: Sequence[Data], mark: dict[str, str]) -> str:
    attributes = "".join(f' data-{key}="{escape(visible(value))}"' for key, value in mark.items())
    first, *rest = (_cell(head, cell) for head, cell in zip(heads, row, strict=True))
    return (
        f'<tr{attributes}><th scope="row"{first}</th>{"".join(f"<td{c}</td>" for c in rest)}</tr>'
    )


def _cell(head: Head, cell: Data) -> str:
    """From behind the tag's name to before its end."""
    order = "" if cell.order is None else escape(visible(_number(cell.order)))
    shown = f"<strong>{cell.html}</strong>" if cell.best else cell.html
    return f'{_class(head)} data-order="{order}">{shown}'


def _number(order: float | str) -> str:
    return order if isinstance(order, str) else f"{order:.9g}"


def _class(head: Head) -> str:
    names = " ".join(
        name
        for name in ("n" if head.numeric else "", f"g-{head.group}" if head.group else "")
        if name
    )
    return f' class="{names}"' if names else ""
