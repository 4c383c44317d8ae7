import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from results.comparison import ComparisonError, compare
from results.errors import RecordError
from results.ranks import borda_ranks, mean_by_type
from tests.results.factories import make_record


def searched(scores, subset="en"):
    """Queries with a score each."""
    return pd.DataFrame(
        {
            "split": "test",
            "subset": subset,
            "id": [f"q{n}" for n in range(len(scores))],
            "score": scores,
            "prediction": None,
            "gold": None,
        }
    )


def paired(similarities, ratings):
    """Pairs whose metric is no mean."""
    return pd.DataFrame(
        {
            "split": "test",
            "subset": "en",
            "id": [str(n) for n in range(len(ratings))],
            "score": np.nan,
            "prediction": [json.dumps(float(value)) for value in similarities],
            "gold": [json.dumps(float(value)) for value in ratings],
        }
    )


def record(task, table, *, model="a/b", kind="Retrieval", metric="ndcg_at_10", score=None, **more):
    if score is None:
        score = float(table.groupby("subset")["score"].mean().mean())
    made = make_record(task=task, model=model, score=score, **more)
    facts = made.provenance
    named = facts.task.model_copy(update={"main_score": metric, "type": kind})
    return (
        type(made)(made.ref, made.task_result, facts.model_copy(update={"task": named})),
        table,
    )


def compared(old, new):
    """Two sides, each of (record, table) by task."""
    tables = {id(r): table for side in (old, new) for r, table in side.values()}
    sides = [
        (name, {task: r for task, (r, _) in side.items()})
        for name, side in (("old", old), ("new", new))
    ]
    return compare(sides[0], sides[1:], lambda r: tables[id(r)])[0]


RNG = np.random.default_rng(21)


def queries(shift, seed=0, n=400):
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal(0.5 + shift, 0.15, n), 0, 1)


def two(old, new, **more):
    return (
        {"T": record("T", old, model="a/old", **more)},
        {"T": record("T", new, model="a/new", **more)},
    )


def test_what_is_better_is_said_to_be():
    base = queries(0)
    found = compared(*two(searched(base), searched(np.clip(base + 0.03, 0, 1))))
    (task,) = found.tasks
    assert task.verdict == "better"
    assert task.test.low > 0
    assert task.test.mean == pytest.approx(task.difference, abs=1e-9)
    assert found.sentence.startswith("Of 1 task type, new is better on 1 (Retrieval by 3.0 ± ")
    back = compared(*two(searched(np.clip(base + 0.03, 0, 1)), searched(base)))
    assert back.tasks[0].verdict == "worse"
    assert back.tasks[0].p == task.p


def test_noise_is_no_significant_difference():
    found = compared(*two(searched(queries(0, 1)), searched(queries(0, 2))))
    assert found.tasks[0].verdict == "no significant difference"
    assert "with no significant difference on 1" in found.sentence


def test_subsets_weigh_alike_as_in_the_main_score():
    """A large subset that got better, and a small one that got as much worse: no difference."""
    large, small = queries(0, 1, 900), queries(0, 2, 100)
    old = pd.concat([searched(large, "en"), searched(small, "de")])
    new = pd.concat([searched(large + 0.02, "en"), searched(small - 0.02, "de")])
    found = compared(*two(old, new))
    assert found.tasks[0].test.mean == pytest.approx(0, abs=1e-9)
    assert found.tasks[0].verdict == "no significant difference"


def test_correlations_are_taken_apart():
    rng = np.random.default_rng(0)
    ratings = rng.uniform(0, 5, 300)
    near, far = (ratings + rng.normal(0, noise, 300) for noise in (0.5, 3))
    kind = {"kind": "STS", "metric": "cosine_spearman"}
    scores = [pd.Series(ratings).corr(pd.Series(v), method="spearman") for v in (far, near)]
    found = compared(
        {"T": record("T", paired(far, ratings), model="a/old", score=scores[0], **kind)},
        {"T": record("T", paired(near, ratings), model="a/new", score=scores[1], **kind)},
    )
    assert found.tasks[0].test.mean == pytest.approx(scores[1] - scores[0], abs=1e-9)
    assert found.tasks[0].test.p < 0.01
    # Similarities of another scale, in the same order, are the same ranking.
    kind["score"] = scores[1]
    old, new = two(paired(near, ratings), paired(near * 7 - 3, ratings), **kind)
    assert compared(old, new).tasks[0].test.mean == pytest.approx(0, abs=1e-12)


def test_average_precision_is_taken_apart():
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    good, bad = labels + rng.normal(0, 0.4, 200), rng.normal(0, 1, 200)
    kind = {"kind": "PairClassification", "metric": "max_ap"}
    scores = [average_precision_score(labels, values) for values in (bad, good)]
    found = compared(
        {"T": record("T", paired(bad, labels), model="a/old", score=scores[0], **kind)},
        {"T": record("T", paired(good, labels), model="a/new", score=scores[1], **kind)},
    )
    assert found.tasks[0].test.mean > 0.3
    assert found.tasks[0].p < 0.01


def test_many_tasks_are_corrected_for():
    """Twenty comparisons of noise; without correction one of them would be found 'better'."""
    old, new = {}, {}
    for number in range(20):
        name = f"T{number}"
        old[name] = record(name, searched(queries(0, 2 * number, 60)), model="a/old")
        new[name] = record(name, searched(queries(0, 2 * number + 1, 60)), model="a/new")
    found = compared(old, new)
    assert all(task.verdict == "no significant difference" for task in found.tasks)
    assert all(task.p >= task.test.p for task in found.tasks)


def test_what_cannot_be_tested_says_why():
    clustered = searched([np.nan] * 5)
    old, new = two(clustered, clustered, score=0.4, kind="Clustering", metric="v_measure")
    found = compared(old, new)
    assert found.tasks[0].test is None
    assert found.tasks[0].reason == "no per-example test for v_measure"
    other = two(searched([0.1, 0.2]), searched([0.1, 0.2, 0.3]))
    assert "different examples" in compared(*other).tasks[0].reason
    wrong = two(searched([0.1, 0.2]), searched([0.3, 0.4]), score=0.9)
    assert "no per-example test for ndcg_at_10" in compared(*wrong).tasks[0].reason


def test_different_data_are_never_compared():
    old, new = two(searched([0.1, 0.2]), searched([0.1, 0.2]))
    r, table = new["T"]
    facts = r.provenance
    other = facts.task.model_copy(update={"content_hash": "f" * 64})
    new["T"] = (type(r)(r.ref, r.task_result, facts.model_copy(update={"task": other})), table)
    with pytest.raises(ComparisonError, match="task T was measured on different data"):
        compared(old, new)


def test_tasks_of_one_side_are_named():
    old, new = two(searched([0.1, 0.2]), searched([0.3, 0.2]))
    old["U"] = record("U", searched([0.1, 0.2]), model="a/old")
    assert compared(old, new).missing == ("U",)
    del new["T"]
    with pytest.raises(ComparisonError, match="no task in common"):
        compared(old, new)


def test_average_precision_of_another_scale_is_the_same_ranking():
    """Raw similarities of two models must not be exchanged: only their order counts."""
    rng = np.random.default_rng(5)
    labels = (rng.random(400) < 0.4).astype(float)
    old = labels + rng.normal(0, 0.5, 400)
    new = labels + rng.normal(0, 0.62, 400)
    kind = {"kind": "PairClassification", "metric": "max_ap"}

    def p_value(stretch):
        scores = [average_precision_score(labels, values) for values in (old, new)]
        (task,) = compared(
            {"T": record("T", paired(old, labels), model="a/old", score=scores[0], **kind)},
            {"T": record("T", paired(stretch(new), labels), model="a/n", score=scores[1], **kind)},
        ).tasks
        return task.test.p

    assert p_value(lambda values: values) == pytest.approx(p_value(np.tanh), rel=1e-9)
    assert p_value(lambda values: values) < 0.05


def test_a_large_difference_is_significant_among_any_number_of_tasks():
    rng = np.random.default_rng(6)
    ratings = rng.uniform(0, 5, 300)
    near = ratings + rng.normal(0, 0.5, 300)
    noise = rng.normal(size=300)
    kind = {"kind": "STS", "metric": "cosine_spearman"}
    old, new = {}, {}
    for number in range(400):
        name = f"T{number}"
        values = noise if number == 7 else near
        score = pd.Series(ratings).corr(pd.Series(values), method="spearman")
        old[name] = record(
            name,
            paired(near, ratings),
            model="a/old",
            score=float(pd.Series(ratings).corr(pd.Series(near), method="spearman")),
            **kind,
        )
        new[name] = record(name, paired(values, ratings), model="a/new", score=float(score), **kind)
    found = compared(old, new)
    assert found.tasks[7].verdict == "worse"
    assert {one.verdict for one in found.tasks if one.task != "T7"} == {"no significant difference"}


def test_no_sentence_contradicts_a_row():
    """A type of one task is that task; all that is stated is one family of hypotheses."""
    old, new = {}, {}
    rng = np.random.default_rng(7)
    for number in range(8):
        name, kind = f"T{number}", f"Type{number}"
        base = rng.normal(0.5, 0.15, 100)
        shift = rng.normal(0, 0.15, 100) + (0.05 if number == 0 else 0)
        old[name] = record(name, searched(base), model="a/old", kind=kind)
        new[name] = record(name, searched(base + shift), model="a/new", kind=kind)
    found = compared(old, new)
    assert found.tasks[0].test.p < 0.05 <= found.tasks[0].p  # alone, not among them all
    for task, of_type in zip(found.tasks, found.types, strict=True):
        assert (task.p, task.verdict) == (of_type.p, of_type.verdict)
    assert found.hypotheses == 9  # eight tasks and their mean
    assert found.mean_type.p == found.mean_task.p
    assert found.sentence == (
        "Of 8 task types, new is with no significant difference on 8, compared with old. "
        "The mean over 8 tasks: no significant difference."
    )


def test_several_candidates_are_one_family():
    base = queries(0, 1, 60)
    better = np.clip(base + RNG.normal(0.04, 0.13, 60), 0, 1)
    sides = [
        (name, {"T": record("T", searched(values), model=f"a/{name}")})
        for name, values in [("old", base)] + [(f"new{n}", better) for n in range(40)]
    ]
    tables = {id(r): table for _, side in sides for r, table in side.values()}
    plain = [(name, {task: r for task, (r, _) in side.items()}) for name, side in sides]
    (alone,) = compare(plain[0], plain[1:2], lambda r: tables[id(r)])
    all_of_them = compare(plain[0], plain[1:], lambda r: tables[id(r)])
    assert alone.tasks[0].verdict == "better"
    assert all_of_them[0].tasks[0].p == pytest.approx(min(1, 40 * alone.tasks[0].p))
    assert {one.hypotheses for one in all_of_them} == {40}


def test_too_few_examples_are_no_verdict_on_the_models():
    found = compared(*two(searched([0.1, 0.2, 0.3, 0.2]), searched([0.5, 0.6, 0.7, 0.6])))
    assert found.tasks[0].verdict == "too few examples"
    assert found.tasks[0].margin is None
    assert "with too few examples on 1" in found.sentence


def test_borda_ranks_and_means_by_type():
    scores = {
        "a": {"T": 0.9, "U": 0.9, "V": 0.1},
        "b": {"T": 0.5, "U": 0.5, "V": 0.5},
        "c": {"T": 0.1, "U": 0.1, "V": 0.5},
    }
    assert borda_ranks(scores) == {"a": 1, "b": 2, "c": 3}
    renamed = {f"z{name}": found for name, found in reversed(scores.items())}
    assert borda_ranks(renamed) == {"za": 1, "zb": 2, "zc": 3}
    assert mean_by_type(scores["a"], {"T": "x", "U": "x", "V": "y"}) == pytest.approx(0.5)
    del scores["b"]["V"]
    with pytest.raises(RecordError, match="b was not measured on V"):
        borda_ranks(scores)
