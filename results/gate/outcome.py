"""What the gate came to: all judgements, the exit code, and a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from results.gate.judge import FAILURES, Judgement, MeanJudgement, Status
from results.gate.policy import Policy
from results.gate.reference import Cost

__all__ = [
    "AS_GOOD",
    "NOT_JUDGED",
    "REGRESSION",
    "CostJudgement",
    "GateOutcome",
    "judge_cost",
]

AS_GOOD, REGRESSION, NOT_JUDGED = 0, 1, 2
"""Exit codes."""


_SAID: Mapping[Status, str] = {
    "equal": "equal",
    "better": "better",
    "lower, allowed": "lower by no more than is allowed",
    "regression": "worse",
    "better than possible": "better than possible",
    "measured differently": "measured differently",
    "not judged": "not judged",
}


@dataclass(frozen=True)
class CostJudgement:
    """Speed or memory, as multiples of sentence-transformers' in the same run.

    Attributes:
        what: "speed" or "memory".
        was: The reference's; None if it was not measured then.
        now: The new one; None if it was not measured.
        bound: Smallest speed or largest memory that is allowed; None if there is no reference.
        status: What came out.
        reason: Why, where the numbers do not say it.
    """

    what: Literal["speed", "memory"]
    was: float | None
    now: float | None
    bound: float | None
    status: Status
    reason: str = ""


@dataclass(frozen=True)
class GateOutcome:
    """All that the gate judged.

    Attributes:
        model: The model that was judged.
        reference: The model that the reference was made with.
        same_weights: Whether they are of one weight.
        judgements: Record by record.
        means: View by view.
        costs: Speed and memory, where the policy has them.
        left_out: Records of the reference that were not to be judged.
    """

    model: str
    reference: str
    same_weights: bool
    judgements: tuple[Judgement, ...]
    means: tuple[MeanJudgement, ...]
    costs: tuple[CostJudgement, ...]
    left_out: int

    @property
    def statuses(self) -> Counter[Status]:
        """How many records came out how."""
        return Counter(one.status for one in self.judgements)

    @property
    def _all_statuses(self) -> set[Status]:
        judged: tuple[Judgement | MeanJudgement | CostJudgement, ...] = (
            *self.judgements,
            *self.means,
            *self.costs,
        )
        return {one.status for one in judged}

    @property
    def failure(self) -> Status | None:
        """The gravest of `FAILURES` among all judgements; None without any."""
        statuses = self._all_statuses
        return next((status for status in FAILURES if status in statuses), None)

    @property
    def exit_code(self) -> int:
        """0 if all that was to be judged is as good or better, 1 after a failure, else 2."""
        if self.failure is not None:
            return REGRESSION
        if "not judged" in self._all_statuses or not self.judgements:
            return NOT_JUDGED
        return AS_GOOD

    @property
    def sentence(self) -> str:
        """The outcome in words."""
        counts = self.statuses
        said = [f"{counts[status]} {name}" for status, name in _SAID.items() if counts[status]]
        for status in FAILURES:
            means = [f"{one.over} in {one.view}" for one in self.means if one.status == status]
            if means:
                more = ", …" if len(means) > 1 else ""
                said.append(f"mean over {means[0]} {_SAID[status]}{more}")
        said += [f"{one.what} {one.status}" for one in self.costs if one.status != "equal"]
        verdict = {
            AS_GOOD: "As good or better",
            REGRESSION: (self.failure or "").capitalize(),
            NOT_JUDGED: "Not judged",
        }
        rest = f" {self.left_out} others were not to be judged." if self.left_out else ""
        count = len(self.judgements)
        return f"{verdict[self.exit_code]}: of {count} records {', '.join(said)}.{rest}"


def judge_cost(policy: Policy, was: Cost | None, now: Cost | None) -> tuple[CostJudgement, ...]:
    """Judge speed and memory where the policy has a bound.

    Args:
        policy: What is allowed.
        was: The reference's cost.
        now: The cost measured now.
    """
    found = []
    whats: tuple[Literal["speed"], Literal["memory"]] = ("speed", "memory")
    for what in whats:
        share = getattr(policy, what)
        if share is not None:
            found.append(_judge_cost(what, share, was, now))
    return tuple(found)


def _judge_cost(
    what: Literal["speed", "memory"], share: float, was: Cost | None, now: Cost | None
) -> CostJudgement:
    old = None if was is None else getattr(was, what)
    new = None if now is None else getattr(now, what)
    if old is None or new is None or was is None or now is None:
        no_reference = "the reference has none; --update --speed measures it"
        said = no_reference if old is None else "not measured now; --speed does"
        return CostJudgement(what, old, new, None, "not judged", said)
    bound = share * old
    if was.device != now.device:
        said = f"measured on {was.device}, now on {now.device}"
        return CostJudgement(what, old, new, bound, "not judged", said)
    if what == "speed":
        status: Status = "regression" if new < bound else "better" if new > old else "equal"
    else:
        status = "regression" if new > bound else "better" if new < old else "equal"
    if status == "equal" and new != old:
        status = "lower, allowed"
    return CostJudgement(what, old, new, bound, status)
