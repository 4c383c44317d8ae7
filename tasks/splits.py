"""Whether data have the splits that a task is evaluated on, and no others instead."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tasks.errors import DataUnavailableError

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

__all__ = ["check_judged_splits", "check_table_splits"]


def check_judged_splits(task: AbsTask, data: str) -> None:
    """Refuse judgements of another split, which mteb takes where they have only one.

    That is as it should be for a corpus, which all splits share, but judgements of another split
    would be scored under a name that is not theirs.

    Args:
        task: a task that reads data from a folder, not loaded yet.
        data: what to call the data in messages.

    Raises:
        DataUnavailableError: a split's judgements are missing.
    """
    from datasets import get_dataset_config_names, get_dataset_split_names
    from mteb.abstasks.retrieval import AbsTaskRetrieval

    # A task with a loader of its own names the splits it reads itself.
    if not isinstance(task, AbsTaskRetrieval) or type(task).load_data != AbsTaskRetrieval.load_data:
        return
    path = task.metadata.dataset["path"]
    configs = get_dataset_config_names(path)
    for subset in task.hf_subsets:
        config = f"{subset}-qrels"
        if subset == "default":
            config = "default" if "default" in configs else "qrels"
        if config not in configs:
            raise _missing(data, f"judgements of subset {subset!r}", configs)
        splits = get_dataset_split_names(path, config_name=config)
        for split in task.eval_splits:
            if split not in splits:
                raise _missing(data, f"judgements of split {split!r}, subset {subset!r}", splits)


def check_table_splits(task: AbsTask, data: str) -> None:
    """Refuse loaded data that lack a subset, an evaluated split, or the split to train on.

    Args:
        task: a loaded task.
        data: what to call the data in messages.

    Raises:
        DataUnavailableError: something is missing.
    """
    from mteb.abstasks.retrieval import AbsTaskRetrieval

    if isinstance(task, AbsTaskRetrieval) or task.dataset is None:
        return
    apart = task.metadata.is_multilingual and not getattr(task, "parallel_subsets", False)
    train = getattr(task, "train_split", None)
    for subset in task.hf_subsets:
        if apart and subset not in task.dataset:
            raise _missing(data, f"subset {subset!r}", task.dataset)
        parts = task.dataset.get(subset, task.dataset)
        for split in [*task.eval_splits, *([train] if train else [])]:
            if split not in parts:
                raise _missing(data, f"split {split!r} of subset {subset!r}", parts)


def _missing(data: str, what: str, there: Iterable[object]) -> DataUnavailableError:
    return DataUnavailableError(
        f"data {data} have no {what}; there are: {', '.join(map(str, there))}"
    )
