"""A record and its reference: whether they can be compared, and what the policy allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jina_eval.core.paths import shareable_path
from results.gate.causes import measured_differently
from results.gate.policy import Allowance, Policy, SameWeights
from results.gate.reference import GateReference
from results.provenance import Provenance
from results.record import Record

__all__ = ["SAME", "Pair", "make_pair", "why_not_comparable"]

SAME = 1e-9
"""Scores closer than this are equal, summed in another order."""


@dataclass(frozen=True)
class Pair:
    """A record, its reference, and what the policy allows.

    Attributes:
        was: The reference's record.
        now: The new one.
        allowance: The part of the policy for these weights.
        allowed: Points that may be lost.
    """

    was: Record
    now: Record
    allowance: Allowance
    allowed: float

    @property
    def difference(self) -> float:
        """New minus reference."""
        return self.now.provenance.score - self.was.provenance.score

    @property
    def is_repeated(self) -> bool:
        """Whether weights and seed are the reference's, so that nothing was drawn again."""
        return isinstance(self.allowance, SameWeights) and self.has_same_seed

    @property
    def has_same_seed(self) -> bool:
        """Whether the seed is the reference's."""
        return self.was.provenance.identity.seed == self.now.provenance.identity.seed

    @property
    def other_measurement(self) -> tuple[str, ...]:
        """How it was measured in another way; empty where something was drawn again."""
        if not self.is_repeated:
            return ()
        return measured_differently(self.was.provenance, self.now.provenance)


def why_not_comparable(
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


def make_pair(reference: GateReference, was: Record, now: Record, policy: Policy) -> Pair:
    """Look up what the policy allows for two records."""
    allowance = _allowance(policy, was, now)
    task = was.provenance.task
    allowed = allowance.points(task.name, task.type)
    if was.provenance.identity.seed != now.provenance.identity.seed:
        allowed += 100 * policy.seed_margin * reference.spread[task.name]
    return Pair(was, now, allowance, allowed)


def _allowance(policy: Policy, was: Record, now: Record) -> Allowance:
    same = was.provenance.identity.fingerprint == now.provenance.identity.fingerprint
    return policy.same_weights if same else policy.other_weights
