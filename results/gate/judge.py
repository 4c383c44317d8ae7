"""The gate's judgement: is every score as good as in the reference, or better?

What cannot be compared is not judged, and says why; it is never taken for a pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from results.gate.causes import differing_facts
from results.gate.drops import Drop, Examples, Over, Tested, mean_drops, tested_drops
from results.gate.pairs import SAME, Pair, make_pair, why_not_comparable
from results.gate.policy import Allowance, Policy, SameWeights
from results.gate.reference import GateReference, Place, place_of
from results.record import Record

__all__ = [
    "FAILURES",
    "Judgement",
    "MeanJudgement",
    "Status",
    "judge_records",
]

Status = Literal[
    "equal",
    "better",
    "lower, allowed",
    "regression",
    "better than possible",
    "measured differently",
    "not judged",
]

FAILURES: tuple[Status, ...] = ("regression", "better than possible", "measured differently")
"""What makes the gate fail, the gravest first."""

_IMPOSSIBLE = "nothing was drawn again that could raise it"


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
        p: Corrected p-value of the paired test; None if none was made.
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
        p: Corrected p-value of the paired test; None if none was made.
        reason: Why, where the numbers do not say it.
    """

    view: str
    chunking: str
    over: Over
    tasks: int
    was: float
    now: float
    allowed: float
    status: Status
    p: float | None = None
    reason: str = ""

    @property
    def points(self) -> float:
        """New minus reference, × 100."""
        return 100 * (self.now - self.was)


def judge_records(
    reference: GateReference,
    records: Iterable[Record],
    policy: Policy,
    examples: Examples,
    *,
    places: Sequence[Place],
    refused: Mapping[str, str],
) -> tuple[tuple[Judgement, ...], tuple[MeanJudgement, ...]]:
    """Compare new records with their reference, one by one and as means.

    The means are those over the tasks of each view and chunking, and over its types. Where a task
    could not be judged no mean is formed: that task alone keeps the gate from passing.

    Args:
        reference: The reference.
        records: The new records; those that the reference does not have are ignored.
        policy: What counts as a regression.
        examples: Gives a new record's examples.
        places: Which of the reference's records are to be judged.
        refused: By task, why it gave no score.
    """
    found = {place_of(record): record for record in records}
    pairs: dict[Place, Pair] = {}
    judged: dict[Place, Judgement] = {}
    for place in places:
        was, now = reference.by_place[place], found.get(place)
        reason = why_not_comparable(reference, was, now, refused)
        if reason:
            judged[place] = _not_judged(was, now, reason)
        elif now is not None:
            pairs[place] = make_pair(reference, was, now, policy)
    means = _means(reference, policy, places, pairs)
    drops = [*map(Drop.of, pairs.values()), *means.values()]
    tested = tested_drops(drops, reference, examples)
    for (place, pair), one in zip(pairs.items(), tested, strict=False):
        judged[place] = _judge(pair, one)
    return (
        tuple(judged[place] for place in places),
        tuple(
            _judge_mean(over, drop, one)
            for ((_, over), drop), one in zip(means.items(), tested[len(pairs) :], strict=True)
        ),
    )


def _means(
    reference: GateReference,
    policy: Policy,
    places: Sequence[Place],
    pairs: Mapping[Place, Pair],
) -> dict[tuple[tuple[str, str], Over], Drop]:
    """By view and chunking, and by what they are over."""
    groups: dict[tuple[str, str], list[Place]] = {}
    for place in places:
        groups.setdefault((place.view, place.chunking), []).append(place)
    return {
        (group, over): drop
        for group, members in groups.items()
        if all(place in pairs for place in members)
        for over, drop in mean_drops(
            [pairs[place] for place in members], reference.spread, policy.seed_margin
        ).items()
    }


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


def _judge(pair: Pair, tested: Tested) -> Judgement:
    status, reason = _verdict(Drop.of(pair), tested)
    facts = pair.was.provenance
    other = pair.other_measurement
    if other and status not in FAILURES and _fails_by_measurement(pair.allowance):
        status, reason = "measured differently", other[0]
    return Judgement(
        place_of(pair.was),
        facts.task.type,
        facts.task.main_score,
        facts.score,
        pair.now.provenance.score,
        pair.allowed,
        status,
        tested.p,
        reason,
        other if status == "equal" else differing_facts(facts, pair.now.provenance),
    )


def _judge_mean(over: Over, drop: Drop, tested: Tested) -> MeanJudgement:
    status, reason = _verdict(drop, tested)
    place = place_of(drop.pairs[0].was)
    return MeanJudgement(
        place.view,
        place.chunking,
        over,
        len(drop.pairs),
        drop.was,
        drop.now,
        drop.allowed,
        status,
        tested.p,
        reason,
    )


def _fails_by_measurement(allowance: Allowance) -> bool:
    return isinstance(allowance, SameWeights) and allowance.measured_differently == "fail"


def _verdict(drop: Drop, tested: Tested) -> tuple[Status, str]:
    rule = drop.allowance.rule
    if drop.is_impossible:
        return "better than possible", _IMPOSSIBLE
    if abs(drop.difference) <= SAME:
        return "equal", ""
    if drop.difference > 0:
        return "better", ""
    if rule != "statistical" and not drop.is_beyond:
        return "lower, allowed", ""
    if rule == "absolute":
        return "regression", ""
    if tested.p is None:
        if rule == "statistical":
            return "not judged", f"the rule is statistical, and {tested.reason}"
        return "regression", f"judged by the points alone: {tested.reason}"
    if tested.p >= drop.allowance.alpha:
        return "lower, allowed", "the drop is not significant"
    return "regression", ""
