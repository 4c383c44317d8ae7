"""All that a user sees: progress while a run goes on, tables, errors.

Progress goes to standard error, results to standard output. Bars are drawn on
a terminal only; elsewhere each finished task is one plain line.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.segment import Segment
from rich.text import Text

from jina_eval.core.display import visible

if TYPE_CHECKING:
    from harness.plan import Job, Plan
    from results.record import Record
    from tasks.hub import DataSet

__all__ = [
    "ProgressDisplay",
    "encode_progress",
    "make_console",
    "quiet_libraries",
    "show_error",
    "show_warning",
]

_MIN_WIDTH = 100


class _SafeConsole(Console):
    """Shows control characters of texts, such as names of models, instead of sending them."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """As rich does, segment by segment."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(visible(segment.text, keep="\n"), segment.style)

    def on_broken_pipe(self) -> None:
        """Leave it to the command line; rich would end with code 1, which means a regression."""
        raise BrokenPipeError(errno.EPIPE, "standard output was closed")


def make_console(*, stderr: bool = False) -> Console:
    """A console that is never narrower than our tables, unless it is a terminal."""
    # No markup: names of models and folders may hold brackets.
    console = _SafeConsole(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = max(console.width, _MIN_WIDTH)
    return console


def show_error(message: str) -> None:
    """One line on standard error."""
    sys.stderr.write(f"error: {visible(message)}\n")


def show_warning(message: str) -> None:
    """One line on standard error, bold on a terminal; shown also where a run is quiet."""
    console = make_console(stderr=True)
    console.print(Text(f"warning: {message}", style="bold yellow"), soft_wrap=True)


def quiet_libraries() -> None:
    """Keep the libraries' own bars and remarks off the screen.

    Called by commands before mteb and transformers are imported, never on
    import of this package.
    """
    import logging
    import warnings

    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    for library in ("TRANSFORMERS", "HF_HUB", "DATASETS"):
        os.environ.setdefault(f"{library}_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    warnings.simplefilter("ignore")
    for name in ("mteb", "transformers", "sentence_transformers", "huggingface_hub", "bm25s"):
        logging.getLogger(name).setLevel(logging.ERROR)


class _Speed(ProgressColumn):
    """Texts a second of the current encode."""

    def render(self, task: Task) -> Text:
        speed = task.fields.get("texts_per_second")
        return Text(f"{speed:,.0f} texts/s" if speed else "", style="cyan")


@contextmanager
def encode_progress(
    console: Console, texts: int, *, quiet: bool
) -> Iterator[Callable[[int], None]]:
    """A bar over texts; gives what to call with the number that were done."""
    bar = Progress(
        SpinnerColumn(),
        TextColumn("texts"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        _Speed(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )
    with bar:
        task = bar.add_task("texts", total=texts)
        yield lambda done: bar.advance(task, done)


@dataclass
class _TaskState:
    """A task that is under way: the records it lacks, and what to say of its first."""

    waiting: set[str]
    widest: str | None = None
    started: float = field(default_factory=time.perf_counter)


class ProgressDisplay(AbstractContextManager["ProgressDisplay"]):
    """Shows how far a run is; a `RunObserver`."""

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        """Prepare the display; it starts with the `with` block.

        Args:
            console: Where to draw, best on standard error.
            quiet: Show refused tasks only.
        """
        self._console = console
        self._quiet = quiet
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _Speed(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )
        self._jobs = self._bars.add_task("records", total=0, visible=False)
        self._texts = self._bars.add_task("texts", total=0, visible=False)
        self._encode_started = 0.0
        self._tasks: dict[str, _TaskState] = {}
        self._plan: Plan | None = None

    def __enter__(self) -> ProgressDisplay:
        """Start drawing."""
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop drawing and leave the screen clean."""
        self._bars.stop()

    def all_stored(self, plan: Plan) -> None:
        """Say that there is nothing to measure."""
        self._line(f"{plan.run.source.name}: all {len(plan.jobs)} records are stored already")

    def model_loading(self, plan: Plan) -> None:
        """Say what is going to be measured."""
        self._plan = plan
        missing = len(plan.missing)
        self._bars.reset(self._jobs, total=missing, visible=True)
        stored = len(plan.jobs) - missing
        self._line(
            f"{plan.run.source.name} on {plan.run.suite.title}: "
            f"{missing} records to measure, {stored} stored already"
        )

    def task_started(self, jobs: tuple[Job, ...]) -> None:
        """Say which tasks are under way."""
        self._tasks[jobs[0].ref.task] = _TaskState({str(job.ref) for job in jobs})
        self._name_tasks()

    def fetching(self, data: DataSet) -> None:
        """Say that a data set is fetched first."""
        self._line(f"  fetching {data}")

    def encoded(self, done: int, of: int) -> None:
        """Move the bar of the current encode."""
        if done == 0:
            self._encode_started = time.perf_counter()
            self._bars.reset(self._texts, total=of, visible=True, description="  encoding")
            return
        self._bars.advance(self._texts, done)
        seconds = time.perf_counter() - self._encode_started
        rate = self._bars.tasks[1].completed / max(seconds, 1e-9)
        self._bars.update(self._texts, texts_per_second=rate)

    def job_done(self, job: Job, record: Record) -> None:
        """Count a record; say a task's score with the first, its end with the last."""
        self._bars.advance(self._jobs)
        facts = record.provenance
        state = self._tasks[job.ref.task]
        if state.widest is None:
            state.widest = f"{facts.score * 100:6.2f} {facts.task.main_score} ({facts.view})"
        state.waiting.discard(str(job.ref))
        if not state.waiting:
            seconds = time.perf_counter() - state.started
            self._line(f"  {job.ref.task:<40} {state.widest:<40} {seconds:6.1f} s")
            self._end(job.ref.task)
            covered = facts.coverage
            if covered.n_scored < covered.n_expected:
                empty = covered.n_expected - covered.n_scored
                self._line(
                    f"    nothing was found for {empty} of {covered.n_expected} queries: "
                    "they count 0"
                )

    def task_refused(self, task: str, reason: str) -> None:
        """Say at once why a task gives no score."""
        if task in self._tasks:
            self._bars.advance(self._jobs, len(self._tasks[task].waiting))
            self._end(task)
        self._console.print(Text(f"  {task}: no score: {reason}", style="red"), soft_wrap=True)

    def _end(self, task: str) -> None:
        del self._tasks[task]
        if self._tasks:
            self._name_tasks()

    def _name_tasks(self) -> None:
        first = next(iter(self._tasks))
        others = f" and {len(self._tasks) - 1} more" if len(self._tasks) > 1 else ""
        self._bars.update(self._jobs, description=f"{self._model()} · {first}{others}")

    def _model(self) -> str:
        return self._plan.run.source.name.rsplit("/", 1)[-1] if self._plan else ""

    def _line(self, text: str) -> None:
        if not self._quiet:
            self._console.print(Text(text), soft_wrap=True)
