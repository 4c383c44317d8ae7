import math
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.errors import ReportError
from reports.grid import MISSING, Cell, mark_best, percent
from reports.leaderboard import make_leaderboards
from reports.tables import all_grids, scores_grid, tasks_grid
from results.provenance import Coverage
from tests.reports.factories import SUITE, make_run, with_facts

scores = st.fixed_dictionaries({name: st.floats(-1, 1) for name in SUITE})


def complete(values, **options):
    return make_run({(task, 64): score for task, score in values.items()}, **options)


def board(*runs):
    (only,) = make_leaderboards([record for run in runs for record in run])
    return only


@given(scores)
def test_means_are_those_of_mtebs_leaderboard(values):
    found = board(complete(values))
    (entry,) = found.entries
    by_type = [fmean([values["SearchA"], values["SearchB"]]), values["Similar"], values["Sort"]]
    assert found.mean_task(entry, "dim=64") == pytest.approx(fmean(values.values()))
    assert found.mean_type(entry, "dim=64") == pytest.approx(fmean(by_type))
    assert found.types == ("Retrieval", "STS", "Classification")


@given(st.lists(scores, min_size=2, max_size=4))
def test_renaming_models_only_renames_rows(runs):
    def rows(names):
        found = board(
            *(complete(run, model=f"org/{n}") for run, n in zip(runs, names, strict=True))
        )
        grid = scores_grid(found)
        return sorted([cell.text for cell in row[1:]] for row in grid.rows), [
            found.mean_task(entry, "dim=64") for entry in found.entries
        ]

    forward, backward = "abcd"[: len(runs)], "wxyz"[: len(runs)]
    assert rows(forward) == rows(backward)
    assert rows(forward)[1] == sorted(rows(forward)[1], reverse=True)


@pytest.mark.parametrize("lost", list(SUITE))
def test_a_row_that_lacks_a_task_has_no_mean_over_it(lost):
    values = dict.fromkeys(SUITE, 0.5)
    full = complete(values, model="org/full")
    partial = complete({k: v for k, v in values.items() if k != lost}, model="org/partial")
    found = board(partial, full)
    assert [entry.label for entry in found.entries] == ["full", "partial"]
    entry = found.entries[1]
    assert found.mean_task(entry, "dim=64") is None
    assert found.mean_type(entry, "dim=64") is None
    for name in found.types:
        whole = lost not in found.tasks_of(name)
        assert (found.type_mean(entry, "dim=64", name) is not None) == whole
    grid = scores_grid(found)
    assert grid.rows[1][1].text == grid.rows[1][2].text == MISSING
    assert any(f"partial lacks 1 of 4 tasks: {lost}" in note for note in grid.notes)


def test_zero_is_a_score_and_missing_is_not_zero():
    assert percent(0.0).text == "0.00"
    assert percent(-0.0).text == "0.00"
    assert percent(None).text == MISSING
    assert percent(None).value is None


def test_the_best_is_marked_ties_included_and_only_where_there_are_others():
    rows = [
        [Cell("a"), percent(0.5), percent(0.1)],
        [Cell("b"), percent(0.50000001), percent(None)],
    ]
    marked = mark_best(rows)
    assert [row[1].best for row in marked] == [True, True]
    assert [row[2].best for row in marked] == [False, False]


def test_tasks_are_compared_within_their_row():
    one = complete({"SearchA": 0.1, "SearchB": 0.9, "Similar": 0.5, "Sort": 0.2}, model="org/one")
    two = complete({"SearchA": 0.2, "SearchB": 0.8, "Similar": 0.5, "Sort": 0.1}, model="org/two")
    grid = tasks_grid(board(one, two))
    by_task = {
        row[0].text: {c.title: cell.best for c, cell in zip(grid.columns[4:], row[4:], strict=True)}
        for row in grid.rows
    }
    assert by_task["SearchA"] == {"one": False, "two": True}
    assert by_task["SearchB"] == {"one": True, "two": False}
    assert by_task["Similar"] == {"one": True, "two": True}


def test_records_of_different_data_are_never_compared():
    values = dict.fromkeys(SUITE, 0.5)
    one, two = complete(values, model="org/one"), complete(values, model="org/two")
    task = two[0].provenance.task.model_copy(update={"content_hash": "other"})
    two[0] = with_facts(two[0], suite=SUITE, width=64, task=task)
    with pytest.raises(ReportError, match="SearchA was measured on different data for org/one"):
        board(one, two)


def test_the_same_record_from_two_folders_counts_once():
    run = complete(dict.fromkeys(SUITE, 0.5))
    assert len(board(run, run).entries) == 1


def test_runs_that_differ_in_a_setting_are_rows_of_their_own_and_say_so():
    values = dict.fromkeys(SUITE, 0.5)
    found = board(complete(values), complete(values, seed=43))
    assert {entry.label for entry in found.entries} == {"model (seed 42)", "model (seed 43)"}


def test_namesakes_of_two_organisations_are_told_apart():
    values = dict.fromkeys(SUITE, 0.5)
    found = board(complete(values, model="a/same"), complete(values, model="b/same"))
    assert {entry.label for entry in found.entries} == {"a/same", "b/same"}


def test_suites_are_never_mixed():
    one = complete(dict.fromkeys(SUITE, 0.5))
    two = [with_facts(record, suite=SUITE, width=64) for record in one]
    two = [
        type(r)(r.ref, r.task_result, r.provenance.model_copy(update={"suite": "b"})) for r in two
    ]
    assert [b.suite for b in make_leaderboards([*one, *two])] == ["b", "suite"]


def test_without_records_there_is_nothing_to_report():
    with pytest.raises(ReportError, match="no records"):
        make_leaderboards([])


def test_a_model_without_width_has_a_row_and_no_dimension():
    run = make_run({(task, None): 0.5 for task in SUITE}, width=None)
    grids = {grid.title: grid for grid in all_grids(board(run))}
    dim = [c.title for c in grids["Models"].columns].index("Dimensions")
    assert grids["Models"].rows[0][dim].text == MISSING
    assert "By dimension" not in grids


def test_a_run_of_a_narrow_view_alone_says_which_part_it_read():
    run = make_run({(task, 16): 0.5 for task in SUITE}, width=64)
    grids = {grid.title: grid for grid in all_grids(board(run))}
    assert "16 of 64" in [cell.text for cell in grids["Models"].rows[0]]


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_not_measured(score):
    good = complete(dict.fromkeys(SUITE, 0.1), model="org/good")
    bad = complete(dict.fromkeys(SUITE, 0.9) | {"SearchA": score}, model="org/bad")
    found = board(bad, good)
    assert [entry.label for entry in found.entries] == ["good", "bad"]
    assert found.mean_task(found.entries[1], "dim=64") is None
    assert found.missing(found.entries[1]) == ("SearchA",)


def test_other_weights_under_the_same_name_are_told_apart():
    values = dict.fromkeys(SUITE, 0.5)
    found = board(complete(values), complete(values, fingerprint="e" * 64))
    assert {entry.label for entry in found.entries} == {"model [eeeeeeee]", "model [ffffffff]"}


def test_halves_measured_by_two_backends_never_make_a_whole():
    one = complete({"SearchA": 0.5, "SearchB": 0.5}, backend="here")
    two = complete({"Similar": 0.5, "Sort": 0.5}, backend="there")
    found = board(one, two)
    assert {entry.label for entry in found.entries} == {
        "model (backend here)",
        "model (backend there)",
    }
    assert all(found.mean_task(entry, "dim=64") is None for entry in found.entries)


def test_a_speed_needs_texts_that_were_encoded():
    run = complete(dict.fromkeys(SUITE, 0.5))
    idle = run[0].provenance.cost.model_copy(update={"encoded_texts": 0})
    (entry,) = board([with_facts(r, suite=SUITE, width=64, cost=idle) for r in run]).entries
    assert entry.texts_per_second is None
    (entry,) = board(run).entries
    assert entry.texts_per_second == pytest.approx(50)


def facts_of(*runs):
    found = board(*runs)
    grid = next(grid for grid in all_grids(found) if grid.title == "Models")
    titles = [column.title for column in grid.columns]
    return {row[0].text: dict(zip(titles, [c.text for c in row], strict=True)) for row in grid.rows}


def test_facts_say_how_large_a_vector_is_and_what_was_scored():
    run = complete(dict.fromkeys(SUITE, 0.5))
    partly = Coverage(n_expected=3, n_scored=2)
    run[0] = with_facts(run[0], suite=SUITE, width=64, coverage=partly)
    lexical = make_run({("Sort", None): 0.5}, model="org/lexical", width=None)
    facts = facts_of(run, lexical)
    assert facts["model"]["Bytes per vector"] == "256"
    assert facts["model"]["Tasks"] == "4 of 4"
    assert facts["model"]["Examples"] == "11 of 12"
    assert facts["lexical"]["Bytes per vector"] == MISSING
    assert facts["lexical"]["Tasks"] == "1 of 4"
    assert facts["lexical"]["Examples"] == "3"


def test_bytes_follow_from_dimension_and_precision_and_may_differ_by_task():
    run = complete(dict.fromkeys(SUITE, 0.5))
    changed = [
        with_facts(record, suite=SUITE, width=64, view="dim=route,int8", dim=dim)
        for record, dim in zip(run, (16, 64, 32, 32), strict=True)
    ]
    assert facts_of(changed)["model"]["Bytes per vector"] == "16–64"
    (entry,) = board(changed).entries
    assert entry.vector_bytes("dim=route,int8") == (16, 64)


def test_bordas_are_mtebs_and_of_complete_entries_alone():
    # The best mean comes from one task; in the three others the other model is better.
    one = complete({"SearchA": 0.9, "SearchB": 0.1, "Similar": 0.1, "Sort": 0.1}, model="org/one")
    two = complete(dict.fromkeys(SUITE, 0.2), model="org/two")
    partial = complete({"SearchA": 1.0}, model="org/partial")
    found = board(one, two, partial)
    assert [entry.label for entry in found.entries] == ["one", "two", "partial"]
    assert found.borda == {"one": 2, "two": 1}
    grid = scores_grid(found)
    places = {row[0].text: (row[1].text, row[2].text) for row in grid.rows}
    assert [column.title for column in grid.columns[1:3]] == ["Rank", "Borda"]
    assert places == {"one": ("1", "2"), "two": ("2", "1"), "partial": (MISSING, MISSING)}


def test_one_complete_model_has_no_rank():
    found = board(complete(dict.fromkeys(SUITE, 0.5)))
    assert found.borda == {}
    assert "Rank" not in [column.title for column in scores_grid(found).columns]
