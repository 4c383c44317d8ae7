"""`jina-eval compare`: is one model better than another on the same examples?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from harness.compare_environment import environment_note
from harness.console import make_console
from harness.errors import RunError
from harness.output import Output
from reports.grid import MISSING, Cell, Column, Grid, mark_best, number, percent
from reports.leaderboard import Entry, make_leaderboards
from reports.markdown import render_markdown
from reports.terminal import render_grid
from results.atomic import write_atomic
from results.comparison import Comparison, MeanComparison, TaskComparison, compare
from results.ranks import borda_ranks, mean_by_type
from results.record import Record
from results.store import RecordStore

__all__ = ["CompareRequest", "compare_command"]

_NAMES = {"minilm": "all-MiniLM-L6-v2", "e5-small": "multilingual-e5-small-4bit"}


@dataclass(frozen=True)
class CompareRequest:
    """What to compare.

    Attributes:
        names: The baseline, then one or more candidates; see `Choice.parse`.
        folders: Output folders of runs.
        suite: Which suite's records, where there are several.
        output: A .md or .json file to write; None for none.
    """

    names: tuple[str, ...]
    folders: tuple[Path, ...]
    suite: str | None
    output: Path | None


@dataclass(frozen=True)
class Choice:
    """One side of a comparison: a model, and perhaps settings and a view.

    Attributes:
        text: As it was written.
        model: A model's name, or its last part.
        settings: Settings that tell it from its namesakes, such as {"chunking": "late:fixed=8"}.
        view: A view; None for the widest.
    """

    text: str
    model: str
    settings: Mapping[str, str]
    view: str | None

    @classmethod
    def parse(cls, text: str) -> Choice:
        """Read `MODEL[@dim=64,int8][@chunking=late:fixed=256][@routing=mteb]`, in any order.

        Raises:
            RunError: If a part after the model is no setting.
        """
        model, *parts = text.split("@")
        view = None
        settings = {}
        for part in parts:
            name, mark, value = part.partition("=")
            if name == "dim":
                view = part
            elif mark and name:
                settings[name] = value
            else:
                raise RunError(
                    f"{text!r}: {part!r} is neither a view nor a setting, such as "
                    "dim=64 or chunking=none"
                )
        return cls(text, _NAMES.get(model, model), settings, view)

    def matches(self, entry: Entry) -> bool:
        """Whether an entry is of this model under these settings."""
        facts = entry.some_record.provenance
        known = {
            "routing": facts.run_spec.get("routing"),
            **facts.identity.model_dump(),
        }
        model = facts.identity.model
        if self.model not in (model, model.rsplit("/", 1)[-1], entry.label):
            return False
        unknown = self.settings.keys() - known.keys()
        if unknown:
            raise RunError(
                f"{self.text!r}: unknown setting {min(unknown)!r}; allowed: routing, "
                "chunking, revision, precision, max_length, seed, fingerprint"
            )
        return all(str(known[name]) == value for name, value in self.settings.items())


@dataclass(frozen=True)
class _Side:
    name: str
    records: dict[str, Record]


def compare_command(request: CompareRequest) -> int:
    """Compare, print, and write if asked to. Returns the exit code."""
    if len(request.names) < 2:
        raise RunError("compare needs a baseline and at least one other: compare A B")
    if request.output is not None and request.output.suffix not in (".md", ".json"):
        raise RunError(f"output {str(request.output)!r}: expected a .md or .json file")
    stores = [Output(folder).store for folder in request.folders]
    baseline, *others = _sides(request, stores)
    examples = _Examples(stores)
    found = compare(
        (baseline.name, baseline.records),
        [(other.name, other.records) for other in others],
        examples,
    )
    console = make_console()
    grids = [_overall_grid([baseline, *others])]
    grids += [grid for one in found for grid in comparison_grids(one)]
    for grid in grids:
        console.print(render_grid(grid))
        console.print()
    for one in found:
        console.print(one.sentence, style=None, markup=False, soft_wrap=True)
    for other in others:
        note = environment_note(baseline.name, baseline.records, other.name, other.records)
        if note is not None:
            console.print(note, style=None, markup=False, soft_wrap=True)
    if request.output is not None:
        _write(request.output, found, grids)
    return 0


class _Examples:
    """Per-example scores of records, from whichever store has them."""

    def __init__(self, stores: Sequence[RecordStore]) -> None:
        self._store_of = {ref: store for store in reversed(stores) for ref in store.references()}

    def __call__(self, record: Record) -> Any:
        return self._store_of[record.ref].examples(record.ref)


def _sides(request: CompareRequest, stores: Sequence[RecordStore]) -> list[_Side]:
    records = [record for store in stores for record in store.records()]
    boards = make_leaderboards(records)
    if request.suite is not None:
        boards = tuple(board for board in boards if board.suite == request.suite)
    if len(boards) != 1:
        suites = sorted({record.provenance.suite for record in records})
        raise RunError(
            f"records of {len(suites)} suites: choose one with --suite; "
            f"there are {', '.join(suites)}"
        )
    return [_side(Choice.parse(name), boards[0].entries) for name in request.names]


def _side(choice: Choice, entries: Sequence[Entry]) -> _Side:
    found = [entry for entry in entries if choice.matches(entry)]
    labels = ", ".join(entry.label for entry in (found or entries))
    if not found:
        raise RunError(f"nothing here is {choice.text!r}; there are: {labels}")
    if len(found) > 1:
        raise RunError(
            f"{choice.text!r} is not one but several: {labels}; "
            "tell them apart, as in MODEL@chunking=none or MODEL@routing=mteb"
        )
    (entry,) = found
    view = choice.view or entry.main_view
    if view not in entry.views:
        raise RunError(
            f"{entry.label} was not measured in view {view!r}; there are: {', '.join(entry.views)}"
        )
    records = {task: record for (name, task), record in entry.records.items() if name == view}
    shown = entry.label if view == entry.main_view else f"{entry.label} {view}"
    return _Side(shown, records)


def _overall_grid(sides: Sequence[_Side]) -> Grid:
    """Means and mteb's Borda rank over the tasks that all were measured on."""
    common = [task for task in sides[0].records if all(task in side.records for side in sides)]
    scores = {
        side.name: {task: side.records[task].provenance.score for task in common} for side in sides
    }
    kinds = {task: sides[0].records[task].provenance.task.type for task in common}
    ranks = borda_ranks(scores)
    rows = mark_best(
        [
            (
                Cell(name),
                Cell(str(ranks[name])),
                percent(fmean(found.values())),
                percent(mean_by_type(found, kinds)),
            )
            for name, found in scores.items()
        ]
    )
    columns = (Column("Model", numeric=False), *map(Column, ("Borda", "By task", "By type")))
    notes = (f"Over {len(common)} tasks that all of them were measured on. Scores × 100.",)
    return Grid("Overall", columns, rows, notes)


def comparison_grids(found: Comparison) -> tuple[Grid, Grid]:
    """By type, and by task; differences × 100."""
    title = f"{found.candidate} compared with {found.baseline}"
    rows = [_row([Cell(one.name), number(one.tasks)], one) for one in found.types]
    rows.append(_row([Cell("Mean over tasks"), number(len(found.tasks))], found.mean_task))
    rows.append(_row([Cell("Mean over types"), number(len(found.types))], found.mean_type))
    columns = (Column("Type", numeric=False), Column("Tasks"), *_TESTED)
    notes = ["Scores × 100; the candidate's minus the baseline's."]
    if found.missing:
        notes.append(f"Measured for one of them only: {', '.join(found.missing)}.")
    return (
        Grid(title, columns, tuple(rows), (*notes, *_reasons(found.types))),
        _task_grid(found),
    )


_TESTED = (
    *(Column(name) for name in ("Difference", "95 %", "p")),
    Column("Verdict", numeric=False),
)


def _row(first: list[Cell], one: TaskComparison | MeanComparison) -> tuple[Cell, ...]:
    interval = p = MISSING
    if one.test is not None and one.p is not None:
        if one.margin is not None:
            interval = f"{100 * one.test.low:+.2f} … {100 * one.test.high:+.2f}"
        p = f"{one.p:.3f}" if one.p >= 0.001 else "< 0.001"
    return (*first, Cell(_signed(one.difference)), Cell(interval), Cell(p), Cell(one.verdict))


def _task_grid(found: Comparison) -> Grid:
    columns = (
        Column("Task", numeric=False),
        Column("Metric", numeric=False),
        *(Column(name) for name in ("Baseline", "Candidate")),
        *_TESTED,
    )
    rows = []
    for one in found.tasks:
        scores = [Cell(f"{100 * score:.2f}") for score in (one.baseline, one.candidate)]
        rows.append(_row([Cell(one.task), Cell(one.metric), *scores], one))
    notes = (
        "95 %: confidence interval of this row alone. p: paired sign-flip test over independent "
        f"examples, corrected for the {found.hypotheses} hypotheses of this comparison (Holm); "
        "better or worse where it is below 0.05.",
        *_reasons(found.tasks),
    )
    return Grid("By task", columns, tuple(rows), notes)


def _reasons(rows: Sequence[TaskComparison | MeanComparison]) -> list[str]:
    """Why rows have no test, a note each."""
    names = {id(one): one.task if isinstance(one, TaskComparison) else one.name for one in rows}
    return [
        f"{names[id(one)]} is not tested: {one.reason}."
        for one in rows
        if one.verdict == "not tested" and one.reason
    ]


def _signed(value: float) -> str:
    text = f"{100 * value:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text


def _write(output: Path, found: Sequence[Comparison], grids: Sequence[Grid]) -> None:
    if output.suffix == ".md":
        sentences = "\n\n".join(one.sentence for one in found)
        text = f"{render_markdown('Comparison', grids, [])}\n{sentences}\n"
    else:
        text = json.dumps([_as_json(one) for one in found], indent=2, ensure_ascii=False) + "\n"
    try:
        write_atomic(output, text)
    except OSError as error:
        raise RunError(f"output {output}: {error.strerror or error}") from error


def _as_json(found: Comparison) -> dict[str, Any]:
    return {
        "baseline": found.baseline,
        "candidate": found.candidate,
        "sentence": found.sentence,
        "hypotheses": found.hypotheses,
        "mean_task": _tested_json(found.mean_task),
        "mean_type": _tested_json(found.mean_type),
        "types": [{"type": one.name, **_tested_json(one)} for one in found.types],
        "tasks": [
            {
                "task": one.task,
                "type": one.type,
                "metric": one.metric,
                "baseline": one.baseline,
                "candidate": one.candidate,
                **_tested_json(one),
            }
            for one in found.tasks
        ],
        "missing": list(found.missing),
    }


def _tested_json(one: TaskComparison | MeanComparison) -> dict[str, Any]:
    """Ends of an interval that do not exist are null, as JSON has no infinity."""
    known: dict[str, Any] = {"difference": one.difference, "verdict": one.verdict}
    if isinstance(one, MeanComparison):
        known["tasks"] = one.tasks
    if one.test is None:
        return {**known, "reason": one.reason}
    is_bounded = one.margin is not None
    return {
        **known,
        "low": one.test.low if is_bounded else None,
        "high": one.test.high if is_bounded else None,
        "p": one.p,
        "p_alone": one.test.p,
        "examples": one.test.n,
        "units": one.test.units,
    }
