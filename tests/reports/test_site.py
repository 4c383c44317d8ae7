import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.errors import ReportError
from reports.site import write_site
from reports.site.markup import readable
from reports.site.scripts import asset_files, script_call
from reports.site.slugs import slugs
from results.record import Record
from tests.reports.factories import SUITE
from tests.reports.sites import (
    HOSTILE_NAMES,
    HOSTILE_TEXTS,
    boards_of,
    make_records,
    make_site,
)

VOID = {"meta", "link", "br", "img", "input", "wbr", "hr"}


class Page(HTMLParser):
    """A page's elements, checked for being closed in order."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.open, self.text, self.table = [], [], [], None
        self.tables = {}
        self.feed(path.read_text("utf-8"))
        assert self.open == [], path

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append((tag, found))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.table = self.tables.setdefault(found["id"], [])
        if tag == "tr" and self.table is not None:
            self.table.append([])
        if tag in ("td", "th"):
            self.table[-1].append("")

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text.append(data)
        if "td" in self.open or "th" in self.open:
            self.table[-1][-1] += data

    def all(self, tag):
        return [found for name, found in self.tags if name == tag]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    make_site(folder, boards_of(make_records(names=HOSTILE_NAMES)))
    return folder


@pytest.fixture(scope="module")
def pages(site):
    return {str(path.relative_to(site)): Page(path) for path in sorted(site.rglob("*.html"))}


def test_there_is_a_page_for_each_model_and_task(site, pages):
    assert len([name for name in pages if name.startswith("models/")]) == 4 + len(HOSTILE_NAMES)
    assert {f"tasks/{task}.html" for task in SUITE} <= set(pages)
    assert all((site / f"queries/{task}.js").exists() for task in SUITE)


def test_pages_may_load_nothing_but_the_site(pages):
    for name, page in pages.items():
        (policy,) = [
            one["content"]
            for one in page.all("meta")
            if one.get("http-equiv") == "Content-Security-Policy"
        ]
        assert policy.startswith("default-src 'none'; "), name
        assert "unsafe" not in policy and "http" not in policy
        for tag, attributes in page.tags:
            assert tag not in ("iframe", "object", "base", "style"), name
            assert not any(key.startswith("on") or key == "style" for key in attributes), name
            address = attributes.get("src") or attributes.get("href") or ""
            assert not re.match(r"[a-z]+:|//", unquote(address), re.IGNORECASE), (name, address)
        assert all("src" in script for script in page.all("script"))


def test_links_lead_to_files_and_parts_that_exist(site, pages):
    for name, page in pages.items():
        for tag, attributes in page.tags:
            address = attributes.get("src") or attributes.get("href")
            if address is None:
                continue
            path, _, part = address.partition("#")
            target = (site / name).parent / path if path else site / name
            assert target.resolve().is_file(), (name, tag, address)
            if part:
                ids = {
                    one.get("id")
                    for _, one in pages[str(target.resolve().relative_to(site.resolve()))].tags
                }
                assert part in ids, (name, address)


def test_pages_can_be_read_aloud(pages):
    for name, page in pages.items():
        ids = [one["id"] for _, one in page.tags if "id" in one]
        assert len(ids) == len(set(ids)), name
        assert page.all("html") == [{"lang": "en"}]
        for tag in ("main", "header", "footer", "h1", "title"):
            assert len(page.all(tag)) == 1, (name, tag)
        assert all(one["alt"] for one in page.all("img"))
        assert len(page.all("caption")) == len(page.all("table")) > 0
        assert all(one["scope"] in ("row", "col") for one in page.all("th"))
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert all(below - above <= 1 for above, below in pairwise(levels)), name


def test_hostile_names_stay_text(site, pages):
    for name, page in pages.items():
        text = "".join(page.text)
        assert not {"\u202e", "\x00"} & set((site / name).read_text("utf-8")), name
        assert all("alert" not in str(one) for one in page.all("script")), name
        assert all(one.get("src", "").endswith(".svg") for one in page.all("img"))
        if name == "index.html":
            assert "<script>alert(1)<script>" in text
            assert "(no name)" in text
            assert "turned \\u202egnp.exe" in text
            assert "nul \\u0000 name" in text
            # What does look like a link is a name alone.
            assert not any("javascript:" in one.get("href", "") for one in page.all("a"))


def test_a_leaderboard_says_what_is_missing_and_what_is_published(pages):
    table = pages["index.html"].tables["suite-models"]
    head, *rows = table
    place = {title: index for index, title in enumerate(head)}
    by_name = {row[0]: row for row in rows}
    gamma = by_name["gamma"]
    assert gamma[place["Rank"]] == gamma[place["Mean by task"]] == "–"
    assert gamma[place["Classification"]] == "–"
    assert gamma[place["Tasks"]] == "3 of 4"
    assert by_name["beta-large"][place["Rank"]] == "1"
    assert by_name["lexical"][place["Dimensions"]] == "–"
    delta = by_name["delta (paper) published"]
    assert delta[place["Mean by task"]] == "77.00"
    assert delta[place["Rank"]] == delta[place["STS"]] == "–"
    assert delta[place["Scores"]] == "A paper"
    assert "delta (paper): lacks Sort" in "".join(pages["index.html"].text)
    assert "Not measured: 1 of 4 tasks" in "".join(pages["models/gamma.html"].text)


def test_a_model_page_has_views_tasks_and_provenance(pages):
    page = pages["models/alpha.html"]
    views = page.tables["views"]
    assert [row[0] for row in views[1:]] == ["dim=64", "dim=32"]
    assert [row[2] for row in views[1:]] == ["256", "128"]
    assert views[1][3] == f"{100 * (0.7 - 0.075 - 1 / 640):.2f}"
    assert views[1][4] == "100.0 %"
    tasks = page.tables["tasks"]
    assert [row[0] for row in tasks[1:]] == list(SUITE)
    assert tasks[1][3:6] == ["69.84", "3 of 10", "−20.00"]
    text = "".join(page.text)
    for said in ("Run spec", "Measured with", "cccccccccccc", "(given)", "ffffffffffff"):
        assert said in text, said


def test_scores_of_single_tasks_come_in_the_order_of_the_rows(site, pages):
    script = (site / "scores/suite.js").read_text()
    data = script.removeprefix("siteScores(").removesuffix(");\n")
    tasks, scores = json.loads(f"[{data}]")
    assert [task["name"] for task in tasks] == list(SUITE)
    rows = pages["index.html"].tables["suite-models"][1:]
    assert len(rows) == len(scores)
    by_name = dict(zip((row[0] for row in rows), scores, strict=True))
    assert by_name["gamma"][-1] is None
    assert by_name["gamma"][0] == pytest.approx(0.8 - 1 / 640, abs=1e-6)
    assert by_name["delta (paper) published"] == [0.66, None, None, None]


def test_the_same_records_give_the_same_bytes(site, tmp_path):
    records = make_records(names=HOSTILE_NAMES)[::-1]
    # Order of equals aside, nothing depends on where a record came in.
    paths = make_site(tmp_path, boards_of(records))
    assert paths[0] == tmp_path / "index.html"
    assert len(paths) == len(set(paths)) == sum(path.is_file() for path in site.rglob("*"))
    for path in paths:
        name = path.relative_to(tmp_path)
        assert path.read_bytes() == (site / name).read_bytes(), name


def test_pages_of_records_that_are_gone_are_removed(tmp_path):
    make_site(tmp_path, boards_of(make_records(names=["org/gone"])))
    own = tmp_path / "models" / "notes.txt"
    own.write_text("mine")
    assert (tmp_path / "models/gone.html").exists()
    paths = make_site(tmp_path, boards_of(make_records()))
    assert not (tmp_path / "models/gone.html").exists()
    assert own.exists()
    assert all(path.exists() for path in paths)


def test_two_suites_share_a_site(tmp_path):
    records = make_records()
    others = [
        Record(one.ref, one.task_result, one.provenance.model_copy(update={"suite": "other/suite"}))
        for one in records
    ]
    make_site(tmp_path, boards_of([*records, *others]))
    assert (tmp_path / "models/suite-alpha.html").exists()
    assert (tmp_path / "models/other-suite-alpha.html").exists()
    tables = Page(tmp_path / "index.html").tables
    assert {"suite-models", "other-suite-models"} <= set(tables)


def test_no_boards_are_no_site(tmp_path):
    with pytest.raises(ReportError, match="no leaderboards"):
        write_site((), tmp_path, pictures={})


def test_without_examples_there_is_no_drill_down(tmp_path):
    boards = tuple(replace(board, published=()) for board in boards_of(make_records()[:8]))
    write_site(boards, tmp_path, pictures={})
    assert not (tmp_path / "queries").exists()
    page = Page(tmp_path / "tasks/SearchA.html")
    assert not any(one.get("id") == "queries" for _, one in page.tags)


@given(st.lists(st.text(st.characters(), max_size=120), max_size=12))
def test_slugs_are_file_names_of_their_own(names):
    found = slugs(names)
    assert set(found) == set(names)
    assert len({slug.casefold() for slug in found.values()}) == len(found)
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,110}", slug) for slug in found.values())
    assert slugs(reversed(names)) == found


@pytest.mark.parametrize("name", ["con", "NUL.txt", "..", "", "a" * 300, "\ud800", "/etc/passwd"])
def test_slugs_of_names_that_are_no_file_names(name):
    slug = slugs([name])[name]
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", slug)
    assert slug.casefold() not in ("con", "nul.txt")


def test_slugs_differ_where_names_differ_by_signs_or_case():
    found = slugs(["a b", "a/b", "Task", "task"])
    assert len({slug.casefold() for slug in found.values()}) == 4
    assert slugs(["a b"]) == {"a b": "a-b"}


@given(
    st.recursive(
        st.text(st.characters()) | st.floats(allow_nan=False, allow_infinity=False) | st.none(),
        st.lists,
    )
)
def test_data_in_a_script_cannot_leave_it(value):
    script = script_call("f", value)
    assert not set("<>&\u2028\u2029\r") & set(script)
    assert script.isascii() and script.count("\n") == 1
    assert json.loads(script.removeprefix("f(").removesuffix(");\n")) == value


def test_a_script_has_no_numbers_that_json_lacks():
    with pytest.raises(ValueError, match="not JSON compliant"):
        script_call("f", float("nan"))


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_texts_can_be_written_and_hide_nothing(text):
    shown = readable(text)
    shown.encode("utf-8")
    assert not re.search("[\x00-\x08\u202a-\u202e\ud800-\udfff]", shown)


def test_readable_texts_keep_their_lines_and_marks():
    assert readable("a\n\tb\u200f") == "a\n\tb\u200f"
    assert readable("\u202e\ud800\x00") == "\\u202e\\ud800\\u0000"


def test_datatables_is_a_plain_script_with_its_licence():
    files = asset_files()
    assert "window.DataTable = " in files["datatables.js"]
    assert not re.search(r"\bexport\s*\{", files["datatables.js"])
    assert "MIT License" in files["datatables-licence.txt"]
    assert {"site.css", "tables.js", "theme.js", "queries.js"} <= set(files)
