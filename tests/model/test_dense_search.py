"""Dense retrieval: exact, the same for every shard size, bounded in memory, mteb's own scores."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from mteb.mocks import MOCK_TASK_TEST_GRID
from mteb.models.search_wrappers import SearchEncoderWrapper

import model.dense_search
import model.top_k
from model.backend import Encoded
from model.dense_search import DenseMtebEncoder
from model.errors import ModelError, ViewError
from model.mteb_encoder import MtebEncoder, model_meta
from model.quantization import Calibrator
from model.routing import NoPrompts
from model.source import ModelSource
from model.task_vectors import TaskVectors
from model.top_k import ExactSearch
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


def make(
    backend=None,
    kind=DenseMtebEncoder,
    view=View(),  # noqa: B008
    room=10**8,
    vectors=None,
    **more,
):
    return kind(
        backend or HashBackend(),
        NoPrompts(),
        model_meta(SOURCE, {}),
        view=view,
        vectors=TaskVectors(room) if vectors is None else vectors,
        **more,
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
        monkeypatch.setattr(model.top_k, "QUERY_BLOCK", queries)
        monkeypatch.setattr(model.dense_search, "DOCUMENT_BLOCK", documents)
        monkeypatch.setattr(
            model.dense_search, "_SHARD_BYTES", 4 * 8 * documents * shard_blocks + 1
        )

    return set_to


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


def test_eight_bits_are_searched_as_calibrated():
    backend = HashBackend(width=16, values=1000)
    texts = [f"text {n}" for n in range(40)]
    view = View(8, precision="int8")
    documents = backend.encode(texts, None, None).vectors
    calibrator = Calibrator([8])
    calibrator.add(documents)
    calibration = calibrator.finish()[8]
    corpus, queries = corpus_of(texts), queries_of(["x", "y"])
    found = search(make(backend, view=view, calibration=calibration), corpus, queries, top_k=40)
    asked = view.read(backend.encode(["x", "y"], None, None).vectors, calibration)
    expected = unit(asked) @ unit(view.read(documents, calibration)).T
    for row in range(2):
        own = {f"d{place}": score for place, score in enumerate(expected[row].tolist())}
        assert found[f"q{row}"] == pytest.approx(own, abs=1e-6)
    with pytest.raises(ViewError, match=r"'dim=8,int8'.*needs a calibration"):
        search(make(backend, view=view), corpus, queries)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class NormalBackend(HashBackend):
    """Vectors of which no two scores are equal, but by bits most are."""

    def _vector(self, seed):
        return np.random.default_rng(seed).normal(size=self.width)


def by_bits(backend, view, texts, questions):
    """Hamming distances, and cosines of the queries' numbers, of shape (queries, documents)."""
    d, q = (backend.encode(some, None, None).vectors[:, : view.dim] for some in (texts, questions))
    distances = ((q > 0)[:, None] != (d > 0)).sum(axis=2)
    return distances, unit(q.astype(np.float64)) @ np.where(d > 0, 1, -1).T / view.dim**0.5


BITS = [View(12, precision="binary"), View(12, precision="ubinary")]
RESCORED = [View(12, precision="binary", rescore=n) for n in (1, 3, 1000)]
TEXTS = [f"document {n}" for n in range(90)]
QUESTIONS = [f"query {n}" for n in range(7)]


@pytest.fixture(params=["here", "elsewhere"])
def open_search(request):
    """How a worker process opens a search, without the process."""
    if request.param == "here":
        return None
    return lambda *asked: ExactSearch(*asked[:2], "cpu", *asked[2:])


@pytest.mark.parametrize("view", BITS, ids=str)
@pytest.mark.parametrize("blocks", [(1, 1), (4, 1), (16, 2), (8192, 1)])
def test_bits_are_searched_by_hamming_distance(small_blocks, view, blocks, open_search):
    small_blocks(blocks[0], shard_blocks=blocks[1])
    backend = NormalBackend(width=16)
    distances, _ = by_bits(backend, view, TEXTS, QUESTIONS)
    encoder = make(backend, view=view)
    encoder.open_search = open_search
    found = search(encoder, corpus_of(TEXTS), queries_of(QUESTIONS), top_k=11)
    for row, own in enumerate(distances):
        nearest = np.argsort(own, kind="stable")[:11].tolist()
        assert found[f"q{row}"] == {f"d{n}": float(np.float32(1 - own[n] / 6)) for n in nearest}


@pytest.mark.parametrize("view", RESCORED, ids=str)
@pytest.mark.parametrize("blocks", [(1, 1), (4, 1), (16, 2), (8192, 1)])
def test_rescoring_is_that_of_brute_force(small_blocks, view, blocks, open_search):
    small_blocks(blocks[0], shard_blocks=blocks[1])
    backend = NormalBackend(width=16)
    distances, cosines = by_bits(backend, view, TEXTS, QUESTIONS)
    encoder = make(backend, view=view, room=0)
    encoder.open_search = open_search
    backend.batches.clear()
    found = search(encoder, corpus_of(TEXTS), queries_of(QUESTIONS), top_k=11)
    encoded = [text for batch in backend.batches for text in batch]
    assert sorted(encoded) == sorted(TEXTS + QUESTIONS)  # none is encoded twice
    for row in range(len(QUESTIONS)):
        candidates = np.sort(np.argsort(distances[row], kind="stable")[: 11 * view.rescore])
        best = candidates[np.argsort(-cosines[row, candidates], kind="stable")[:11]].tolist()
        expected = {f"d{n}": cosines[row, n] for n in best}
        assert found[f"q{row}"] == pytest.approx(expected, abs=1e-6)


def test_rescored_scores_do_not_depend_on_the_shards(small_blocks):
    found = []
    for shard_blocks in (1, 2, 5):
        small_blocks(16, shard_blocks=shard_blocks)
        encoder = make(NormalBackend(width=16), view=RESCORED[1])
        found.append(search(encoder, corpus_of(TEXTS), queries_of(QUESTIONS), top_k=11))
    assert found[0] == found[1] == found[2]


def test_rescored_ties_are_kept_by_place(small_blocks):
    small_blocks(4)
    encoder = make(NormalBackend(width=16), view=RESCORED[1])
    texts = [f"document {n % 3}" for n in range(30)]
    found = search(encoder, corpus_of(texts), queries_of(["query"]), top_k=4)["q0"]
    places = sorted(int(name[1:]) for name in found)
    assert places == [places[0], places[0] + 3, places[0] + 6, places[0] + 9]
    assert places[0] < 3
    assert len(set(found.values())) == 1


def test_rescoring_finds_more_of_what_the_numbers_find():
    """What it is for: the wider the candidates, the nearer to the ranking by numbers."""
    backend = NormalBackend(width=64)
    corpus, queries = corpus_of([f"text {n}" for n in range(2000)]), queries_of(QUESTIONS)

    def found(view):
        results = search(make(backend, view=view), corpus, queries, top_k=20)
        return [set(documents) for documents in results.values()]

    def shared(view):
        return sum(len(one & other) for one, other in zip(found(view), full, strict=True))

    full = found(View(64))
    plain, rescored = (shared(View(64, precision="binary", rescore=n)) for n in (None, 10))
    assert plain + 10 < rescored < 7 * 20


@pytest.mark.parametrize("view", BITS[:1] + RESCORED, ids=str)
def test_candidates_are_scored_as_a_whole_search_does(view, small_blocks, open_search):
    small_blocks(4)
    backend = NormalBackend(width=16)
    distances, cosines = by_bits(backend, view, TEXTS, QUESTIONS)
    candidates = {f"q{n}": [f"d{n * 5}", "d80", "d3", "d41"] for n in range(7)}
    encoder = make(backend, view=view)
    encoder.open_search = open_search
    found = search(encoder, corpus_of(TEXTS), queries_of(QUESTIONS), top_k=3, top_ranked=candidates)
    scores = 1 - distances / 6 if view.rescore is None else cosines
    for row in range(7):
        own = {name: scores[row, int(name[1:])] for name in candidates[f"q{row}"]}
        best = sorted(own, key=lambda name: -own[name])[:3]
        assert found[f"q{row}"] == pytest.approx({name: own[name] for name in best}, abs=1e-6)
        if view.rescore is None:
            # Bit for bit, so that equal distances stay equal.
            assert list(found[f"q{row}"].values()) == [float(np.float32(own[n])) for n in best]


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
