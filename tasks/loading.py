"""Load a task's data, or say in one line why it cannot be had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.errors import DataUnavailableError
from tasks.fresh import fresh_task

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask


def load_fresh(template: AbsTask, seed: int) -> AbsTask:
    """Return a new object of a task with its data loaded, which nobody has evaluated.

    Args:
        template: the task; it is read and never changed.
        seed: seed of the new object's random states.

    Raises:
        DataUnavailableError: the data can be had neither from the hub nor from the cache.
        DataFileError: a data file of ours is missing or changed.
    """
    task = fresh_task(template, seed)
    try:
        task.load_data()
    except OSError as error:  # connection, file and data set errors of `datasets` are OSErrors
        data = template.metadata.dataset
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataUnavailableError(
            f"data {data['path']} at revision {data['revision']} cannot be loaded: {reason[:300]}"
        ) from error
    return task
