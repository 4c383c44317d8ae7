import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import ViewError
from model.quantization import PRECISIONS, Calibrator
from model.views import (
    MATRYOSHKA_DIMS,
    VIEW_SETS,
    View,
    default_views,
    expand_views,
    resolve_views,
)

BITS = ("binary", "ubinary")

PRECISE = st.one_of(
    st.tuples(st.sampled_from(PRECISIONS), st.none()),
    st.tuples(st.sampled_from(BITS), st.integers(1, 10**6)),
)


def test_a_view_by_route_prints_and_parses_back():
    assert str(View.parse("dim=route")) == "dim=route"
    assert View.parse("dim=route") == View(by_route=True) != View()


@given(st.one_of(st.none(), st.integers(1, 100_000)), PRECISE)
def test_a_view_prints_and_parses_back(dim, precise):
    view = View(dim, False, *precise)
    assert View.parse(str(view)) == view
    assert str(View.parse(str(view))) == str(view)


@pytest.mark.parametrize(
    "text",
    [
        "dim=256",
        "dim=256,float16",
        "dim=full,int8",
        "dim=route,int8",
        "dim=1024,uint8",
        "dim=64,binary",
        "dim=64,binary,rescore=4",
        "dim=route,ubinary,rescore=1",
    ],
)
def test_canonical_text_comes_back(text):
    assert str(View.parse(text)) == text


def test_float32_is_what_a_view_is_without_a_precision():
    assert View.parse("dim=256,float32") == View(256)
    assert str(View.parse("dim=256,float32")) == "dim=256"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "dim=full"),
        ("dim", "dim=full"),
        ("dim=", "dim=full"),
        ("dim=0", "at least 1"),
        ("dim=-1", "dim=N with N >= 1"),
        ("dim=1.5", "dim=N with N >= 1"),
        ("dim=²", "dim=N with N >= 1"),
        (f"dim={'9' * 5000}", "dim=N with N >= 1"),
        ("256", "dim=N with N >= 1"),
        ("width=64", "dim=N with N >= 1"),
        ("dim=64,int4", "'int4'; allowed: float32, float16, int8, uint8, binary, ubinary"),
        ("dim=64,", "''; allowed: float32, "),
        ("dim=64, int8", "' int8'; allowed: float32, "),
        ("dim=64,INT8", "'INT8'; allowed: float32, "),
        ("dim=64,rescore=4", "'rescore=4'; allowed: float32, "),
        ("dim=64,int8,rescore=4", "int8 vectors are not rescored; allowed: binary, ubinary"),
        ("dim=64,binary,rescore=0", "rescore is at least 1"),
        ("dim=64,binary,rescore=-1", "'rescore=-1' is no rescoring; allowed: rescore=N with N"),
        ("dim=64,binary,rescore", "'rescore' is no rescoring; allowed: rescore=N with N >= 1"),
        ("dim=64,binary,8", "'8' is no rescoring"),
        ("dim=64,binary,rescore=2,rescore=3", "not 'rescore=3'"),
    ],
)
def test_what_is_no_view_is_refused_by_name(text, named):
    with pytest.raises(ViewError) as error:
        View.parse(text)
    assert text in str(error.value)
    assert named in str(error.value)
    assert "\n" not in str(error.value)


def test_a_view_of_an_unknown_precision_cannot_be_made():
    with pytest.raises(ViewError, match=r"dim=64,int4.*unknown precision 'int4'; allowed: float32"):
        View(64, precision="int4")
    with pytest.raises(ViewError, match="float32 vectors are not rescored"):
        View(64, rescore=2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dim=full", 400),
        ("dim=32", 128),
        ("dim=32,float16", 64),
        ("dim=full,int8", 100),
        ("dim=33,uint8", 33),
        ("dim=64,binary", 8),
        ("dim=65,ubinary", 9),
        ("dim=full,binary,rescore=4", 13),
    ],
)
def test_bytes_are_those_of_the_stored_codes(text, expected):
    view = View.parse(text)
    assert view.bytes_per_vector(100) == expected
    vectors = np.random.default_rng(0).normal(size=(7, 100)).astype(np.float32)
    calibrator = Calibrator([view.dim or 100])
    calibrator.add(vectors)
    stored = view.codes(vectors, calibrator.finish()[view.dim or 100])
    assert stored.nbytes == 7 * expected


def test_bytes_that_are_not_known_are_refused():
    with pytest.raises(ViewError, match="'dim=route,int8': its size differs from task to task"):
        View.parse("dim=route,int8").bytes_per_vector(100)
    assert View(32, by_route=True, precision="int8").bytes_per_vector(100) == 32
    with pytest.raises(ViewError, match=r"dim=101.*at most dim=100"):
        View(101).bytes_per_vector(100)


def test_only_eight_bits_need_a_calibration():
    needing = {name for name in PRECISIONS if View(8, precision=name).needs_calibration}
    assert needing == {"int8", "uint8"}


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


@given(st.permutations(range(9)))
def test_views_come_widest_first_then_finest(order):
    expected = [
        "dim=64",
        "dim=64,float16",
        "dim=64,int8",
        "dim=64,uint8",
        "dim=64,binary",
        "dim=64,binary,rescore=2",
        "dim=64,binary,rescore=10",
        "dim=64,ubinary",
        "dim=32",
    ]
    assert [str(view) for view in expand_views([expected[n] for n in order], 64)] == expected


def test_a_precision_of_vectors_without_a_fixed_width_is_refused():
    for text in ("dim=full,int8", "dim=route,binary", "dim=full,float16"):
        with pytest.raises(ViewError, match=f"'{text}'.*not fixed; allowed: dim=full"):
            resolve_views((View.parse(text),), None)
    for name in VIEW_SETS:
        with pytest.raises(ViewError, match=f"'{name}'.*not fixed; allowed: dim=full"):
            expand_views([name], None)
    assert expand_views(["dim=full"], None) == (View(),)


def test_sets_of_views_expand_to_the_matryoshka_dimensions():
    assert expand_views(["mrl"], 384) == expand_views([], 384) == default_views(384)
    sweep = [str(view) for view in expand_views(["sweep"], 1024)]
    assert len(sweep) == len(set(sweep)) == 28
    assert sweep[:5] == [
        "dim=1024",
        "dim=1024,float16",
        "dim=1024,int8",
        "dim=1024,binary",
        "dim=768",
    ]
    assert sweep[-1] == "dim=32,binary"
    assert [str(view) for view in expand_views(["sweep"], 16)] == [
        "dim=16",
        "dim=16,float16",
        "dim=16,int8",
        "dim=16,binary",
    ]


def test_sets_and_views_mix_and_duplicates_collapse():
    mixed = expand_views(["dim=full", "mrl", "dim=64", "dim=64,ubinary", "dim=384,float32"], 384)
    assert [str(view) for view in mixed] == [
        "dim=384",
        "dim=256",
        "dim=128",
        "dim=64",
        "dim=64,ubinary",
        "dim=32",
    ]


@pytest.mark.parametrize("name", ["mlr", "", "sweep,int8", "256"])
def test_an_unknown_set_is_refused_with_those_that_there_are(name):
    with pytest.raises(ViewError) as error:
        expand_views([name], 384)
    assert repr(name) in str(error.value)
    assert "mrl, sweep" in str(error.value)
    assert "dim=route" in str(error.value)


@pytest.mark.parametrize("precision", ["int8", "uint8"])
def test_a_calibration_is_asked_for_and_must_fit(precision):
    view, vectors = View(2, precision=precision), np.ones((1, 3), dtype=np.float32)
    with pytest.raises(ViewError, match=f"'dim=2,{precision}'.*needs a calibration.*is none"):
        view.read(vectors)
    calibrator = Calibrator([3])
    calibrator.add(vectors)
    with pytest.raises(ViewError, match=f"'dim=2,{precision}'.*this one is of dim=3"):
        view.read(vectors, calibrator.finish()[3])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_refuses_a_truncated_zero_vector(precision):
    vectors = np.array([[1, 0, 0], [0, 0, 1]], dtype=np.float32)
    with pytest.raises(ViewError, match=f"'{View(2, precision=precision)}': vector 1 is zero in"):
        View(2, precision=precision).read(vectors)


def test_a_vector_that_becomes_zero_is_refused():
    vectors = np.array([[1, 0], [1e-30, 0]], dtype=np.float32)
    with pytest.raises(ViewError, match="'dim=2,float16': vector 1 is zero in this precision"):
        View(2, precision="float16").read(vectors)
    calibrator = Calibrator([2])
    calibrator.add(np.zeros((1, 2), dtype=np.float32))
    with pytest.raises(ViewError, match="'dim=2,int8': vector 0 is zero in this precision"):
        View(2, precision="int8").read(vectors, calibrator.finish()[2])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_is_read_is_what_the_codes_stand_for(precision):
    vectors = np.random.default_rng(3).normal(size=(40, 24)).astype(np.float32)
    calibrator = Calibrator([16])
    calibrator.add(vectors)
    view = View(16, precision=precision)
    read = view.read(vectors, calibrator.finish()[16])
    assert (read.shape, read.dtype) == ((40, 16), np.float32)
    whole = View(16).read(vectors)
    cosines = np.sum(read * whole, axis=1) / np.linalg.norm(read, axis=1)
    worst = {"float32": 1 - 1e-6, "float16": 0.999999, "int8": 0.9999, "uint8": 0.9999}
    assert cosines.min() > worst.get(precision, 0.5)
    assert (precision == "float32") == np.array_equal(read, whole)
    np.testing.assert_array_equal(view.read_float(vectors), whole)
    np.testing.assert_array_equal(view.bits(vectors), whole > 0)
