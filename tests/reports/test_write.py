import pytest

from reports.write import write_reports
from tests.reports.factories import SUITE, make_run
from tests.results.factories import make_examples

WITH_PLOT = {(task, dim): 0.5 - 1 / dim for task in SUITE for dim in (64, 32)}
WITHOUT = {(task, 64): 0.5 for task in SUITE}


def files(folder):
    return {
        path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def other_suite(records):
    return [
        type(r)(r.ref, r.task_result, r.provenance.model_copy(update={"suite": "b"}))
        for r in records
    ]


def test_what_an_earlier_report_had_and_this_one_has_not_is_gone(tmp_path):
    write_reports(make_run(WITH_PLOT), tmp_path, site=False)
    assert "dimensions.png" in files(tmp_path)
    (tmp_path / "mine.png").write_bytes(b"a reader's own")
    write_reports(make_run(WITHOUT), tmp_path, site=False)
    fresh = tmp_path / "fresh"
    write_reports(make_run(WITHOUT), fresh, site=False)
    assert files(tmp_path) - {f"fresh/{name}" for name in files(fresh)} == {
        "mine.png",
        *files(fresh),
    }


def test_a_suite_that_is_gone_takes_its_folder_with_it(tmp_path):
    runs = make_run(WITHOUT)
    write_reports([*runs, *other_suite(runs)], tmp_path, site=False)
    assert {"b/leaderboard.md", "suite/leaderboard.md"} <= files(tmp_path)
    (tmp_path / "suite" / "mine.txt").write_text("kept")
    write_reports(runs, tmp_path, site=False)
    assert "leaderboard.md" in files(tmp_path)
    assert not (tmp_path / "b").exists()
    assert [path.name for path in (tmp_path / "suite").iterdir()] == ["mine.txt"]


def test_plots_of_reports_from_before_the_list_are_gone(tmp_path):
    for name in ("dimensions.png", "dimensions.svg", "other.png"):
        (tmp_path / name).write_bytes(b"old")
    write_reports(make_run(WITHOUT), tmp_path, site=False)
    assert "dimensions.png" not in files(tmp_path)
    assert "other.png" in files(tmp_path)


@pytest.mark.parametrize("name", ["../outside.txt", "{outside}"])
def test_nothing_outside_of_the_folder_is_removed_whatever_the_list_says(tmp_path, name):
    outside, folder = tmp_path / "outside.txt", tmp_path / "reports"
    outside.write_text("kept")
    folder.mkdir()
    (folder / "written.txt").write_text(f"{name.format(outside=outside)}\n\n.\n")
    write_reports(make_run(WITHOUT), folder, site=False)
    assert outside.read_text() == "kept"
    assert (folder / "leaderboard.md").exists()


def test_a_site_is_written_and_named_by_its_first_page(tmp_path):
    written = write_reports(make_run(WITH_PLOT), tmp_path)
    assert written.paths[-1] == tmp_path / "site" / "index.html"
    assert len([path for path in written.paths if "site" in path.parts]) == 1
    write_reports(make_run(WITH_PLOT), tmp_path, site=False)
    assert not (tmp_path / "site").exists()


def test_ties_are_looked_for_where_there_are_examples(tmp_path):
    records = [*make_run(WITHOUT), *make_run(WITHOUT, model="org/other")]
    asked = []

    def examples(record):
        asked.append(record.ref.task)
        return make_examples()

    write_reports(records, tmp_path, examples=None, site=False)
    assert "no ties are told" in (tmp_path / "leaderboard.md").read_text()
    write_reports(records, tmp_path, examples=examples, site=False)
    assert set(asked) == set(SUITE)
    assert "no ties are told" not in (tmp_path / "leaderboard.md").read_text()
