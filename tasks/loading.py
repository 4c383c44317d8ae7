"""Load a task's data, or say in one line why it cannot be had."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import DataUnavailableError
from tasks.fresh import fresh_task, task_parts
from tasks.hub import DataSet, fetch_dataset, find_dataset
from tasks.starter.files import PATH_PREFIX

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

__all__ = ["data_sets", "load_fresh"]

_COMMIT = re.compile("[0-9a-f]{40}")
"""mteb pins each data set of the hub to a commit."""


def data_sets(task: AbsTask) -> tuple[DataSet, ...]:
    """Return the data sets on the hub that a task reads; none for data that are on disk."""
    found = (_data_set(part) for part in task_parts(task))
    return tuple(dict.fromkeys(data for data in found if data is not None))


def load_fresh(
    template: AbsTask, seed: int, fetching: Callable[[DataSet], None] = lambda _: None
) -> AbsTask:
    """Return a new object of a task with its data loaded, which nobody has evaluated.

    Args:
        template: the task; it is read and never changed.
        seed: seed of the new object's random states.
        fetching: told of each data set that has to be fetched first.

    Raises:
        DataUnavailableError: the data can be had neither from the hub nor from the cache, or do
            not hold the splits that the task asks for.
        DataFileError: a data file of ours is missing or changed.
    """
    from datasets.exceptions import DatasetsError

    task = fresh_task(template, seed)
    for part in task_parts(task):
        data = _data_set(part)
        if data is not None:
            folder = find_dataset(data)
            if folder is None:
                fetching(data)
                folder = fetch_dataset(data)
            _read_from(part, folder)
    try:
        for part in task_parts(task):
            _check_judged_splits(part)
            part.load_data()
            _check_splits(part)
    except (OSError, ValueError, KeyError, DatasetsError) as error:
        if isinstance(error, ValueError) and type(error).__module__.startswith("tasks."):
            raise
        data_path = template.metadata.dataset["path"]
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataUnavailableError(
            f"data {data_path} at revision {template.metadata.revision} "
            f"cannot be loaded: {reason[:300]}"
        ) from error
    return task


def _data_set(task: AbsTask) -> DataSet | None:
    name, revision = task.metadata.dataset["path"], task.metadata.revision
    here = name.startswith(PATH_PREFIX) or Path(name).exists()
    return None if here or not _COMMIT.fullmatch(revision) else DataSet(name, revision)


def _read_from(task: AbsTask, folder: Path) -> None:
    """Let a task read a folder instead of the hub; the metadata are the class's, so a copy."""
    dataset = {**task.metadata.dataset, "path": str(folder)}
    task.metadata = task.metadata.model_copy(update={"dataset": dataset})


def _check_splits(task: AbsTask) -> None:
    """Refuse loaded data that lack a split.

    Raises:
        DataUnavailableError: an evaluated split, or the one to train on, is missing.
    """
    from mteb.abstasks.retrieval import AbsTaskRetrieval

    if isinstance(task, AbsTaskRetrieval) or task.dataset is None:
        return
    train = getattr(task, "train_split", None)
    for subset in task.hf_subsets:
        parts = task.dataset.get(subset, task.dataset)
        for split in [*task.eval_splits, *([train] if train else [])]:
            if split not in parts:
                raise DataUnavailableError(
                    f"data {task.metadata.dataset['path']}: no split {split!r} "
                    f"for subset {subset!r}; there are: {', '.join(map(str, parts))}"
                )


def _check_judged_splits(task: AbsTask) -> None:
    """Refuse judgements of another split, which mteb takes where they have only one.

    Raises:
        DataUnavailableError: a split's judgements are missing.
    """
    from datasets import get_dataset_config_names, get_dataset_split_names
    from mteb.abstasks.retrieval import AbsTaskRetrieval

    if not isinstance(task, AbsTaskRetrieval) or type(task).load_data != AbsTaskRetrieval.load_data:
        return
    path = task.metadata.dataset["path"]
    configs = get_dataset_config_names(path)
    for subset in task.hf_subsets:
        name = "default" if "default" in configs else "qrels"
        config = name if subset == "default" else f"{subset}-qrels"
        if config not in configs:
            continue  # mteb names what it misses
        splits = get_dataset_split_names(path, config_name=config)
        for split in task.eval_splits:
            if split not in splits:
                raise DataUnavailableError(
                    f"data {path}: no judgements of split {split!r} "
                    f"for subset {subset!r}; there are: {', '.join(map(str, splits))}"
                )
