import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.stats.errors import StatisticsError
from results.stats.multiple import could_be_rejected, holm


def closed_bonferroni(p_values):
    """Holm's method by its definition: the closed test of Bonferroni tests."""
    places = range(len(p_values))
    sets = [s for size in places for s in itertools.combinations(places, size + 1)]
    return [
        max(min(1, len(s) * min(p_values[j] for j in s)) for s in sets if i in s) for i in places
    ]


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.02, 0.02, 0.9]) == pytest.approx([0.06, 0.06, 0.9])
    assert holm([0.7, 0.6]) == (1, 1)
    assert holm([]) == ()


@given(st.lists(st.floats(0, 1) | st.sampled_from([0.01, 0.02, 0.5]), min_size=1, max_size=6))
def test_holm_is_the_closed_test(p_values):
    assert holm(p_values) == pytest.approx(closed_bonferroni(p_values))


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_holm_refuses_what_is_no_probability(p):
    with pytest.raises(StatisticsError, match=f"p-value {p}"):
        holm([0.5, p])


def test_a_test_of_few_units_could_only_be_significant_in_a_small_family():
    smallest = 2.0**-6  # seven units
    assert could_be_rejected([0.5, 0.5], 0, smallest, 0.05)
    assert not could_be_rejected([0.5] * 4, 0, smallest, 0.05)
    # Others that are significant leave the family smaller.
    assert could_be_rejected([0.5, 1e-9, 1e-9, 0.5], 0, smallest, 0.05)
