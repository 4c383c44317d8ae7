"""The suites as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.console import make_console
from model.routing_table import Row, Table, built_in_tables
from reports.grid import MISSING, Cell, Column, Grid, number, short_type
from reports.terminal import render_grid
from tasks.hub import find_dataset
from tasks.loading import data_sets
from tasks.sizes import repeated_documents, task_size
from tasks.suites import Suite, get_suite, suite_names

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

__all__ = ["describe_command", "list_command"]


def list_command() -> int:
    """Print the suites. Returns the exit code."""
    suites = [get_suite(name) for name in suite_names()]
    columns = tuple(Column(title, numeric=False) for title in ("Suite", "Title", "What it holds"))
    rows = tuple((Cell(s.name), Cell(s.title), Cell(s.description)) for s in suites)
    notes = ("Any mteb benchmark is a suite too, under its own name.",)
    make_console().print(render_grid(Grid("Suites", columns, rows, notes)))
    return 0


def describe_command(name: str, *, routes: bool = False) -> int:
    """Print a suite's tasks, or their routes. Returns the exit code."""
    suite = get_suite(name)
    if routes:
        make_console().print(render_grid(_routes_grid(suite)))
        return 0
    names = ("Task", "Type", "Languages", "Splits", "Metric")
    columns = (
        *(Column(name, numeric=False) for name in names),
        Column("Texts"),
        Column("Data", numeric=False),
        Column("Licence", numeric=False),
        Column("Here", numeric=False),
    )
    tasks = suite.tasks()
    rows = tuple(_row(task) for task in tasks)
    notes = (
        suite.description,
        *_superseded(tasks),
        *_repeated(tasks),
        "Data: the first eight digits of the revision.",
        "Licence 'own': terms of the source itself, linked in the task's metadata.",
        "Here: whether its data are on this machine; jina-eval fetch brings them.",
    )
    make_console().print(render_grid(Grid(suite.title, columns, rows, notes)))
    return 0


def _routes_grid(suite: Suite) -> Grid:
    """The adapters of jina-embeddings-v3 that each task gets, by routing profile."""
    tables = built_in_tables()
    columns = tuple(Column(title, numeric=False) for title in ("Task", "Type", *tables))
    rows = []
    for task in suite.tasks():
        metadata = task.metadata
        found = [_route(table, metadata.name, metadata.type) for table in tables.values()]
        rows.append(
            (
                Cell(metadata.name),
                Cell(metadata.type, short=short_type(metadata.type)),
                *(Cell(route) for route in found),
            )
        )
    notes = (
        "– : the profile refuses tasks of this type.",
        "compact: paper's adapters; how many coordinates of a vector are read.",
        "Every row has its source in model/routing.toml.",
    )
    return Grid(f"{suite.title}: adapters by routing profile", columns, tuple(rows), notes)


def _route(table: Table, task: str, kind: str) -> str:
    row, dim = table.find(task, kind), table.dim(task, kind)
    if row is None:
        return MISSING
    if table.dims():
        return "all" if dim is None else str(dim)
    return _adapters(row)


def _adapters(row: Row) -> str:
    query, document = (side.adapter or "none" for side in (row.query, row.document))
    if query == document:
        return query
    family, _, name = query.partition(".")
    if document.startswith(f"{family}."):
        return f"{family}.{name}/{document.partition('.')[2]}"
    return f"{query}, {document}"


def _row(task: AbsTask) -> tuple[Cell, ...]:
    size = task_size(task)
    return (
        Cell(task.metadata.name),
        Cell(task.metadata.type, short=short_type(task.metadata.type)),
        Cell(_few(task.languages)),
        Cell(_few(task.eval_splits)),
        Cell(task.metadata.main_score),
        number(None if size is None else size.texts),
        Cell(MISSING if task.is_aggregate else str(task.metadata.revision)[:8]),
        Cell(_licence(task.metadata.license)),
        Cell("yes" if all(find_dataset(data) for data in data_sets(task)) else "no"),
    )


def _superseded(tasks: Sequence[AbsTask]) -> tuple[str, ...]:
    """A note on tasks of which mteb has a later version."""
    found = [
        f"{task.metadata.name} by {task.metadata.superseded_by}"
        for task in tasks
        if task.metadata.superseded_by
    ]
    return (f"Superseded in mteb: {', '.join(found)}.",) if found else ()


def _repeated(tasks: Sequence[AbsTask]) -> tuple[str, ...]:
    """A note on searches in which several documents have the same text."""
    counts = {task.metadata.name: repeated_documents(task) for task in tasks}
    found = [f"{name} {count:,}" for name, count in counts.items() if count]
    if not found:
        return ()
    return (
        f"Documents with the text of another document, of which usually only one is judged: "
        f"{', '.join(found)}.",
    )


def _few(names: Sequence[str]) -> str:
    """A single name, or else how many there are."""
    return names[0] if len(names) == 1 else str(len(names))


def _licence(name: str | None) -> str:
    """A licence's short name; many are only known by a link."""
    if name is None:
        return MISSING
    return "own" if name.startswith("http") else name
