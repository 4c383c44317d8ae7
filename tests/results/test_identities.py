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
        ("ndcg_at_10", 0.65, "ndcg_at_10 is 0.65, above hit_rate_at_10"),
        ("recall_at_10", 0.7, "recall_at_10 is 0.7, above hit_rate_at_10"),
        ("dot_ap", 1.2, "dot_ap is 1.2"),
        ("kendalltau", -1.2, "kendalltau is -1.2"),
    ],
)
def test_what_cannot_be_is_named(name, value, said):
    with pytest.raises(ImpossibleScoresError) as error:
        check_scores(result(**{name: value}))
    assert str(error.value).startswith("task TaskA, split 'test', subset 'default': ")
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ({"accuracy": 0.5, "scores_per_experiment": [{"accuracy": 0.3}, {"accuracy": 0.5}]}, "0.4"),
        ({"v_measure": 0.5, "v_measures": {"Level 0": [0.1, 0.3]}}, "over the draws is 0.2"),
        ({"v_measure": 0.5, "v_measures": [0.1, 0.3]}, "over the draws is 0.2"),
        ({"max_ap": 0.5, "cosine_ap": 0.4, "dot_ap": 0.6}, "the largest of all measures is 0.6"),
    ],
)
def test_means_and_maxima_are_those_of_their_parts(scores, said):
    with pytest.raises(ImpossibleScoresError, match=said):
        check_scores({"task_name": "TaskA", "scores": {"test": [scores]}})
    first = next(iter(scores))
    right = {**scores, first: {"accuracy": 0.4, "v_measure": 0.2, "max_ap": 0.6}[first]}
    check_scores({"task_name": "TaskA", "scores": {"test": [right]}})


def test_a_record_whose_score_is_not_its_metrics_is_refused(tmp_path):
    store, record = RecordStore(tmp_path), make_record(0.5)
    scores = {"main_score": 0.5, "cosine_spearman": 0.4, "hf_subset": "en"}
    other = {"task_name": "TaskA", "scores": {"test": [scores]}}
    with pytest.raises(ImpossibleScoresError, match=r"score is 0.5, but cosine_spearman is 0.4"):
        store.write(dataclasses.replace(record, task_result=other), {})
    old = dataclasses.replace(record, task_result=make_record(0.25).task_result)
    with pytest.raises(ImpossibleScoresError, match=r"score is 0.5, but the mean .* is 0.25"):
        store.write(old, {})


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
