"""Tasks of several splits, such as the lengths of a search in long documents: split by split."""

import math
from statistics import fmean

from reports.grid import Cell, Column, Grid, percent, share
from reports.leaderboard import Entry, Leaderboard

__all__ = ["splits_grid"]


def splits_grid(board: Leaderboard) -> Grid | None:
    """Splits × models: the score, and the share of texts that were cut; None if there are none."""
    rows = []
    for task in board.tasks:
        splits = _splits(board, task.name)
        for split in splits if len(splits) > 1 else ():
            cells = [
                cell
                for entry in board.entries
                for cell in (
                    percent(_score(entry, task.name, split)),
                    share(_cut(entry, task.name, split)),
                )
            ]
            rows.append((Cell(task.name), Cell(split), *cells))
    if not rows:
        return None
    columns = (
        Column("Task", numeric=False),
        Column("Split", numeric=False),
        *(
            column
            for entry in board.entries
            for column in (Column(entry.label), Column("Texts cut", "Cut"))
        ),
    )
    notes = ("Texts cut: share of the split's distinct texts longer than the model reads.",)
    return Grid("By split", columns, tuple(rows), notes, keys=2)


def _splits(board: Leaderboard, task: str) -> tuple[str, ...]:
    records = (entry.records.get((entry.main_view, task)) for entry in board.entries)
    names = (split for record in records if record for split in record.task_result["scores"])
    return tuple(dict.fromkeys(names))


def _score(entry: Entry, task: str, split: str) -> float | None:
    record = entry.records.get((entry.main_view, task))
    if record is None or split not in record.task_result["scores"]:
        return None
    scores = [subset.get("main_score") for subset in record.task_result["scores"][split]]
    known = [score for score in scores if score is not None and math.isfinite(score)]
    return fmean(known) if known and len(known) == len(scores) else None


def _cut(entry: Entry, task: str, split: str) -> float | None:
    record = entry.records.get((entry.main_view, task))
    count = record.provenance.text_count_by_split.get(split) if record else None
    if count is None or count.truncated_texts is None or not count.distinct_texts:
        return None
    return count.truncated_texts / count.distinct_texts
