"""BM25 inside mteb: nothing is lost to a cut, and reranking ranks every candidate."""

import mteb
import pytest
from mteb.models.model_implementations.bm25 import BM25Search

from model.backends.lexical import LexicalBackend
from model.lexical_search import LexicalMtebEncoder
from model.mteb_encoder import model_meta
from model.routing import NoPrompts
from model.source import resolve_model
from model.task_vectors import TaskVectors
from model.views import View
from tasks.suites import get_suite, select_tasks

OPTIONS = {"hf_split": "test", "hf_subset": "en", "encode_kwargs": {}, "num_proc": None}


@pytest.fixture
def encoder():
    meta = model_meta(resolve_model("lexical"), {})
    return LexicalMtebEncoder(
        LexicalBackend(), NoPrompts(), meta, view=View(), vectors=TaskVectors(0)
    )


def load(name):
    (task,) = select_tasks(get_suite("starter"), [name])
    task.load_data()
    return task


def test_search_is_mtebs_bm25(encoder):
    task = load("DebianFaqRetrieval")
    data = task.dataset["en"]["test"]
    theirs = BM25Search()
    for search in (encoder, theirs):
        search.index(data["corpus"], task_metadata=task.metadata, **OPTIONS)
    found, expected = (
        search.search(data["queries"], top_k=10, task_metadata=task.metadata, **OPTIONS)
        for search in (encoder, theirs)
    )
    assert found == expected
    assert {len(documents) for documents in found.values()} == {10}


def test_reranking_ranks_all_candidates_however_few_are_asked_for(encoder):
    task = load("DebianFaqReranking")
    data = task.dataset["en"]["test"]
    encoder.index(data["corpus"], task_metadata=task.metadata, **OPTIONS)
    found = encoder.search(
        data["queries"],
        top_k=1,
        top_ranked=data["top_ranked"],
        task_metadata=task.metadata,
        **OPTIONS,
    )
    for query, candidates in data["top_ranked"].items():
        assert set(found[query]) == set(candidates)


def test_it_draws_no_bars(encoder, capfd):
    task = load("PerlFaqRetrieval")
    result = mteb.evaluate(
        encoder, task, cache=None, co2_tracker=False, show_progress_bar=False
    ).task_results[0]
    assert 0.5 < result.get_score() < 0.9
    assert "BM25S" not in capfd.readouterr().err
