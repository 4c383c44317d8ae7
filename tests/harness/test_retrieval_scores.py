import numpy as np
import pytest
from mteb._evaluators import retrieval_evaluator
from mteb._evaluators.retrieval_metrics import calculate_retrieval_scores

import harness.retrieval_scores
from harness.effort import relative_effort
from harness.retrieval_scores import scored_in_processes
from tasks.suites import get_suite

CUTS = [1, 3, 10, 100]


def searches(queries, seed=0):
    """Few distinct scores, so that ties are common; queries without and with wrong results."""
    rng = np.random.default_rng(seed)
    documents = [f"d{number}" for number in range(50)]
    judged, found = {}, {}
    for number in range(queries):
        relevant = rng.choice(documents, size=3, replace=False).tolist()
        judged[f"q{number}"] = {name: int(rng.integers(0, 3)) for name in relevant} | {"d0": 1}
        names = rng.choice(documents, size=int(rng.integers(1, 30)), replace=False).tolist()
        found[f"q{number}"] = {name: float(rng.integers(0, 6)) / 5 for name in names}
    return found, judged


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(harness.retrieval_scores, "MANY_QUERIES", 10)


@pytest.mark.parametrize("queries", [10, 11, 257])
@pytest.mark.parametrize("processes", [2, 3])
def test_every_number_is_mtebs_own(few, queries, processes):
    found, judged = searches(queries)
    expected = calculate_retrieval_scores(found, judged, CUTS)
    with scored_in_processes(processes):
        assert retrieval_evaluator.calculate_retrieval_scores is not calculate_retrieval_scores
        scores = retrieval_evaluator.calculate_retrieval_scores(found, judged, CUTS)
    assert retrieval_evaluator.calculate_retrieval_scores is calculate_retrieval_scores
    for name in expected._fields:
        ours, theirs = (dict(getattr(of, name)) for of in (scores, expected))
        assert list(ours) == list(theirs), name
        if name == "all_scores":
            assert ours == theirs
        else:
            np.testing.assert_array_equal(list(ours.values()), list(theirs.values()), name)


def test_mtebs_nauc_of_deviations_depends_on_the_order_of_documents_and_nothing_else_does():
    """The example of docs/suites.md: deviations that are equal but for the order of a sum."""
    one, other = (0.1, 0.3, 0.4), (0.1, 0.4, 0.3)
    assert np.std(one) != np.std(other)
    judged = {f"q{query}": {"d0.4" if query < 2 else "d0.1": 1} for query in range(4)}

    def scored(*orders):
        found = {
            query: {f"d{value}": value for value in order}
            for query, order in zip(judged, orders, strict=True)
        }
        return calculate_retrieval_scores(found, judged, CUTS)

    tied = scored(one, one, one, one)
    for orders, expected in (((one, one, other, other), 1), ((other, other, one, one), -1)):
        broken = scored(*orders)
        assert tied.naucs["nAUC_NDCG@1_std"] == pytest.approx(0)
        assert broken.naucs["nAUC_NDCG@1_std"] == pytest.approx(expected)
        assert (broken.ndcg, broken.map, broken.mrr) == (tied.ndcg, tied.map, tied.mrr)
        for name in tied.naucs:
            if not name.endswith("_std"):
                np.testing.assert_equal(broken.naucs[name], tied.naucs[name])


def test_few_queries_and_one_process_are_left_to_mteb(few, monkeypatch):
    monkeypatch.setattr(harness.retrieval_scores, "_calculate", None)
    found, judged = searches(9)
    with scored_in_processes(2):
        retrieval_evaluator.calculate_retrieval_scores(found, judged, CUTS)
    found, judged = searches(30)
    with scored_in_processes(1):
        retrieval_evaluator.calculate_retrieval_scores(found, judged, CUTS)


def test_a_query_that_nobody_judged_is_an_error(few):
    found, judged = searches(20)
    judged["q7"] = {}
    with scored_in_processes(2), pytest.raises(ValueError, match="no scores for some"):
        retrieval_evaluator.calculate_retrieval_scores(found, judged, CUTS)


def test_what_takes_longest_is_begun_first():
    tasks = sorted(get_suite("english").tasks(), key=relative_effort, reverse=True)
    names = [task.metadata.name for task in tasks]
    assert names[0] == "MindSmallReranking"
    assert names.index("ArXivHierarchicalClusteringS2S") < names.index("STSBenchmark")
    assert names.index("TRECCOVID") < names.index("ArguAna")


def test_many_views_of_a_small_task_take_longer_than_one_of_a_large_one():
    by_name = {task.metadata.name: task for task in get_suite("starter").tasks()}
    small = by_name["HomeAssistantIntentClassification"]
    large = by_name["StateOfTheUnionLongRetrieval"]
    assert relative_effort(small, 28) > relative_effort(large, 28)
    assert relative_effort(small, 28) > relative_effort(small)
