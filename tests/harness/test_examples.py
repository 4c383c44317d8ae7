"""Per-example scores: complete, and enough to come to mteb's score by another library."""

import json

import numpy as np
import pytest
from mteb.mocks import MOCK_TASK_TEST_GRID
from scipy.stats import kendalltau, spearmanr
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    v_measure_score,
)
from sklearn.neighbors import KNeighborsClassifier

import harness.examples
import harness.retrieval_scores
from harness.errors import EvaluationError
from harness.evaluation import evaluate_task
from harness.jobs import LoadedTask
from results.examples import COLUMNS, encode_examples
from tasks.loading import load_fresh
from tasks.suites import get_suite
from tests.harness.test_evaluation import PairOfSearches
from tests.tasks.encoders import OracleEncoder, RandomEncoder

STARTER = get_suite("starter").tasks()
EVERY = [
    pytest.param(task, id=f"{task.metadata.name}-{i}")
    for i, task in enumerate([*MOCK_TASK_TEST_GRID, *STARTER])
]


def load(template):
    return LoadedTask.of(load_fresh(template, 42))


def starter(kind):
    return load(next(task for task in STARTER if task.metadata.type == kind))


def measure(loaded, encoder=None, **options):
    encoder = encoder or RandomEncoder(16)
    return evaluate_task(loaded.copy(42), encoder, loaded.expected, **options)


def with_main_score(loaded, name):
    loaded.task.metadata = loaded.task.metadata.model_copy(update={"main_score": name})
    return loaded


def read(column):
    return [json.loads(value) for value in column]


def over_experiments(metric, predictions, golds):
    return np.mean([metric(golds, list(one)) for one in zip(*predictions, strict=True)])


def over_sets(table, sets):
    """Mean V-measure over sets of texts; those of one label are not in the table and count 1."""
    kept = table.assign(set=table["id"].str.split("/").str[0])
    values = [
        v_measure_score(read(part["gold"]), read(part["prediction"]))
        for _, part in kept.groupby("set")
    ]
    return np.mean(values + [1.0] * (sets - len(values)))


def recomputed(table, kind, predictions, golds):
    """The score by another library, with the name of mteb's metric; None if there is no way."""
    if kind == "STS":
        return {"cosine_spearman": spearmanr(predictions, golds).statistic}
    if kind == "PairClassification":
        return {"main_score": average_precision_score(golds, predictions)}
    if kind == "Summarization":
        pairs = zip(predictions, golds, strict=True)
        return {"main_score": np.mean([spearmanr(*pair).statistic for pair in pairs])}
    if kind == "Classification":
        return {"accuracy": over_experiments(accuracy_score, predictions, golds)}
    if kind == "MultilabelClassification":
        golds, predictions = (
            [set(gold) for gold in golds],
            [[set(labels) for labels in one] for one in predictions],
        )
        right = [[one == gold for one in row] for row, gold in zip(predictions, golds, strict=True)]
        return {"accuracy": np.mean(right)}
    if kind == "Regression":
        return {
            "kendalltau": over_experiments(
                lambda a, b: kendalltau(a, b).statistic, predictions, golds
            )
        }
    if kind == "BitextMining":
        return {
            "accuracy": accuracy_score(golds, predictions),
            "f1": f1_score(golds, predictions, average="weighted"),
        }
    if kind == "ZeroShotClassification":
        return {"accuracy": accuracy_score(golds, predictions)}
    if kind == "Clustering":
        return {}
    return {"main_score": table["score"].mean()}  # retrieval


NO_MEAN = {"STS", "PairClassification", "Clustering", "Regression"}


@pytest.mark.parametrize("template", EVERY)
def test_examples_are_complete_and_come_to_mtebs_score(template):
    loaded = load(template)
    found = measure(loaded)
    kind = template.metadata.type
    assert tuple(found.examples.columns) == COLUMNS
    assert found.examples.groupby(["split", "subset"]).size().to_dict() == loaded.expected
    assert not found.examples.duplicated(["split", "subset", "id"]).any()
    assert found.examples["gold"].notna().all()
    for split, subsets in found.task_result.scores.items():
        for scores in subsets:
            here = (found.examples["split"] == split) & (
                found.examples["subset"] == scores["hf_subset"]
            )
            table = found.examples[here]
            has_prediction = table["prediction"].notna()
            golds, predictions = read(table["gold"]), read(table["prediction"][has_prediction])
            for name, value in recomputed(table, kind, predictions, golds).items():
                assert value == pytest.approx(scores[name], abs=1e-5), name
            assert table["score"].isna().all() == (kind in NO_MEAN)
            if kind in ("Classification", "ZeroShotClassification", "BitextMining"):
                assert table["score"].mean() == pytest.approx(scores["accuracy"])
            if kind == "Clustering" and "/" in table["id"].iloc[0]:
                data = loaded.task.dataset.get(scores["hf_subset"], loaded.task.dataset)[split]
                assert over_sets(table, len(data)) == pytest.approx(scores["main_score"])
            if "Retriev" in kind or "Rerank" in kind:
                judged = loaded.task.dataset[scores["hf_subset"]][split]["relevant_docs"]
                assert golds == [
                    {name: grade for name, grade in judged[query].items() if grade > 0}
                    for query in table["id"]
                ]
    assert encode_examples(found.examples) == encode_examples(measure(loaded).examples)


def test_the_parts_of_an_aggregate_are_subsets():
    found = measure(load(PairOfSearches()))
    means = found.examples.groupby("subset")["score"].mean()
    assert list(means.index) == [
        "PerlFaqRetrieval/default",
        "StateOfTheUnionLongRetrieval/default",
    ]
    assert means.mean() == pytest.approx(found.score, abs=1e-5)


@pytest.mark.parametrize("most", [None, 100])
def test_each_text_has_its_own_clusters(most):
    """The oracle's vectors are the labels: where each text keeps its own row, all is right."""
    loaded = starter("Clustering")
    loaded.task.max_fraction_of_documents_to_embed = None
    loaded.task.max_document_to_embed = most
    loaded = LoadedTask.of(loaded.task)
    found = measure(loaded, OracleEncoder(loaded.task)).examples
    predictions = [one["Level 0"] for one in read(found["prediction"])]
    labels = loaded.task.dataset["test"]["labels"][:]
    assert read(found["gold"]) == [labels[int(row)] for row in found["id"]]
    assert len(found) == (most or len(labels))
    assert [int(row) for row in found["id"]] != list(range(len(found))) or most is None
    experiments = list(zip(*predictions, strict=True))
    assert len(experiments) == loaded.task.n_clusters
    for clusters in experiments:
        drawn = [row for row, cluster in enumerate(clusters) if cluster is not None]
        golds = found["gold"].iloc[drawn]
        assert v_measure_score(golds, [clusters[row] for row in drawn]) == pytest.approx(1)


@pytest.mark.parametrize("main", ["accuracy", "lrap"])
def test_a_cut_test_set_has_its_rows(main):
    loaded = with_main_score(starter("MultilabelClassification"), main)
    loaded.task.evaluator_model = KNeighborsClassifier()
    data = loaded.task.dataset["test"]
    loaded.task.max_eval_samples = len(data) // 2
    loaded = LoadedTask.of(loaded.task)
    found = measure(loaded)
    rows = [int(row) for row in found.examples["id"]]
    assert len(data) // 3 < len(rows) < len(data)
    assert rows != list(range(len(rows)))
    labels = data[loaded.task.label_column_name][:]
    assert read(found.examples["gold"]) == [labels[row] for row in rows]
    assert found.examples["score"].mean() == pytest.approx(found.score)


@pytest.mark.parametrize("main", ["mrr_at_10", "map_at_5", "recall_at_3", "hit_rate_at_1"])
def test_every_metric_of_a_query_has_its_values(main, monkeypatch):
    loaded = with_main_score(starter("Retrieval"), main)
    found = measure(loaded)
    assert found.examples["score"].mean() == pytest.approx(found.score, abs=1e-5)
    assert found.examples["score"].nunique() > 1
    monkeypatch.setattr(harness.retrieval_scores, "MANY_QUERIES", 1)
    assert measure(loaded, processes=2).examples.equals(found.examples)


def test_a_main_score_that_is_no_mean_over_queries_leaves_null():
    loaded = with_main_score(starter("Retrieval"), "special")
    loaded.task.task_specific_scores = lambda *args, **kwargs: {"special": 0.5}
    found = measure(loaded)
    assert found.score == 0.5
    assert found.examples["score"].isna().all()


@pytest.mark.parametrize("shift", [0.001, float("nan")])
def test_scores_that_do_not_add_up_are_refused(monkeypatch, shift):
    real = harness.examples.per_query_scores

    def wrong(*arguments):
        queries, values = real(*arguments)
        return queries, values + shift

    monkeypatch.setattr(harness.examples, "per_query_scores", wrong)
    with pytest.raises(EvaluationError, match=r"^task \w+: the scores .* have the mean"):
        measure(starter("Retrieval"))


def test_another_number_of_examples_is_refused():
    loaded = starter("STS")
    place = next(iter(loaded.expected))
    loaded.expected[place] -= 1
    with pytest.raises(EvaluationError, match=r"^task \w+: \d+ examples .* expected were \d+"):
        measure(loaded)


def test_one_id_twice_is_refused(monkeypatch):
    import dataclasses

    real = harness.examples.example_rows

    def wrong(measured):
        rows = real(measured)
        ids = np.zeros(len(rows.examples.ids), dtype=np.int64)
        return dataclasses.replace(rows, examples=dataclasses.replace(rows.examples, ids=ids))

    monkeypatch.setattr(harness.examples, "example_rows", wrong)
    with pytest.raises(EvaluationError, match=r"two examples .* have one id"):
        measure(starter("STS"))


def test_pairs_in_one_row_and_the_best_similarity():
    """Data as for mteb 1, and a main score that is the best of several similarities."""
    from datasets import Dataset

    loaded = with_main_score(starter("PairClassification"), "max_ap")
    split = loaded.task.dataset
    several = split["test"]
    split["test"] = Dataset.from_dict({name: [several[name][:]] for name in several.column_names})
    loaded = LoadedTask.of(loaded.task)
    found = measure(loaded)
    assert len(found.examples) == len(several) > 1
    value = average_precision_score(
        read(found.examples["gold"]), read(found.examples["prediction"])
    )
    assert value == pytest.approx(found.score)
