"""Numbers for machines: unrounded, one row a measurement, empty where nothing was measured."""

import pandas as pd

from reports.leaderboard import Leaderboard
from results.table import records_table

__all__ = ["leaderboard_csv", "scores_csv"]


def leaderboard_csv(board: Leaderboard) -> str:
    """A row for each model and view: means between 0 and 1, by type and overall."""
    rows = []
    for entry in board.entries:
        facts = entry.some_record.provenance
        for view in entry.views:
            rows.append(
                {
                    "suite": board.suite,
                    "label": entry.label,
                    "model": facts.model.name,
                    "revision": facts.model.revision,
                    "view": view,
                    "dim": entry.dim(view),
                    "parameters": facts.model.parameters,
                    "max_length": facts.model.max_length,
                    "texts_per_second": entry.texts_per_second,
                    "truncated_share": entry.truncated_share,
                    "tasks": len(board.tasks),
                    "tasks_measured": sum(
                        entry.score(view, task.name) is not None for task in board.tasks
                    ),
                    "mean_task": board.mean_task(entry, view),
                    "mean_type": board.mean_type(entry, view),
                    **{name: board.type_mean(entry, view, name) for name in board.types},
                }
            )
    table = pd.DataFrame(rows)
    counts = ["dim", "parameters", "max_length"]
    table[counts] = table[counts].astype("Int64")
    return table.to_csv(index=False, lineterminator="\n")


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
    return pd.concat(tables).to_csv(index=False, lineterminator="\n")
