"""Metrics that contradict one another are neither written nor read."""

import dataclasses
import json

import pytest

from results.errors import ImpossibleScoresError
from results.identities import check_scores
from results.store import RecordStore
from tests.results.factories import make_record

GOOD = {
    "ndcg_at_1": 0.4,
    "ndcg_at_10": 0.3,
    "map_at_1": 0.1,
    "map_at_10": 0.2,
    "recall_at_1": 0.2,
    "recall_at_10": 0.5,
    "precision_at_1": 0.4,
    "precision_at_10": 0.1,
    "mrr_at_1": 0.4,
    "mrr_at_10": 0.45,
    "hit_rate_at_1": 0.4,
    "hit_rate_at_10": 0.6,
    "nauc_ndcg_at_1_max": -0.3,
    "accuracy": 0.0,
    "cosine_spearman": -1.0,
    "p-MRR": -3.5,
    "main_score": 0.3,
    "undefined": None,
    "hf_subset": "default",
}


def result(**changes):
    scores = {**GOOD, **changes}
    return {"task_name": "TaskA", "scores": {"test": [dict(GOOD), scores]}}


def test_what_agrees_is_accepted():
    check_scores(result())
    check_scores(result(mrr_at_1=0.40001))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("mrr_at_1", 0.859, "at rank 1 precision is 0.4, mrr is 0.859, hit_rate is 0.4"),
        ("hit_rate_at_1", 0.3, "hit_rate is 0.3"),
        ("precision_at_1", 0.41, "precision is 0.41"),
        ("recall_at_10", 0.1, "recall falls from rank 1 to rank 10"),
        ("hit_rate_at_10", 0.39, "hit_rate falls"),
        ("mrr_at_10", 0.3, "mrr falls"),
        ("map_at_10", 0.05, "map falls"),
        ("ndcg_at_10", 1.1, "ndcg_at_10 is 1.1"),
        ("ndcg_at_1", 0.5, "ndcg_at_1 is 0.5 where precision_at_1 is 0.4"),
        ("ndcg_at_1", 0.0, "ndcg_at_1 is 0.0 where"),
        ("accuracy", -0.01, "accuracy is -0.01"),
        ("accuracy", 82.0, "accuracy is 82.0"),
        ("cosine_spearman", 1.01, "cosine_spearman is 1.01"),
    ],
)
def test_what_cannot_be_is_named(name, value, said):
    with pytest.raises(ImpossibleScoresError) as error:
        check_scores(result(**{name: value}))
    assert str(error.value).startswith("task TaskA, split 'test', subset 'default': ")
    assert said in str(error.value)


def test_a_store_neither_writes_nor_reads_it(tmp_path):
    store = RecordStore(tmp_path / "records")
    good = make_record()
    bad = dataclasses.replace(good, task_result={**good.task_result, **result(mrr_at_1=0.9)})
    with pytest.raises(ImpossibleScoresError):
        store.write(bad, {})
    assert not store.root.exists()

    path = store.write(good, {})
    path.write_text(json.dumps(bad.task_result))
    manifest = path.parent / "TaskA" / "manifest.json"
    digests = json.loads(manifest.read_text())
    from results.store import _digest

    digests["TaskA.json"] = _digest(path.read_bytes())
    manifest.write_text(json.dumps(digests))
    with pytest.raises(ImpossibleScoresError, match="at rank 1"):
        store.read(good.ref)
