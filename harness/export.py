"""`jina-eval results export`: records as the public results repository takes them.

A result goes out under a model's plain name if mteb's loader of that name would measure the same,
and else as one of mteb's experiments, whose folder says what is different.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.text import Text

from harness.console import make_console
from harness.errors import RunError, one_line
from harness.export_files import (
    JoinedTask,
    contradictions,
    join_meta,
    join_task,
    task_parts,
    task_text,
)
from harness.mteb_loader import departures
from harness.output import Output
from results.atomic import write_atomic
from results.record import Record

__all__ = ["export_command"]

_META = "model_meta.json"
_MOST_NAMED = 3


@dataclass
class _Name:
    """What goes out under one name.

    Attributes:
        model: The model's name.
        revision: Its revision.
        settings: Settings that are not those of mteb's loader.
        experiment: Folder that mteb names after them; None for none.
        metas: Metadata beside the records.
        tasks: Records by task, each with the run that it is from.
    """

    model: str
    revision: str
    settings: dict[str, Any]
    experiment: str | None
    metas: list[dict[str, Any]] = field(default_factory=list)
    tasks: dict[str, list[tuple[str, Record]]] = field(default_factory=dict)

    def folder(self, to: Path) -> Path:
        """Where its results are in mteb's layout."""
        base = to / self.model.replace("/", "__") / self.revision
        return base / "experiments" / self.experiment if self.experiment else base


def export_command(to: Path, given: Sequence[Path], model: str | None) -> int:
    """Write records in mteb's layout and read them back.

    Nothing is written if sources contradict one another or what is there.

    Args:
        to: The folder of all models.
        given: Output folders of runs.
        model: Only this model's records; None for all.

    Returns:
        The exit code.

    Raises:
        RunError: If there is nothing to export, or it does not go together.
    """
    names, left_out = _gather(given, model)
    if not names:
        raise RunError(
            "there are no plain records to export: whole vectors, whole documents, seed 42"
        )
    contents, joined = _contents(to, names)
    for path, text in contents.items():
        try:
            write_atomic(path, text)
        except OSError as error:
            raise RunError(f"{path} cannot be written: {error.strerror or error}") from error
    for name in names:
        _read_back(to, name)
    _report(to, names, joined, left_out)
    return 0


def _gather(given: Iterable[Path], model: str | None) -> tuple[list[_Name], int]:
    """Records by the name that they go out under, and how many do not."""
    names: dict[tuple[str, str, str | None], _Name] = {}
    left_out = 0
    for folder in given:
        store = Output(folder).store
        for record in store.records():
            if model not in (None, record.ref.model):
                continue
            meta = _stored_meta(store.folder(record.ref) / _META)
            settings = departures(record, meta.get("experiment_kwargs") or {})
            if settings is None:
                left_out += 1
                continue
            experiment = _experiment(settings)
            key = (record.ref.model, record.ref.revision, experiment)
            name = names.setdefault(key, _Name(key[0], key[1], settings, experiment))
            name.metas.append(meta)
            name.tasks.setdefault(record.ref.task, []).append((str(folder), record))
    return sorted(names.values(), key=lambda name: str(name.folder(Path()))), left_out


def _stored_meta(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {one_line(error)}") from error
    if not isinstance(content, dict):
        raise RunError(f"{path} holds no JSON object")
    return content


def _experiment(settings: dict[str, Any]) -> str | None:
    from mteb.models import ModelMeta

    return ModelMeta.create_empty(overwrites={"experiment_kwargs": settings}).experiment_name


def _contents(to: Path, names: Sequence[_Name]) -> tuple[dict[Path, str], dict[Path, JoinedTask]]:
    """All files that are to be written, metadata first, and what is in each result.

    Raises:
        RunError: If anything contradicts anything.
    """
    contents: dict[Path, str] = {}
    joined: dict[Path, JoinedTask] = {}
    for name in names:
        folder = name.folder(to)
        path = folder / _META
        text = join_meta(path, name.model, name.revision, name.settings, name.metas)
        if text is not None:
            contents[path] = text
        for task, sources in name.tasks.items():
            path = folder / f"{task}.json"
            joined[path] = join_task(path, sources)
    problems = [f"{path}: {said}" for path, found in joined.items() for said in found.problems]
    if problems:
        more = f"; and {len(problems) - _MOST_NAMED} more" if len(problems) > _MOST_NAMED else ""
        raise RunError(
            f"nothing was exported, since results contradict each other: "
            f"{'; '.join(problems[:_MOST_NAMED])}{more}; choose runs with --from, "
            "or export to another folder"
        )
    for path, found in joined.items():
        if found.changed and found.result is not None:
            contents[path] = task_text(found.result)
    return contents, joined


def _read_back(to: Path, name: _Name) -> None:
    """Read with mteb's own cache, which must find the metrics of every split and subset."""
    import mteb

    with TemporaryDirectory() as root:
        # mteb reads a folder of this name, whatever the user calls it.
        (Path(root) / "results").symlink_to(to.resolve(), target_is_directory=True)
        cache = mteb.ResultCache(root)
        for task, sources in name.tasks.items():
            found = cache.load_task_result(
                task, name.model, name.revision, experiment_name=name.experiment
            )
            path = name.folder(to) / f"{task}.json"
            if found is None:
                raise RunError(f"{path}: mteb does not find it")
            parts = task_parts(found)
            for run, record in sources:
                _check_part(path, parts, run, record)


def _check_part(path: Path, parts: dict[Any, Any], run: str, record: Record) -> None:
    for split, subsets in record.task_result["scores"].items():
        for scores in subsets:
            subset = str(scores["hf_subset"])
            read = parts.get((split, subset))
            if read is None or contradictions(scores, read):
                raise RunError(
                    f"{path}: mteb reads other scores of {split}/{subset} than are in {run}"
                )


def _report(
    to: Path, names: Sequence[_Name], joined: dict[Path, JoinedTask], left_out: int
) -> None:
    console = make_console()
    changed = sum(task.changed for task in joined.values())
    console.print(
        Text(
            f"{len(joined)} results in {to}, {changed} of them new or extended; "
            "mteb reads them back with the same scores"
        )
    )
    for name in names:
        if name.experiment:
            console.print(
                Text(
                    f"{name.model}: {len(name.tasks)} in experiments/{name.experiment}, since "
                    "mteb's loader of this model would measure something else"
                )
            )
    if left_out:
        console.print(
            Text(f"left out: {left_out} records of reduced views, chunks or another seed")
        )
