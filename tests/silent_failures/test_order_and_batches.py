"""Families 20 to 23 of docs/silent-failures.md: shards, chunks, batches and the order of rows.

Each test plants the fault and expects a check, or a guard, to notice; the same check passes
without it.
"""

import dataclasses

import numpy as np
import pytest
import torch
from mteb._evaluators import retrieval_evaluator

import harness.retrieval_scores
import model.encoder
import model.top_k
from harness.retrieval_scores import scored_in_processes
from model.backends import load_backend
from model.backends.sentence_transformers import SentenceTransformersBackend
from model.cached_backend import CachedBackend
from model.dense_search import DenseMtebEncoder
from model.errors import ModelError
from model.routing import Route
from model.source import resolve_model
from model.task_vectors import TaskVectors
from model.top_k import TopK
from tests.harness import test_retrieval_scores
from tests.model import test_cache
from tests.silent_failures.small import Recorder, evaluate, make_encoder, make_search
from tests.tiny_models import make_sentence_transformer

CORPUS = {f"d{n}": f"text {n}" for n in range(40)}
QUERIES = {f"q{n}": f"query {n}" for n in range(5)}
JUDGED = {name: {f"d{7 * n}": 1} for n, name in enumerate(QUERIES)}


@pytest.fixture
def small_shards(monkeypatch):
    """Shards of four documents each."""
    monkeypatch.setattr(model.top_k, "DOCUMENT_BLOCK", 4)
    monkeypatch.setattr("model.dense_search.DOCUMENT_BLOCK", 4)
    monkeypatch.setattr("model.dense_search._SHARD_BYTES", 4 * 8 * 4 + 1)


@pytest.mark.parametrize("candidates", [None, {name: list(CORPUS) for name in QUERIES}])
def test_20_shard_that_is_lost_is_refused(small_shards, candidates, monkeypatch):
    """The guard at run time, in searches and in reranking."""
    search = make_search(CORPUS, QUERIES, JUDGED, candidates)
    evaluate(search, make_encoder(Recorder()))
    original = DenseMtebEncoder._shards

    def lossy(self, rows):
        *shards, _ = original(self, rows)
        yield from shards

    monkeypatch.setattr(DenseMtebEncoder, "_shards", lossy)
    with pytest.raises(ModelError, match=r"\d+ of \d+ documents were searched"):
        evaluate(search, make_encoder(Recorder()))


def test_20_piece_of_queries_that_is_lost_is_refused(monkeypatch):
    """The guard at run time: processes that score give back all queries."""
    monkeypatch.setattr(harness.retrieval_scores, "MANY_QUERIES", 10)
    original = harness.retrieval_scores._in_processes
    monkeypatch.setattr(
        harness.retrieval_scores,
        "_in_processes",
        lambda work, items, processes: original(work, items[:-1], processes),
    )
    found, judged = test_retrieval_scores.searches(20)
    with scored_in_processes(2), pytest.raises(ValueError, match="17 of 20 queries were scored"):
        retrieval_evaluator.calculate_retrieval_scores(found, judged, [1, 10])


def check_best_documents():
    """The same documents for 1, 2, 3 and 7 shards: those of a sort of all products."""
    rng = np.random.default_rng(0)
    documents = rng.integers(-3, 4, (28, 4)).astype(np.float32)
    queries = rng.integers(-3, 4, (5, 4)).astype(np.float32)
    brute = queries @ documents.T
    expected = [set(np.argsort(-row, kind="stable")[:6].tolist()) for row in brute]
    for shards in (1, 2, 3, 7):
        top = TopK(torch.from_numpy(queries), 6)
        size = -(-7 // shards) * 4
        for start in range(0, 28, size):
            top.add(torch.from_numpy(documents[start : start + size]))
        scores, places = top.best()
        assert [set(row.tolist()) for row in places] == expected
        np.testing.assert_array_equal(scores, np.take_along_axis(brute, places.numpy(), 1))


def places_within_the_chunk(patch):
    """As in BEIR: a document's place is that within its chunk of the corpus."""
    original = TopK._merge

    def merge(self, *arguments):
        seen, self._seen = self._seen, 0
        try:
            return original(self, *arguments)
        finally:
            self._seen = seen

    patch.setattr(TopK, "_merge", merge)


def best_of_the_last_chunk(patch):
    original = TopK._take

    def take(self, *arguments):
        self._kept = [part[:, :0] for part in self._kept]
        original(self, *arguments)

    patch.setattr(TopK, "_take", take)


@pytest.mark.parametrize("plant", [places_within_the_chunk, best_of_the_last_chunk])
def test_21_document_that_depends_on_the_chunk_size_is_noticed(plant, monkeypatch):
    monkeypatch.setattr(model.top_k, "DOCUMENT_BLOCK", 4)
    check_best_documents()
    plant(monkeypatch)
    with pytest.raises((AssertionError, IndexError)):
        check_best_documents()


TEXTS = ["", "one two three 4 5 6", "x y " * 12, "b", "e f g"]


@pytest.fixture(scope="module")
def padded(tmp_path_factory):
    """A model that cannot read packed input."""
    path = tmp_path_factory.mktemp("models") / "mpnet"
    folder = make_sentence_transformer(path, architecture="mpnet")
    backend = load_backend(resolve_model(str(folder)), device="cpu", batch_size=3)
    assert backend.encoder is None
    return backend


@pytest.fixture(scope="module")
def packed(tiny_model):
    backend = load_backend(resolve_model(str(tiny_model)), device="cpu", token_budget=30)
    assert backend.encoder is not None
    return backend


def encode(backend, texts):
    return backend.encode(texts, Route(), lambda _: None).vectors


def check_company(backend):
    """A text's vector is the same alone, in batches of any size, and in any order."""
    alone = np.concatenate([encode(backend, [text]) for text in TEXTS])
    np.testing.assert_allclose(encode(backend, TEXTS), alone, atol=1e-6)
    np.testing.assert_allclose(encode(backend, TEXTS[::-1]), alone[::-1], atol=1e-6)


def without_mask(patch, backend):
    """As in llm2vec and ReProver: padding is attended to."""
    transformer = type(backend.model[0])
    original = transformer.forward

    def forward(self, features, **more):
        features = {**features, "attention_mask": torch.ones_like(features["attention_mask"])}
        return original(self, features, **more)

    patch.setattr(transformer, "forward", forward)


def over_text_borders(patch, backend):
    """Packed texts attend to one another."""
    patch.setattr("model.packing.PackedBatch.segments", lambda self: ((0, 1, self.tokens),))


@pytest.mark.parametrize(
    ("plant", "kind"), [(without_mask, "padded"), (over_text_borders, "packed")]
)
def test_22_vector_that_depends_on_the_batch_is_noticed(plant, kind, request, monkeypatch):
    backend = request.getfixturevalue(kind)
    check_company(backend)
    plant(monkeypatch, backend)
    with pytest.raises(AssertionError):
        check_company(backend)


def test_22_attention_over_text_borders_never_decides_a_vector(tiny_model, packed, monkeypatch):
    """The guard at run time: probes differ from the padded path, which is taken instead."""
    expected = encode(packed, TEXTS)
    over_text_borders(monkeypatch, packed)
    backend = load_backend(resolve_model(str(tiny_model)), device="cpu")
    assert backend.encoder is None
    np.testing.assert_allclose(encode(backend, TEXTS), expected, atol=2e-6)


def longest_first(patch):
    """As in DeCLUTR: texts are sorted by length, and the vectors are not put back."""
    original = SentenceTransformersBackend._encode_padded

    def encode_padded(self, texts, route, progress):
        found = original(self, texts, route, progress)
        order = np.argsort(-found.tokens, kind="stable")
        return dataclasses.replace(found, vectors=found.vectors[order])

    patch.setattr(SentenceTransformersBackend, "_encode_padded", encode_padded)


def as_they_come(patch):
    """As in a pool of processes: vectors stand in the order in which batches come home."""

    def place(self, rows, vectors):
        if self._vectors is None:
            self._vectors = np.empty((self._count, vectors.shape[1]), dtype=np.float32)
            self._next = 0
        self._vectors[self._next : self._next + len(rows)] = vectors
        self._next += len(rows)

    patch.setattr(model.encoder._Vectors, "place", place)


@pytest.mark.parametrize(("plant", "kind"), [(longest_first, "padded"), (as_they_come, "packed")])
def test_23_rows_that_are_not_put_back_are_noticed(plant, kind, request, monkeypatch):
    backend = request.getfixturevalue(kind)
    check_company(backend)
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        check_company(backend)


def check_vectors_at_hand():
    """Texts of which some are held already come in the order in which they were asked for."""
    backend = Recorder()
    vectors = TaskVectors(10**6)
    texts = [f"text {n}" for n in (3, 1, 4, 0, 2)]
    for wanted in (texts[3:4] + texts[1:2], texts, texts[::-1]):
        found = vectors.read(
            "key", wanted, lambda missing: backend.encode(missing, Route(), lambda _: None)
        )
        expected = backend.encode(wanted, Route(), lambda _: None)
        np.testing.assert_array_equal(found.vectors, expected.vectors)


def test_23_rows_swapped_among_vectors_at_hand_are_noticed(monkeypatch):
    check_vectors_at_hand()
    from model.task_vectors import _Held

    original = _Held.take
    monkeypatch.setattr(_Held, "take", lambda self, places: original(self, np.sort(places)))
    with pytest.raises(AssertionError):
        check_vectors_at_hand()


def test_23_rows_swapped_between_cache_and_model_are_noticed(tmp_path, monkeypatch):
    check = test_cache.test_only_what_is_not_there_goes_through_the_model
    check(tmp_path / "sound")
    original = CachedBackend._read

    def swapped(self, texts, *more):
        return tuple(
            dataclasses.replace(part, vectors=part.vectors[np.argsort(texts, kind="stable")])
            for part in original(self, texts, *more)
        )

    monkeypatch.setattr(CachedBackend, "_read", swapped)
    with pytest.raises(AssertionError):
        check(tmp_path / "planted")
