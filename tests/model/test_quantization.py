"""Fewer bits: the codes of sentence-transformers, calibrated once, and what they stand for."""

import hashlib
import logging
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mteb.models import CompressionWrapper
from mteb.models.model_meta import ModelMeta
from mteb.types import OutputDType
from sentence_transformers.util.quantization import quantize_embeddings

from model.errors import ViewError
from model.quantization import Calibration, Calibrator, codes, dequantize
from model.top_k import ExactSearch
from model.views import View

WIDTHS = (32, 33, 64, 100, 128, 256, 384, 512, 768, 1024)


def vectors_of(count, width, seed=0):
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def calibrated_on(vectors, dim=None):
    calibrator = Calibrator([dim or vectors.shape[1]])
    calibrator.add(vectors)
    return calibrator.finish()[dim or vectors.shape[1]]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(2, 70), st.integers(0, 2**32), st.data())
def test_a_calibration_depends_on_neither_chunks_nor_order(count, width, seed, data):
    vectors = vectors_of(count, width, seed)
    vectors[:, 0] = np.where(vectors[:, 1] > 0, 0.0, -0.0)
    dims = data.draw(st.sets(st.integers(2, width), min_size=1, max_size=3))
    whole = Calibrator(dims)
    whole.add(vectors)
    cuts = sorted(data.draw(st.lists(st.integers(0, count), max_size=5)))
    pieces = Calibrator(dims)
    for piece in np.split(vectors[data.draw(st.permutations(range(count)))], cuts):
        pieces.add(piece)
    expected = whole.finish()
    found = pieces.finish()
    assert found.keys() == expected.keys() == dims
    for dim, calibration in found.items():
        assert calibration.lower.tobytes() == expected[dim].lower.tobytes()
        assert calibration.upper.tobytes() == expected[dim].upper.tobytes()
        assert calibration.summary() == expected[dim].summary()
        assert calibration.texts == count


def test_a_calibration_is_of_what_the_view_reads():
    vectors = vectors_of(50, 24)
    calibrator = Calibrator([24, 8])
    calibrator.add(vectors)
    for dim, calibration in calibrator.finish().items():
        read = View(dim).read(vectors)
        assert (calibration.dim, calibration.lower.dtype) == (dim, np.float32)
        np.testing.assert_array_equal(calibration.lower, read.min(axis=0))
        np.testing.assert_array_equal(calibration.upper, read.max(axis=0))


def test_a_calibration_says_what_it_is():
    one = Calibration(2, np.float32([0, -1]), np.float32([1, 2]), 7)
    sha256 = hashlib.sha256(struct.pack("<4f", 0, -1, 1, 2)).hexdigest()[:16]
    assert one.summary() == {"texts": 7, "dim": 2, "sha256": sha256}
    others = [
        Calibration(2, np.float32([0, -1]), np.float32([1, 2.0000002]), 7),
        Calibration(2, np.float32([1, 2]), np.float32([0, -1]), 7),
    ]
    assert len({one.digest, *(other.digest for other in others)}) == 3


def test_what_nothing_can_be_calibrated_on_is_refused():
    calibrator = Calibrator([2])
    calibrator.add(np.empty((0, 3), np.float32))
    with pytest.raises(ViewError, match=r"nothing to be calibrated on: there are no vectors"):
        calibrator.finish()
    with pytest.raises(ViewError, match=r"calibration of dim=4 is wider than .* \(3\)"):
        Calibrator([4]).add(np.ones((1, 3), np.float32))
    with pytest.raises(ViewError, match="calibration of dim=2: vector 1 is zero in its first 2"):
        calibrator.add(np.float32([[1, 0, 0], [0, 0, 1]]))
    calibrator.add(np.float32([[1, np.nan, 0]]))
    with pytest.raises(ViewError, match="calibration of dim=2: a vector is not finite"):
        calibrator.finish()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(1, 40), st.integers(0, 2**32), st.floats(-3, 3))
def test_eight_bits_are_within_half_a_step_and_clipped_outside(count, width, seed, shift):
    corpus = vectors_of(count, width, seed) * 10 ** np.linspace(-3, 3, width, dtype=np.float32)
    calibration = calibrated_on(corpus)
    vectors = np.concatenate([corpus, (corpus * np.float32(1.5) + np.float32(shift))])
    inside = np.clip(vectors, calibration.lower, calibration.upper)
    signed, unsigned = (codes(vectors, calibration, p) for p in ("int8", "uint8"))
    assert (signed.dtype, unsigned.dtype) == (np.int8, np.uint8)
    np.testing.assert_array_equal(signed.astype(int) + 128, unsigned)
    read = dequantize(unsigned, calibration, "uint8", width)
    assert read.tobytes() == dequantize(signed, calibration, "int8", width).tobytes()
    assert read.dtype == np.float32
    ends = np.maximum(np.abs(calibration.lower), np.abs(calibration.upper))
    rounding = 4 * np.finfo(np.float32).eps * ends + calibration.steps / 10_000
    assert (np.abs(read - inside) <= calibration.steps / 2 + rounding).all()
    beyond = (vectors > calibration.upper) & (calibration.steps > 0)
    assert (unsigned[beyond] == 255).all()
    assert (unsigned[vectors < calibration.lower] == 0).all()


@pytest.mark.parametrize("precision", ["int8", "uint8"])
def test_eight_bits_are_those_of_sentence_transformers_but_to_the_nearest_level(precision):
    """They take the level below, so that ours is theirs or, in half of all cases, the next."""
    vectors = vectors_of(500, 48, seed=1)
    vectors[:, 7] = 0.25
    calibration = calibrated_on(vectors[:400])
    ours = codes(vectors, calibration, precision)
    ranges = np.stack([calibration.lower, calibration.upper])
    theirs = quantize_embeddings(vectors, precision, ranges=ranges)
    assert ours.dtype == theirs.dtype
    difference = ours.astype(int) - theirs
    assert set(np.unique(difference)) == {0, 1}
    assert 0.45 < difference[:400].mean() < 0.55
    # What lies exactly on a level, as both ends do, is the same in both.
    both = calibration.lower == vectors
    assert both.any()
    assert (difference[both] == 0).all()
    np.testing.assert_array_equal(ours[:, 7], theirs[:, 7])


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("precision", ["binary", "ubinary"])
def test_bits_are_those_of_sentence_transformers(precision, width):
    vectors = vectors_of(60, width)
    vectors[:, 3] = 0
    vectors[0, 5] = -0.0
    ours = codes(vectors, None, precision)
    theirs = quantize_embeddings(vectors, precision)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("width", WIDTHS)
def test_bits_stand_for_vectors_of_unit_length_whose_products_are_hamming_distances(width):
    vectors = vectors_of(60, width)
    read = dequantize(codes(vectors, None, "binary"), None, "binary", width)
    unsigned = dequantize(codes(vectors, None, "ubinary"), None, "ubinary", width)
    assert read.tobytes() == unsigned.tobytes()
    np.testing.assert_array_equal(read > 0, vectors > 0)
    assert len(np.unique(np.abs(read))) == 1
    np.testing.assert_allclose(np.linalg.norm(read, axis=1), 1, atol=1e-6)
    expected = 1 - 2 * hamming(vectors, vectors) / width
    np.testing.assert_allclose(read @ read.T, expected, atol=4e-6)
    if width in (64, 256, 1024):  # 1 / sqrt(width) is a power of two
        np.testing.assert_array_equal(read @ read.T, expected)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_search_by_bits_ranks_by_hamming_distance_and_keeps_ties(width):
    """Exactly: equal distances have equal scores, bit for bit, whatever the dimension."""
    queries, documents = vectors_of(20, width, 1), vectors_of(3000, width, 2)
    distances = hamming(queries, documents)
    search = ExactSearch(queries > 0, 200, "cpu")
    search.add(documents > 0)
    scores, places = search.best()
    assert scores.dtype == np.float32
    for row, (found, kept) in enumerate(zip(scores, places, strict=True)):
        nearest = np.argsort(distances[row], kind="stable")[:200]
        assert set(kept.tolist()) == set(nearest.tolist())
        expected = (width - 2 * distances[row, kept]).astype(np.float32) / np.float32(width)
        np.testing.assert_array_equal(found, expected)
        assert len(np.unique(found)) == len(np.unique(distances[row, nearest])) < 60
    signs = dequantize(codes(documents, None, "binary"), None, "binary", width)
    numbers = dequantize(codes(queries, None, "binary"), None, "binary", width)
    whole = np.take_along_axis(numbers @ signs.T, places, axis=1)
    np.testing.assert_allclose(scores, whole, atol=1e-6)


def hamming(queries, documents):
    packed = [np.packbits(vectors > 0, axis=1) for vectors in (queries, documents)]
    return np.bitwise_count(packed[0][:, None] ^ packed[1]).sum(axis=2, dtype=np.int64)


def test_float16_is_rounded_and_refused_beyond_its_range():
    vectors = vectors_of(50, 16)
    stored = codes(vectors, None, "float16")
    assert stored.dtype == np.float16
    read = dequantize(stored, None, "float16", 16)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, vectors.astype(np.float16).astype(np.float32))
    assert not np.array_equal(read, vectors)
    assert codes(np.float32([[65519]]), None, "float16") == 65504
    with pytest.raises(ViewError, match="up to 65504; vector 1 has -65520 at place 2"):
        codes(np.float32([[1, 1, 1], [0, 2, -65520]]), None, "float16")
    with pytest.raises(ViewError, match="'dim=full,float16': float16 holds numbers up to 65504"):
        View(precision="float16").read(np.float32([[70000]]))


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("precision", ["int8", "uint8"])
def test_one_query_and_a_constant_dimension_are_finite(precision):
    """mteb's CompressionWrapper makes NaN of both."""
    corpus = vectors_of(30, 6)
    corpus[:, 2] = 0.5
    corpus[:, 4] = 1 + np.float32(2) ** -149 * np.arange(30)  # all are 1
    corpus[:, 5] = np.float32(2) ** -149 * (np.arange(30) % 2)  # too near for a step
    calibration = calibrated_on(corpus)
    query = np.float32([[0.1, -9, 77, 9, -77, 1]])
    read = View(precision=precision).read(query, calibration)
    assert np.isfinite(read).all()
    np.testing.assert_array_equal(read[0, [2, 4, 5]], [0.5, 1, 0])
    assert read[0, 1] == calibration.lower[1]
    assert read[0, 3] == pytest.approx(calibration.upper[3])
    alone = calibrated_on(query)
    np.testing.assert_array_equal(View(precision=precision).read(query, alone), query)
    stored = codes(corpus, calibration, precision)
    assert len(np.unique(stored[:, [2, 4, 5]])) == 1


def test_a_range_of_the_smallest_numbers_does_not_wrap_around():
    tiny = np.float32(2) ** -149 * np.float32([[0], [380]])
    assert codes(tiny, calibrated_on(tiny), "uint8").tolist() == [[0], [255]]


class Fixed:
    """Gives mteb the vectors that it is given."""

    def __init__(self):
        self.mteb_model_meta = ModelMeta.create_empty(overwrites={"name": "a/b", "revision": "1"})

    def encode(self, inputs, **kwargs):
        return inputs


def compressed(*calls):
    """What mteb's wrapper makes of vectors, each array in a call of its own."""
    wrapper = CompressionWrapper(Fixed(), OutputDType.INT8)
    options = {"task_metadata": None, "hf_split": "test", "hf_subset": "default"}
    return np.concatenate([wrapper.encode(vectors, **options).numpy() for vectors in calls])


def anisotropic(noise):
    """Documents whose spread differs by dimension, all on one side, and queries beside them."""
    rng = np.random.default_rng(0)
    spread = np.arange(1, 65) ** -0.5
    documents = rng.normal(size=64) + rng.normal(size=(2000, 64)) * spread
    queries = documents[:300] + noise(spread) * rng.normal(size=(300, 64))
    found = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (queries, documents)]
    return [x.astype(np.float32) for x in found]


def hits(queries, documents):
    search = ExactSearch(queries, 1, "cpu")
    search.add(documents)
    return (search.best()[1][:, 0] == np.arange(len(queries))).mean()


@pytest.mark.filterwarnings("ignore:Estimating quantization")
@pytest.mark.parametrize("calls", [1, 4])
def test_calibrated_once_keeps_hits_that_calibrating_each_call_loses(calls, caplog):
    """mteb compares codes of grids that differ from call to call, which weighs dimensions anew."""
    caplog.set_level(logging.ERROR)
    queries, documents = anisotropic(lambda spread: 0.4)
    full = hits(queries, documents)
    view, calibration = View(precision="int8"), calibrated_on(documents)
    ours = hits(view.read(queries, calibration), view.read(documents, calibration))
    theirs = hits(compressed(queries), compressed(*np.split(documents, calls)))
    assert 0.7 < full < 0.95
    assert ours > full - 0.03
    assert ours > theirs + 0.15


@pytest.mark.filterwarnings("ignore:Estimating quantization")
def test_calibrated_once_does_not_flatter_either(caplog):
    """With noise as uneven as the documents, mteb's weights happen to help: not what is stored."""
    caplog.set_level(logging.ERROR)
    queries, documents = anisotropic(lambda spread: 0.8 * spread)
    full = hits(queries, documents)
    view, calibration = View(precision="int8"), calibrated_on(documents)
    ours = hits(view.read(queries, calibration), view.read(documents, calibration))
    theirs = hits(compressed(queries), compressed(documents))
    assert theirs > full + 0.03
    assert abs(ours - full) < 0.02
