"""What the gate says of records."""

import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.gate import gate_grids, gate_junit, gate_markdown
from results.gate.judge import judge_records
from results.gate.outcome import AS_GOOD, NOT_JUDGED, REGRESSION, GateOutcome, judge_cost
from results.gate.policy import Allowance, Policy
from results.gate.reference import Cost
from results.provenance import RouteFacts
from tests.results.gate import Examples, gate_record, make_reference

OTHER = "e" * 64
WAS = np.linspace(0, 1, 200)
RNG = np.random.default_rng(0)


def outcome(was, now, policy=None, *, refused=None, costs=(), **reference):
    """Judge some records against others."""
    policy = policy or Policy()
    held = make_reference(was, **reference)
    examples = Examples(now)
    found, means = judge_records(
        held, now, policy, examples, places=held.places, refused=refused or {}
    )
    return GateOutcome("m", "r", True, found, means, tuple(costs), 0)


def statuses(found):
    return [one.status for one in found.judgements]


def test_equal_scores_pass():
    found = outcome([gate_record("A", WAS)], [gate_record("A", WAS)])
    assert (found.exit_code, statuses(found)) == (AS_GOOD, ["equal"])
    assert [one.status for one in found.means] == ["equal", "equal"]
    assert found.sentence == "As good or better: of 1 records 1 equal."


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (-0.001, "lower, allowed", AS_GOOD),
        (-0.003, "regression", REGRESSION),
        (0.001, "better", AS_GOOD),
        (0.003, "better than possible", REGRESSION),
    ],
)
def test_the_same_weights_may_lose_or_gain_a_fifth_of_a_point(change, status, code):
    policy = Policy(same_weights=Policy().same_weights.model_copy(update={"mean_task": 100.0}))
    policy = policy.model_copy(
        update={"same_weights": policy.same_weights.model_copy(update={"mean_type": 100.0})}
    )
    found = outcome([gate_record("A", WAS)], [gate_record("A", WAS + change)], policy)
    assert (statuses(found), found.exit_code) == ([status], code)


@given(st.floats(0.0021, 0.5), st.integers(2, 50))
def test_a_drop_beyond_the_allowance_never_passes(drop, n):
    scores = np.linspace(0.5, 1, n)
    found = outcome([gate_record("A", scores)], [gate_record("A", scores - drop)])
    assert found.exit_code == REGRESSION


def same_weights(**changes):
    """The default policy with other values for the reference's weights."""
    return Policy(same_weights=Policy().same_weights.model_copy(update=changes))


LOOSE_MEANS = {"mean_task": 100.0, "mean_type": 100.0}


def test_a_rise_without_cause_fails_under_a_name_of_its_own():
    found = outcome([gate_record("A", WAS)], [gate_record("A", WAS + 0.0145)])
    assert found.exit_code == REGRESSION
    assert found.failure == "better than possible"
    assert found.sentence.startswith(
        "Better than possible: of 1 records 1 better than possible, mean over tasks in dim=8 better"
    )
    assert found.judgements[0].reason == "nothing was drawn again that could raise it"


def test_a_regression_is_graver_than_a_rise():
    was = [gate_record("A", WAS), gate_record("B", WAS)]
    found = outcome(was, [gate_record("A", WAS + 0.1), gate_record("B", WAS - 0.1)])
    assert found.failure == "regression"
    assert statuses(found) == ["better than possible", "regression"]


@pytest.mark.parametrize(("allowed", "status"), [(1.4, "better than possible"), (1.5, "better")])
def test_the_policy_may_allow_a_rise(allowed, status):
    policy = same_weights(allowed_rise=allowed)
    found = outcome([gate_record("A", WAS)], [gate_record("A", WAS + 0.0145)], policy)
    assert statuses(found) == [status]
    assert {one.status for one in found.means} == {status}


def test_a_task_may_rise_by_what_it_may_fall():
    policy = same_weights(tasks={"A": 2.0}, **LOOSE_MEANS)
    found = outcome([gate_record("A", WAS)], [gate_record("A", WAS + 0.0145)], policy)
    assert statuses(found) == ["better"]


def test_small_rises_everywhere_are_a_mean_that_is_better_than_possible():
    was = [gate_record(name, WAS) for name in "ABCD"]
    found = outcome(was, [gate_record(name, WAS + 0.0015) for name in "ABCD"])
    assert set(statuses(found)) == {"better"}
    assert {one.status for one in found.means} == {"better than possible"}
    assert found.exit_code == REGRESSION


def test_other_weights_and_other_draws_may_rise():
    assert outcome([gate_record("A", WAS)], [other("A", WAS + 0.3)]).exit_code == AS_GOOD
    now = [gate_record("A", WAS + 0.3, seed=1)]
    found = outcome([gate_record("A", WAS)], now, spread={"A": 0.01}, spread_seeds=5)
    assert (statuses(found), found.exit_code) == (["better"], AS_GOOD)
    assert {one.status for one in found.means} == {"better"}


def changed(record, part, **changes):
    """A record with other facts in one part of its provenance."""
    facts = record.provenance
    update = {part: getattr(facts, part).model_copy(update=changes)}
    return replace(record, provenance=facts.model_copy(update=update))


OTHERWISE = [
    ("environment", {"attention": "sdpa, padded"}, "other execution path: packed, now padded"),
    ("text_count", {"tokens": 1}, "tokens: 50, now 1"),
    ("text_count", {"texts": 1}, "texts: 6, now 1"),
    ("text_count", {"distinct_texts": 1}, "distinct texts: 5, now 1"),
    ("coverage", {"n_scored": 2}, "examples with something to score: 3, now 2 of 3"),
    (
        "identity",
        {"routes": {"": RouteFacts(adapter=None, prompt="x")}},
        "route: adapter none, prompt '', now adapter none, prompt 'x'",
    ),
]


@pytest.mark.parametrize(("part", "changes", "said"), OTHERWISE)
def test_another_way_of_measuring_fails_whatever_the_score(part, changes, said):
    was = changed(gate_record("A", WAS), "environment", attention="flash")
    now = changed(was, part, **changes)
    found = outcome([was], [now])
    assert (statuses(found), found.exit_code) == (["measured differently"], REGRESSION)
    assert found.judgements[0].reason.startswith(said)
    assert found.sentence == "Measured differently: of 1 records 1 measured differently."


def test_another_way_of_measuring_may_be_shown_only():
    was = changed(gate_record("A", WAS), "environment", attention="flash")
    now = changed(was, "environment", attention="sdpa, padded")
    found = outcome([was], [now], same_weights(measured_differently="show"))
    assert (statuses(found), found.exit_code) == (["equal"], AS_GOOD)
    (judgement,) = found.judgements
    assert judgement.causes == ("other execution path: packed, now padded",)
    (row,) = next(grid for grid in gate_grids(found) if grid.title == "Records that differ").rows
    assert row[-1].text == "equal"
    assert "other execution path" in gate_markdown(found)
    assert b"other execution path" in gate_junit(found)


def test_another_kernel_on_the_same_path_is_no_failure():
    was = changed(gate_record("A", WAS), "environment", attention="flash")
    now = changed(was, "environment", attention="sdpa", threads=99)
    assert outcome([was], [now]).exit_code == AS_GOOD


def test_other_weights_may_be_measured_differently():
    was = changed(gate_record("A", WAS), "environment", attention="flash")
    now = changed(other("A", WAS), "environment", attention="sdpa, padded")
    assert outcome([was], [now]).exit_code == AS_GOOD


@pytest.mark.parametrize("now", [WAS - 0.1, WAS + 0.1])
def test_every_failure_is_one_in_all_reports(now):
    found = outcome([gate_record("A", WAS)], [gate_record("A", now)])
    root = ET.fromstring(gate_junit(found))
    assert [suite.get("failures") for suite in root] == ["3"]  # the task and two means
    assert {one.get("type") for one in root.iter("failure")} == {found.failure}
    assert f"{found.failure}" in gate_markdown(found)


def other(task, scores, **more):
    return gate_record(task, scores, fingerprint=OTHER, **more)


def test_other_weights_may_lose_what_chance_explains():
    luck = WAS + RNG.normal(0, 0.3, len(WAS))
    luck += WAS.mean() - luck.mean() - 0.01
    (found,) = outcome([gate_record("A", WAS)], [other("A", luck)]).judgements
    assert (found.status, found.reason) == ("lower, allowed", "the drop is not significant")
    assert found.allowed == 0.5
    assert found.p > 0.05


def test_other_weights_may_not_lose_what_chance_does_not():
    (found,) = outcome([gate_record("A", WAS)], [other("A", WAS - 0.01)]).judgements
    assert found.status == "regression"
    assert found.p < 0.01
    assert any("weights" in cause for cause in found.causes)


def test_other_weights_may_lose_little_however_certain():
    (found,) = outcome([gate_record("A", WAS)], [other("A", WAS - 0.004)]).judgements
    assert found.status == "lower, allowed"
    statistical = Policy(other_weights=Allowance(rule="statistical"))
    (found,) = outcome([gate_record("A", WAS)], [other("A", WAS - 0.004)], statistical).judgements
    assert found.status == "regression"


def test_tests_are_corrected_for_their_number():
    """One in twenty of tests without cause finds something at 5 %; none may here."""
    names = [f"T{number}" for number in range(30)]
    was, now = [], []
    for name in names:
        change = RNG.normal(0, 0.2, 40)
        change -= change.mean() + 0.07
        was.append(gate_record(name, np.full(40, 0.5)))
        now.append(other(name, np.full(40, 0.5) + change))
    alone = [outcome([a], [b]).judgements[0] for a, b in zip(was, now, strict=True)]
    assert any(one.p < 0.05 for one in alone)
    found = outcome(was, now)
    assert all(one.status == "lower, allowed" for one in found.judgements if one.p > 0.05)
    assert min(one.p for one in found.judgements) >= min(one.p for one in alone)


def test_where_there_is_no_test_the_points_decide():
    def clustering(scores, **more):
        record = gate_record("A", scores, type="Clustering", metric="v_measure", **more)
        record.examples["score"] = np.nan
        return record

    (found,) = outcome([clustering(WAS)], [clustering(WAS - 0.02, fingerprint=OTHER)]).judgements
    assert found.status == "regression"
    assert "no per-example test for v_measure" in found.reason
    rule = Policy(other_weights=Allowance(rule="statistical"))
    result = outcome([clustering(WAS)], [clustering(WAS - 0.02, fingerprint=OTHER)], rule)
    assert statuses(result) == ["not judged"]
    assert result.exit_code == NOT_JUDGED


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"facts": {"suite": "other"}}, "other spec: suite was suite, now other"),
        ({"mteb_version": "3"}, "other spec: mteb was 2, now 3"),
        ({"precision": "bfloat16"}, "other spec: precision was float32, now bfloat16"),
        ({"given": {"max_length": 9}}, "other spec: max_length was None, now 9"),
        ({"given": {"routing": "none"}}, "other spec: routing was None, now none"),
        ({"seed": 1}, "seed was 42, now 1, and what another seed changes was not measured"),
    ],
)
def test_another_spec_is_not_judged(changes, said):
    found = outcome([gate_record("A", WAS)], [gate_record("A", WAS, **changes)])
    assert found.exit_code == NOT_JUDGED
    assert said in found.judgements[0].reason
    assert not found.means


def test_other_data_are_not_judged():
    now = gate_record("A", WAS)
    task = now.provenance.task.model_copy(update={"content_hash": "d" * 64})
    object.__setattr__(now, "provenance", now.provenance.model_copy(update={"task": task}))
    found = outcome([gate_record("A", WAS)], [now])
    assert found.exit_code == NOT_JUDGED
    assert found.judgements[0].reason.startswith("other data")


def test_what_was_not_measured_is_not_judged():
    was = [gate_record("A", WAS), gate_record("B", WAS)]
    found = outcome(was, [gate_record("A", WAS)], refused={"B": "a vector is zero"})
    assert statuses(found) == ["equal", "not judged"]
    assert found.exit_code == NOT_JUDGED
    assert found.judgements[1].reason == "no score: a vector is zero"
    assert not found.means  # a mean over some of the tasks is another one
    assert outcome(was, []).judgements[0].reason == "not measured"
    # A regression that was seen is not taken back by what could not be.
    assert outcome(was, [gate_record("A", WAS - 0.1)]).exit_code == REGRESSION


def test_nothing_judged_is_no_pass():
    assert GateOutcome("m", "r", True, (), (), (), 3).exit_code == NOT_JUDGED


def test_another_seed_is_allowed_what_seeds_give():
    was = [gate_record("A", WAS)]
    for drop, code in ((0.05, AS_GOOD), (0.07, REGRESSION)):
        now = [gate_record("A", WAS - drop, seed=1)]
        assert outcome(was, now, spread={"A": 0.01}, spread_seeds=5).exit_code == code


def test_small_losses_everywhere_are_a_regression_of_the_mean():
    was = [gate_record(name, WAS) for name in "ABCD"]
    now = [gate_record(name, WAS - 0.0015) for name in "ABCD"]
    found = outcome(was, now)
    assert set(statuses(found)) == {"lower, allowed"}
    assert [(one.over, one.status) for one in found.means] == [
        ("tasks", "regression"),
        ("types", "regression"),
    ]
    assert found.exit_code == REGRESSION
    assert "mean over tasks in dim=8 worse" in found.sentence


def test_means_weigh_tasks_and_types():
    was = [gate_record("A", WAS), gate_record("B", WAS), gate_record("C", WAS, type="STS")]
    now = [gate_record("A", WAS), gate_record("B", WAS), gate_record("C", WAS - 0.3, type="STS")]
    tasks, types = outcome(was, now).means
    assert tasks.points == pytest.approx(-10)
    assert types.points == pytest.approx(-15)


def cost(speed=2.0, memory=0.5, device="cpu"):
    return Cost(speed=speed, memory=memory, device=device, texts=3)


@pytest.mark.parametrize(
    ("now", "speed", "memory"),
    [
        (cost(), "equal", "equal"),
        (cost(speed=1.7, memory=0.55), "lower, allowed", "lower, allowed"),
        (cost(speed=1.5, memory=0.7), "regression", "regression"),
        (cost(speed=3.0, memory=0.4), "better", "better"),
        (cost(device="cuda"), "not judged", "not judged"),
        (None, "not judged", "not judged"),
    ],
)
def test_speed_and_memory_have_bounds(now, speed, memory):
    policy = Policy(speed=0.8, memory=1.2)
    found = {one.what: one.status for one in judge_cost(policy, cost(), now)}
    assert found == {"speed": speed, "memory": memory}
    assert not judge_cost(Policy(), cost(), now)
    costs = judge_cost(policy, cost(), now)
    result = outcome([gate_record("A", WAS)], [gate_record("A", WAS)], costs=costs)
    expected = REGRESSION if speed == "regression" else NOT_JUDGED if "not" in speed else AS_GOOD
    assert result.exit_code == expected


def test_a_policy_for_speed_needs_a_reference_of_speed():
    found = judge_cost(Policy(speed=0.8), None, cost())
    assert "--update --speed" in found[0].reason
    assert found[0].status == "not judged"
