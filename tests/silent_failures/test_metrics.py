"""Families 24 to 30 of docs/silent-failures.md: ties, duplicates, ranks, chance and certainty.

Each test plants the fault and expects a check, or a guard, to notice; the same check passes
without it.
"""

import itertools
import math
from statistics import fmean

import numpy as np
import pytest
import pytrec_eval
from mteb._evaluators import retrieval_evaluator, retrieval_metrics
from mteb.types import RetrievalEvaluationResult

import results.ranks
import results.stats.paired
from model.dense_search import DenseMtebEncoder
from results.errors import ImpossibleScoresError
from results.identities import check_scores
from tasks.errors import DataUnavailableError
from tests.results import test_comparison
from tests.silent_failures.small import Recorder, evaluate, make_encoder, make_search
from tests.tasks import test_chance

COUNT = 20
CORPUS = {f"d{n:02}": f"text {n}" for n in range(COUNT)}
QUERIES = {f"q{n:02}": f"query {n}" for n in range(COUNT)}
JUDGED = {query: {document: 1} for query, document in zip(QUERIES, CORPUS, strict=True)}


def relevant_first():
    """Candidates of each query, of which the relevant one stands first."""
    return {
        query: [*judged, *(name for name in CORPUS if name not in judged)]
        for query, judged in JUDGED.items()
    }


def chance():
    """The mean of each metric where the one relevant document is at each rank once: exact."""
    ranks = range(1, COUNT + 1)
    found = {}
    for k in (1, 3, 5, 10, 20):
        within = [rank <= k for rank in ranks]
        inverse = [inside / rank for rank, inside in zip(ranks, within, strict=True)]
        gains = [inside / math.log2(r + 1) for r, inside in zip(ranks, within, strict=True)]
        found |= {f"mrr_at_{k}": fmean(inverse), f"map_at_{k}": fmean(inverse)}
        found |= {f"ndcg_at_{k}": fmean(gains), f"precision_at_{k}": fmean(within) / k}
        found |= {f"recall_at_{k}": fmean(within), f"hit_rate_at_{k}": fmean(within)}
    return found


def check_constant_scorer_stays_at_chance(candidates):
    search = make_search(CORPUS, QUERIES, JUDGED, candidates)
    scores = evaluate(search, make_encoder(Recorder(lambda text: np.ones(8))))
    for name, expected in chance().items():
        assert scores[name] == pytest.approx(expected, abs=2e-5), name
    check_scores({"task_name": "SmallSearch", "scores": {"test": [scores]}})


def ties_by_place(patch):
    """As once in mteb, where a constant scorer got an MRR of 1."""

    def mrr(qrels, found, k_values):
        scores = {f"MRR@{k}": [] for k in k_values}
        for query, documents in found.items():
            names = sorted(documents, key=documents.__getitem__, reverse=True)
            wanted = {name for name, grade in qrels[query].items() if grade > 0}
            rank = next((n for n, name in enumerate(names, 1) if name in wanted), math.inf)
            for k in k_values:
                scores[f"MRR@{k}"].append(1 / rank if rank <= k else 0.0)
        return scores

    patch.setattr(retrieval_metrics, "mrr", mrr)


def candidates_first_come_first(patch):
    """Scores fall a little from candidate to candidate, so that ties go to those listed first."""
    original = DenseMtebEncoder._rank

    def rank(self, *arguments):
        found = original(self, *arguments)
        return found - np.arange(len(found), dtype=np.float32) * np.float32(1e-4)

    patch.setattr(DenseMtebEncoder, "_rank", rank)


@pytest.mark.parametrize("plant", [ties_by_place, candidates_first_come_first])
def test_24_constant_scorer_above_chance_is_noticed(plant, monkeypatch):
    check_constant_scorer_stays_at_chance(None)
    check_constant_scorer_stays_at_chance(relevant_first())
    plant(monkeypatch)
    with pytest.raises(AssertionError, match=r"(mrr|ndcg)_at_1"):
        check_constant_scorer_stays_at_chance(relevant_first())


def test_24_metrics_of_two_rankings_are_refused(monkeypatch):
    """The guard at run time: precision and reciprocal rank at 1 are of one ranking."""
    ties_by_place(monkeypatch)
    search = make_search(CORPUS, QUERIES, JUDGED, relevant_first())
    scores = evaluate(search, make_encoder(Recorder(lambda text: np.ones(8))))
    with pytest.raises(ImpossibleScoresError, match="at rank 1"):
        check_scores({"task_name": "SmallSearch", "scores": {"test": [scores]}})


def check_evaluating_twice():
    search = make_search(CORPUS, QUERIES, JUDGED)
    first, second = (evaluate(search, make_encoder(Recorder())) for _ in range(2))
    assert first["ndcg_at_10"] > 0
    assert second == first


def test_25_evaluator_that_is_used_up_is_noticed(monkeypatch):
    check_evaluating_twice()
    original, used = pytrec_eval.RelevanceEvaluator, []

    class Reused:
        """As in ir_measures: the second evaluation of the same judgements finds nothing."""

        def __init__(self, *arguments):
            self._evaluator = original(*arguments)

        def evaluate(self, found):
            scores = self._evaluator.evaluate(found)
            if used:
                scores = {q: dict.fromkeys(values, 0.0) for q, values in scores.items()}
            used.append(self)
            return scores

    monkeypatch.setattr(pytrec_eval, "RelevanceEvaluator", Reused)
    with pytest.raises(AssertionError):
        check_evaluating_twice()


def check_identical_ids():
    """A document with the query's id counts, unless the task says that it does not."""
    corpus = {"x": "query", "d1": "near", "d2": "far"}
    vectors = {"query": [1.0, 0.0], "near": [1.0, 0.1], "far": [0.0, 1.0]}
    backend = Recorder(lambda text: np.array(vectors[text]), width=2)
    for ignored, expected in ((False, 0), (True, 1)):
        search = make_search(corpus, {"x": "query"}, {"x": {"d1": 1}}, ignore_identical_ids=ignored)
        assert evaluate(search, make_encoder(backend))["ndcg_at_1"] == expected


def always_removed(patch):
    original = DenseMtebEncoder.search

    def search(self, *arguments, **options):
        found = original(self, *arguments, **options)
        return {q: {d: s for d, s in hits.items() if d != q} for q, hits in found.items()}

    patch.setattr(DenseMtebEncoder, "search", search)


def never_removed(patch):
    original = retrieval_evaluator.RetrievalEvaluator.evaluate

    def evaluate(self, *arguments, **options):
        return original(self, *arguments, **{**options, "ignore_identical_ids": False})

    patch.setattr(retrieval_evaluator.RetrievalEvaluator, "evaluate", evaluate)


@pytest.mark.parametrize("plant", [always_removed, never_removed])
def test_26_identical_ids_that_are_treated_alike_in_all_tasks_are_noticed(plant, monkeypatch):
    check_identical_ids()
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        check_identical_ids()


@pytest.mark.parametrize("rows", ["document", "query"])
def test_26_ids_that_collide_are_refused(rows, monkeypatch):
    """The guard at run time: ids are texts, and no two rows have the same."""
    from datasets import Dataset

    from harness.jobs import LoadedTask

    search = make_search({"1": "a", "2": "b"}, {"1": "x", "2": "y"}, {"1": {"1": 1}, "2": {"2": 1}})
    part = search.task.dataset["default"]["test"]
    key = {"document": "corpus", "query": "queries"}[rows]
    part[key] = Dataset.from_dict({"id": ["1", "1"], "text": ["a", "b"]})
    with pytest.raises(DataUnavailableError, match=f"{rows} id '1' stands for several rows"):
        LoadedTask.of(search.task)


def test_27_document_that_is_listed_twice_counts_once():
    judged = {"q00": {"d00": 1}}
    asked = {"q00": "text 0"}  # the very text of the relevant document
    once, twice = (
        evaluate(make_search(CORPUS, asked, judged, {"q00": names}), make_encoder(Recorder()))
        for names in (["d00", "d01"], ["d00", "d00", "d01", "d00"])
    )
    assert once == twice
    assert once["ndcg_at_10"] == 1


def test_27_gain_above_one_is_refused():
    """The guard at run time, whatever made it."""
    with pytest.raises(ImpossibleScoresError, match=r"ndcg_at_10 is 1\.63"):
        check_scores(
            {
                "task_name": "SmallSearch",
                "scores": {"test": [{"ndcg_at_10": 1.63, "hf_subset": "default"}]},
            }
        )


def check_ties_are_symmetric():
    scores = {"a": {"S": 0.5, "T": 0.7}, "b": {"S": 0.5, "T": 0.7}, "c": {"S": 0.5, "T": 0.1}}
    expected = results.ranks.borda_ranks(scores)
    assert expected["a"] == expected["b"] < expected["c"]
    for names in ("bca", "cab", "xyz", "zyx"):
        renamed = {new: scores[old] for old, new in zip("abc", names, strict=True)}
        for order in (sorted(renamed), sorted(renamed, reverse=True)):
            found = results.ranks.borda_ranks({name: renamed[name] for name in order})
            assert found == {new: expected[old] for old, new in zip("abc", names, strict=True)}


def test_28_ties_that_go_by_name_or_order_are_noticed(monkeypatch):
    """As in HELM: of equal scores, the model that is listed first wins."""
    check_ties_are_symmetric()

    def by_order(scores):
        tasks = next(iter(scores.values()))
        wins = dict.fromkeys(scores, 0)
        for task in tasks:
            ordered = sorted(scores, key=lambda model: -scores[model][task])
            for place, model in enumerate(ordered):
                wins[model] += len(scores) - place
        ordered = sorted(scores, key=lambda model: -wins[model])
        return {model: place for place, model in enumerate(ordered, 1)}

    monkeypatch.setattr(results.ranks, "borda_ranks", by_order)
    with pytest.raises(AssertionError):
        check_ties_are_symmetric()


def check_significance():
    """The same numbers in every call, and no p-value below that of all signs alike."""
    for shift, count in ((0.01, 60), (0.4, 20)):
        base = test_comparison.queries(0, n=count)
        other = test_comparison.queries(shift, seed=1, n=count)
        sides = test_comparison.two(*map(test_comparison.searched, (base, other)))
        first, second = (test_comparison.compared(*sides).tasks[0] for _ in range(2))
        assert (first.p, first.test) == (second.p, second.test)
        assert 2.0 ** (1 - count) <= first.p <= 1


def resampled(patch):
    """As in ranx: random signs from a generator that is another one in each call."""
    seeds = itertools.count()

    def p_value(sums):
        signs = np.random.default_rng(next(seeds)).choice([-1, 1], (999, len(sums)))
        return float((np.abs(signs @ sums) >= abs(sums.sum())).mean())

    patch.setattr(results.stats.paired, "flip_p_value", p_value)


def never_by_chance(patch):
    """As in ranx: a p-value of 0."""
    patch.setattr(results.stats.paired, "flip_p_value", lambda sums: 0.0)


@pytest.mark.parametrize("plant", [resampled, never_by_chance])
def test_29_significance_that_is_drawn_or_without_doubt_is_noticed(plant, monkeypatch):
    check_significance()
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        check_significance()


@pytest.fixture(scope="module")
def starter_task():
    task = next(kind for kind in test_chance.TASKS if kind.metadata.name == "PerlFaqRetrieval")()
    task.load_data()
    return task


def test_30_metric_that_is_near_one_whatever_was_found_is_noticed(starter_task, monkeypatch):
    """As LongBench's ROUGE of 0.98: an oracle does not get 1, and a random encoder gets more."""
    checks = (
        test_chance.test_an_oracle_scores_one,
        test_chance.test_a_random_encoder_stays_at_chance,
    )
    for check in checks:
        check(starter_task)
    original = retrieval_evaluator.calculate_retrieval_scores

    def flattering(*arguments, **options) -> RetrievalEvaluationResult:
        found = original(*arguments, **options)
        return found._replace(ndcg=dict.fromkeys(found.ndcg, 0.98))

    monkeypatch.setattr(retrieval_evaluator, "calculate_retrieval_scores", flattering)
    for check in checks:
        with pytest.raises(AssertionError):
            check(starter_task)
