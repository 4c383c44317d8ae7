"""Scores of any model from a checkout of the public results repository.

The repository is https://github.com/embeddings-benchmark/results (CC0); mteb reads its files,
including those of its older formats.

    <checkout>/results/<org__model>/<revision>/<Task>.json
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from results.published.errors import PublishedError

if TYPE_CHECKING:
    from mteb.results import TaskResult

__all__ = ["PublishedScore", "load_published"]

_META = "model_meta.json"
_ROUNDED = 1e-6
"""mteb rounds to six digits, the main score and the metric that it is apart from each other."""


@dataclass(frozen=True)
class PublishedScore:
    """A model's main score on one subset of one split of a task.

    Attributes:
        model: Name on the hub.
        revision: The model's revision; "external" for what its makers reported themselves.
        task: mteb's task name.
        split: The split.
        subset: The subset, such as a language.
        metric: Name of the metric that the score is. It is mteb's main metric of the task today, if
            the score is that one; main metrics have changed. None if the file does not tell.
        score: Main score as stored, between 0 and 1 for most metrics; None if it is null or NaN.
        dataset_revision: Revision of the data; None if the file names none.
        mteb_version: mteb's version, or a range of them; None if the file names none.
    """

    model: str
    revision: str
    task: str
    split: str
    subset: str
    metric: str | None
    score: float | None
    dataset_revision: str | None
    mteb_version: str | None


def load_published(
    path: Path, model: str, tasks: Collection[str] | None = None, revision: str | None = None
) -> tuple[PublishedScore, ...]:
    """Read a model's scores, sorted by task, as the files have them below that.

    Experiments, which are the same model under other settings, are left out.

    Args:
        path: A checkout of the repository, or any folder in mteb's layout.
        model: Name on the hub, "organisation/model".
        tasks: Names of the tasks to read; None for all. A task without a file is left out.
        revision: Revision of the model; may be None if there is a single one.

    Raises:
        PublishedError: If there is no such checkout, model or revision, if there are several
            revisions to choose from, if a file cannot be read, or if no task was found.
    """
    if not (path / "results").is_dir():
        raise PublishedError(f"{path} is no checkout of the results repository: no folder results")
    folder = _revision_folder(path / "results" / model.replace("/", "__"), model, revision)
    files = [
        file
        for file in sorted(folder.glob("*.json"))
        if file.name != _META and (tasks is None or file.stem in tasks)
    ]
    if not files:
        wanted = "tasks" if tasks is None else f"tasks {', '.join(sorted(tasks))}"
        raise PublishedError(f"{folder} holds no scores of the {wanted}")
    return tuple(score for file in files for score in _scores(file, model, folder.name))


def _revision_folder(folder: Path, model: str, revision: str | None) -> Path:
    if not folder.is_dir():
        raise PublishedError(f"no published scores of {model!r}: there is no folder {folder}")
    found = sorted(child.name for child in folder.iterdir() if child.is_dir())
    said = f"revisions of {model} in {folder}: {', '.join(found) or 'none'}"
    if revision is None and len(found) == 1:
        return folder / found[0]
    if revision is None:
        raise PublishedError(f"name a revision; {said}")
    if revision not in found:
        raise PublishedError(f"no revision {revision!r}; {said}")
    return folder / revision


def _scores(file: Path, model: str, revision: str) -> Iterator[PublishedScore]:
    result = _read(file)
    declared = _main_metric(result.task_name)
    for split, subsets in result.scores.items():
        for scores in subsets:
            score = _number(file, scores["main_score"])
            yield PublishedScore(
                model=model,
                revision=revision,
                task=result.task_name,
                split=split,
                subset=scores["hf_subset"],
                metric=None if score is None else _metric(scores, score, declared),
                score=score,
                dataset_revision=_known(result.dataset_revision),
                # The file's own: what mteb notes beside each subset of a file in its oldest format
                # is the version that reads it.
                mteb_version=_known(result.mteb_version),
            )


def _known(version: str | None) -> str | None:
    """None for the phrases that mteb puts where a file in its oldest format has nothing."""
    return None if version is None or version.endswith(" not available") else version


def _read(file: Path) -> TaskResult:
    from mteb.results import TaskResult

    try:
        result = TaskResult.from_disk(file)
    # What mteb raises for a broken file depends on how it is broken.
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise _unreadable(file, f"{type(error).__name__}: {error}") from error
    if not any(result.scores.values()):
        raise _unreadable(file, "it holds no scores")
    return result


def _main_metric(task: str) -> str | None:
    """Name of the task's main metric in the mteb that is installed; None for a task it lacks."""
    import mteb

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a task was renamed
            return str(mteb.get_task(task).metadata.main_score)
    except KeyError:
        return None


def _metric(scores: Mapping[str, Any], score: float, declared: str | None) -> str | None:
    same = [
        name
        for name, value in scores.items()
        if name != "main_score" and _is_number(value) and abs(value - score) <= _ROUNDED
    ]
    if declared in same:
        return declared
    return same[0] if len(same) == 1 else None


def _number(file: Path, value: object) -> float | None:
    if value is None:
        return None
    if not _is_number(value):
        raise _unreadable(file, f"main_score is {value!r}")
    return float(value) if math.isfinite(value) else None


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _unreadable(file: Path, reason: str) -> PublishedError:
    return PublishedError(f"published scores {file} cannot be read: {' '.join(reason.split())}")
