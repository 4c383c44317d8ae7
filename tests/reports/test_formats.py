import io
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pandas as pd
import pytest
from rich.console import Console

from reports.html import render_html
from reports.leaderboard import make_leaderboards
from reports.markdown import render_markdown
from reports.plots import plot_dimensions
from reports.tables import all_grids
from reports.terminal import leaderboard_tables
from reports.write import write_reports
from tests.reports.factories import SUITE, make_run

DIMS = (64, 32, 16)
HOSTILE = 'org/<script>alert(1)<!--"&|*\u202egnp.exe`'


def sweep(model="org/model", top=0.6, **options):
    return make_run(
        {(task, dim): top - 0.1 / dim - 0.01 * i for i, task in enumerate(SUITE) for dim in DIMS},
        model=model,
        **options,
    )


@pytest.fixture
def records():
    lexical = make_run({(task, None): 0.4 for task in SUITE}, model="org/lexical", width=None)
    return [*sweep(), *sweep("org/other", 0.5), *lexical]


def board(records):
    (only,) = make_leaderboards(records)
    return only


class Reader(HTMLParser):
    """Collects tags, checks that they are closed in order, and keeps the visible text."""

    VOID = ("meta", "br", "img", "path", "use", "rect", "line")

    def __init__(self):
        super().__init__()
        self.tags, self.open, self.text = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text.append(data)


def test_files_are_written_and_the_same_records_give_the_same_bytes(records, tmp_path):
    first = write_reports(records, tmp_path / "a", site=False)
    second = write_reports(records[::-1], tmp_path / "b", site=False)
    names = [path.name for path in first.paths]
    assert names[:5] == [
        "leaderboard.md",
        "leaderboard.html",
        "leaderboard.tex",
        "leaderboard.csv",
        "scores.csv",
    ]
    assert {"dimensions.png", "dimensions.svg"} < set(names)
    for one, other in zip(first.paths, second.paths, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name
    assert (tmp_path / "a/dimensions.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    ElementTree.fromstring((tmp_path / "a/dimensions.svg").read_text())


def test_a_page_is_well_formed_and_needs_nothing_else(records):
    found = board(records)
    picture = plot_dimensions(found)
    page = render_html("Title", all_grids(found), [(picture.svg, picture.description)])
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert not any(tag in ("script", "link", "iframe") for tag, _ in reader.tags)
    assert all("src" not in attributes for _, attributes in reader.tags)
    heads = [attributes for tag, attributes in reader.tags if tag == "th"]
    assert heads and all(head["scope"] in ("col", "row") for head in heads)
    count = {name: sum(tag == name for tag, _ in reader.tags) for name in ("table", "caption")}
    assert count["caption"] == count["table"] == len(all_grids(found))
    assert "60.00" not in "".join(reader.text)  # 0.6 − 0.1/64 is not 0.6
    assert "59.84" in "".join(reader.text)


def test_hostile_names_stay_text_everywhere(tmp_path):
    records = sweep(HOSTILE)
    written = write_reports(records, tmp_path, site=False)
    page = (tmp_path / "leaderboard.html").read_text()
    reader = Reader()
    reader.feed(page)
    assert not any(tag == "script" for tag, _ in reader.tags)
    assert any(HOSTILE.rsplit("/", 1)[-1] == text for text in reader.text)
    assert "<bdi>" in page
    markdown = (tmp_path / "leaderboard.md").read_text()
    assert "<script" not in markdown
    assert "\u202e" not in markdown  # Markdown has nothing that would isolate it
    rows = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert len({line.replace("\\|", "").count("|") for line in rows[:3]}) == 1
    console = Console(file=io.StringIO(), width=100)
    for table in leaderboard_tables(written.leaderboards[0]):
        console.print(table)
    table = pd.read_csv(tmp_path / "scores.csv")
    assert set(table["model"]) == {HOSTILE}


def test_markdown_tables_have_as_many_cells_as_columns(records):
    found = board(records)
    text = render_markdown("Title", all_grids(found), [("dimensions.png", "A plot")])
    assert text.startswith("# Title")
    assert "![A plot](dimensions.png)" in text
    for block in text.split("## ")[1:]:
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in rows}) == 1
    assert "**59.84**" in text


def test_numbers_for_machines_are_unrounded_and_empty_where_nothing_was_measured(records, tmp_path):
    write_reports(records, tmp_path, site=False)
    table = pd.read_csv(tmp_path / "leaderboard.csv")
    first = table[(table["label"] == "model") & (table["dim"] == 64)].iloc[0]
    assert first["STS"] == pytest.approx(0.6 - 0.1 / 64 - 0.02, abs=1e-15)
    assert table[table["label"] == "lexical"]["dim"].isna().all()
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert len(scores) == len(records)


def test_tables_fit_a_terminal_of_a_hundred_columns(records):
    long = sweep("org/" + "a-very-long-model-name-" * 4)
    console = Console(file=io.StringIO(), width=100)
    for table in leaderboard_tables(board([*records, *long])):
        console.print(table)
    lines = console.file.getvalue().splitlines()
    assert max(len(line) for line in lines) <= 100
    assert any("59.84" in line for line in lines)


def test_there_is_no_plot_without_two_dimensions(tmp_path):
    write_reports(sweep(), tmp_path, site=False)
    assert (tmp_path / "dimensions.png").exists()
    records = make_run({(task, 64): 0.5 for task in SUITE})
    assert plot_dimensions(board(records)) is None
    names = [path.name for path in write_reports(records, tmp_path, site=False).paths]
    assert "dimensions.png" not in names
    assert not (tmp_path / "dimensions.png").exists()  # the earlier one is gone
    assert "dimensions" not in (tmp_path / "leaderboard.md").read_text()


@pytest.mark.parametrize("count", [1, 2, 9])
def test_many_models_and_negative_scores_are_drawn(count):
    runs = [sweep(f"org/model-{i}", top=0.1 * i - 0.3) for i in range(count)]
    picture = plot_dimensions(board([record for run in runs for record in run]))
    assert all(f"model-{i}" in picture.description for i in range(count))


def test_a_point_that_lacks_a_task_is_not_drawn():
    records = [r for r in sweep() if not (r.ref.task == "SearchA" and r.provenance.dim == 16)]
    found = board(records)
    (entry,) = found.entries
    assert found.mean_task(entry, "dim=16") is None
    assert found.mean_task(entry, "dim=32") is not None
    assert plot_dimensions(found) is not None


def test_a_second_suite_gets_a_folder_of_its_own(records, tmp_path):
    others = [
        type(r)(r.ref, r.task_result, r.provenance.model_copy(update={"suite": "MTEB(eng, v2)"}))
        for r in records
    ]
    written = write_reports([*records, *others], tmp_path, site=False)
    folders = {path.parent.name for path in written.paths}
    assert folders == {"suite", "MTEB-eng--v2-"}
