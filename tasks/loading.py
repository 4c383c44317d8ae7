"""Load a task's data, or say in one line why it cannot be had."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import DataUnavailableError
from tasks.fresh import fresh_task, task_parts
from tasks.hub import DataSet, fetch_dataset, find_dataset, row_cache
from tasks.long_embed import LONG_EMBED, load_long_embed
from tasks.splits import check_judged_splits, check_table_splits
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
    from pyarrow import ArrowException  # type: ignore[import-untyped,unused-ignore]

    task = fresh_task(template, seed)
    for part in task_parts(task):
        name = f"{part.metadata.dataset['path']} at {part.metadata.revision}"
        data = _data_set(part)
        if data is not None:
            folder = find_dataset(data)
            if folder is None:
                fetching(data)
                folder = fetch_dataset(data)
            _read_from(part, folder)
        try:
            check_judged_splits(part, name)
            _load(part, data)
            check_table_splits(part, name)
        except (OSError, ValueError, KeyError, DatasetsError, ArrowException) as error:
            if isinstance(error, ValueError) and type(error).__module__.startswith("tasks."):
                raise
            why = error.__cause__ or error
            reason = " ".join(str(why).split()) or type(why).__name__
            raise DataUnavailableError(f"data {name} cannot be loaded: {reason[:300]}") from error
    return task


def _load(task: AbsTask, data: DataSet | None) -> None:
    """Let a task load its data, with a cache for their rows alone.

    `datasets` keeps the rows of a folder under the folder's last name and its card only.
    """
    if data is None:
        task.load_data()
        return
    import datasets

    before = datasets.config.HF_DATASETS_CACHE
    datasets.config.HF_DATASETS_CACHE = row_cache(data)
    try:
        if data.name == LONG_EMBED:
            load_long_embed(task, Path(task.metadata.dataset["path"]))
        else:
            task.load_data()
    finally:
        datasets.config.HF_DATASETS_CACHE = before


def _data_set(task: AbsTask) -> DataSet | None:
    name, revision = task.metadata.dataset["path"], task.metadata.revision
    here = name.startswith(PATH_PREFIX) or Path(name).exists()
    return None if here or not _COMMIT.fullmatch(revision) else DataSet(name, revision)


def _read_from(task: AbsTask, folder: Path) -> None:
    """Let a task read a folder instead of the hub; the metadata are the class's, so a copy."""
    dataset = {**task.metadata.dataset, "path": str(folder)}
    task.metadata = task.metadata.model_copy(update={"dataset": dataset})
