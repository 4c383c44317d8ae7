from dataclasses import replace

import numpy as np
import pytest

from reports.leaderboard import make_leaderboards
from reports.noise import Rank, rank_by_noise
from reports.tables import scores_grid
from reports.tables_csv import leaderboard_csv
from results.errors import NoExamplesError
from results.examples import ExampleRows, examples_table
from tests.reports.factories import make_run

TASKS = {"One": "Retrieval", "Two": "Retrieval", "Three": "STS"}
QUERIES = 100


def questions(right):
    """A task whose first examples are right, so many of a hundred."""
    return (np.arange(QUERIES) < right).astype(float)


class Measured:
    """Models by their examples' scores in each task."""

    def __init__(self, models, tasks=TASKS):
        self.tables = {}
        self.records = []
        for model, by_task in models.items():
            scores = {(task, 64): float(np.mean(values)) for task, values in by_task.items()}
            self.records += make_run(scores, model=f"org/{model}", suite=tasks)
            for task, values in by_task.items():
                rows = ExampleRows(np.arange(len(values)), list(values), None, None)
                self.tables[f"org/{model}", task] = examples_table([("test", "default", rows)])

    def examples(self, record):
        table = self.tables.get((record.ref.model, record.ref.task))
        if table is None:
            raise NoExamplesError("measured before examples were kept")
        return table

    @property
    def board(self):
        (board,) = make_leaderboards(self.records)
        return board

    def ranks(self, examples=True):
        found = rank_by_noise(self.board, self.examples if examples else None)
        return {label: str(rank) for label, rank in found.ranks.items()}


def same_in_all(**right):
    return {name: dict.fromkeys(TASKS, questions(count)) for name, count in right.items()}


def test_a_difference_within_noise_is_a_tie_and_one_beyond_it_is_not():
    # 98 and 97 of a hundred differ in one example of each task; 60 is far away.
    measured = Measured(same_in_all(best=98, near=97, far=60))
    assert measured.ranks() == {"best": "1=", "near": "1=", "far": "3"}


def test_the_same_difference_is_noise_or_not_by_the_examples_that_are_behind_it():
    # Both are 10 points apart: once always in the same direction, once all over the place.
    rng = np.random.default_rng(3)
    steady = {"a": dict.fromkeys(TASKS, questions(60)), "b": dict.fromkeys(TASKS, questions(50))}
    assert Measured(steady).ranks() == {"a": "1", "b": "2"}
    noisy = {
        name: {task: rng.permutation(questions(count)[:40]) for task in TASKS}
        for name, count in (("a", 22), ("b", 20))
    }
    assert Measured(noisy).ranks() == {"a": "1=", "b": "1="}


def test_ties_are_with_the_first_of_a_place_and_do_not_chain():
    # Each is a tie with its neighbours, but not with those beyond.
    measured = Measured(same_in_all(a=60, b=59, c=55, d=54))
    assert measured.ranks() == {"a": "1=", "b": "1=", "c": "3=", "d": "3="}


def test_without_examples_no_tie_is_claimed_and_that_is_said():
    measured = Measured(same_in_all(best=98, near=97))
    assert measured.ranks(examples=False) == {"best": "1", "near": "2"}
    notes = " ".join(scores_grid(measured.board).notes)
    assert "no ties are told" in notes


def test_equal_means_share_a_place_even_without_examples():
    assert Measured(same_in_all(a=50, b=50, c=40)).ranks(examples=False) == {
        "a": "1=",
        "b": "1=",
        "c": "3",
    }


def test_a_task_without_examples_makes_a_difference_unknown_and_is_named():
    measured = Measured(same_in_all(best=98, near=97, far=60))
    del measured.tables["org/far", "Two"]
    ranking = rank_by_noise(measured.board, measured.examples)
    assert [str(rank) for rank in ranking.ranks.values()] == ["1=", "1=", "3?"]
    assert "per-example scores of Two (measured before examples were kept)" in ranking.notes[-1]
    # What is noise without the task is noise with it.
    models = same_in_all(best=98, near=97)
    models["near"] = {task: values[::-1] for task, values in models["near"].items()}
    measured = Measured(models)
    del measured.tables["org/near", "Two"]
    assert measured.ranks() == {"best": "1=", "near": "1="}


def test_an_incomplete_entry_has_no_place():
    models = same_in_all(best=98, near=97)
    del models["near"]["Three"]
    measured = Measured(models)
    assert measured.ranks() == {"best": "1"}
    assert [row[0].text for row in scores_grid(measured.board).rows] == ["best", "near"]


def test_scores_of_two_versions_of_mteb_are_not_told_apart():
    measured = Measured(same_in_all(best=98, far=60))
    changed = [
        replace(
            record,
            provenance=record.provenance.model_copy(
                update={
                    "identity": record.provenance.identity.model_copy(update={"mteb_version": "3"}),
                    "key": "other",
                }
            ),
        )
        if record.ref.model == "org/far"
        else record
        for record in measured.records
    ]
    (board,) = make_leaderboards(changed)
    ranking = rank_by_noise(board, measured.examples)
    assert list(map(str, ranking.ranks.values())) == ["1", "2?"]
    assert "scored by mteb 2 and 3" in ranking.notes[-1]


def test_a_broken_file_of_examples_is_an_error_and_no_unknown():
    measured = Measured(same_in_all(best=98, near=97))

    def broken(record):
        raise ValueError("corrupt record")

    with pytest.raises(ValueError, match="corrupt record"):
        rank_by_noise(measured.board, broken)


def test_a_table_shows_places_and_bordas():
    measured = Measured(same_in_all(best=98, near=97, far=60))
    board = replace(measured.board, ranking=rank_by_noise(measured.board, measured.examples))
    grid = scores_grid(board)
    titles = [column.title for column in grid.columns]
    shown = {row[0].text: dict(zip(titles, row, strict=True)) for row in grid.rows}
    assert {name: row["Rank"].text for name, row in shown.items()} == {
        "best": "1=",
        "near": "1=",
        "far": "3",
    }
    assert [row["Borda"].text for row in shown.values()] == ["1", "2", "3"]
    assert not any(row["Borda"].best for row in shown.values())


def test_a_place_prints_as_it_is_read():
    assert str(Rank(2)) == "2"
    assert str(Rank(2, shared=True)) == "2="
    assert str(Rank(2, known=False)) == "2?"


def test_numbers_for_machines_say_tie_only_where_ties_were_looked_for():
    measured = Measured(same_in_all(best=98, near=97, far=60))
    del measured.tables["org/far", "Two"]
    ranked = replace(measured.board, ranking=rank_by_noise(measured.board, measured.examples))
    for board, ties in ((ranked, ["True", "True", ""]), (measured.board, ["", "", ""])):
        head, *rows = (line.split(",") for line in leaderboard_csv(board).splitlines())
        assert [row[head.index("tie")] for row in rows] == ties
        assert rows[2][head.index("rank")] == "3"
