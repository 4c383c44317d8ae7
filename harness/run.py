"""Run: plan, do what is missing task by task, lose nothing on the way."""

from __future__ import annotations

import json
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from harness.errors import StorageError, is_user_error, one_line
from harness.interrupts import check_interrupt
from harness.output import Output
from harness.plan import Job, Plan
from results.atomic import write_atomic
from results.record import Record

if TYPE_CHECKING:
    from model.backend import Backend
    from tasks.hub import DataSet

__all__ = ["Outcome", "RunObserver", "execute"]


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


def execute(plan: Plan, output: Output, observer: RunObserver) -> Outcome:
    """Do the jobs that are not stored yet.

    A task that gives no score is reported and does not stop the others; a
    folder that cannot be written does, since nothing could be kept.

    Args:
        plan: What to do.
        output: Where records go; held by this process.
        observer: Told of every step.

    Raises:
        ModelError: If the model cannot be loaded.
        StorageError: If a record cannot be written.
    """
    outcome = Outcome()
    missing = plan.missing_by_task()
    if not missing:
        observer.all_stored(plan)
        return outcome
    from harness.jobs import TaskRunner

    observer.model_loading(plan)
    _write_spec(plan, output)
    runner = TaskRunner(plan.run, _load(plan), output.store)

    def keep(job: Job, record: Record) -> None:
        outcome.measured.append(record)
        observer.job_done(job, record)
        check_interrupt()

    for task, jobs in missing.items():
        check_interrupt()
        observer.task_started(jobs)
        try:
            runner.run_task(jobs, keep, observer.encoded, observer.fetching)
        except StorageError:
            raise
        except Exception as error:  # one task's failure must not cost the others
            reason = one_line(error)
            if not is_user_error(error):
                reason = _write_down(task, error, output)
                outcome.crashed.append(task)
            outcome.refused[task] = reason
            observer.task_refused(task, reason)
    return outcome


def _load(plan: Plan) -> Backend:
    from model.backends import load_backend

    return load_backend(plan.run.source, **plan.run.spec.settings())


def _write_spec(plan: Plan, output: Output) -> None:
    name = plan.run.source.name.replace("/", "__")
    content = {"given": plan.run.spec.given(), "resolved": plan.run.as_dict}
    path = output.folder / "specs" / f"{name}.json"
    try:
        write_atomic(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise StorageError(
            f"output {output.folder} cannot be written: {error.strerror or error}"
        ) from error


def _write_down(task: str, error: Exception, output: Output) -> str:
    """Keep an unexpected error's traceback in a file; return the reason in one line."""
    reason = f"unexpected {type(error).__name__}: {one_line(error)[:200]}"
    path = output.failures / f"{task}.txt"
    try:
        write_atomic(path, "".join(traceback.format_exception(error)))
    except OSError:
        return reason
    return f"{reason} (details in {path})"
