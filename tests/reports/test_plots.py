import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import matplotlib
import pytest

from reports.grid import visible
from reports.leaderboard import make_leaderboards
from reports.plots import board_pictures, dimensions, plot_dimensions, task_pictures
from reports.plots.style import legible
from tests.reports.factories import SUITE, make_run


def sweep(model, dims=(64, 32, 16), top=0.6, **options):
    scores = {(task, dim): top - 0.1 / (dim or 1) for task in SUITE for dim in dims}
    return make_run(scores, model=model, **options)


def make_board(*runs):
    (board,) = make_leaderboards([record for run in runs for record in run])
    return board


def draw(monkeypatch, *runs):
    """The figure before it becomes bytes, after seeing that it does become bytes."""
    board = make_board(*runs)
    assert plot_dimensions(board) is not None
    with monkeypatch.context() as patch:
        patch.setattr(dimensions, "picture", lambda name, title, figure, description: figure)
        return plot_dimensions(board)


def texts(figure):
    return [text.get_text() for text in figure.texts]


@pytest.mark.parametrize(
    "name", ["a$\\frac$b", "$x", "_private", "\x1b[31m", "a\u202eb", "-->", "<&>"]
)
def test_any_name_is_drawn_as_it_is(monkeypatch, name):
    figure = draw(monkeypatch, sweep(f"org/{name}"))
    assert visible(name) in texts(figure)
    picture = plot_dimensions(make_board(sweep(f"org/{name}")))
    ElementTree.fromstring(picture.svg)
    assert visible(name) in picture.description


def test_letters_that_the_font_lacks_are_named():
    assert legible("a東b") == "a\\u6771b"
    assert legible("müß – ★ ×") == "müß – ★ ×"


def test_no_two_models_look_alike(monkeypatch):
    runs = (sweep(f"org/model-{i}", top=0.3 + 0.02 * i) for i in range(12))
    lines = draw(monkeypatch, *runs).axes[0].get_lines()
    looks = {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in lines}
    assert len(looks) == len(lines) == 12


def test_a_baseline_is_a_line_across_and_a_single_dimension_is_a_point(monkeypatch):
    figure = draw(
        monkeypatch,
        sweep("org/swept", top=0.9),
        sweep("org/single", dims=(64,), top=0.8),
        sweep("org/lexical", dims=(None,), width=None, top=0.7),
    )
    swept, single, lexical = figure.axes[0].get_lines()
    assert [len(line.get_xdata()) for line in (swept, single)] == [3, 1]
    assert list(single.get_xdata()) == [64]
    assert lexical.get_linestyle() == "--"


def test_retention_is_relative_to_the_widest_and_none_where_nothing_was_cut(monkeypatch):
    scores = {(task, dim): score for task in SUITE for dim, score in ((64, 0.8), (32, 0.6))}
    figure = draw(
        monkeypatch,
        make_run(scores, model="org/swept"),
        sweep("org/single", dims=(64,), top=0.5),
    )
    hundred, swept = figure.axes[1].get_lines()
    assert list(hundred.get_ydata()) == [100, 100]
    assert list(swept.get_ydata()) == pytest.approx([75, 100])


def test_a_task_that_only_some_have_is_in_no_mean(monkeypatch):
    few = {(task, dim): 0.5 for task in ("SearchA", "Similar") for dim in (64, 32)}
    more = {(task, dim): 0.7 for task in ("SearchA", "SearchB", "Similar") for dim in (64, 32)}
    figure = draw(monkeypatch, make_run(few, model="org/few"), make_run(more, model="org/more"))
    assert figure.axes[0].get_title(loc="left") == "All tasks (mean of 2 of 4 tasks)"
    assert len(figure.axes[0].get_lines()) == 2


def test_the_papers_curve_is_behind_ours_in_its_types_alone(monkeypatch):
    board = make_board(sweep("jinaai/jina-embeddings-v3"), sweep("org/other"))
    figure = draw(monkeypatch, sweep("jinaai/jina-embeddings-v3"), sweep("org/other"))
    panels = {axis.get_title(loc="left"): axis for axis in figure.axes[2:]}
    assert {title: len(panel.get_lines()) for title, panel in panels.items() if title} == {
        "Retrieval": 3,
        "STS": 3,
        "Classification": 2,
    }
    assert list(panels["STS"].get_lines()[0].get_ydata())[-1] == 77.58
    assert "arXiv:2409.10173v3 table 7" in plot_dimensions(board).description
    assert "arXiv" not in plot_dimensions(make_board(sweep("org/other"))).description


@pytest.mark.parametrize("letter", ["i", "W"])
@pytest.mark.parametrize("count", [1, 3, 8])
def test_names_stay_on_the_sheet_and_apart_where_they_differ_at_the_end(monkeypatch, letter, count):
    figure = draw(
        monkeypatch, *(sweep(f"org/{letter * 70}", seed=100 + seed) for seed in range(count))
    )
    figure.draw_without_rendering()
    named = [text for text in figure.texts if f"…{letter}" in text.get_text() or count > 1]
    named = [text for text in named if letter * 3 in text.get_text()]
    labels = {text.get_text() for text in named}
    assert len(labels) >= count
    for text in named:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width


def test_thirty_models_are_drawn_and_those_without_a_name_are_counted(monkeypatch):
    runs = [sweep(f"org/model-{i}", top=0.3 + 0.01 * i) for i in range(30)]
    figure = draw(monkeypatch, *runs)
    assert len(figure.axes[0].get_lines()) == 30
    named = [text for text in texts(figure) if text.startswith("model-")]
    assert "model-29" in named and 10 < len(set(named)) < 30
    assert any(
        f"Drawn without their names: {30 - len(set(named))};" in text for text in texts(figure)
    )


def test_the_users_settings_and_a_second_time_change_no_byte():
    runs = [*sweep("org/a"), *sweep("org/b", top=0.5)]
    first = board_pictures(make_board(runs))
    with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 20, "svg.fonttype": "none"}):
        assert board_pictures(make_board(runs[::-1])) == first
    assert {picture.name for picture in first} >= {"dimensions", "bytes"}


def test_a_page_is_white_whatever_is_behind_it():
    svg = plot_dimensions(make_board(sweep("org/a"))).svg
    patch = svg[svg.index('id="patch_1"') :]
    assert "fill: #ffffff" in patch[:400]


def test_a_task_of_its_own_has_its_own_name():
    (first, *_) = task_pictures(make_board(sweep("org/a")), "Similar")
    assert first.title == "Score against embedding dimension: Similar"
    assert task_pictures(make_board(sweep("org/a")), "No such task") == ()


def test_pictures_need_no_matplotlib_until_one_is_drawn():
    code = (
        "import sys, reports.plots; "
        "assert not {'matplotlib', 'pandas'} & set(sys.modules), 'loaded'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
