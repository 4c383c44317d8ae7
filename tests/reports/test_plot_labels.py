from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.plots.labels import Label, _spread, label_inside, label_right
from reports.plots.style import axes_at, drawing, sheet

heights = st.lists(st.floats(0, 100), min_size=1, max_size=12)


@given(heights)
def test_heights_keep_their_order_and_their_distance(wanted):
    found = _spread(sorted(wanted), 8.0, 0.0, 100.0)
    assert len(found) == len(wanted)
    assert all(high - low >= 8 - 1e-9 for low, high in pairwise(found))
    assert found[0] >= -1e-9 and found[-1] <= 104 + 1e-9


def test_heights_that_have_room_stay_where_they_are():
    assert _spread([10, 30, 60], 8.0, 0.0, 100.0) == [10, 30, 60]


def test_a_crowd_stands_around_the_middle_of_what_it_wants():
    assert _spread([50, 50, 50], 8.0, 0.0, 100.0) == pytest.approx([42, 50, 58])


def axes():
    figure = sheet(3, "")
    axis = axes_at(figure, 0.5, 0.3, 4, 2)
    axis.set_xlim(0, 10)
    axis.set_ylim(0, 10)
    return figure, axis


def boxes(figure):
    figure.draw_without_rendering()
    return [text.get_window_extent() for text in figure.texts if text.get_text()]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1, max_size=15))
def test_names_cover_neither_each_other_nor_a_point(points):
    with drawing():
        figure, axis = axes()
        labels = [Label(f"name {i}", (point,), "#000000") for i, point in enumerate(points)]
        left_out = label_inside(axis, labels, lines=[[point] for point in points])
        found = boxes(figure)
    assert len(found) == len(points) - len(left_out)
    assert not any(one.overlaps(other) for one, other in combinations(found, 2))
    dots = axis.transData.transform(points)
    assert not any(box.contains(*dot) for box in found for dot in dots)


def test_a_name_that_has_no_room_is_told():
    with drawing():
        _, axis = axes()
        label = Label("W" * 60, ((5, 5),), "#000000")
        assert label_inside(axis, [label]) == ("W" * 60,)


def test_the_margin_takes_as_many_names_as_it_is_high_and_the_first_go_first():
    with drawing():
        figure, axis = axes()
        labels = [Label(f"model {i}", ((10, 5),), "#000000") for i in range(40)]
        left_out = label_right(axis, labels, room=2)
        found = boxes(figure)
    assert left_out == tuple(f"model {i}" for i in range(40 - len(left_out), 40))
    assert 10 < len(found) == 40 - len(left_out)
    assert not any(one.overlaps(other) for one, other in combinations(found, 2))


def test_a_long_name_keeps_its_end_and_fits_the_margin():
    with drawing():
        figure, axis = axes()
        label_right(axis, [Label("W" * 50 + " late 256", ((10, 5),), "#000000")], room=1.2)
        (box,) = boxes(figure)
    (text,) = (text.get_text() for text in figure.texts if text.get_text())
    assert text.endswith("late 256") and "…" in text
    assert box.x1 <= axis.get_window_extent().x1 + 1.2 * figure.dpi
