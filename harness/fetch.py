"""`jina-eval fetch`: bring a suite's data, and perhaps models, here before they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from harness.console import make_console, show_error
from harness.errors import one_line
from harness.interrupts import check_interrupt
from model.source import resolve_model
from tasks.filters import TaskFilter, filter_tasks
from tasks.hub import DataSet, dataset_bytes, fetch_dataset, find_dataset
from tasks.loading import data_sets
from tasks.suites import get_suite

__all__ = ["FetchRequest", "fetch_command"]


@dataclass(frozen=True)
class FetchRequest:
    """What to fetch.

    Attributes:
        suite: Name of a suite.
        wanted: Which of its tasks.
        models: Models as in a run spec.
        revision: Revision of a single hub model.
    """

    suite: str
    wanted: TaskFilter
    models: tuple[str, ...] = ()
    revision: str | None = None


def fetch_command(request: FetchRequest, *, quiet: bool) -> int:
    """Fetch what is not here yet. Returns the exit code."""
    console = make_console(stderr=True)
    tasks = filter_tasks(get_suite(request.suite), request.wanted)
    wanted = sorted({data for task in tasks for data in data_sets(task)})
    missing = [data for data in wanted if find_dataset(data) is None]
    failures: list[str] = []
    sizes = _sizes(missing, failures)
    if not quiet:
        gigabytes = sum(sizes.values()) / 1e9
        console.print(
            f"{request.suite}: {len(tasks)} tasks, {len(wanted)} data sets on the hub, "
            f"{len(wanted) - len(missing)} here already, {gigabytes:,.2f} GB to fetch"
        )
    _fetch_data(sizes, failures, console, quiet=quiet)
    if not failures:
        failures += [f"{data} was not fetched" for data in wanted if find_dataset(data) is None]
    for name in request.models:
        check_interrupt()
        try:
            source = resolve_model(name, request.revision)
        except ValueError as error:
            failures.append(one_line(error))
        else:
            if not quiet:
                console.print(f"  {source.name} at {source.revision}")
    for reason in failures:
        show_error(reason)
    return 2 if failures else 0


def _sizes(missing: Sequence[DataSet], failures: list[str]) -> dict[DataSet, int]:
    sizes = {}
    for data in missing:
        check_interrupt()
        try:
            sizes[data] = dataset_bytes(data)
        except ValueError as error:  # the others can still be fetched
            failures.append(one_line(error))
    return sizes


def _fetch_data(
    sizes: dict[DataSet, int], failures: list[str], console: Console, *, quiet: bool
) -> None:
    bars = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )
    with bars:
        bar = bars.add_task("data sets", total=sum(sizes.values()))
        for number, (data, size) in enumerate(sizes.items(), start=1):
            check_interrupt()
            bars.update(bar, description=f"{number} of {len(sizes)} · {data.name}")
            try:
                fetch_dataset(data, lambda done: bars.advance(bar, done))
            except ValueError as error:
                failures.append(one_line(error))
                continue
            if not quiet:
                console.print(f"  {data} ({size / 1e6:,.1f} MB)")
