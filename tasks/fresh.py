"""Fresh task objects: the same task, with a random state that nothing has used yet.

A task object of mteb keeps one random state for its whole life, so that a second evaluation of
the same object samples other texts and scores differently. A run therefore never evaluates an
object twice, nor one that another run may hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

DEFAULT_SEED = 42
"""The seed of mteb, hence of the published scores."""


def task_parts(task: AbsTask) -> tuple[AbsTask, ...]:
    """Return the task itself, or the parts of an aggregate: these are what has data."""
    return tuple(task.metadata.tasks) if task.is_aggregate else (task,)  # type: ignore[attr-defined]


def fresh_task(task: AbsTask, seed: int = DEFAULT_SEED) -> AbsTask:
    """Build the task of `task` anew, unloaded, with its subset and split filters.

    Args:
        task: any task of mteb or of ours; it is read and never changed.
        seed: seed of the new object's random states.

    Returns:
        A new object of the same class. Parts of an aggregate task are fresh too.
    """
    from mteb.abstasks.aggregated_task import AbsTaskAggregate

    new = type(task)(seed=seed)
    if task.hf_subsets is not None:
        new.hf_subsets = list(task.hf_subsets)
    if task._eval_splits is not None:
        new._eval_splits = list(task._eval_splits)
    if isinstance(task, AbsTaskAggregate) and isinstance(new, AbsTaskAggregate):
        # mteb.evaluate reads the parts from the metadata, which all objects of the class share.
        parts = [fresh_task(part, seed) for part in task.metadata.tasks]
        new.metadata = task.metadata.model_copy(update={"tasks": parts})
        new.tasks = parts
        new.taskname_to_task = {part.metadata.name: part for part in parts}
    return new
