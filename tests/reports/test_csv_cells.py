"""CSV files are opened in spreadsheets: no text in them is a formula, every number stays one."""

import csv
import io

import pytest

from reports.leaderboard import make_leaderboards
from reports.tables_csv import leaderboard_csv, scores_csv
from tests.reports.factories import make_run

NAME = "=HYPERLINK(A1)\x1b[31m"
SCORES = {("One", 64): -0.25, ("Two", 64): 0.5}


@pytest.mark.parametrize("write", [leaderboard_csv, scores_csv])
def test_names_are_no_formulas_and_scores_stay_numbers(write):
    records = make_run(SCORES, model=f"org/{NAME}", suite={"One": "STS", "Two": "Retrieval"})
    (board,) = make_leaderboards(records)
    text = write(board)
    assert "\x1b" not in text
    head, *rows = csv.reader(io.StringIO(text))
    cells = [dict(zip(head, row, strict=True)) for row in rows]
    assert any(row["label"].startswith("'=HYPERLINK") for row in cells)
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row)
    numbers = [cell for row in rows for cell in row if cell.startswith("-")]
    assert numbers
    assert {float(number) for number in numbers} == {-0.25}
