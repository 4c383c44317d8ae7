import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from reports.grid import Cell, Column, Grid
from reports.leaderboard import make_leaderboards
from reports.tables import all_grids
from reports.terminal import leaderboard_tables, render_grid
from tests.reports.factories import make_run

TYPES = (
    "Retrieval",
    "Reranking",
    "Classification",
    "MultilabelClassification",
    "Clustering",
    "PairClassification",
    "STS",
    "BitextMining",
    "InstructionReranking",
)
WIDE = {f"{name}Task": name for name in TYPES}
NAMES = ("model", "multilingual-e5-large-instruct", "a-very-long-name-" * 5, "模型" * 12)


def printed(renderable, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable)
    return console.file.getvalue()


def wide_board(count):
    runs = [
        make_run(
            {(task, dim): (i + 1) / 7 - 1 / dim for task in WIDE for dim in (64, 32)},
            model=f"org/{name}",
            suite=WIDE,
        )
        for i, name in enumerate(NAMES[:count])
    ]
    (board,) = make_leaderboards([record for run in runs for record in run])
    return board


@pytest.mark.parametrize("width", [80, 100, 160])
@pytest.mark.parametrize("count", range(1, 5))
def test_every_number_is_shown_whole_however_narrow_the_terminal(count, width):
    board = wide_board(count)
    for grid, table in zip(all_grids(board), leaderboard_tables(board), strict=True):
        text = printed(table, width)
        assert max(cell_len(line) for line in text.splitlines()) <= width
        shown = re.findall(r"(?<!\S)\d+\.\d+(?!\S)", text)
        expected = [c.text for row in grid.rows for c in row if re.fullmatch(r"\d+\.\d\d", c.text)]
        scores = [number for number in shown if re.fullmatch(r"\d+\.\d\d", number)]
        assert sorted(scores) == sorted(expected), grid.title


@given(
    st.integers(30, 120),
    st.lists(st.integers(0, 10**12), min_size=1, max_size=15),
    st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=60),
)
def test_a_split_table_repeats_its_rows_names_and_loses_no_column(width, values, name):
    columns = [Column(f"c{i}") for i in range(len(values))]
    row = (Cell(name), *(Cell(f"{value:,}", value) for value in values))
    text = printed(render_grid(Grid("T", (Column("Name", numeric=False), *columns), (row,))), width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    assert re.findall(r"\bc\d+\b", text) == [column.title for column in columns]
    words = [word for line in text.splitlines() for word in line.split()[-len(values) :]]
    assert all(f"{value:,}" in words for value in values)
    letters = "".join(text.split())
    assert letters.count("Name") >= 1


def test_a_table_that_fits_is_one_table():
    text = printed(leaderboard_tables(wide_board(1))[0], 120)
    assert text.count("Model") == 1


def test_a_name_cannot_steer_the_terminal():
    run = make_run({("SearchA", 64): 0.5}, model="org/\x1b[31mred\u202e", suite={"SearchA": "STS"})
    (board,) = make_leaderboards(run)
    text = "".join(printed(table, 100) for table in leaderboard_tables(board))
    assert "\x1b" not in text and "\u202e" not in text
    assert r"\u001b[31mred\u202e" in text
