"""A document's score is its best chunk's, whatever it is cut into for searching; pairs likewise."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import model.pair_scores
import model.top_k
from model.backend import Encoded
from model.chunking import Chunking
from model.pair_scores import pair_scores
from model.quantization import Calibrator
from model.top_k import ExactSearch, TopK
from model.views import View
from tests.model.test_dense_search import HashBackend, corpus_of, make, queries_of, search, unit

THREE = Chunking.parse("naive:fixed=3")
FIVE = Chunking.parse("late:fixed=5")
TEXTS = [f"document {n} {'is long ' * (n % 7)}"[: 3 + n * 2].strip() for n in range(50)]
QUESTIONS = [f"query {n}" for n in range(6)]


class ChunkBackend(HashBackend):
    """A chunk is so many characters, and has the vector that it has as a text."""

    max_length = None

    def __init__(self):
        super().__init__(width=16, values=1000)
        self.passes = []

    def encode_chunks(self, texts, route, chunkings, progress):
        self.passes.append((list(texts), tuple(chunkings)))
        found = []
        for chunking in chunkings:
            pieces = [pieces_of(text, chunking) for text in texts]
            flat = [piece for row in pieces for piece in row]
            counts = np.array([len(row) for row in pieces], dtype=np.int64)
            vectors = HashBackend.encode(self, flat, route, progress).vectors
            found.append(Encoded(vectors, counts, counts * 0, counts))
        return tuple(found)


def pieces_of(text, chunking):
    return [text[start : start + chunking.size] for start in range(0, len(text), chunking.size)]


def brute_force(view, chunking, calibration=None):
    """Scores, shape (queries, documents)."""
    backend = ChunkBackend()
    queries = unit(view.read(backend.encode(QUESTIONS, None, None).vectors, calibration))
    scores = []
    for text in TEXTS:
        vectors = backend.encode(pieces_of(text, chunking), None, None).vectors
        scores.append((queries @ unit(view.read(vectors, calibration)).T).max(axis=1))
    return np.array(scores).T


def calibration_of(dim):
    calibrator = Calibrator([dim])
    calibrator.add(
        ChunkBackend().encode([p for t in TEXTS for p in pieces_of(t, THREE)], 0, 0).vectors
    )
    return calibrator.finish()[dim]


@pytest.fixture(params=[1, 8, 8192])
def block(request, monkeypatch):
    monkeypatch.setattr(model.top_k, "DOCUMENT_BLOCK", request.param)
    monkeypatch.setattr(model.dense_search, "DOCUMENT_BLOCK", request.param)
    monkeypatch.setattr(model.top_k, "QUERY_BLOCK", 4)
    monkeypatch.setattr(model.dense_search, "_SHARD_BYTES", 4 * 16 * request.param * 3)


@pytest.mark.parametrize(
    "view", [View(16), View(8, precision="int8"), View(16, precision="binary")]
)
def test_the_best_chunk_counts(block, view):
    calibration = calibration_of(8) if view.needs_calibration else None
    backend = ChunkBackend()
    encoder = make(backend, view=view, calibration=calibration, chunking=THREE)
    found = search(encoder, corpus_of(TEXTS), queries_of(QUESTIONS), top_k=50)
    expected = brute_force(view, THREE, calibration)
    for row in range(len(QUESTIONS)):
        own = {f"d{place}": score for place, score in enumerate(expected[row].tolist())}
        assert found[f"q{row}"] == pytest.approx(own, abs=1e-6)
    few = search(encoder, corpus_of(TEXTS), queries_of(QUESTIONS), top_k=5)
    for row in range(len(QUESTIONS)):
        lowest = np.sort(expected[row])[-5]
        assert len(few[f"q{row}"]) == 5
        assert min(few[f"q{row}"].values()) == pytest.approx(lowest, abs=1e-6)


def test_rescored_chunks(block):
    """Documents are found by their chunks' bits, and rescored by the best chunk's."""
    backend = ChunkBackend()
    view = View(16, precision="binary", rescore=1000)
    found = search(
        make(backend, view=view, chunking=THREE), corpus_of(TEXTS), queries_of(QUESTIONS)
    )
    queries = unit(backend.encode(QUESTIONS, None, None).vectors)
    scores = []
    for text in TEXTS:
        bits = np.where(backend.encode(pieces_of(text, THREE), None, None).vectors > 0, 1, -1)
        scores.append((queries @ bits.T / 4).max(axis=1))
    for row, own in enumerate(np.array(scores).T.tolist()):
        best = sorted(range(50), key=lambda place: -own[place])[:10]
        assert found[f"q{row}"] == pytest.approx({f"d{p}": own[p] for p in best}, abs=1e-6)


def test_candidates_are_ranked_by_their_best_chunk(block):
    candidates = {f"q{n}": [f"d{n}", "d40", "d7"] for n in range(6)}
    encoder = make(ChunkBackend(), view=View(16), chunking=THREE)
    found = search(encoder, corpus_of(TEXTS), queries_of(QUESTIONS), top_ranked=candidates)
    expected = brute_force(View(16), THREE)
    for row, names in enumerate(candidates.values()):
        own = {name: expected[row, int(name[1:])] for name in names}
        assert found[f"q{row}"] == pytest.approx(own, abs=1e-6)


def test_one_pass_serves_all_chunkings():
    backend = ChunkBackend()
    first = make(backend, view=View(16), chunking=THREE, chunkings=(THREE, FIVE))
    search(first, corpus_of(TEXTS), queries_of(QUESTIONS))
    second = make(backend, view=View(16), chunking=FIVE, vectors=first._at_hand)
    found = search(second, corpus_of(TEXTS), queries_of(QUESTIONS), top_k=50)
    assert [chunkings for _, chunkings in backend.passes] == [(THREE, FIVE)]
    assert second.usage.encoded_texts == 0
    expected = brute_force(View(16), FIVE)
    assert found["q2"]["d30"] == pytest.approx(expected[2, 30], abs=1e-6)


def test_queries_are_not_cut():
    backend = ChunkBackend()
    search(make(backend, view=View(16), chunking=THREE), corpus_of(TEXTS), queries_of(QUESTIONS))
    assert all(question not in texts for texts, _ in backend.passes for question in QUESTIONS)


def test_a_worker_searches_chunks_elsewhere(block):
    encoder = make(ChunkBackend(), view=View(16), chunking=THREE)
    encoder.open_search = lambda *asked: ExactSearch(*asked[:2], "cpu", *asked[2:])
    found = search(encoder, corpus_of(TEXTS), queries_of(QUESTIONS), top_k=50)
    here = make(ChunkBackend(), view=View(16), chunking=THREE)
    assert found == search(here, corpus_of(TEXTS), queries_of(QUESTIONS), top_k=50)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(1, 8), st.integers(0, 99))
def test_chunked_top_k_is_brute_force(counts, k, seed):
    rng = np.random.default_rng(seed)
    chunks = torch.from_numpy(rng.integers(-2, 3, (sum(counts), 4)).astype(np.float32))
    queries = torch.from_numpy(rng.integers(-2, 3, (5, 4)).astype(np.float32))
    counts = np.array(counts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model.top_k, "DOCUMENT_BLOCK", 4)  # less than some documents have
        best = TopK(queries, k)
        half = len(counts) // 2
        cut = int(counts[:half].sum())
        best.add_chunked(chunks[:cut], counts[:half])
        best.add_chunked(chunks[cut:], counts[half:])
    scores, places = best.best()
    owner = np.repeat(np.arange(len(counts)), counts)
    products = (queries @ chunks.T).numpy()
    brute = np.stack([products[:, owner == d].max(axis=1) for d in range(len(counts))], axis=1)
    for row in range(5):
        order = np.argsort(-brute[row], kind="stable")[:k].tolist()
        assert set(places[row].tolist()) == set(order)
        assert sorted(scores[row].tolist()) == sorted(brute[row, order].tolist())


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 200), st.integers(0, 99))
def test_pairs_are_scored_alike_in_both_ways(queries, documents, pairs, seed):
    rng = np.random.default_rng(seed)
    q, d = (rng.standard_normal((n, 6)).astype(np.float32) for n in (queries, documents))
    asked, columns = rng.integers(queries, size=pairs), rng.integers(documents, size=pairs)
    expected = (unit(q)[asked] * unit(d)[columns]).sum(axis=1)
    for most in (0, 10**9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(model.pair_scores, "_ALL_PAIRS", most)
            patch.setattr(model.pair_scores, "QUERY_BLOCK", 3)
            patch.setattr(model.pair_scores, "_PAIR_BYTES", 300)
            found = pair_scores(q, d, asked, columns, "cpu")
        np.testing.assert_allclose(found, expected, atol=1e-6)
