"""Why a score of ours may differ from a published one: what provenance and source say."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from results.provenance import Provenance
from results.published.oddities import known_oddities
from results.published.references import Reference
from results.record import Record

__all__ = ["RoutedAlike", "likely_causes", "routing_of", "same_routing"]

RoutedAlike = Callable[[Record, str], bool]
"""Whether a record's adapters and prompts are those of the routing profile of a name."""

_EXPECTED_PRECISIONS = ("float32", "bfloat16")
_MTEB_SEED = 42
_FROM_WEIGHTS = "sha256-"
"""Begins revisions of models out of a folder."""


def routing_of(record: Record) -> str | None:
    """Name of the routing profile that a record was measured under; None if it names none."""
    name = record.provenance.run_spec.get("routing")
    return None if name is None else str(name)


def same_routing(record: Record, routing: str) -> bool:
    """Whether a record was measured under the routing profile of a name."""
    return routing_of(record) == routing


def likely_causes(record: Record, reference: Reference, alike: RoutedAlike) -> tuple[str, ...]:
    """What differs between a measurement and a publication, a sentence each.

    Args:
        record: What was measured.
        reference: What was published.
        alike: Whether the record is routed as under a profile.

    Returns:
        Facts that may explain a difference; empty if none is known. They are no proof.
    """
    facts = record.provenance
    return (
        *_routing(record, reference, alike),
        *_versions(facts, reference),
        *_settings(facts),
        *_texts(facts),
        *known_oddities(reference.model, facts.task.type, facts.task.name, reference.source),
    )


def _routing(record: Record, reference: Reference, alike: RoutedAlike) -> Iterator[str]:
    wanted = reference.routing
    if wanted is None:
        yield "routing: with which prompts and adapters the figure was made is not known"
    elif not alike(record, wanted):
        used = routing_of(record) or "one that the record does not name"
        yield f"routing: ours is {used}, the figure was made with {wanted}"


def _versions(facts: Provenance, reference: Reference) -> Iterator[str]:
    ours = facts.identity
    if reference.revision is not None and ours.revision != reference.revision:
        if ours.revision.startswith(_FROM_WEIGHTS):
            yield (
                f"revision: the figure's is {reference.revision}, ours is known by its weights "
                f"alone ({ours.revision}); whether they are the same cannot be told"
            )
        else:
            yield f"revision: ours is {ours.revision}, the figure's is {reference.revision}"
    if reference.dataset_revision not in (None, ours.dataset_revision):
        yield f"data: ours are {ours.dataset_revision}, the figure's {reference.dataset_revision}"
    if reference.mteb_version not in (None, ours.mteb_version):
        yield f"mteb: ours is {ours.mteb_version}, the figure's is {reference.mteb_version}"


def _settings(facts: Provenance) -> Iterator[str]:
    ours = facts.identity
    if ours.precision not in _EXPECTED_PRECISIONS:
        expected = " or ".join(_EXPECTED_PRECISIONS)
        yield f"precision: ours is {ours.precision}; expected {expected}"
    if ours.seed != _MTEB_SEED:
        yield f"seed: ours is {ours.seed}, mteb's is {_MTEB_SEED}"


def _texts(facts: Provenance) -> Iterator[str]:
    ours, count = facts.identity, facts.text_count
    if facts.run_spec_given.get("max_length") is not None:
        yield f"length: the run cut texts after {ours.max_length} tokens, by its own setting"
    if count.truncated_texts:
        yield (
            f"length: {count.truncated_texts:,} of {count.distinct_texts:,} texts were cut "
            f"after {ours.max_length} tokens"
        )
    missing = facts.coverage.n_expected - facts.coverage.n_scored
    if missing > 0:
        yield f"coverage: {missing:,} of {facts.coverage.n_expected:,} examples count 0"
