"""Published scores beside those of a report, from a checkout of the public results repository."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.audit import published_name
from harness.errors import RunError
from results.published.errors import PublishedError
from results.published.references import Part, Reference, from_scores
from results.published.repository import load_published
from results.record import Record

__all__ = ["report_references"]


def report_references(
    checkout: Path, models: Sequence[str], records: Sequence[Record]
) -> tuple[Reference, ...]:
    """Scores of tasks over the very splits and subsets of each suite that was measured.

    Args:
        checkout: The checkout.
        models: MODEL or MODEL@REVISION; without any, the measured models that it has.
        records: What was measured.

    Raises:
        RunError: If it has none of the measured models, or a model has several revisions.
        PublishedError: If a model that was named is not there, or a file cannot be read.
    """
    parts = {
        suite: _suite_parts(suite)
        for suite in dict.fromkeys(record.provenance.suite for record in records)
    }
    wanted = {task for tasks in parts.values() for task in tasks}
    found = [
        reference
        for model in models or _measured(checkout, records)
        for reference in _load(checkout, model, wanted)
    ]
    return tuple(
        _over(reference, suite, tasks[reference.task])
        for reference in found
        for suite, tasks in parts.items()
        if reference.task in tasks
    )


def _measured(checkout: Path, records: Sequence[Record]) -> tuple[str, ...]:
    models = dict.fromkeys(published_name(record.ref.model) for record in records)
    there = [
        model for model in models if (checkout / "results" / model.replace("/", "__")).is_dir()
    ]
    if not there:
        raise RunError(
            f"{checkout} has none of the measured models ({', '.join(models)}); "
            "name others with --published-model"
        )
    return tuple(there)


def _load(checkout: Path, model: str, tasks: set[str]) -> tuple[Reference, ...]:
    name, _, revision = model.partition("@")
    try:
        return from_scores(load_published(checkout, name, tasks, revision or None))
    except PublishedError as error:
        if revision or "name a revision" not in str(error):
            raise
        raise RunError(f"{error}; write --published-model {name}@REVISION") from error


def _suite_parts(suite: str) -> Mapping[str, frozenset[Part]]:
    from tasks.suites import get_suite

    return {
        task.metadata.name: frozenset(
            (split, subset) for split in task.eval_splits for subset in task.hf_subsets
        )
        for task in get_suite(suite).templates()
    }


def _over(reference: Reference, suite: str, parts: frozenset[Part]) -> Reference:
    """The reference as one of a suite; without a score if the source lacks a part of it."""
    score = reference.score_over(parts)
    note = "" if score is not None else f"{reference.task} is not stored over all of its parts"
    return replace(reference, score=score, note=note, parts=parts, benchmarks=(suite,))
