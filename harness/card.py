"""`jina-eval card`: a model's results for its model card, with the metadata that mteb writes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.compare import Choice
from harness.console import make_console
from harness.errors import RunError
from harness.output import Output
from harness.stores import Stores
from reports.leaderboard import Entry, Leaderboard, make_leaderboards
from reports.model_card import card_section
from results.atomic import write_atomic

if TYPE_CHECKING:
    from huggingface_hub import EvalResult
    from mteb.abstasks import AbsTask

    from results.record import Record

__all__ = ["card_command", "front_matter"]

Found = tuple[Leaderboard, Entry]


@dataclass(frozen=True)
class _Suite:
    name: str
    tasks: Mapping[str, AbsTask]

    @classmethod
    def of(cls, name: str) -> _Suite:
        from tasks.suites import get_suite

        return cls(name, {task.metadata.name: task for task in get_suite(name).templates()})


def card_command(
    model: str, folders: Sequence[Path], suite: str | None, output: Path | None
) -> int:
    """Print a model's card, or write it. Returns the exit code.

    Args:
        model: Its name, with settings after it as in `compare`.
        folders: Output folders of runs.
        suite: Only this suite's results; None for all.
        output: A .md file; None to print.
    """
    if output is not None and output.suffix != ".md":
        raise RunError(f"output {str(output)!r}: expected a .md file")
    found = _find(Choice.parse(model), folders, suite)
    sections = [card_section(board, entry) for board, entry in found]
    text = front_matter(found) + "\n" + "\n".join(sections)
    if output is None:
        make_console().print(text, markup=False, highlight=False, soft_wrap=True, end="")
        return 0
    try:
        write_atomic(output, text)
    except OSError as error:
        raise RunError(f"{output} cannot be written: {error.strerror or error}") from error
    make_console().print(str(output), soft_wrap=True)
    return 0


def _find(choice: Choice, folders: Sequence[Path], suite: str | None) -> list[Found]:
    """One entry of each suite that has the model."""
    if choice.view is not None:
        raise RunError(f"{choice.text!r}: a card has every view; leave @{choice.view} out")
    boards = make_leaderboards(Stores([Output(folder).store for folder in folders]).records)
    suites = [board.suite for board in boards]
    if suite is not None and suite not in suites:
        raise RunError(f"no records of suite {suite!r}; there are: {', '.join(suites)}")
    found: list[Found] = []
    for board in boards:
        if suite not in (None, board.suite):
            continue
        entries = [entry for entry in board.entries if choice.matches(entry)]
        if len(entries) > 1:
            labels = ", ".join(entry.label for entry in entries)
            raise RunError(
                f"{choice.text!r} is not one but several: {labels}; "
                "tell them apart, as in MODEL@chunking=none or MODEL@routing=mteb"
            )
        found += [(board, entry) for entry in entries]
    if not found:
        labels = ", ".join(dict.fromkeys(e.label for board in boards for e in board.entries))
        raise RunError(f"nothing here is {choice.text!r}; there are: {labels}")
    return found


def front_matter(found: Sequence[Found]) -> str:
    """The metadata of a model card, between its lines of dashes: `model-index` and mteb's tag.

    The results are those that mteb makes of its TaskResult, one a split and subset, of the widest
    vectors.

    Args:
        found: Entries of one model, each of another suite.
    """
    from huggingface_hub import ModelCardData

    name = found[0][1].some_record.provenance.model.name
    results: dict[str, list[EvalResult]] = {}
    for board, entry in found:
        suite = _Suite.of(board.suite)
        for (view, task), record in entry.records.items():
            if view == entry.main_view:
                # A task of two suites comes once.
                results.setdefault(task, _eval_results(record, suite))
    order = [result for task in sorted(results) for result in results[task]]
    data = ModelCardData(
        model_name=name.rsplit("/", 1)[-1], tags=["mteb"], eval_results=order or None
    )
    return f"---\n{data.to_yaml()}\n---\n"


def _eval_results(record: Record, suite: _Suite) -> list[EvalResult]:
    from mteb.results import TaskResult

    result = TaskResult.model_validate(dict(record.task_result))
    # mteb looks for the task in its own registry, which has none of the starter suite.
    result.__dict__["task"] = suite.tasks[record.ref.task]
    with warnings.catch_warnings():
        # Deprecated for a file a task in the model's repository; a card has them all in one.
        warnings.simplefilter("ignore", DeprecationWarning)
        return list(result.get_hf_eval_results())
