"""Numbers for machines: unrounded, one row a measurement, empty where nothing was measured."""

import pandas as pd

from jina_eval.core.display import csv_text
from reports.leaderboard import Leaderboard
from results.table import records_table

__all__ = ["leaderboard_csv", "scores_csv"]

_COUNTS = (
    "rank",
    "borda",
    "dim",
    "bytes_per_vector",
    "parameters",
    "max_length",
    "tasks",
    "tasks_measured",
    "n_expected",
    "n_scored",
)


def leaderboard_csv(board: Leaderboard) -> str:
    """A row for each model and view: means between 0 and 1, by type and overall.

    Below them come published rows, whose `scores` are "published". Ranks are of the main views.
    """
    rows: list[dict[str, object]] = []
    ties = board.ranking.has_ties
    for entry in board.entries:
        facts = entry.some_record.provenance
        for view in entry.views:
            main = view == entry.main_view
            rank = board.ranking.ranks.get(entry.label) if main else None
            size = entry.vector_bytes(view)
            coverage = entry.coverage(view)
            rows.append(
                {
                    "suite": board.suite,
                    "label": entry.label,
                    "scores": "measured",
                    "rank": None if rank is None else rank.place,
                    "tie": rank.shared if rank and rank.known and ties else None,
                    "borda": board.borda.get(entry.label) if main else None,
                    "model": facts.model.name,
                    "revision": facts.model.revision,
                    "view": view,
                    "dim": entry.dim(view),
                    "bytes_per_vector": size[0] if size and size[0] == size[1] else None,
                    "parameters": facts.model.parameters,
                    "max_length": facts.model.max_length,
                    "texts_per_second": entry.texts_per_second,
                    "truncated_share": entry.truncated_share,
                    "tasks": len(board.tasks),
                    "tasks_measured": sum(
                        entry.score(view, task.name) is not None for task in board.tasks
                    ),
                    "n_expected": coverage.n_expected,
                    "n_scored": coverage.n_scored,
                    "mean_task": board.mean_task(entry, view),
                    "mean_type": board.mean_type(entry, view),
                    **{name: board.type_mean(entry, view, name) for name in board.types},
                }
            )
    for row in board.published:
        rows.append(
            {
                "suite": board.suite,
                "label": row.label,
                "scores": "published",
                "model": row.model,
                "source": row.source,
                "note": "; ".join(row.notes),
                "tasks": len(board.tasks),
                "tasks_measured": row.tasks,
                "mean_task": row.mean_task,
                "mean_type": row.mean_type,
                **row.types,
            }
        )
    table = pd.DataFrame(rows)
    counts = [name for name in _COUNTS if name in table]
    table[counts] = table[counts].astype("Int64")
    return _csv(table)


def scores_csv(board: Leaderboard) -> str:
    """A row for each record, columns as in `results.table.records_table`.

    Rows come in the order of the entries, the suite's tasks and the views,
    whatever the order of the records.
    """
    tables = []
    for entry in board.entries:
        places = [(view, task.name) for task in board.tasks for view in entry.views]
        table = records_table(entry.records[place] for place in places if place in entry.records)
        table.insert(0, "label", entry.label)
        tables.append(table)
    return _csv(pd.concat(tables))


def _csv(table: pd.DataFrame) -> str:
    """A table as CSV; what is text, such as a model's name, is no formula in a spreadsheet."""
    safe = table.rename(columns=csv_text)
    for name in safe.select_dtypes(exclude=["number", "bool"]):
        safe[name] = [csv_text(value) if isinstance(value, str) else value for value in safe[name]]
    return safe.to_csv(index=False, lineterminator="\n")
