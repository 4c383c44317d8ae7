"""How much of the full score smaller dimensions keep, by task type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from results.errors import RecordError
from results.record import Record

__all__ = ["TypeRetention", "retention_by_type"]


@dataclass(frozen=True)
class TypeRetention:
    """The tasks of one type in several dimensions.

    Attributes:
        type: mteb's task type.
        tasks: Their names.
        means: Mean score over them by dimension, widest first.
    """

    type: str
    tasks: tuple[str, ...]
    means: Mapping[int, float]

    @property
    def full(self) -> int:
        """The widest dimension."""
        return next(iter(self.means))

    def kept(self, dim: int) -> float | None:
        """The mean in one dimension over that in the widest; None if that is not above 0."""
        return self.means[dim] / self.means[self.full] if self.means[self.full] > 0 else None

    def smallest(self, keep: float) -> int:
        """The smallest dimension that, like all wider ones, keeps a share of the full score.

        Args:
            keep: The share, such as 0.99.
        """
        chosen = self.full
        for dim in self.means:
            kept = self.kept(dim)
            if kept is None or kept < keep:
                break
            chosen = dim
        return chosen


def retention_by_type(records: Iterable[Record]) -> tuple[TypeRetention, ...]:
    """Group the records of one model and routing by type and dimension.

    Args:
        records: One record for each task and dimension; views in fewer bits, and documents in
            chunks, are left out.

    Raises:
        RecordError: If there is a single dimension only, or a task lacks one.
    """
    scores: dict[str, dict[str, dict[int, float]]] = {}
    for record in records:
        facts = record.provenance
        plain = "," not in facts.view and facts.identity.chunking == "none"
        if plain and facts.dim is not None and facts.identity.dim is None:
            by_task = scores.setdefault(facts.task.type, {}).setdefault(facts.task.name, {})
            by_task[facts.dim] = facts.score
    dims = sorted({d for tasks in scores.values() for by in tasks.values() for d in by})[::-1]
    if len(dims) < 2:
        found = ", ".join(map(str, dims)) or "none"
        raise RecordError(f"a sweep needs records in several dimensions; there are: {found}")
    return tuple(_of_type(name, tasks, dims) for name, tasks in scores.items())


def _of_type(
    name: str, tasks: Mapping[str, Mapping[int, float]], dims: Sequence[int]
) -> TypeRetention:
    for task, found in tasks.items():
        for dim in dims:
            if dim not in found:
                raise RecordError(f"task {task} has no record in dim={dim}, which others have")
    means = {dim: fmean(found[dim] for found in tasks.values()) for dim in dims}
    return TypeRetention(type=name, tasks=tuple(tasks), means=means)
