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
from reports.splits import splits_grid

__all__ = ["all_grids", "dimensions_grid", "facts_grid", "scores_grid", "tasks_grid"]


def all_grids(board: Leaderboard) -> tuple[Grid, ...]:
    """Every table of a leaderboard, the most important first."""
    grids = [scores_grid(board), facts_grid(board)]
    if any(len(entry.views) > 1 for entry in board.entries):
        grids.append(dimensions_grid(board))
    grids.append(tasks_grid(board))
    splits = splits_grid(board)
    return tuple(grids) if splits is None else (*grids, splits)


def scores_grid(board: Leaderboard) -> Grid:
    """Models × task types."""
    rows = [
        (Cell(entry.label), *_score_cells(board, entry, entry.main_view)) for entry in board.entries
    ]
    columns = (Column("Model", numeric=False), *_score_columns(board))
    return Grid("Scores by task type", columns, mark_best(rows), _score_notes(board))


def facts_grid(board: Leaderboard) -> Grid:
    """What each model is, and what the scores rest on."""
    columns = (
        Column("Model", numeric=False),
        Column("Parameters", "Params"),
        Column("Dimensions", "Dim"),
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
        examples = sum(
            record.provenance.coverage.n_scored
            for (view, _), record in entry.records.items()
            if view == entry.main_view
        )
        rows.append(
            (
                Cell(entry.label),
                _millions(facts.model.parameters),
                _dimensions(entry),
                number(facts.model.max_length),
                Cell(f"{done} of {len(board.tasks)}"),
                number(examples),
                share(entry.truncated_share),
                number(entry.texts_per_second),
                Cell(facts.environment.device),
            )
        )
    notes = ("Texts cut: share of distinct texts longer than the model reads.",)
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
    notes = ["Truncated vectors have unit length."]
    if precisions:
        keys_of.append(Column("Precision", numeric=False))
        notes.append("8 bits are calibrated once, on each task's corpus.")
    columns = (*keys_of, *_score_columns(board))
    return Grid("By dimension", columns, tuple(rows), tuple(notes), keys=len(keys_of))


def tasks_grid(board: Leaderboard) -> Grid:
    """Tasks × models; tasks that nobody measured are only counted."""
    columns = (
        Column("Task", numeric=False),
        Column("Type", numeric=False),
        Column("Metric", numeric=False),
        Column("Examples"),
        *(Column(entry.label) for entry in board.entries),
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
                Cell(task.metric or "–"),
                number(task.examples),
                *marked,
            )
        )
    left = len(board.tasks) - len(rows)
    notes = (f"Tasks of the suite that were not measured: {left}.",) if left else ()
    return Grid("By task", columns, tuple(rows), notes)


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
