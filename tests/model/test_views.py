import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import ViewError
from model.views import MATRYOSHKA_DIMS, View, default_views, resolve_views


def test_a_view_by_route_prints_and_parses_back():
    assert str(View.parse("dim=route")) == "dim=route"
    assert View.parse("dim=route") == View(by_route=True) != View()


@given(st.one_of(st.none(), st.integers(1, 100_000)))
def test_a_view_prints_and_parses_back(dim):
    view = View(dim)
    assert View.parse(str(view)) == view
    assert str(View.parse(str(view))) == str(view)


@pytest.mark.parametrize(
    "text",
    ["", "dim", "dim=", "dim=0", "dim=-1", "dim=1.5", "dim=²", "256", "dim=64,int4", "width=64"],
)
def test_what_is_no_view_is_refused_by_name(text):
    with pytest.raises(ViewError) as error:
        View.parse(text)
    assert text in str(error.value)
    assert "\n" not in str(error.value)


@given(st.integers(1, 24), st.integers(0, 2**32 - 1))
def test_truncated_vectors_have_unit_length_and_the_same_direction(dim, seed):
    vectors = np.random.default_rng(seed).normal(size=(5, 24)).astype(np.float32)
    read = View(dim).read(vectors)
    assert read.shape == (5, dim)
    assert read.dtype == np.float32
    if dim < 24:
        np.testing.assert_allclose(np.linalg.norm(read, axis=1), 1, atol=1e-6)
    cosines = np.sum(read * vectors[:, :dim], axis=1) / (
        np.linalg.norm(read, axis=1) * np.linalg.norm(vectors[:, :dim], axis=1)
    )
    np.testing.assert_allclose(cosines, 1, atol=1e-5)


def test_the_whole_vector_is_left_as_the_model_made_it():
    vectors = 3 * np.eye(4, dtype=np.float32)
    assert View().read(vectors) is vectors
    assert View(4).read(vectors) is vectors


def test_a_vector_without_direction_is_refused():
    vectors = np.array([[1, 0, 0], [0, 0, 1]], dtype=np.float32)
    with pytest.raises(ViewError, match="vector 1 is zero in its first 2"):
        View(2).read(vectors)


def test_a_view_wider_than_the_vectors_is_refused():
    with pytest.raises(ViewError, match=r"dim=5.*wider.*4"):
        View(5).read(np.ones((1, 4), dtype=np.float32))


def test_default_views_are_the_full_vector_and_the_matryoshka_sizes_below():
    assert [view.dim for view in default_views(384)] == [384, 256, 128, 64, 32]
    assert [view.dim for view in default_views(1024)] == list(MATRYOSHKA_DIMS)
    assert default_views(None) == (View(),)


def test_resolving_makes_views_concrete_widest_first():
    asked = (View(32), View(), View(64), View(384))
    assert [view.dim for view in resolve_views(asked, 384)] == [384, 64, 32]
    with pytest.raises(ViewError, match=r"dim=512.*at most dim=384"):
        resolve_views((View(512),), 384)
    with pytest.raises(ViewError, match="not fixed"):
        resolve_views((View(64),), None)
