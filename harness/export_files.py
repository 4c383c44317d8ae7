"""Files of a results folder in mteb's layout: joined with what is there, never narrowed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from harness.errors import RunError, one_line
from harness.mteb_loader import registry_entry
from results.record import Record

if TYPE_CHECKING:
    from mteb.results import TaskResult

__all__ = ["JoinedTask", "contradictions", "join_meta", "join_task", "task_parts", "task_text"]

Part = tuple[str, str]
"""A split and a subset."""

_ROUNDING = 1e-6
"""mteb writes metrics with six decimals."""

_NOISY = "nauc"
"""Metrics that rounding alone can change, see docs/suites.md; they tell no two results apart."""

_EMPTY: tuple[Any, ...] = (None, "", [], {})


@dataclass
class JoinedTask:
    """Results of one task under one name, from all sources.

    Attributes:
        result: Splits and subsets of all sources, each once; None before the first.
        changed: Whether it holds more than the file.
        problems: What sources disagree about, a sentence each.
    """

    result: TaskResult | None = None
    changed: bool = False
    problems: list[str] = field(default_factory=list)


def join_task(path: Path, sources: Sequence[tuple[str, Record]]) -> JoinedTask:
    """Join a file, if there is one, with records of the same task, split by split and subset.

    What the file holds stays as it is.

    Args:
        path: A task's result in mteb's layout; it is read only.
        sources: Records, each with the name of where it is from.

    Raises:
        RunError: If the file is no result of a task.
    """
    from mteb.results import TaskResult

    joined = JoinedTask()
    holders: dict[Part, str] = {}
    if path.exists():
        joined.result = _read(path)
        holders = dict.fromkeys(task_parts(joined.result), "the file")
    widest_first = sorted(
        sources, key=lambda source: (-_size(source[1]), source[1].provenance.cost.finished)
    )
    for name, record in widest_first:
        new = TaskResult.model_validate(record.task_result)
        if joined.result is None:
            joined.result, joined.changed = new, True
            holders = dict.fromkeys(task_parts(new), name)
            continue
        joined.problems += _problems(joined.result, holders, new, name)
        scores = {
            split: [one for one in subsets if (split, one["hf_subset"]) not in holders]
            for split, subsets in new.scores.items()
        }
        scores = {split: subsets for split, subsets in scores.items() if subsets}
        if scores and joined.result.is_mergeable(new):
            added = new.model_copy(update={"scores": scores})
            holders.update(dict.fromkeys(task_parts(added), name))
            joined.result, joined.changed = joined.result.merge(added), True
    return joined


def task_parts(result: TaskResult) -> dict[Part, Mapping[str, Any]]:
    """Metrics of a result by split and subset."""
    return {
        (split, str(scores["hf_subset"])): scores
        for split, subsets in result.scores.items()
        for scores in subsets
    }


def contradictions(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Metrics that both have of a split and subset, and in which they differ; the score first."""
    names = [name for name in one if name in other and not name.startswith(_NOISY)]
    differing = [name for name in names if _differ(one[name], other[name])]
    return sorted(differing, key=lambda name: name != "main_score")


def task_text(result: TaskResult) -> str:
    """A task's result as mteb writes it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "task.json"
        result.to_disk(path)
        return path.read_text(encoding="utf-8")


def join_meta(
    path: Path,
    name: str,
    revision: str,
    settings: Mapping[str, Any],
    own: Iterable[Mapping[str, Any]],
) -> str | None:
    """The model's metadata: the file's, then those of mteb's registry, then the records'.

    Each fills only what the ones before leave open.

    Args:
        path: A `model_meta.json`; it is read only.
        name: The model's name.
        revision: The model's revision.
        settings: Settings that name the experiment; empty for none.
        own: Metadata that stand beside the records.

    Returns:
        JSON, or None if the file is there and nothing is to be added.

    Raises:
        RunError: If the file is of another model, or is no JSON object.
    """
    there = path.exists()
    found = _object(path) if there else {}
    fixed = {"name": name, "revision": revision, "experiment_kwargs": dict(settings) or None}
    for key, value in fixed.items():
        if there and (found.get(key) or None) != value:
            raise RunError(
                f"nothing was exported: {path} has {key} {found.get(key)!r}, the records have "
                f"{value!r}; export to another folder"
            )
    joined = {**found, **fixed}
    for source in (_registered(name), *own):
        for key, value in source.items():
            if joined.get(key) in _EMPTY and value not in _EMPTY and key not in fixed:
                joined[key] = value
            joined.setdefault(key, value)
    if there and joined == found:
        return None
    return json.dumps(joined, indent=4, ensure_ascii=False) + "\n"


def _registered(name: str) -> dict[str, Any]:
    """What mteb's registry knows about a model, as mteb writes it; empty if nothing."""
    entry = registry_entry(name)
    if entry is None:
        return {}
    facts: dict[str, Any] = json.loads(json.dumps(entry.to_dict(), default=_as_json))
    if facts.get("training_datasets"):  # made from a set, whose order changes from run to run
        facts["training_datasets"].sort()
    return facts


def _as_json(value: Any) -> Any:
    """What JSON has no type for; of a function its name, since its address changes."""
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    return getattr(value, "__name__", str(value))


def _read(path: Path) -> TaskResult:
    from mteb.results import TaskResult

    try:
        return TaskResult.from_disk(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"nothing was exported: {path} is no result that mteb reads "
            f"({one_line(error)[:200]}); delete it, or export to another folder"
        ) from error


def _object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RunError(
            f"nothing was exported: {path} cannot be read ({one_line(error)})"
        ) from error
    if not isinstance(content, dict):
        raise RunError(f"nothing was exported: {path} holds no JSON object")
    return content


def _problems(
    result: TaskResult, holders: Mapping[Part, str], new: TaskResult, name: str
) -> Iterator[str]:
    if not result.is_mergeable(new):
        yield (
            f"dataset revision {result.dataset_revision} in {next(iter(holders.values()))}, "
            f"{new.dataset_revision} in {name}"
        )
        return
    held = task_parts(result)
    for part, scores in task_parts(new).items():
        for metric in contradictions(held[part], scores)[:1] if part in held else ():
            yield (
                f"{metric} of {part[0]}/{part[1]} is {held[part][metric]:.6g} in {holders[part]}, "
                f"{scores[metric]:.6g} in {name}"
            )


def _size(record: Record) -> int:
    return sum(len(subsets) for subsets in record.task_result["scores"].values())


def _differ(one: Any, other: Any) -> bool:
    first, second = _number(one), _number(other)
    if first is None or second is None:
        return first is not second
    return abs(first - second) > _ROUNDING


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
