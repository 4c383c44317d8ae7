"""Drops of a record or of a mean, and whether they are more than chance.

All records and means that the gate judges are one family of tests (Holm). Those that no test
decides count as tests that found nothing, so that the correction is never too weak.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from results.errors import RecordError
from results.gate.pairs import SAME, Pair
from results.gate.policy import Allowance, SameWeights
from results.gate.reference import GateReference
from results.record import Record
from results.stats.errors import StatisticsError
from results.stats.multiple import could_be_rejected, holm
from results.stats.paired import PairedDifference, TaskPair, mean_difference, pair_task

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Drop", "Examples", "Over", "Tested", "mean_drops", "tested_drops"]

Examples = Callable[[Record], "pd.DataFrame"]
Over = Literal["tasks", "types"]


@dataclass(frozen=True)
class Drop:
    """One thing that may not be lower: a record, or a weighted mean of records.

    Attributes:
        pairs: The records with their references.
        weights: The weight of each in the mean; they add up to 1.
        allowed: Points that may be lost.
    """

    pairs: tuple[Pair, ...]
    weights: tuple[float, ...]
    allowed: float

    @classmethod
    def of(cls, pair: Pair) -> Drop:
        """A single record."""
        return cls((pair,), (1.0,), pair.allowed)

    @property
    def allowance(self) -> Allowance:
        """The part of the policy that holds for these weights."""
        return self.pairs[0].allowance

    @cached_property
    def was(self) -> float:
        """The reference's score."""
        return self._mean([pair.was for pair in self.pairs])

    @cached_property
    def now(self) -> float:
        """The new score."""
        return self._mean([pair.now for pair in self.pairs])

    def _mean(self, records: Sequence[Record]) -> float:
        scores = [record.provenance.score for record in records]
        return math.fsum(w * score for w, score in zip(self.weights, scores, strict=True))

    @property
    def difference(self) -> float:
        """New minus reference."""
        return self.now - self.was

    @property
    def is_beyond(self) -> bool:
        """Whether it is lower by more than is allowed."""
        return -100 * self.difference > self.allowed + 100 * SAME

    @property
    def is_impossible(self) -> bool:
        """Whether nothing was drawn again, and yet it is higher by more than is allowed."""
        if not all(pair.is_repeated for pair in self.pairs):
            return False
        own = self.allowance
        rise = own.allowed_rise if isinstance(own, SameWeights) else None
        return 100 * self.difference > (self.allowed if rise is None else rise) + 100 * SAME

    @property
    def needs_test(self) -> bool:
        """Whether a test decides about it."""
        rule = self.allowance.rule
        if rule == "absolute" or self.difference >= -SAME:
            return False
        return rule == "statistical" or self.is_beyond


@dataclass(frozen=True)
class Tested:
    """What a test says of a drop.

    Attributes:
        p: The p-value, corrected for all records and means; None if there was no test.
        reason: Why there was none; empty if there was, or none was needed.
    """

    p: float | None = None
    reason: str = ""


def mean_drops(
    pairs: Sequence[Pair], spread: Mapping[str, float], seed_margin: float
) -> dict[Over, Drop]:
    """The means over the tasks of one view, and over its types.

    Args:
        pairs: All its records.
        spread: Standard deviation of a task's score over seeds.
        seed_margin: How many of these are allowed where the seed differs.
    """
    types = [pair.was.provenance.task.type for pair in pairs]
    own = pairs[0].allowance
    each: dict[Over, tuple[list[float], float]] = {
        "tasks": ([1 / len(types)] * len(types), own.mean_task),
        "types": ([1 / (len(set(types)) * types.count(kind)) for kind in types], own.mean_type),
    }

    def of_seeds(weights: Sequence[float]) -> float:
        if pairs[0].has_same_seed:
            return 0.0
        spreads = [spread[pair.was.provenance.task.name] for pair in pairs]
        pooled = math.hypot(*(w * one for w, one in zip(weights, spreads, strict=True)))
        return 100 * seed_margin * pooled

    return {
        over: Drop(tuple(pairs), tuple(weights), allowed + of_seeds(weights))
        for over, (weights, allowed) in each.items()
    }


def tested_drops(
    drops: Sequence[Drop], reference: GateReference, examples: Examples
) -> tuple[Tested, ...]:
    """Test those drops on which a test decides, and correct for all.

    Args:
        drops: The whole family.
        reference: Gives the examples of its records.
        examples: Gives those of the new ones.

    Returns:
        One for each drop.
    """
    tests = _Tests(reference, examples)
    # The mean over one task is that task: one hypothesis, whatever it is called.
    names = [(tuple(map(id, drop.pairs)), drop.weights) for drop in drops]
    family = list(dict(zip(names, drops, strict=True)).items())
    found = [tests.of(drop) if drop.needs_test else "" for _, drop in family]
    p_values = [1.0 if isinstance(one, str) else one.p for one in found]
    adjusted = holm(p_values)
    tested: dict[object, Tested] = {}
    for place, ((name, drop), one) in enumerate(zip(family, found, strict=True)):
        if isinstance(one, str):
            tested[name] = Tested(reason=one)
        elif not could_be_rejected(p_values, place, one.smallest_p, drop.allowance.alpha):
            reason = f"{one.units} independent examples are too few to test {len(family)} scores"
            tested[name] = Tested(reason=reason)
        else:
            tested[name] = Tested(adjusted[place])
    return tuple(tested[name] for name in names)


class _Tests:
    """Tests of drops; a record's examples are read once for all means that it is in."""

    def __init__(self, reference: GateReference, examples: Examples) -> None:
        self._reference, self._examples = reference, examples
        self._pairs: dict[int, TaskPair | str] = {}
        self._view: object = None

    def of(self, drop: Drop) -> PairedDifference | str:
        """The test, or why there is none."""
        parts, weights = [], []
        for pair, weight in zip(drop.pairs, drop.weights, strict=True):
            part = self._pair(pair)
            if not isinstance(part, str):
                parts.append(part)
                weights.append(weight)
            elif abs(pair.difference) > SAME:  # an equal score adds nothing to a mean's spread
                return part
        return mean_difference(parts, weights)

    def _pair(self, pair: Pair) -> TaskPair | str:
        if id(pair) not in self._pairs:
            view = pair.was.provenance.view, pair.was.provenance.identity.chunking
            if view != self._view:  # one view's examples in memory at a time
                self._pairs, self._view = {}, view
            self._pairs[id(pair)] = self._read(pair)
        return self._pairs[id(pair)]

    def _read(self, pair: Pair) -> TaskPair | str:
        try:
            was = pair.was, self._reference.examples(pair.was)
            return pair_task((pair.now, self._examples(pair.now)), was)
        except (StatisticsError, RecordError) as error:
            return " ".join(str(error).split())
