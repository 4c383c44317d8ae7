"""What the commands do: specs in, output and an exit code out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from harness.console import ProgressDisplay, make_console, show_error
from harness.errors import RunError
from harness.estimate import Estimate, estimate
from harness.executors.pool import WorkerPool
from harness.first_line import first_line, remarks, warn
from harness.output import Output, default_output
from harness.plan import Plan, ResolvedRun, make_plan, resolve_run
from harness.plan_texts import LocalTexts
from harness.run import Outcome, execute
from harness.run_cache import describe_cache
from harness.run_models import ModelFailures, resolve_runs, run_models
from harness.spec import RunSpec
from reports.grid import MISSING, Cell, Column, Grid, number, short_type
from reports.terminal import render_grid
from results.store import RecordStore
from tasks.hub import find_dataset
from tasks.loading import data_sets

if TYPE_CHECKING:
    from rich.console import Console

    from results.published.references import Reference

__all__ = ["plan_command", "report_command", "run_command"]


_PLAN_NUMBERS = ("Stored", "Missing", "Texts", "Encoded", "Tokens", "Expected")


def run_command(
    specs: Sequence[RunSpec], folder: Path | None, *, overwrite: bool, quiet: bool
) -> int:
    """Measure what is missing, then report. Returns the exit code."""
    failures = ModelFailures()
    runs = resolve_runs(specs, failures)  # every mistake shows before a folder is made
    output = Output(folder or default_output(specs))
    progress = make_console(stderr=True)
    with output.locked():
        plans = [make_plan(run, output.store, overwrite=overwrite) for run in runs]

        def run(plan: Plan, pool: WorkerPool) -> Outcome:
            if not quiet:
                _introduce(plan.run, progress)
                progress.print(_resolved_table(plan))
            warn(plan.run)
            with ProgressDisplay(progress, quiet=quiet) as display:
                return execute(plan, output, display, pool)

        outcomes = run_models(plans, output, run, failures)
        if output.store.references():
            _report([output.store], output.reports, site=False)
            if not quiet:
                hint = f"jina-eval report {output.folder} makes a site of it"
                progress.print(hint, soft_wrap=True)
    for resolved in runs:
        warn(resolved)  # again, below everything else that was printed
    for reason in failures.reasons:
        show_error(reason)
    code = (
        _exit_code(plans, outcomes)
        or (2 if failures.reasons else 0)
        or _check_complete(plans, output.store)
    )
    return 1 if failures.crashed else code


def plan_command(specs: Sequence[RunSpec], folder: Path | None) -> int:
    """Print what would run. Returns the exit code."""
    output = Output(folder or default_output(specs))
    console = make_console()
    local = LocalTexts()
    for run in [resolve_run(spec) for spec in specs]:
        plan = make_plan(run, output.store)
        _introduce(run, console)
        console.print(_resolved_table(plan))
        warn(run)
        expected = estimate(plan, output.store, local)
        console.print(render_grid(_plan_grid(plan, expected, output)))
    return 0


def report_command(
    folders: Sequence[Path],
    output: Path | None,
    *,
    published: Path | None = None,
    models: Sequence[str] = (),
) -> int:
    """Draw the reports of stored runs. Returns the exit code.

    Args:
        folders: Output folders of runs.
        output: Folder for the reports; None for the first run's own.
        published: Checkout of the public results repository; None for the figures kept here.
        models: Models whose scores to take from it.
    """
    if models and published is None:
        raise RunError(f"published model {models[0]!r}: only a checkout has it; give --published")
    for folder in folders:
        if not (folder / "records").is_dir():
            raise RunError(f"{folder} is no output folder of a run: it has no records")
    runs = [Output(folder) for folder in folders]
    stores = [run.store for run in runs]
    _report(stores, output or runs[0].reports, published=published, models=models)
    return 0


def _report(
    stores: Sequence[RecordStore],
    folder: Path,
    *,
    site: bool = True,
    published: Path | None = None,
    models: Sequence[str] = (),
) -> None:
    from harness.stores import Stores
    from reports.terminal import leaderboard_tables
    from reports.write import write_reports

    console = make_console()
    found = Stores(stores)
    references: Sequence[Reference] = ()
    if published is not None:
        from harness.report_references import report_references

        references = report_references(published, models, found.records)
    try:
        written = write_reports(
            found.records,
            folder,
            examples=found.examples,
            texts=found.texts,
            published=references,
            site=site,
        )
    except OSError as error:
        raise RunError(f"{folder} cannot be written: {error.strerror or error}") from error
    for leaderboard in written.leaderboards:
        for table in leaderboard_tables(leaderboard):
            console.print(table)
            console.print()
    for path in written.paths:
        console.print(str(path), soft_wrap=True)


def _exit_code(plans: Sequence[Plan], outcomes: Sequence[Outcome]) -> int:
    refused = [name for outcome in outcomes for name in outcome.refused]
    if not refused:
        return 0
    tasks = sum(len({job.ref.task for job in plan.jobs}) for plan in plans)
    first = next(reason for outcome in outcomes for reason in outcome.refused.values())
    rest = "; the other records are stored" if len(refused) < tasks else ""
    show_error(f"{len(refused)} of {tasks} tasks gave no score, first {refused[0]}: {first}{rest}")
    return 1 if any(outcome.crashed for outcome in outcomes) else 2


def _check_complete(plans: Sequence[Plan], store: RecordStore) -> int:
    """0 if every planned record is there, whatever ended the work, else 2."""
    there = set(store.references())
    planned = [job.ref for plan in plans for job in plan.jobs]
    lost = [ref for ref in planned if ref not in there]
    if not lost:
        return 0
    show_error(
        f"{len(lost)} of {len(planned)} records were not stored, first {lost[0]}, and nothing says "
        "why; the same command goes on from there"
    )
    return 2


def _introduce(run: ResolvedRun, console: Console) -> None:
    """The first line of a run, and what mteb does otherwise with its model."""
    for line in (first_line(run), *remarks(run)):
        console.print(line, soft_wrap=True)


def _resolved_table(plan: Plan) -> Table:
    """The resolved run spec, a line a key."""
    table = Table.grid(padding=(0, 2))
    for key, value in plan.run.as_dict.items():
        if key == "tasks":
            shown = f"{len(value)} of {len(plan.run.suite_tasks)}"
        elif isinstance(value, list):
            shown = " ".join(map(str, value))
        else:
            shown = MISSING if value is None else str(value)
        table.add_row(Text(key, style="dim"), Text(shown))
    table.add_row(Text("cache", style="dim"), Text(describe_cache(plan.run.spec)))
    return table


def _plan_grid(plan: Plan, expected: Estimate, output: Output) -> Grid:
    columns = (
        Column("Task", numeric=False),
        Column("Type", numeric=False),
        *(Column(title) for title in _PLAN_NUMBERS),
    )
    rows = [
        (
            Cell(row.task),
            Cell(row.type, short=short_type(row.type)),
            number(row.stored),
            number(row.missing),
            number(row.asked),
            number(row.texts),
            number(row.tokens),
            Cell(_duration(row.seconds)),
        )
        for row in expected.tasks
    ]
    total = (
        Cell(f"{len(expected.tasks)} tasks", best=True),
        Cell(""),
        number(sum(row.stored for row in expected.tasks)),
        number(sum(row.missing for row in expected.tasks)),
        number(expected.asked),
        number(expected.texts),
        number(expected.tokens),
        Cell(_duration(expected.seconds)),
    )
    title = f"{plan.run.source.name} on {plan.run.suite.title} → {output.folder}"
    unknown = sum(row.texts is None for row in expected.tasks)
    notes = [
        "Encoded: texts that go through the model; cached ones do not.",
        f"Expected times are {expected.basis}.",
    ]
    if expected.guessed_tokens:
        notes.append("Tokens are characters ÷ 4: the model's folder has no tokenizer.json.")
    guessed = sum(not row.counted and row.texts is not None for row in expected.tasks)
    if guessed:
        notes.append(
            f"Tasks estimated from their metadata: {guessed}; their data are not here or large, "
            "and what is cached of them is not known."
        )
    if unknown:
        notes.append(f"Tasks whose size is not known: {unknown}; the sums are without them.")
    absent = {data for job in plan.missing for data in data_sets(job.task)}
    absent = {data for data in absent if find_dataset(data) is None}
    if absent:
        notes.append(
            f"Data sets to fetch first: {len(absent)} (jina-eval fetch, or the run itself)."
        )
    return Grid(title, columns, (*rows, total), tuple(notes))


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return MISSING
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
