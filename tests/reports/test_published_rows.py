import io
from dataclasses import replace

import pytest
from rich.console import Console

from reports.grid import MISSING
from reports.latex import render_latex
from reports.leaderboard import make_leaderboards
from reports.markdown import render_markdown
from reports.published_rows import benchmark_of, published_rows, with_published
from reports.tables import all_grids, published_grid, scores_grid, tasks_grid
from reports.tables_csv import leaderboard_csv
from reports.terminal import render_grid
from results.published.figures import PublishedFigure
from results.published.references import REPOSITORY, Reference
from tests.reports.factories import SUITE, make_run

NAMES = {"SearchA": 0.5, "SearchB": 0.6, "Similar": 0.7, "Sort": 0.8}


def measured(suite="suite", **options):
    (board,) = make_leaderboards(make_run({(n, 64): s for n, s in NAMES.items()}, **options))
    return replace(board, suite=suite)


def figure(name, score, n_tasks, *, model="org/big", source="a paper", note="", kind="mean"):
    metric = "cosine_spearman" if kind == "task" else "main_score"
    return PublishedFigure(model, kind, "suite", name, None, metric, score, n_tasks, source, note)


@pytest.fixture
def kept(monkeypatch):
    """Replaces the table of published figures."""
    figures = []

    def found(*, kind, benchmark):
        return tuple(one for one in figures if (one.kind, one.benchmark) == (kind, benchmark))

    monkeypatch.setattr("reports.published_rows.published_figures", found)
    return figures


def row_of(grid, label):
    return {
        column.title: cell.text
        for column, cell in zip(
            grid.columns, next(row for row in grid.rows if row[0].text == label), strict=True
        )
    }


def test_means_over_the_same_tasks_stand_in_the_columns(kept):
    kept += [
        figure("all", 61.0, 4),
        figure("Retrieval", 52.0, 2),
        figure("STS", 70.0, 1),
        figure("Classification", 71.0, 1),
    ]
    board = with_published(measured())
    grid = scores_grid(board)
    row = row_of(grid, "big (a paper)")
    assert row["Scores"] == "published"
    assert row["Mean (task)"] == "61.00"
    assert row["Mean (type)"] == f"{(52 + 70 + 71) / 3:.2f}"
    assert row["Retrieval"] == "52.00"
    assert row_of(grid, "model")["Scores"] == "measured"
    # It comes last whatever its score, and what it is the best of is not marked.
    assert grid.rows[-1][0].text == "big (a paper)"
    assert not any(cell.best for cell in grid.rows[-1])


def test_a_mean_over_other_tasks_is_in_words_and_in_no_column(kept):
    kept += [
        figure("all", 66.6, 3, note="missing: SearchB; part of the scores is odd"),
        figure("Retrieval", 59.9, 1, note="missing: SearchB"),
        figure("STS", 70.0, 1),
        figure("Classification", None, None, note="not in the paper"),
    ]
    board = with_published(measured())
    row = row_of(scores_grid(board), "big (a paper)")
    assert row["Mean (task)"] == row["Mean (type)"] == row["Retrieval"] == MISSING
    assert row["STS"] == "70.00"
    about = row_of(published_grid(board), "big (a paper)")
    assert about["Tasks"] == "3 of 4"
    assert about["Note"] == (
        "all tasks: 66.60 over 3 of 4, without SearchB; "
        "Retrieval: 59.90 over 1 of 2, without SearchB; part of the scores is odd; "
        "Classification: not in the paper"
    )


def test_as_many_tasks_of_which_one_is_missing_are_not_the_same_tasks(kept):
    kept.append(figure("all", 66.6, 4, note="missing: SearchB"))
    board = with_published(measured())
    (row,) = board.published
    assert row.mean_task is None and not row.is_comparable
    assert [cells[0].text for cells in scores_grid(board).rows] == ["model"]


def test_a_model_of_which_nothing_was_published_has_no_row(kept):
    kept.append(figure("all", None, None, note="not in the paper"))
    assert published_rows(measured()) == ()
    assert published_grid(measured()) is None


def test_scores_of_tasks_make_means_where_all_of_them_are_there(kept):
    kept += [figure("Similar", 70.0, None, kind="task"), figure("Sort", 80.0, None, kind="task")]
    board = measured()
    metrics = {"Similar": "cosine_spearman", "Sort": "cosine_spearman"}
    board = replace(
        board, tasks=tuple(replace(t, metric=metrics.get(t.name, "x")) for t in board.tasks)
    )
    (row,) = published_rows(board)
    assert row.types == {"STS": 0.7, "Classification": 0.8}
    assert row.mean_task is None
    assert row.notes == ("lacks SearchA, SearchB",)


def test_a_score_by_another_metric_is_none_of_ours(kept):
    kept.append(figure("Sort", 80.0, None, kind="task"))
    board = measured()
    board = replace(board, tasks=tuple(replace(t, metric="accuracy") for t in board.tasks))
    assert published_rows(board) == ()


def reference(task, score, *, suite="suite", model="org/asked", **fields):
    return Reference(model, task, f"{REPOSITORY}, revision 1", (suite,), None, score, **fields)


def test_scores_that_were_asked_for_stand_beside_the_tasks(kept):
    found = [reference(task, 100 * score) for task, score in NAMES.items()]
    board = with_published(measured(), found)
    (row,) = board.published
    assert row.asked and row.mean_task == pytest.approx(0.65)
    grid = tasks_grid(board)
    assert row_of(grid, "Sort")["asked (repository), published"] == "80.00"
    # Those of another suite's splits are not used.
    assert published_rows(measured(), [reference("Sort", 80.0, suite="other")]) == ()
    lacking = [reference("Sort", 80.0), reference("Similar", None, note="Similar is not whole")]
    (row,) = published_rows(measured(), lacking)
    assert row.notes == ("lacks SearchA, SearchB, Similar", "Similar is not whole")


def test_a_published_row_has_no_rank_and_is_in_no_comparison(kept):
    kept.append(figure("all", 65.0, 4))
    runs = [
        *make_run({(n, 64): s for n, s in NAMES.items()}, model="org/a"),
        *make_run({(n, 64): s / 2 for n, s in NAMES.items()}, model="org/b"),
    ]
    (board,) = make_leaderboards(runs)
    plain = (board.borda, board.ranking)
    board = with_published(board)
    assert (board.borda, board.ranking) == plain
    row = row_of(scores_grid(board), "big (a paper)")
    assert row["Rank"] == row["Borda"] == MISSING


def test_numbers_for_machines_tell_published_from_measured(kept):
    kept.append(figure("all", 65.0, 4))
    lines = leaderboard_csv(with_published(measured())).splitlines()
    head = lines[0].split(",")
    rows = [dict(zip(head, line.split(","), strict=True)) for line in lines[1:]]
    assert [row["scores"] for row in rows] == ["measured", "published"]
    assert rows[1]["mean_task"] == "0.65" and rows[1]["rank"] == ""
    assert rows[0]["bytes_per_vector"] == "256"


def test_hostile_names_stay_text_in_every_format(kept):
    name = "org/<script>|\\input{x}&\u202egnp*\x1b[31m"
    kept.append(figure("all", 65.0, 4, model=name, source="a | <b>", note="$x$ | `y`"))
    grids = all_grids(with_published(measured()))
    markdown = render_markdown("T", grids, [])
    assert "<script" not in markdown and "\u202e" not in markdown
    rows = [line for line in markdown.splitlines() if "published" in line.lower()]
    assert all(line.startswith("| ") for line in rows if "script" in line)
    latex = render_latex("T", grids)
    assert "\\input" not in latex and "$x$" not in latex
    console = Console(file=io.StringIO(), width=100)
    for grid in grids:
        console.print(render_grid(grid))
    assert "\x1b" not in console.file.getvalue() and "\u202e" not in console.file.getvalue()
    assert max(map(len, console.file.getvalue().splitlines())) <= 100


@pytest.mark.parametrize("suite", ["english", "english-v1", "multilingual", "long-context"])
def test_each_suite_has_published_rows(suite):
    from tasks.suites import get_suite

    own = get_suite(suite)
    assert own.benchmark_names == (benchmark_of(suite),)
    tasks = {task.metadata.name: task.metadata.type for task in own.templates()}
    run = make_run({(next(iter(tasks)), 64): 0.5}, suite=tasks)
    (board,) = make_leaderboards(run)
    board = with_published(replace(board, suite=suite))
    assert any(row.mean_task is not None for row in board.published)
    for row in board.published:
        assert row.is_comparable or row.notes or row.scores
        assert set(row.types) <= set(board.types)
    labels = [row.label for row in board.published]
    assert len(set(labels)) == len(labels)
    assert all_grids(board)


def test_every_type_that_was_published_is_one_of_the_suite():
    from results.published.figures import published_figures
    from tasks.suites import get_suite

    for suite in ("english", "english-v1", "multilingual"):
        types = {task.metadata.type for task in get_suite(suite).templates()}
        found = {f.name for f in published_figures(kind="mean", benchmark=benchmark_of(suite))}
        assert found - {"all"} <= types


def test_suites_of_ours_have_none():
    assert published_rows(measured("starter")) == ()
    assert set(SUITE) == set(NAMES)
