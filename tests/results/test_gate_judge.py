"""What the gate says of records."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.gate.judge import judge_means, judge_records
from results.gate.outcome import AS_GOOD, NOT_JUDGED, REGRESSION, GateOutcome, judge_cost
from results.gate.policy import Allowance, Policy
from results.gate.reference import Cost
from tests.results.gate import Examples, gate_record, make_reference

OTHER = "e" * 64
WAS = np.linspace(0, 1, 200)
RNG = np.random.default_rng(0)


def outcome(was, now, policy=None, *, refused=None, costs=(), **reference):
    """Judge some records against others."""
    policy = policy or Policy()
    held = make_reference(was, **reference)
    examples = Examples(now)
    found = judge_records(held, now, policy, examples, places=held.places, refused=refused or {})
    means = judge_means(held, now, policy, found, examples)
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
    [(-0.001, "lower, allowed", AS_GOOD), (-0.003, "regression", REGRESSION), (0.1, "better", 0)],
)
def test_the_same_weights_may_lose_a_fifth_of_a_point(change, status, code):
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


def other(task, scores, **more):
    return gate_record(task, scores, fingerprint=OTHER, **more)


def test_other_weights_may_lose_what_chance_explains():
    luck = WAS + RNG.normal(0, 0.3, len(WAS))
    luck += WAS.mean() - luck.mean() - 0.01
    (found,) = outcome([gate_record("A", WAS)], [other("A", luck)]).judgements
    assert (found.status, found.reason) == ("lower, allowed", "not told apart from chance")
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
        change -= change.mean() + 0.05
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
    assert "has no paired test" in found.reason
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
