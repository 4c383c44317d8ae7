"""Some of a suite's tasks: by name, type, language and size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.errors import NoTaskError, UnknownNameError
from tasks.fresh import DEFAULT_SEED
from tasks.sizes import task_size
from tasks.suites import Suite, select_tasks

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

__all__ = ["TaskFilter", "filter_tasks"]


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """What is wanted of a suite; everything that is empty or None leaves all.

    Attributes:
        names: task names.
        types: task types, such as `Retrieval`.
        languages: ISO 639-3 codes, such as `eng`; of a task in several languages, the subsets
            that hold one of them are left.
        max_texts: the most texts a task may have; a task whose size is not known has too many.
    """

    names: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    max_texts: int | None = None


def filter_tasks(suite: Suite, wanted: TaskFilter, seed: int = DEFAULT_SEED) -> tuple[AbsTask, ...]:
    """Return fresh objects of some of a suite's tasks, in the order of the suite.

    Args:
        suite: the suite.
        wanted: what is wanted of it.
        seed: seed of each object's random states.

    Raises:
        UnknownNameError: the suite has no task of a name, type or language.
        NoTaskError: no task fits all that is wanted.
    """
    whole = suite.tasks(seed)
    _refuse_unknown("task type", wanted.types, [task.metadata.type for task in whole])
    spoken = [code.split("-")[0] for task in whole for code in task.languages]
    _refuse_unknown("language", wanted.languages, spoken)
    tasks = select_tasks(suite, wanted.names, seed) if wanted.names else whole
    if wanted.types:
        tasks = tuple(task for task in tasks if task.metadata.type in wanted.types)
    if wanted.languages:
        tasks = tuple(task for task in tasks if _speaks(task, wanted.languages))
        for task in tasks:
            task.filter_languages(list(wanted.languages))
    if wanted.max_texts is not None:
        tasks = tuple(task for task in tasks if _texts(task) <= wanted.max_texts)
    if not tasks:
        raise NoTaskError(f"suite {suite.name!r}: no task fits {_describe(wanted)}")
    return tasks


def _speaks(task: AbsTask, languages: Sequence[str]) -> bool:
    return any(code.split("-")[0] in languages for code in task.languages)


def _texts(task: AbsTask) -> float:
    size = task_size(task)
    return float("inf") if size is None else size.texts


def _refuse_unknown(kind: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise UnknownNameError(kind, name, sorted(set(known)))


def _describe(wanted: TaskFilter) -> str:
    parts = {
        "tasks": ", ".join(wanted.names),
        "types": ", ".join(wanted.types),
        "languages": ", ".join(wanted.languages),
        "max_texts": "" if wanted.max_texts is None else str(wanted.max_texts),
    }
    return " with ".join(f"{name} {value}" for name, value in parts.items() if value)
