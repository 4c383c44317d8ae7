"""Run: plan, do what is missing task by task, lose nothing on the way."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from harness.effort import relative_effort
from harness.errors import StorageError
from harness.executors.local import work_here
from harness.executors.parcel import Desk, Event, Failure, Finished, Started
from harness.executors.pool import MOST_WORKERS, WorkerPool, usable_cores
from harness.interrupts import check_interrupt
from harness.output import Output
from harness.plan import Job, Plan
from harness.run_cache import cached
from results.atomic import write_atomic
from results.record import Record

if TYPE_CHECKING:
    from model.chunking import Chunking
    from tasks.hub import DataSet

__all__ = ["Outcome", "RunObserver", "execute", "largest_first", "worker_count"]

_FEW_TASKS = 4
"""With fewer, starting processes would take longer than they save."""


class RunObserver(Protocol):
    """Told what a run does; the console shows it."""

    def all_stored(self, plan: Plan) -> None:
        """There is nothing to measure."""

    def model_loading(self, plan: Plan) -> None:
        """The model is about to be loaded."""

    def task_started(self, jobs: tuple[Job, ...]) -> None:
        """A task's data is about to be loaded."""

    def fetching(self, data: DataSet) -> None:
        """A data set is fetched from the hub before the task can start."""

    def encoded(self, done: int, of: int) -> None:
        """Some texts went through the model, of those that the call has to encode."""

    def job_done(self, job: Job, record: Record) -> None:
        """A record was stored."""

    def task_refused(self, task: str, reason: str) -> None:
        """A task gave no score."""


@dataclass
class Outcome:
    """What a run came to.

    Attributes:
        measured: Records stored by this run.
        refused: Task to the reason why it gave no score.
        crashed: Tasks among them that met an unexpected error, written down
            in the output's failures.
    """

    measured: list[Record] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    crashed: list[str] = field(default_factory=list)


def execute(
    plan: Plan, output: Output, observer: RunObserver, pool: WorkerPool | None = None
) -> Outcome:
    """Do the jobs that are not stored yet.

    A task that gives no score is reported and does not stop the others; a
    folder that cannot be written does, since nothing could be kept.

    Args:
        plan: What to do.
        output: Where records go; held by this process.
        observer: Told of every step.
        pool: Processes that may be used beside this one.

    Raises:
        ModelError: If the model cannot be loaded.
        StorageError: If a record cannot be written.
    """
    outcome = Outcome()
    missing = plan.missing_by_task()
    if not missing:
        observer.all_stored(plan)
        return outcome
    observer.model_loading(plan)
    _write_spec(plan, output)
    tasks = list(missing)
    workers = worker_count(plan.run.spec.workers, len(tasks)) if pool is not None else 0
    if pool is not None and workers:
        pool.start(workers)  # they get ready while the model is loaded
        tasks = largest_first(missing)
    for event in _events(plan, tasks, observer, pool if workers else None):
        task = tasks[event.parcel]
        jobs = missing[task]
        if isinstance(event.what, Started):
            observer.task_started(jobs)
        elif isinstance(event.what, Failure):
            _refuse(task, event.what, output, outcome, observer)
        elif not isinstance(event.what, Finished):
            number, record = event.what
            _store(record, plan, jobs[number], output)
            record = replace(record, examples=None, texts=None)  # a suite's would fill the memory
            outcome.measured.append(record)
            observer.job_done(jobs[number], record)
        check_interrupt()
    return outcome


def worker_count(asked: int | None, tasks: int) -> int:
    """How many processes work beside the one with the model.

    Args:
        asked: What the run spec says.
        tasks: How many tasks there are to do.
    """
    if sys.platform == "win32":  # needs fork and inherited pipes
        return 0
    if asked is not None:
        return min(asked, tasks)
    return 0 if tasks < _FEW_TASKS else min(tasks, usable_cores(), MOST_WORKERS)


def largest_first(missing: Mapping[str, tuple[Job, ...]]) -> list[str]:
    """The tasks, those that take longest first, so that no long one is left for the end."""

    def effort(name: str) -> int:
        jobs = missing[name]
        whole = all(job.identity.chunking == "none" for job in jobs)
        limit = jobs[0].identity.max_length if whole else None
        return relative_effort(jobs[0].task, len(jobs), limit)

    return sorted(missing, key=effort, reverse=True)


def _events(
    plan: Plan, tasks: Sequence[str], observer: RunObserver, pool: WorkerPool | None
) -> Iterator[Event]:
    from harness.environment import describe_environment
    from harness.jobs import TaskParcel
    from model.backends import load_backend

    backend = environment = None
    if plan.run.source.kind != "lexical" or pool is None:
        backend = load_backend(plan.run.source, **plan.run.settings())
        for chunking, prompt in _document_prompts(plan):
            backend.check_chunking(chunking, prompt)
        environment = describe_environment(backend)
    missing = plan.missing_by_task()
    parcels = [TaskParcel(plan.run, missing[task], environment) for task in tasks]
    with ExitStack() as stack:
        if backend is not None:
            backend = stack.enter_context(cached(backend, plan.run.source, plan.run.spec))
        if pool is None:
            desk = Desk(backend, progress=observer.encoded, fetching=observer.fetching)
            yield from work_here(parcels, desk)
        else:
            yield from pool.work(
                parcels, backend, progress=observer.encoded, fetching=observer.fetching
            )


def _document_prompts(plan: Plan) -> dict[tuple[Chunking, str], None]:
    """Chunkings with the prompts that documents are read behind, each pair once."""
    return {
        (job.chunking, route.prompt): None
        for job in plan.missing
        if job.identity.chunking != "none"
        for side, route in job.identity.routes.items()
        if side.rpartition("/")[2] == "document"  # of an aggregate's parts, PART/document
    }


def _store(record: Record, plan: Plan, job: Job, output: Output) -> None:
    from model.mteb_encoder import model_meta

    meta = model_meta(plan.run.source, plan.run.experiment(job.view, job.chunking))
    try:
        output.store.write(record, meta.to_dict())
    except OSError as error:
        raise StorageError(
            f"{output.store.folder(job.ref)}: {job.ref} could not be stored: "
            f"{error.strerror or error}; what was stored before is kept"
        ) from error


def _write_spec(plan: Plan, output: Output) -> None:
    name = plan.run.source.name.replace("/", "__")
    content = {"given": plan.run.spec.shareable(), "resolved": plan.run.as_dict}
    path = output.folder / "specs" / f"{name}.json"
    try:
        write_atomic(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise StorageError(
            f"output {output.folder} cannot be written: {error.strerror or error}"
        ) from error


def _refuse(
    task: str, failure: Failure, output: Output, outcome: Outcome, observer: RunObserver
) -> None:
    """Report a task without a score; keep an unexpected error's traceback in a file."""
    reason = failure.reason
    if not failure.expected:
        reason = f"unexpected {reason[:200]}"
        outcome.crashed.append(task)
        path = output.failures / f"{task}.txt"
        try:
            write_atomic(path, failure.trace)
            reason += f" (details in {path})"
        except OSError:
            pass
    outcome.refused[task] = reason
    observer.task_refused(task, reason)
