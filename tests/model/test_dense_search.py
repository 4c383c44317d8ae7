"""Dense retrieval: exact, the same for every shard size, bounded in memory, mteb's own scores."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from mteb.mocks import MOCK_TASK_TEST_GRID
from mteb.models.search_wrappers import SearchEncoderWrapper

import model.dense_search
import model.top_k
from model.backend import Encoded
from model.dense_search import DenseMtebEncoder
from model.errors import ModelError
from model.mteb_encoder import MtebEncoder, model_meta
from model.routing import NoPrompts
from model.source import ModelSource
from model.task_vectors import TaskVectors
from model.top_k import DOCUMENT_BLOCK, TopK
from model.unanswered import answer_all, is_answered
from model.views import View

RETRIEVAL = next(t.metadata for t in MOCK_TASK_TEST_GRID if t.metadata.type == "Retrieval")
SOURCE = ModelSource(kind="sentence-transformers", name="a/b", revision="1", fingerprint="0")
OPTIONS = {
    "task_metadata": RETRIEVAL,
    "hf_split": "test",
    "hf_subset": "default",
    "encode_kwargs": {"batch_size": 32, "show_progress_bar": False},
    "num_proc": None,
}
ROOT = Path(__file__).parents[2]


class HashBackend:
    """A vector of small whole numbers for each text, so that equal scores are common."""

    device = "cpu"

    def __init__(self, width=8, values=3):
        self.width, self._values, self.batches = width, values, []

    def encode(self, texts, route, progress):
        self.batches.append(list(texts))
        rows = [np.frombuffer(f"{text}{'.' * 64}".encode(), np.uint8)[:64] for text in texts]
        vectors = np.stack([self._vector(int(row.astype(np.int64) @ PRIMES)) for row in rows])
        return Encoded(vectors.astype(np.float32))

    def _vector(self, seed):
        vector = np.random.default_rng(seed).integers(-self._values, self._values + 1, self.width)
        vector[0] = self._values + 1
        return vector


PRIMES = np.arange(1, 65) ** 3 + 7


def make(backend=None, kind=DenseMtebEncoder, view=View(), room=10**8):  # noqa: B008
    return kind(
        backend or HashBackend(),
        NoPrompts(),
        model_meta(SOURCE, {}),
        view=view,
        vectors=TaskVectors(room),
    )


def corpus_of(texts):
    return Dataset.from_dict({"id": [f"d{row}" for row in range(len(texts))], "text": texts})


def queries_of(texts):
    return Dataset.from_dict({"id": [f"q{row}" for row in range(len(texts))], "text": texts})


def search(encoder, corpus, queries, top_k=10, **more):
    encoder.index(corpus, **OPTIONS)
    return encoder.search(queries, top_k=top_k, **OPTIONS, **more)


@pytest.fixture
def small_blocks(monkeypatch):
    def set_to(documents, queries=3, shard_blocks=2):
        monkeypatch.setattr(model.top_k, "DOCUMENT_BLOCK", documents)
        monkeypatch.setattr(model.top_k, "_QUERY_BLOCK", queries)
        monkeypatch.setattr(model.dense_search, "DOCUMENT_BLOCK", documents)
        monkeypatch.setattr(
            model.dense_search, "_SHARD_BYTES", 4 * 8 * documents * shard_blocks + 1
        )

    return set_to


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 12), st.integers(0, 2**32), st.data())
def test_top_k_is_that_of_a_stable_sort(documents, queries, k, seed, data):
    rng = np.random.default_rng(seed)
    d, q = (rng.integers(-2, 3, size=(n, 4)).astype(np.float32) for n in (documents, queries))
    cut = data.draw(st.sampled_from([1, 2, 4, 8])) * 4
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model.top_k, "DOCUMENT_BLOCK", 4)
        patch.setattr(model.top_k, "_QUERY_BLOCK", data.draw(st.integers(1, 4)))
        best = TopK(torch.from_numpy(q), k)
        for start in range(0, documents, cut):
            best.add(torch.from_numpy(d[start : start + cut]))
        scores, places = best.best()
    brute = q @ d.T
    for row in range(queries):
        order = np.argsort(-brute[row], kind="stable")[:k]
        assert set(places[row].tolist()) == set(order.tolist())
        assert dict(zip(places[row].tolist(), scores[row].tolist(), strict=True)) == {
            place: brute[row, place] for place in order.tolist()
        }


def test_documents_after_a_part_of_a_block_are_refused():
    best = TopK(torch.ones(1, 2), 3)
    best.add(torch.ones(5, 2))
    with pytest.raises(ValueError, match="5 documents before these"):
        best.add(torch.ones(5, 2))


def test_a_score_does_not_depend_on_the_shards():
    """Bit for bit, on vectors whose products are not exact, with copies of a document in each."""
    rng = np.random.default_rng(0)
    documents = rng.standard_normal((3 * DOCUMENT_BLOCK + 77, 48)).astype(np.float32)
    documents[:: DOCUMENT_BLOCK // 3] = documents[0]
    d = torch.nn.functional.normalize(torch.from_numpy(documents))
    q = torch.nn.functional.normalize(torch.from_numpy(rng.standard_normal((130, 48)))).float()
    q[0] = d[0]
    found = []
    for blocks in (1, 2, 4):
        best = TopK(q, 50)
        for part in d.split(blocks * DOCUMENT_BLOCK):
            best.add(part)
        scores, places = best.best()
        order = places.argsort(dim=1)
        found.append((scores.gather(1, order), places.gather(1, order)))
    for scores, places in found[1:]:
        assert torch.equal(scores, found[0][0])
        assert torch.equal(places, found[0][1])
    copies = found[0][1][0] % (DOCUMENT_BLOCK // 3) == 0
    assert copies.sum() == 10
    assert len(found[0][0][0][copies].unique()) == 1


@pytest.mark.parametrize("block", [1, 4, 16, 1000])
def test_the_whole_search_is_the_same_for_every_shard_size(small_blocks, block):
    texts = [f"document {n % 37} about {n % 5}" for n in range(150)]
    corpus, queries = corpus_of(texts), queries_of([f"query {n}" for n in range(7)])
    expected = search(make(), corpus, queries)
    small_blocks(block)
    found = search(make(), corpus, queries)
    assert found.keys() == expected.keys()
    for query, documents in found.items():
        # Blocks of another size are other products, whose last bits part equal scores.
        scores, wanted = (sorted(d.values()) for d in (documents, expected[query]))
        assert scores == pytest.approx(wanted, abs=1e-6)
        for name in documents.keys() ^ expected[query].keys():
            score = documents.get(name, expected[query].get(name))
            assert score == pytest.approx(wanted[0], abs=1e-6)
        for name in documents.keys() & expected[query].keys():
            assert documents[name] == pytest.approx(expected[query][name], abs=1e-6)


def test_scores_are_those_of_mtebs_own_wrapper():
    corpus = corpus_of([f"text {n}" for n in range(300)])
    queries = queries_of([f"query {n}" for n in range(9)])
    backend = HashBackend(width=64, values=1000)
    ours = search(make(backend), corpus, queries, top_k=40)
    wrapper = SearchEncoderWrapper(make(backend, MtebEncoder), corpus_chunk_size=70)
    theirs = search(wrapper, corpus, queries, top_k=40)
    assert ours.keys() == theirs.keys()
    for query, documents in theirs.items():
        assert ours[query] == pytest.approx(documents, abs=1e-6)


def test_titles_and_instructions_are_joined_as_mteb_does():
    corpus = Dataset.from_dict(
        {"id": ["a", "b"], "title": ["Head", ""], "text": ["body ", " alone"], "url": ["x", "y"]}
    )
    queries = Dataset.from_dict({"id": ["q"], "text": ["who?"], "instruction": ["Say it."]})
    ours, theirs = HashBackend(), HashBackend()
    search(make(ours), corpus, queries)
    search(SearchEncoderWrapper(make(theirs, MtebEncoder)), corpus, queries)
    assert ours.batches == theirs.batches == [["who? Say it."], ["Head body", "alone"]]


def test_only_candidates_are_encoded_and_ranked(small_blocks):
    corpus = corpus_of([f"text {n}" for n in range(60)])
    queries = queries_of(["one", "two", "three"])
    candidates = {"q0": ["d7", "d3", "d50", "d7"], "q1": ["d3"]}
    whole = search(make(), corpus, queries, top_k=60)
    for block in (1, 2, 64):
        small_blocks(block)
        backend = HashBackend()
        found = search(make(backend), corpus, queries, top_k=2, top_ranked=candidates)
        assert sorted(t for batch in backend.batches[1:] for t in batch) == [
            "text 3",
            "text 50",
            "text 7",
        ]
        best = sorted(("d7", "d3", "d50"), key=lambda name: -whole["q0"][name])[:2]
        assert found["q0"] == pytest.approx({name: whole["q0"][name] for name in best})
        assert found["q1"] == pytest.approx({"d3": whole["q1"]["d3"]})
        assert not is_answered(found["q2"])


def test_what_cannot_be_searched_is_named():
    corpus, queries = corpus_of(["a", "b"]), queries_of(["x"])
    with pytest.raises(ModelError, match="query 'q0': candidate 'd9' is not in the corpus"):
        search(make(), corpus, queries, top_ranked={"q0": ["d1", "d9"]})
    with pytest.raises(ModelError, match=f"task {RETRIEVAL.name}: the corpus is empty"):
        search(make(), corpus_of([]), queries)


def test_a_narrow_view_is_searched_as_such():
    backend = HashBackend(width=16, values=1000)
    corpus, queries = corpus_of(["a", "b", "c"]), queries_of(["x"])
    found = search(make(backend, view=View(4)), corpus, queries)
    vectors = backend.encode(["x", "a", "b", "c"], None, None).vectors[:, :4]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = {f"d{row}": unit[0] @ unit[row + 1] for row in range(3)}
    assert found["q0"] == pytest.approx(expected, abs=1e-6)


def test_an_unanswered_query_counts_nothing_in_every_metric():
    from mteb._evaluators.retrieval_metrics import calculate_retrieval_scores

    qrels = {"q0": {"d0": 1}, "q1": {"d1": 1}}
    found = answer_all({"q0": {"d0": 0.5, "d1": 0.2}, "q1": {}}, ["q0", "q1"])
    assert [is_answered(found[query]) for query in qrels] == [True, False]
    for skip in (False, True):
        scores = calculate_retrieval_scores(found, qrels, [1, 10], skip_first_result=skip)
        expected = 0.0 if skip else 0.5
        assert scores.ndcg["NDCG@10"] == scores.recall["Recall@10"] == expected
        assert scores.mrr["MRR@10"] == scores.hit_rate["HitRate@1"] == expected


MEMORY = """
import resource, sys
import numpy as np
from datasets import Dataset, disable_progress_bars
from tests.model.test_dense_search import OPTIONS, make, queries_of, search
from model.backend import Encoded
disable_progress_bars()
class Backend:
    width, device = 256, "cpu"
    def encode(self, texts, route, progress):
        numbers = np.array([int(text.split()[1]) for text in texts], dtype=np.uint64)
        bits = (numbers[:, None] * np.arange(1, 257, dtype=np.uint64) * 2654435761) >> 7
        return Encoded((bits % 1000).astype(np.float32) - 499.5)
import model.dense_search
model.dense_search._SHARD_BYTES = 20_000_000
encoder = make(Backend(), room=0)
corpus = Dataset.load_from_disk(sys.argv[1])
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
search(encoder, corpus.select(range(20_000)), queries_of(["q 1"]))
before = peak()
found = search(encoder, corpus, queries_of([f"q {n}" for n in range(50)]), top_k=100)
assert len(found) == 50 and all(len(best) == 100 for best in found.values())
print(peak() - before)
"""


def test_memory_does_not_grow_with_the_corpus(tmp_path):
    growth = []
    for count in (150_000, 300_000):
        folder = tmp_path / str(count)
        Dataset.from_dict(
            {
                "id": [f"d{n}" for n in range(count)],
                "text": [f"number {n} {'and more ' * 20}" for n in range(count)],
            }
        ).save_to_disk(folder)
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, folder],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        growth.append(int(done.stdout.split()[-1]))
    # 150,000 vectors are 154 MB, and their texts 30 MB.
    assert growth[1] - growth[0] < 60, growth
