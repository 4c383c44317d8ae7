"""The gate's judgement: is every score as good as in the reference, or better?

What cannot be compared is not judged, and says why; it is never taken for a pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from jina_eval.core.paths import shareable_path
from results.comparison import TaskComparison, paired_test
from results.errors import RecordError
from results.gate.causes import differing_facts
from results.gate.policy import Allowance, Policy
from results.gate.reference import GateReference, Place, place_of
from results.provenance import Provenance
from results.record import Record
from results.statistics import PairedDifference, StatisticsError, holm

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Judgement", "MeanJudgement", "Status", "judge_means", "judge_records"]

Status = Literal["equal", "better", "lower, allowed", "regression", "not judged"]

_SAME = 1e-9
"""Scores closer than this are one, summed in another order."""

_NORMAL = 1.96

Examples = Callable[[Record], "pd.DataFrame"]


@dataclass(frozen=True)
class Judgement:
    """One record held against its reference. Scores between 0 and 1, allowed loss in points.

    Attributes:
        place: Which record.
        type: The task's type.
        metric: Name of the score.
        was: The reference's score.
        now: The new one; None if there is none.
        allowed: Points that it may be lower; None if it was not judged.
        status: What came out.
        p: Corrected p-value of the paired permutation test; None if none was made.
        reason: Why, where the numbers do not say it.
        causes: What else differs; no proof that it is to blame.
    """

    place: Place
    type: str
    metric: str
    was: float
    now: float | None
    allowed: float | None
    status: Status
    p: float | None = None
    reason: str = ""
    causes: tuple[str, ...] = ()

    @property
    def points(self) -> float | None:
        """New minus reference, × 100; None if there is no new score."""
        return None if self.now is None else 100 * (self.now - self.was)


@dataclass(frozen=True)
class MeanJudgement:
    """The mean over the tasks of one view and chunking, or over its types.

    Attributes:
        view: The view.
        chunking: The chunking.
        over: "tasks" or "types".
        tasks: Over how many tasks.
        was: The reference's mean.
        now: The new one.
        allowed: Points that it may be lower.
        status: What came out.
        reason: Why, where the numbers do not say it.
    """

    view: str
    chunking: str
    over: Literal["tasks", "types"]
    tasks: int
    was: float
    now: float
    allowed: float
    status: Status
    reason: str = ""

    @property
    def points(self) -> float:
        """New minus reference, × 100."""
        return 100 * (self.now - self.was)


@dataclass(frozen=True)
class _Pair:
    """A record, its reference, and what the policy says of them."""

    was: Record
    now: Record
    allowance: Allowance
    allowed: float
    test: PairedDifference | None = None
    untested: str = ""

    @property
    def difference(self) -> float:
        return self.now.provenance.score - self.was.provenance.score

    @property
    def is_beyond(self) -> bool:
        """Whether it is lower by more than is allowed."""
        return -100 * self.difference > self.allowed + 100 * _SAME


def judge_records(
    reference: GateReference,
    records: Iterable[Record],
    policy: Policy,
    examples: Examples,
    *,
    places: Sequence[Place],
    refused: Mapping[str, str],
) -> tuple[Judgement, ...]:
    """Hold new records against their reference, place by place.

    Args:
        reference: The reference.
        records: The new records; those at other places are left aside.
        policy: What counts as a regression.
        examples: Gives a new record's examples.
        places: Which of the reference's records are to be judged.
        refused: By task, why it gave no score.
    """
    found = {place_of(record): record for record in records}
    pairs: dict[Place, _Pair] = {}
    judged: dict[Place, Judgement] = {}
    for place in places:
        was, now = reference.by_place[place], found.get(place)
        reason = _not_comparable(reference, was, now, refused)
        if reason:
            judged[place] = _not_judged(was, now, reason)
        elif now is not None:
            pairs[place] = _pair(reference, was, now, policy)
    tested = _test(reference, pairs, examples)
    corrected = dict(zip(tested, holm([_p(tested[place]) for place in tested]), strict=True))
    for place, pair in tested.items():
        judged[place] = _judge(pair, corrected[place])
    return tuple(judged[place] for place in places)


def _not_comparable(
    reference: GateReference, was: Record, now: Record | None, refused: Mapping[str, str]
) -> str:
    """Why two records cannot be compared; empty if they can."""
    if now is None:
        task = was.provenance.task.name
        return f"no score: {refused[task]}" if task in refused else "not measured"
    old, new = was.provenance, now.provenance
    if old.task.content_hash != new.task.content_hash:
        hashes = (old.task.content_hash[:12], new.task.content_hash[:12])
        return f"other data: their hash was {hashes[0]}, now {hashes[1]}"
    for said, before, after in (
        ("suite", old.suite, new.suite),
        ("metric", old.task.main_score, new.task.main_score),
        ("splits", _plain(old), _plain(new)),
        ("mteb", old.identity.mteb_version, new.identity.mteb_version),
        ("precision", old.identity.precision, new.identity.precision),
        *(
            (name, _shareable(reference.run_spec, name), _shareable(new.run_spec_given, name))
            for name in ("routing", "max_length")
        ),
    ):
        if before != after:
            return f"other spec: {said} was {before}, now {after}"
    seeds = (old.identity.seed, new.identity.seed)
    if seeds[0] != seeds[1] and was.provenance.task.name not in reference.spread:
        return (
            f"other spec: seed was {seeds[0]}, now {seeds[1]}, and what another seed changes "
            "was not measured; --update --seeds N does"
        )
    return ""


def _shareable(run_spec: Mapping[str, object], name: str) -> object:
    """A setting as records hold it: without the folders of a path."""
    value = run_spec.get(name)
    return shareable_path(value) if isinstance(value, str) else value


def _plain(facts: Provenance) -> dict[str, tuple[str, ...]]:
    return {split: tuple(subsets) for split, subsets in facts.task.splits.items()}


def _not_judged(was: Record, now: Record | None, reason: str) -> Judgement:
    facts = was.provenance
    score = None if now is None else now.provenance.score
    return Judgement(
        place_of(was),
        facts.task.type,
        facts.task.main_score,
        facts.score,
        score,
        None,
        "not judged",
        reason=reason,
    )


def _pair(reference: GateReference, was: Record, now: Record, policy: Policy) -> _Pair:
    allowance = _allowance(policy, was, now)
    task = was.provenance.task
    allowed = allowance.points(task.name, task.type)
    if was.provenance.identity.seed != now.provenance.identity.seed:
        allowed += 100 * policy.seed_margin * reference.spread[task.name]
    return _Pair(was, now, allowance, allowed)


def _allowance(policy: Policy, was: Record, now: Record) -> Allowance:
    same = was.provenance.identity.fingerprint == now.provenance.identity.fingerprint
    return policy.same_weights if same else policy.other_weights


def _test(
    reference: GateReference, pairs: Mapping[Place, _Pair], examples: Examples
) -> dict[Place, _Pair]:
    """Test the drops on which a test decides.

    The others count as tests that found nothing, which makes the correction stricter than it need
    be, never laxer.
    """
    tested = {}
    for place, pair in pairs.items():
        rule = pair.allowance.rule
        wanted = rule != "absolute" and pair.difference < -_SAME
        decides = wanted and (rule == "statistical" or pair.is_beyond)
        tested[place] = _tested(pair, reference, examples) if decides else pair
    return tested


def _tested(pair: _Pair, reference: GateReference, examples: Examples) -> _Pair:
    was, now = pair.was.provenance, pair.now.provenance
    plain = TaskComparison(was.task.name, was.task.type, was.task.main_score, was.score, now.score)
    try:
        found = paired_test(plain, reference.examples(pair.was), examples(pair.now))
        return replace(pair, test=found)
    except (StatisticsError, RecordError) as error:
        return replace(pair, untested=" ".join(str(error).split()))


def _p(pair: _Pair) -> float:
    return 1.0 if pair.test is None else pair.test.p


def _judge(pair: _Pair, p: float) -> Judgement:
    status, reason = _verdict(pair, p)
    facts = pair.was.provenance
    return Judgement(
        place_of(pair.was),
        facts.task.type,
        facts.task.main_score,
        facts.score,
        pair.now.provenance.score,
        pair.allowed,
        status,
        p if pair.test is not None else None,
        reason,
        () if status == "equal" else differing_facts(facts, pair.now.provenance),
    )


def _verdict(pair: _Pair, p: float) -> tuple[Status, str]:
    rule = pair.allowance.rule
    if abs(pair.difference) <= _SAME:
        return "equal", ""
    if pair.difference > 0:
        return "better", ""
    if rule != "statistical" and not pair.is_beyond:
        return "lower, allowed", ""
    if rule == "absolute":
        return "regression", ""
    if pair.untested:
        if rule == "statistical":
            return "not judged", f"the rule is statistical, and {pair.untested}"
        return "regression", f"judged by the points alone: {pair.untested}"
    if p >= pair.allowance.alpha:
        return "lower, allowed", "not told apart from chance"
    return "regression", ""


def judge_means(
    reference: GateReference,
    records: Iterable[Record],
    policy: Policy,
    judgements: Sequence[Judgement],
    examples: Examples,
) -> tuple[MeanJudgement, ...]:
    """Judge the means over the tasks, and over the types, of each view and chunking.

    Where a task could not be judged no mean is formed: that task alone keeps the gate from passing.
    """
    found = {place_of(record): record for record in records}
    groups: dict[tuple[str, str], list[Judgement]] = {}
    for one in judgements:
        groups.setdefault((one.place.view, one.place.chunking), []).append(one)
    means = []
    for members in groups.values():
        if any(one.status == "not judged" for one in members):
            continue
        pairs = [
            _pair(reference, reference.by_place[one.place], found[one.place], policy)
            for one in members
        ]
        for over in ("tasks", "types"):
            means.append(_mean(reference, policy, pairs, over, examples))
    return tuple(means)


def _mean(
    reference: GateReference,
    policy: Policy,
    pairs: Sequence[_Pair],
    over: Literal["tasks", "types"],
    examples: Examples,
) -> MeanJudgement:
    weights = _weights([pair.was.provenance.task.type for pair in pairs], over)
    was, now = (
        math.fsum(w * one.provenance.score for w, one in zip(weights, side, strict=True))
        for side in ([pair.was for pair in pairs], [pair.now for pair in pairs])
    )
    allowance = pairs[0].allowance
    allowed = allowance.mean_task if over == "tasks" else allowance.mean_type
    first = pairs[0]
    if first.was.provenance.identity.seed != first.now.provenance.identity.seed:
        spreads = [reference.spread[pair.was.provenance.task.name] for pair in pairs]
        pooled = math.sqrt(sum((w * one) ** 2 for w, one in zip(weights, spreads, strict=True)))
        allowed += 100 * policy.seed_margin * pooled
    status: Status = "regression"
    reason = ""
    if now >= was - _SAME:
        status = "equal" if now <= was + _SAME else "better"
    elif allowance.rule != "statistical" and -100 * (now - was) <= allowed + 100 * _SAME:
        status = "lower, allowed"
    elif allowance.rule != "absolute":
        margin, reason = _margin(reference, pairs, weights, examples)
        if margin is not None and was - now <= margin:
            status, reason = "lower, allowed", "not told apart from chance"
        elif margin is None and allowance.rule == "statistical":
            status = "not judged"
    place = place_of(first.was)
    return MeanJudgement(
        place.view, place.chunking, over, len(pairs), was, now, allowed, status, reason
    )


def _weights(types: Sequence[str], over: Literal["tasks", "types"]) -> list[float]:
    """Each task's weight in the mean; they add up to 1."""
    if over == "tasks":
        return [1 / len(types)] * len(types)
    return [1 / (len(set(types)) * types.count(kind)) for kind in types]


def _margin(
    reference: GateReference, pairs: Sequence[_Pair], weights: Sequence[float], examples: Examples
) -> tuple[float | None, str]:
    """Half of the 95 % interval of a mean difference, from the tasks' own as if independent."""
    variance = 0.0
    for pair, weight in zip(pairs, weights, strict=True):
        if abs(pair.difference) <= _SAME:
            continue
        found = _tested(pair, reference, examples)
        if found.test is None:
            return None, f"judged by the points alone: {found.untested}"
        half = (found.test.high - found.test.low) / 2
        variance += (weight * half / _NORMAL) ** 2
    return _NORMAL * math.sqrt(variance), ""
