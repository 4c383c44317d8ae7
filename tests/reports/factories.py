"""Boards of records out of thin air."""

from collections.abc import Mapping
from typing import Any

from results.record import Record
from tests.results.factories import make_record

__all__ = ["SUITE", "make_run", "with_facts"]

SUITE = {"SearchA": "Retrieval", "SearchB": "Retrieval", "Similar": "STS", "Sort": "Classification"}
"""A suite's tasks, name to type."""


def with_facts(
    record: Record, *, suite: Mapping[str, str], width: int | None, **changes: Any
) -> Record:
    """The record as one of a suite, for a model of some width."""
    facts = record.provenance
    dim = None if width is None else int(facts.view.removeprefix("dim="))
    facts = facts.model_copy(
        update={
            "suite": "suite",
            "suite_tasks": suite,
            "task": facts.task.model_copy(update={"type": suite[record.ref.task]}),
            "model": facts.model.model_copy(update={"embedding_dim": width}),
            "dim": dim,
            **changes,
        }
    )
    return Record(record.ref, record.task_result, facts)


def make_run(
    scores: Mapping[tuple[str, int | None], float],
    *,
    model: str = "org/model",
    width: int | None = 64,
    suite: Mapping[str, str] = SUITE,
    **changes: Any,
) -> list[Record]:
    """Records of one model.

    Args:
        scores: Score by (task, dimension); dimension None for a model without width.
        model: Its name.
        width: Its full width.
        suite: The suite's tasks.
        changes: Replace fields of each record's identity.
    """
    return [
        with_facts(
            make_record(
                score,
                model=model,
                task=task,
                view="dim=full" if dim is None else f"dim={dim}",
                **changes,
            ),
            suite=suite,
            width=width,
        )
        for (task, dim), score in scores.items()
    ]
