"""Whether two sides of a comparison were measured in the same environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from results.gate.causes import differing_packages
from results.provenance import Provenance
from results.record import Record

__all__ = ["environment_note"]


def environment_note(
    baseline: str,
    old: Mapping[str, Record],
    candidate: str,
    new: Mapping[str, Record],
) -> str | None:
    """Name what differs between the environments of two sides.

    A default of a library may change a score without any change of the model, as that of the
    number format did in transformers 5.

    Args:
        baseline: Name of the baseline.
        old: Its records by task.
        candidate: Name of the candidate.
        new: Its records by task.

    Returns:
        One line over all common tasks; None if nothing differs.
    """
    found = dict.fromkeys(
        fact
        for task, record in old.items()
        if task in new
        for fact in _differences(record.provenance, new[task].provenance)
    )
    if not found:
        return None
    return (
        f"Warning: {baseline} and {candidate} were measured in different environments, which may "
        f"explain differences: {'; '.join(found)}."
    )


def _differences(was: Provenance, now: Provenance) -> Iterator[str]:
    """Library versions; and of two models, where and in which number format they ran."""
    yield from differing_packages(was, now)
    if "lexical" in (was.identity.backend, now.identity.backend):  # always float32 on the CPU
        return
    for name in ("device", "precision"):
        old, new = getattr(was.environment, name), getattr(now.environment, name)
        if old != new:
            yield f"{name}: {old}, now {new}"
