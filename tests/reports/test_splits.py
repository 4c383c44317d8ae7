"""Scores and cut texts of each split, for tasks of several."""

import dataclasses

from reports.leaderboard import make_leaderboards
from reports.splits import splits_grid
from reports.tables import all_grids
from results.provenance import TextCount
from tests.reports.factories import make_run


def with_splits(records, task, scores, cut):
    """The records, of which one task has splits."""
    found = []
    for record in records:
        if record.ref.task == task:
            result = {
                **record.task_result,
                "scores": {
                    split: [{"main_score": value, "hf_subset": "default"}]
                    for split, value in scores.items()
                },
            }
            counts = {
                split: TextCount(
                    texts=9,
                    distinct_texts=8,
                    tokens=100,
                    truncated_texts=count,
                    truncated_tokens=count * 5,
                )
                for split, count in cut.items()
            }
            facts = record.provenance.model_copy(update={"text_count_by_split": counts})
            found.append(dataclasses.replace(record, task_result=result, provenance=facts))
        else:
            found.append(record)
    return found


def board(*runs):
    (found,) = make_leaderboards([record for run in runs for record in run])
    return found


def texts(grid):
    return [[cell.text for cell in row] for row in grid.rows]


ONE = make_run({("SearchA", 64): 0.5, ("Similar", 64): 0.7}, model="org/one")
TWO = make_run({("SearchA", 64): 0.4}, model="org/two")


def test_each_split_has_its_score_and_its_share_of_cut_texts():
    one = with_splits(ONE, "SearchA", {"test_256": 0.9, "test_512": 0.1}, {"test_512": 2})
    grid = splits_grid(board(one, TWO))
    assert [column.title for column in grid.columns] == [
        *("Task", "Split"),
        *("one", "Texts cut", "two", "Texts cut"),
    ]
    assert texts(grid) == [
        ["SearchA", "test_256", "90.00", "–", "–", "–"],
        ["SearchA", "test_512", "10.00", "25.0 %", "–", "–"],
        ["SearchA", "test", "–", "–", "40.00", "–"],
    ]
    assert "By split" in [grid.title for grid in all_grids(board(one))]


def test_tasks_of_one_split_need_no_such_table():
    assert splits_grid(board(ONE, TWO)) is None


def test_a_split_without_a_score_is_not_measured():
    one = with_splits(ONE, "SearchA", {"a": None, "b": 0.0}, {})
    assert [row[2] for row in texts(splits_grid(board(one)))] == ["–", "0.00"]
