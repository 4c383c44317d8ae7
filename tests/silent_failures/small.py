"""Small searches of our own making, evaluated by mteb with our encoder, in a few milliseconds."""

import zlib

import numpy as np
from datasets import Dataset
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.mocks import MOCK_TASK_TEST_GRID

from harness.evaluation import evaluate_task
from harness.jobs import LoadedTask
from model.backend import Encoded
from model.dense_search import DenseMtebEncoder
from model.mteb_encoder import model_meta
from model.routing import NoPrompts
from model.source import ModelSource
from model.task_vectors import TaskVectors
from model.views import View

__all__ = ["SOURCE", "Recorder", "evaluate", "make_encoder", "make_search"]

SOURCE = ModelSource(kind="sentence-transformers", name="a/b", revision="1", fingerprint="0")
_RETRIEVAL = next(t.metadata for t in MOCK_TASK_TEST_GRID if t.metadata.type == "Retrieval")


def make_search(corpus, queries, judged, candidates=None, main_score="ndcg_at_10", **attributes):
    """A search with its data.

    Args:
        corpus: Document id to text.
        queries: Query id to text.
        judged: Query id to document id to grade.
        candidates: Query id to the documents to rank; None to search the whole corpus.
        main_score: The task's metric.
        attributes: Of mteb's task, such as `ignore_identical_ids`.
    """

    def load_data(self, **kwargs):
        rows = [
            Dataset.from_dict({"id": list(of), "text": list(of.values())})
            for of in (corpus, queries)
        ]
        part = {"corpus": rows[0], "queries": rows[1], "relevant_docs": judged}
        self.dataset = {"default": {"test": part | {"top_ranked": candidates}}}
        self.data_loaded = True

    metadata = _RETRIEVAL.model_copy(
        update={
            "name": "SmallSearch",
            "main_score": main_score,
            "eval_langs": ["eng-Latn"],
            "eval_splits": ["test"],
        }
    )
    members = {"metadata": metadata, "load_data": load_data, **attributes}
    task = type("SmallSearch", (AbsTaskRetrieval,), members)()
    task.load_data()
    return LoadedTask.of(task)


class Recorder:
    """Notes what it reads; its vectors are given by a function of the text."""

    max_length, device, precision, attention = 512, "cpu", "float32", None

    def __init__(self, vector=None, width=8):
        self.width, self.read = width, []
        self._vector = vector or (lambda text: _noise(text, width))

    def encode(self, texts, route, progress):
        self.read += [(route.adapter, route.prompt + text) for text in texts]
        progress(len(texts))
        rows = np.stack([self._vector(route.prompt + text) for text in texts])
        return Encoded(rows.astype(np.float32))


def _noise(text, width):
    return np.random.default_rng(zlib.crc32(text.encode())).standard_normal(width)


def make_encoder(backend, routing=None, view=View(), **more):  # noqa: B008
    meta = model_meta(SOURCE, {})
    options = {"view": view, "vectors": TaskVectors(10**6)} | more
    return DenseMtebEncoder(backend, routing or NoPrompts(), meta, **options)


def evaluate(loaded, encoder):
    """mteb's scores of the only subset."""
    found = evaluate_task(loaded.copy(42), encoder, loaded.expected)
    (scores,) = found.task_result.scores["test"]
    return scores
