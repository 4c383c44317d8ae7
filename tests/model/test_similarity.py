"""Cosine, dot product and both distances: mteb's scores, in searches, pairs and views."""

import mteb
import numpy as np
import pytest
import torch
from mteb.mocks import MOCK_TASK_TEST_GRID
from mteb.models.abs_encoder import AbsEncoder
from mteb.models.model_meta import ModelMeta
from sentence_transformers import util

import model.pair_scores
import model.top_k
from model.backend import Encoded
from model.dense_search import DenseMtebEncoder
from model.errors import ModelError, ViewError
from model.mteb_encoder import model_meta
from model.pair_scores import pair_scores
from model.quantization import Calibrator
from model.routing import NoPrompts
from model.similarity import SIMILARITIES, parse_similarity
from model.source import ModelSource
from model.task_vectors import TaskVectors
from model.top_k import ExactSearch
from model.views import View, expand_views

WIDTH = 12
TYPES = ("Retrieval", "Reranking", "STS", "PairClassification", "BitextMining", "Summarization")
THEIRS = {
    "cosine": (util.cos_sim, util.pairwise_cos_sim),
    "dot": (util.dot_score, util.pairwise_dot_score),
    "euclidean": (util.euclidean_sim, util.pairwise_euclidean_sim),
    "manhattan": (util.manhattan_sim, util.pairwise_manhattan_sim),
}
"""sentence-transformers' own functions, which mteb's wrapper asks."""


def vector(text):
    """A vector whose length varies from text to text."""
    seed = int.from_bytes(text.encode()[-8:] + len(text).to_bytes(2, "big"), "big")
    generator = np.random.default_rng(seed)
    return generator.normal(size=WIDTH) * generator.uniform(0.2, 5)


class Backend:
    width, max_length, device, precision, attention = WIDTH, None, "cpu", "float32", None

    def encode(self, texts, route, progress):
        return Encoded(np.array([vector(text) for text in texts], dtype=np.float32))


class Theirs(AbsEncoder):
    """The same vectors through mteb's own search, with sentence-transformers' functions."""

    def __init__(self, similarity):
        self.mteb_model_meta = ModelMeta.create_empty(overwrites={"name": "a/b", "revision": "1"})
        self.functions = THEIRS[similarity]

    def encode(self, inputs, **options):
        texts = [text for batch in inputs for text in batch["text"]]
        return np.array([vector(text) for text in texts], dtype=np.float32)

    def similarity(self, one, other):
        one, other = (np.atleast_2d(np.asarray(vectors)) for vectors in (one, other))
        return self.functions[0](one, other)

    def similarity_pairwise(self, one, other):
        return self.functions[1](one, other)


def ours(similarity, **more):
    source = ModelSource("sentence-transformers", "a/b", "1", "0", similarity=similarity)
    options = {"view": View(), "vectors": TaskVectors(10**7), **more}
    return DenseMtebEncoder(
        Backend(), NoPrompts(), model_meta(source, {}), similarity=similarity, **options
    )


def task_of(kind):
    template = next(task for task in MOCK_TASK_TEST_GRID if task.metadata.type == kind)
    task = type(template)()
    task.load_data()
    return task


def scores_of(task, encoder):
    options = {"batch_size": 32, "show_progress_bar": False}
    (result,) = mteb.evaluate(
        encoder, task, cache=None, co2_tracker=False, encode_kwargs=options, show_progress_bar=False
    ).task_results
    return {
        (split, row["hf_subset"], name): value
        for split, rows in result.scores.items()
        for row in rows
        for name, value in row.items()
        if isinstance(value, float)
    }


@pytest.mark.parametrize("kind", TYPES)
def test_scores_are_those_of_mteb_with_the_same_vectors_and_similarity(kind):
    told = set()
    for similarity in SIMILARITIES:
        expected = scores_of(task_of(kind), Theirs(similarity))
        found = scores_of(task_of(kind), ours(similarity))
        assert found == pytest.approx(expected, abs=1e-6, nan_ok=True), similarity
        assert len(found) > 2
        told.add(tuple(sorted((key, round(value, 6)) for key, value in found.items())))
    if kind in ("STS", "PairClassification"):
        assert len(told) > 1  # the similarity decides something in the task's few texts


def vectors_of(count, seed, scale=5):
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(count, WIDTH)) * generator.uniform(0.2, scale, (count, 1))
    return vectors.astype(np.float32)


def exact(queries, documents, similarity):
    """In float64."""
    q, d = queries.astype(np.float64)[:, None], documents.astype(np.float64)[None]
    if similarity == "euclidean":
        return -np.sqrt(((q - d) ** 2).sum(-1))
    if similarity == "manhattan":
        return -np.abs(q - d).sum(-1)
    scores = (q * d).sum(-1)
    if similarity == "cosine":
        scores /= np.linalg.norm(q, axis=-1) * np.linalg.norm(d, axis=-1)
    return scores


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("block", [7, 64])
def test_a_search_finds_what_the_exact_scores_say(monkeypatch, similarity, block):
    monkeypatch.setattr(model.top_k, "DOCUMENT_BLOCK", block)
    monkeypatch.setattr(model.top_k, "QUERY_BLOCK", 3)
    queries, documents = vectors_of(8, 1), vectors_of(60, 2)
    search = ExactSearch(queries, 5, "cpu", similarity)
    search.add(documents)
    scores, places = search.best()
    expected = exact(queries, documents, similarity)
    for row, (own, found) in enumerate(zip(scores, places, strict=True)):
        nearest = np.argsort(-expected[row], kind="stable")[:5]
        assert set(found) == set(nearest)
        np.testing.assert_allclose(own, expected[row, found], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_of_equal_scores_the_earlier_document_is_kept(similarity):
    queries = vectors_of(3, 1)
    documents = np.repeat(vectors_of(2, 2), 6, axis=0)
    search = ExactSearch(queries, 4, "cpu", similarity)
    search.add(documents)
    _, places = search.best()
    for row in np.sort(places, axis=1).tolist():
        assert row in ([0, 1, 2, 3], [6, 7, 8, 9])


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_the_best_chunk_of_a_document_counts(similarity):
    queries, chunks = vectors_of(4, 1), vectors_of(20, 2)
    counts = np.array([5, 1, 8, 6])
    search = ExactSearch(queries, 4, "cpu", similarity)
    search.add(chunks, counts)
    scores, places = search.best()
    table = exact(queries, chunks, similarity)
    best = np.stack(
        [part.max(axis=1) for part in np.split(table, np.cumsum(counts)[:-1], axis=1)], axis=1
    )
    np.testing.assert_allclose(
        scores, np.take_along_axis(best, places, axis=1), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("all_pairs", [0, 1000])
def test_pairs_are_scored_alike_one_by_one_and_all_at_once(monkeypatch, similarity, all_pairs):
    monkeypatch.setattr(model.pair_scores, "_ALL_PAIRS", all_pairs)
    queries, documents = vectors_of(5, 1), vectors_of(30, 2)
    asked, columns = np.array([0, 0, 3, 4, 4]), np.array([1, 29, 5, 5, 0])
    found = pair_scores(queries, documents, asked, columns, "cpu", None, similarity)
    expected = exact(queries, documents, similarity)[asked, columns]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_near_neighbours_of_long_vectors_keep_their_distance():
    """A product of matrices would round these distances to 0 or to anything."""
    base = np.full((1, WIDTH), 1000, np.float32)
    documents = base + np.linspace(0.5, 0.001, 40, dtype=np.float32)[:, None]
    search = ExactSearch(np.repeat(base, 30, axis=0), 1, "cpu", "euclidean")
    search.add(documents)
    scores, places = search.best()
    assert (places == 39).all()
    np.testing.assert_allclose(scores, exact(base, documents, "euclidean")[0, 39], rtol=1e-3)


def test_one_vector_is_a_batch_of_one():
    one, other = vectors_of(2, 1)
    for similarity in SIMILARITIES:
        found = ours(similarity).similarity(one, torch.from_numpy(other))
        assert found.shape == (1, 1)
        np.testing.assert_allclose(found, exact(one[None], other[None], similarity), rtol=1e-5)


# Views


def test_truncated_vectors_keep_their_length_where_it_counts():
    vectors = vectors_of(6, 1)
    raw = View(4).read(vectors, unit=False)
    np.testing.assert_array_equal(raw, vectors[:, :4])
    np.testing.assert_allclose(np.linalg.norm(View(4).read(vectors), axis=1), 1, atol=1e-6)
    calibration = _calibrated(vectors, 4, unit=False)
    np.testing.assert_allclose(
        View(4, precision="int8").read(vectors, calibration, unit=False), raw, atol=0.1
    )
    zero = np.zeros((1, WIDTH), np.float32)
    assert not View(4, precision="float16").read(zero, unit=False).any()


def _calibrated(vectors, dim, *, unit):
    calibrator = Calibrator([dim], unit)
    calibrator.add(vectors)
    return calibrator.finish()[dim]


@pytest.mark.parametrize("similarity", ["dot", "euclidean", "manhattan"])
@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_views_are_searched_by_the_models_similarity(similarity, precision):
    from tests.model.test_dense_search import corpus_of, queries_of, search

    texts, questions = [f"document {n}" for n in range(40)], ["query 1", "query 2"]
    documents = np.array([vector(text) for text in texts], np.float32)
    view = View(6, precision=precision)
    calibration = _calibrated(documents, 6, unit=False) if view.needs_calibration else None
    encoder = ours(similarity, view=view, unit=False, calibration=calibration)
    found = search(encoder, corpus_of(texts), queries_of(questions), top_k=40)
    asked = np.array([vector(text) for text in questions], np.float32)
    expected = exact(
        view.read(asked, calibration, unit=False),
        view.read(documents, calibration, unit=False),
        similarity,
    )
    for row in range(2):
        own = [found[f"q{row}"][f"d{n}"] for n in range(40)]
        np.testing.assert_allclose(own, expected[row], rtol=1e-4, atol=1e-5)


def test_only_models_without_unit_length_keep_the_length_of_truncated_vectors():
    def truncates(similarity, unit_length):
        source = ModelSource(
            "sentence-transformers", "a", "1", "0", similarity=similarity, unit_length=unit_length
        )
        return source.truncates_to_unit

    assert truncates("cosine", False)
    assert truncates("dot", True)
    assert not truncates("dot", False)
    assert not truncates("euclidean", False)


@pytest.mark.parametrize("similarity", ["euclidean", "manhattan"])
def test_signs_are_refused_where_distances_count(similarity):
    for name in ("dim=4,binary", "dim=4,ubinary,rescore=2"):
        with pytest.raises(ViewError, match=f"view '{name}': .* nothing of {similarity} distances"):
            View.parse(name).check_similarity(similarity)
    for view in expand_views(["dim=4", "dim=4,int8", "dim=4,float16"], WIDTH):
        view.check_similarity(similarity)
    View.parse("dim=4,binary").check_similarity("dot")


def test_an_unknown_similarity_is_refused_with_the_allowed_ones():
    with pytest.raises(ModelError, match="the similarity 'jaccard'; allowed: cosine, dot"):
        parse_similarity("jaccard", "x.json")
