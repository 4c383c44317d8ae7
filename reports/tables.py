"""The tables of a leaderboard: scores by type, facts, scores by dimension, scores by task."""

from reports.grid import (
    MISSING,
    Cell,
    Column,
    Grid,
    mark_best,
    number,
    percent,
    share,
    short_type,
    spaced,
)
from reports.leaderboard import Entry, Leaderboard
from reports.published_rows import PublishedRow
from reports.splits import splits_grid

__all__ = [
    "all_grids",
    "dimensions_grid",
    "facts_grid",
    "published_grid",
    "scores_grid",
    "tasks_grid",
    "truncation_note",
]

_MEASURED, _PUBLISHED = "measured", "published"


def all_grids(board: Leaderboard) -> tuple[Grid, ...]:
    """Every table of a leaderboard, the most important first."""
    grids = [scores_grid(board), facts_grid(board)]
    if any(len(entry.views) > 1 for entry in board.entries):
        grids.append(dimensions_grid(board))
    grids.append(tasks_grid(board))
    others = (splits_grid(board), published_grid(board))
    return (*grids, *(grid for grid in others if grid is not None))


def scores_grid(board: Leaderboard) -> Grid:
    """Models × task types: places, means, and below them what others published.

    The best of a column is marked among what was measured.
    """
    shown = [row for row in board.published if row.is_comparable]
    ranked = bool(board.borda)
    names = [Column("Model", numeric=False)]
    if shown:
        names.append(Column("Scores", numeric=False))
    if ranked:
        names += [Column("Rank"), Column("Borda")]
    rows: list[tuple[Cell, ...]] = []
    for entry in board.entries:
        places = _places(board, entry) if ranked else ()
        origin = (Cell(_MEASURED),) if shown else ()
        cells = _score_cells(board, entry, entry.main_view)
        rows.append((Cell(entry.label), *origin, *places, *cells))
    rows = list(mark_best(rows))
    for row in shown:
        places = (Cell(MISSING),) * 2 if ranked else ()
        rows.append((Cell(row.label), Cell(_PUBLISHED), *places, *_published_cells(board, row)))
    columns = (*names, *_score_columns(board))
    return Grid("Scores by task type", columns, tuple(rows), _score_notes(board))


def _places(board: Leaderboard, entry: Entry) -> tuple[Cell, Cell]:
    """Rank and Borda rank. They have no value: the lowest is the best."""
    rank, borda = board.ranking.ranks.get(entry.label), board.borda.get(entry.label)
    return Cell(MISSING if rank is None else str(rank)), number(borda)


def _published_cells(board: Leaderboard, row: PublishedRow) -> tuple[Cell, ...]:
    means = (row.mean_task, row.mean_type, *(row.types.get(name) for name in board.types))
    return tuple(percent(mean) for mean in means)


def facts_grid(board: Leaderboard) -> Grid:
    """What each model is, and what the scores rest on."""
    columns = (
        Column("Model", numeric=False),
        Column("Parameters", "Params"),
        Column("Dimensions", "Dim"),
        Column("Bytes per vector", "Bytes"),
        Column("Maximum tokens", "Max tok."),
        Column("Tasks"),
        Column("Examples"),
        Column("Texts cut", "Cut"),
        Column("Texts/s"),
        Column("Device", numeric=False),
    )
    rows = []
    for entry in board.entries:
        facts = entry.some_record.provenance
        done = len(board.tasks) - len(board.missing(entry))
        rows.append(
            (
                Cell(entry.label),
                _millions(facts.model.parameters),
                _dimensions(entry),
                _bytes(entry),
                number(facts.model.max_length),
                Cell(f"{done} of {len(board.tasks)}"),
                _examples(entry),
                share(entry.truncated_share),
                number(entry.texts_per_second),
                Cell(facts.environment.device),
            )
        )
    notes = (
        "Tasks: measured, of the suite's. Examples: scored, of those of these tasks.",
        "Texts cut: share of distinct texts longer than the model reads.",
    )
    return Grid("Models", columns, tuple(rows), notes)


def dimensions_grid(board: Leaderboard) -> Grid:
    """Models and dimensions, and precisions where there are several, × task types."""
    precisions = any("," in view for entry in board.entries for view in entry.views)
    rows = []
    for entry in board.entries:
        for view in entry.views:
            keys = [Cell(entry.label), Cell(entry.dim_range(view) or MISSING)]
            if precisions:
                keys.append(Cell(view.partition(",")[2].replace(",", " ") or "float32"))
            rows.append((*keys, *_score_cells(board, entry, view)))
    keys_of = [Column("Model", numeric=False), Column("Dim")]
    notes = [truncation_note(board)]
    if precisions:
        keys_of.append(Column("Precision", numeric=False))
        notes.append("8 bits are calibrated once, on each task's corpus.")
    columns = (*keys_of, *_score_columns(board))
    return Grid("By dimension", columns, tuple(rows), tuple(notes), keys=len(keys_of))


def truncation_note(board: Leaderboard) -> str:
    """What is done with truncated vectors, which depends on how a model's are compared."""
    others = sorted(
        {
            f"{entry.label} ({record.provenance.identity.similarity})"
            for entry in board.entries
            for record in entry.records.values()
            if record.provenance.identity.similarity != "cosine"
        }
    )
    if not others:
        return "Truncated vectors have unit length."
    return (
        "Truncated vectors have unit length, except where a model is not compared by the cosine "
        f"and its own vectors have another length: {', '.join(others)}."
    )


def tasks_grid(board: Leaderboard) -> Grid:
    """Tasks × models; tasks that nobody measured are only counted."""
    beside = _beside(board)
    columns = (
        Column("Task", numeric=False),
        Column("Type", numeric=False),
        Column("Metric", numeric=False),
        Column("Examples"),
        *(Column(entry.label) for entry in board.entries),
        *(Column(f"{row.label}, {_PUBLISHED}") for row in beside),
    )
    rows = []
    for task in board.tasks:
        scores = [percent(entry.score(entry.main_view, task.name)) for entry in board.entries]
        if all(cell.value is None for cell in scores):
            continue
        # The best of a row: turn it into a column and back.
        marked = [cell for (cell,) in mark_best([[cell] for cell in scores])]
        rows.append(
            (
                Cell(task.name),
                Cell(spaced(task.type), short=short_type(task.type)),
                Cell(task.metric or MISSING),
                number(task.examples),
                *marked,
                *(percent(row.scores.get(task.name)) for row in beside),
            )
        )
    left = len(board.tasks) - len(rows)
    notes = (f"Tasks of the suite that were not measured: {left}.",) if left else ()
    return Grid("By task", columns, tuple(rows), notes)


def _beside(board: Leaderboard) -> tuple[PublishedRow, ...]:
    """Published scores of tasks that are asked for, or of a model that was measured."""
    measured = {entry.some_record.provenance.identity.model for entry in board.entries}
    return tuple(
        row for row in board.published if row.scores and (row.asked or row.model in measured)
    )


def published_grid(board: Leaderboard) -> Grid | None:
    """Where published rows are from, and what they are over; None if there are none."""
    if not board.published:
        return None
    columns = (
        Column("Published", numeric=False),
        Column("Tasks"),
        Column("Note", numeric=False),
    )
    rows = tuple(
        (
            Cell(row.label),
            Cell(MISSING if row.tasks is None else f"{row.tasks} of {len(board.tasks)}"),
            Cell("; ".join(row.notes)),
        )
        for row in board.published
    )
    sources = dict.fromkeys((row.origin, row.source) for row in board.published)
    named = "; ".join(
        source if origin == source else f"{origin}: {source}" for origin, source in sources
    )
    notes = (
        "As published, and not measured here. A mean over other tasks than the column's is not in "
        "the column, but in the note.",
        f"Sources: {named}.",
    )
    return Grid("Published", columns, rows, notes)


def _score_columns(board: Leaderboard) -> tuple[Column, ...]:
    types = (Column(spaced(name), short_type(name)) for name in board.types)
    return (Column("Mean (task)", "by task"), Column("Mean (type)", "by type"), *types)


def _score_cells(board: Leaderboard, entry: Entry, view: str) -> tuple[Cell, ...]:
    return (
        percent(board.mean_task(entry, view)),
        percent(board.mean_type(entry, view)),
        *(percent(board.type_mean(entry, view, name)) for name in board.types),
    )


def _score_notes(board: Leaderboard) -> tuple[str, ...]:
    notes = [
        "Scores × 100. By task: mean over all tasks; by type: mean over the types' means. "
        "– is not measured."
    ]
    if board.borda:
        notes += [*board.ranking.notes, "Borda: mteb's rank over the models of this table."]
    if any(row.is_comparable for row in board.published):
        notes.append(
            "Published: as others published it, below what was measured; it has no rank, and the "
            "best of a column is the best that was measured."
        )
    for entry in board.entries:
        missing = board.missing(entry)
        if missing:
            listed = ", ".join(missing[:8]) + (", …" if len(missing) > 8 else "")
            notes.append(
                f"{entry.label} lacks {len(missing)} of {len(board.tasks)} tasks: {listed}"
            )
    return tuple(notes)


def _millions(parameters: int | None) -> Cell:
    return Cell("–") if parameters is None else Cell(f"{parameters / 1e6:,.1f} M")


def _dimensions(entry: Entry) -> Cell:
    width, dims = entry.some_record.provenance.model.embedding_dim, entry.dim_range(entry.main_view)
    if dims is None or dims == str(width):
        return Cell(dims or MISSING)
    return Cell(f"{dims} of {width}")


def _bytes(entry: Entry) -> Cell:
    found = entry.vector_bytes(entry.main_view)
    if found is None:
        return Cell(MISSING)
    return Cell("–".join(f"{size:,}" for size in dict.fromkeys(found)))


def _examples(entry: Entry) -> Cell:
    found = entry.coverage(entry.main_view)
    if found.n_scored == found.n_expected:
        return number(found.n_scored)
    return Cell(f"{found.n_scored:,} of {found.n_expected:,}")
