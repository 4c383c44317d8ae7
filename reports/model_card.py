"""A model's results as a section of its model card: Markdown, to be pasted as it is."""

from __future__ import annotations

from collections.abc import Mapping

from reports.grid import MISSING, Cell, Column, Grid, number, percent, share, spaced
from reports.leaderboard import Entry, Leaderboard
from reports.markdown import render_markdown
from reports.tables import truncation_note

__all__ = ["card_section"]

_PACKAGES = ("jina-eval", "mteb", "torch", "transformers", "sentence-transformers", "datasets")
_DIGITS = 12
"""Of revisions, as many as anyone needs to find them."""


def card_section(board: Leaderboard, entry: Entry) -> str:
    """The results of one entry on one suite.

    It has the scores by type, the smaller dimensions where they were measured, the tasks with the
    revision of their data, and what it takes to measure the same again.

    Args:
        board: The suite's leaderboard.
        entry: One of its entries.
    """
    grids = [_types_grid(board, entry)]
    if len(entry.views) > 1:
        grids.append(_views_grid(board, entry))
    grids += [_tasks_grid(board, entry), _facts_grid(board, entry)]
    return render_markdown(f"Evaluation: {board.suite}", grids, [], level=2)


def _types_grid(board: Leaderboard, entry: Entry) -> Grid:
    view = entry.main_view
    rows = [
        (
            Cell(spaced(name)),
            number(len(board.tasks_of(name))),
            percent(board.type_mean(entry, view, name)),
        )
        for name in board.types
    ]
    rows.append(
        (Cell("Mean (task)"), number(len(board.tasks)), percent(board.mean_task(entry, view)))
    )
    rows.append(
        (Cell("Mean (type)"), number(len(board.types)), percent(board.mean_type(entry, view)))
    )
    notes = ["Scores × 100; – is not measured."]
    missing = board.missing(entry)
    if missing:
        notes.append(f"Not measured: {', '.join(missing)}.")
    columns = (Column("Type", numeric=False), Column("Tasks"), Column("Score"))
    return Grid("Scores", columns, tuple(rows), tuple(notes))


def _views_grid(board: Leaderboard, entry: Entry) -> Grid:
    """Dimensions and precisions, with what they keep of the widest."""
    full = board.mean_task(entry, entry.main_view)
    rows = []
    for view in entry.views:
        mean, size = board.mean_task(entry, view), entry.vector_bytes(view)
        kept = mean / full if mean is not None and full is not None and full > 0 else None
        rows.append(
            (
                Cell(entry.dim_range(view) or MISSING),
                Cell(view.partition(",")[2].replace(",", " ") or "float32"),
                Cell(MISSING if size is None else "–".join(f"{n:,}" for n in dict.fromkeys(size))),
                percent(mean),
                share(kept),
                *(percent(board.type_mean(entry, view, name)) for name in board.types),
            )
        )
    columns = (
        Column("Dimensions"),
        Column("Precision", numeric=False),
        Column("Bytes"),
        Column("Mean (task)"),
        Column("Kept"),
        *(Column(spaced(name)) for name in board.types),
    )
    notes = (f"Kept: share of the mean of the widest vectors. {truncation_note(board)}",)
    return Grid("Smaller vectors", columns, tuple(rows), notes)


def _tasks_grid(board: Leaderboard, entry: Entry) -> Grid:
    rows = []
    for task in board.tasks:
        record = entry.records.get((entry.main_view, task.name))
        if record is None:
            continue
        facts = record.provenance
        rows.append(
            (
                Cell(task.name),
                Cell(spaced(task.type)),
                Cell(facts.task.main_score),
                percent(entry.score(entry.main_view, task.name)),
                number(facts.coverage.n_scored),
                Cell(facts.task.dataset),
                Cell(facts.task.dataset_revision[:_DIGITS]),
            )
        )
    columns = (
        *(Column(title, numeric=False) for title in ("Task", "Type", "Metric")),
        Column("Score"),
        Column("Examples"),
        *(Column(title, numeric=False) for title in ("Data", "Revision")),
    )
    return Grid("Tasks", columns, tuple(rows))


def _facts_grid(board: Leaderboard, entry: Entry) -> Grid:
    """What it takes to measure the same again."""
    records = [r for (view, _), r in entry.records.items() if view == entry.main_view]
    facts = records[0].provenance
    identity, environment = facts.identity, facts.environment
    speed = entry.texts_per_second
    rows: Mapping[str, object] = {
        "Model": f"{facts.model.name}, revision {facts.model.revision}",
        "Weights": f"SHA-256 {facts.model.fingerprint[:_DIGITS]}…",
        "Parameters": None if facts.model.parameters is None else f"{facts.model.parameters:,}",
        "Vectors": entry.dim_range(entry.main_view),
        "Suite": f"{board.suite}, {len(records)} of {len(board.tasks)} tasks",
        "Routing": facts.run_spec.get("routing"),
        "Adapters and prompts": _routes(entry),
        "Chunking": identity.chunking,
        "Precision": identity.precision,
        "Longest input": None if identity.max_length is None else f"{identity.max_length} tokens",
        "Texts cut": share(entry.truncated_share).text,
        "Seed": identity.seed,
        "Device": environment.device,
        "Attention": environment.attention,
        "Speed": None if speed is None else f"{speed:,.0f} texts/s",
        "Versions": ", ".join(
            f"{name} {environment.packages[name]}"
            for name in _PACKAGES
            if name in environment.packages
        ),
        "Measured": max(record.provenance.cost.finished for record in records)[:10],
    }
    cells = tuple(
        (Cell(name), Cell(MISSING if value is None else str(value))) for name, value in rows.items()
    )
    columns = (Column("What", numeric=False), Column("Value", numeric=False))
    return Grid("How it was measured", columns, cells)


def _routes(entry: Entry) -> str | None:
    """Every adapter and prompt that was used, by how many tasks; None for neither."""
    counts: dict[str, int] = {}
    for (view, _), record in entry.records.items():
        if view == entry.main_view:
            for route in dict.fromkeys(record.provenance.identity.routes.values()):
                said = " ".join(
                    part
                    for part in (route.adapter or "", repr(route.prompt) if route.prompt else "")
                    if part
                )
                if said:
                    counts[said] = counts.get(said, 0) + 1
    plural = {True: "task", False: "tasks"}
    named = (f"{said} ({n} {plural[n == 1]})" for said, n in sorted(counts.items()))
    return "; ".join(named) or None
