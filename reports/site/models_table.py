"""The leaderboard itself: models × means, facts and task types."""

from __future__ import annotations

from collections.abc import Mapping

from reports.grid import MISSING, spaced
from reports.published_rows import PublishedRow
from reports.site.markup import Data, Head, Table, link, name, text
from reports.site.rows import BoardRows, Row, bytes_of, figure, percent, whole

__all__ = ["millions", "models_table"]


def models_table(rows: BoardRows, *, main: bool) -> Table:
    """The table: what was measured, best first, then what others published.

    Args:
        rows: The board.
        main: Whether it is the page's main table.
    """
    board = rows.board
    heads = [
        Head("model", "Model", numeric=False),
        Head("rank", "Rank", low=True),
        Head("mean-task", "Mean by task"),
        Head("mean-type", "Mean by type"),
        Head("borda", "Borda rank", low=True, help="Places over all tasks, as mteb counts them"),
        *([Head("source", "Scores", numeric=False)] if board.published else []),
        Head("coverage", "Tasks", help="Tasks measured"),
        *(Head(f"type-{kind}", spaced(kind), group="types") for kind in board.types),
        Head("parameters", "Parameters", group="facts"),
        Head("dim", "Dimensions", group="facts"),
        Head("bytes", "Bytes per vector", group="facts"),
        Head("speed", "Texts/s", group="facts", help="Texts encoded in a second"),
    ]
    best = _best(rows)
    cells = [_measured(rows, row, best) for row in rows.rows]
    marks = [_measured_marks(rows, row) for row in rows.rows]
    cells += [_published(rows, row) for row in board.published]
    marks += [_published_marks(rows, row) for row in board.published]
    return Table(
        id=f"{rows.slug}-models",
        caption=f"Models on {board.suite}",
        heads=heads,
        rows=cells,
        attributes=[{"row": str(number), **mark} for number, mark in enumerate(marks)],
        sorted_by="mean-task",
        main=main,
    )


def millions(parameters: int | None) -> Data:
    """A number of parameters in millions."""
    return figure(parameters, f"{(parameters or 0) / 1e6:,.1f} M")


def _best(rows: BoardRows) -> dict[str, float]:
    """The best measured of each column, as shown; none where there is nothing to beat."""
    found: dict[str, list[float]] = {}
    for row in rows.rows:
        values = {"mean-task": row.mean_task, "mean-type": row.mean_type, **row.by_type}
        for column, value in values.items():
            if value is not None:
                found.setdefault(column, []).append(round(value, 4))
    return {column: max(values) for column, values in found.items() if len(values) > 1}


def _measured(rows: BoardRows, row: Row, best: Mapping[str, float]) -> list[Data]:
    entry, total = row.entry, len(rows.board.tasks)
    facts = entry.some_record.provenance.model

    def score(column: str, value: float | None) -> Data:
        return percent(value, best=value is not None and round(value, 4) == best.get(column))

    address = f"models/{row.slug}.html"
    done = len(row.scores)
    covered = f"{done} of {total}"
    return [
        Data(link(address, entry.label), entry.label),
        Data(MISSING) if row.rank is None else Data(str(row.rank), row.rank.place),
        score("mean-task", row.mean_task),
        score("mean-type", row.mean_type),
        whole(row.borda),
        *([Data("measured", "measured")] if rows.board.published else []),
        Data(covered if done == total else link(f"{address}#missing", covered), done),
        *(score(kind, value) for kind, value in row.by_type.items()),
        millions(facts.parameters),
        figure(_dim(row), entry.dim_range(row.view) or ""),
        bytes_of(entry, row.view),
        whole(entry.texts_per_second),
    ]


def _published(rows: BoardRows, row: PublishedRow) -> list[Data]:
    total = len(rows.board.tasks)
    label = f'{name(row.label)} <span class="badge">published</span>'
    return [
        Data(label, row.label),
        Data(MISSING),
        percent(row.mean_task),
        percent(row.mean_type),
        Data(MISSING),
        Data(text(row.source), "published"),
        figure(row.tasks, f"{row.tasks} of {total}"),
        *(percent(row.types.get(kind)) for kind in rows.board.types),
        *[Data(MISSING)] * 4,
    ]


def _dim(row: Row) -> int | None:
    """The widest dimension of the main view."""
    dims = [r.provenance.dim for r in row.records.values() if r.provenance.dim is not None]
    return max(dims, default=None)


def _measured_marks(rows: BoardRows, row: Row) -> dict[str, str]:
    facts = row.entry.some_record.provenance.model
    dim = _dim(row)
    return {
        "source": "measured",
        "name": f"{row.entry.label} {facts.name}",
        "coverage": f"{100 * len(row.scores) / len(rows.board.tasks):.4g}",
        "parameters": "" if facts.parameters is None else str(facts.parameters),
        "dim": "" if dim is None else str(dim),
    }


def _published_marks(rows: BoardRows, row: PublishedRow) -> dict[str, str]:
    share = "" if row.tasks is None else f"{100 * row.tasks / len(rows.board.tasks):.4g}"
    return {
        "source": "published",
        "name": f"{row.label} {row.model}",
        "coverage": share,
        "parameters": "",
        "dim": "",
    }
