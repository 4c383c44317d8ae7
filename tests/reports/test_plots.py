import xml.etree.ElementTree as ElementTree

import pytest

from reports import plots
from reports.grid import visible
from reports.leaderboard import make_leaderboards
from reports.plots import plot_dimensions
from tests.reports.factories import SUITE, make_run


def sweep(model, dims=(64, 32, 16), top=0.6, **options):
    scores = {(task, dim): top - 0.1 / (dim or 1) for task in SUITE for dim in dims}
    return make_run(scores, model=model, **options)


def draw(*runs):
    """The figure before it becomes bytes, after seeing that it does become bytes."""
    (board,) = make_leaderboards([record for run in runs for record in run])
    assert plot_dimensions(board) is not None
    panels = [("All tasks", plots._panel(board, None))]
    return plots._draw(board, panels)


def legend(figure):
    (only,) = figure.legends
    return [text.get_text() for text in only.get_texts()]


@pytest.mark.parametrize(
    "name", ["a$\\frac$b", "$x", "_private", "\x1b[31m", "a\u202eb", "-->", "<&>"]
)
def test_any_name_is_drawn_as_it_is(name):
    figure = draw(sweep(f"org/{name}"))
    (label,) = legend(figure)
    assert label == visible(name)
    (board,) = make_leaderboards(sweep(f"org/{name}"))
    ElementTree.fromstring(plot_dimensions(board).svg)


def test_no_two_models_look_alike():
    figure = draw(*(sweep(f"org/model-{i}", top=0.3 + 0.02 * i) for i in range(12)))
    lines = figure.axes[0].get_lines()
    looks = {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in lines}
    assert len(looks) == len(lines) == 12
    assert not any(line.get_linestyle() == "--" for line in lines)


def test_a_baseline_is_a_line_across_and_a_single_dimension_is_a_point():
    figure = draw(
        sweep("org/swept", top=0.9),
        sweep("org/single", dims=(64,), top=0.8),
        sweep("org/lexical", dims=(None,), width=None, top=0.7),
    )
    swept, single, lexical = figure.axes[0].get_lines()
    assert [len(line.get_xdata()) for line in (swept, single)] == [3, 1]
    assert list(single.get_xdata()) == [64]
    assert lexical.get_linestyle() == "--"


@pytest.mark.parametrize("letter", ["i", "W"])
@pytest.mark.parametrize("count", [1, 3, 8])
def test_the_legend_stays_inside_and_names_that_differ_at_the_end_stay_apart(letter, count):
    figure = draw(*(sweep(f"org/{letter * 70}", seed=seed) for seed in range(count)))
    labels = legend(figure)
    assert len(set(labels)) == count
    figure.draw_without_rendering()
    (only,) = figure.legends
    box = only.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width
    panel = figure.axes[0].get_tightbbox()
    assert box.y0 >= panel.y1 - 1 and box.y1 <= figure.bbox.height
