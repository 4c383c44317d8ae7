"""`jina-eval bench suite`: what the time of an evaluation goes into.

Tasks are replayed with synthetic text in their true amounts (`tasks.replay`), through the same
steps as in a run: looking at the data, encoding, searching, scoring.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer

from harness.bench_encode import bench_model, device_name
from harness.bench_tables import write_figures
from harness.bench_texts import one_token_words
from harness.console import make_console
from harness.effort import relative_effort
from harness.errors import RunError
from harness.evaluation import evaluate_task
from harness.executors.local import work_here
from harness.executors.parcel import Desk, Failure
from harness.executors.pool import WorkerPool
from harness.jobs import CACHE_BYTES, LoadedTask
from harness.run import worker_count
from model.backends import load_backend
from model.dense_search import DenseMtebEncoder
from model.device import choose_device
from model.mteb_encoder import model_meta
from model.routing import Route, make_routing
from model.task_vectors import TaskVectors
from model.views import View
from reports.grid import Cell, Column, Grid, number, short_type
from reports.terminal import render_grid
from tasks.filters import TaskFilter, filter_tasks
from tasks.fresh import DEFAULT_SEED
from tasks.replay import ReplayText, replay_tasks
from tasks.suites import get_suite

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

    from model.source import ModelSource

__all__ = ["SuiteRequest", "SuiteResult", "TaskTime", "bench_suite", "bench_suite_command"]


@dataclass(frozen=True)
class SuiteRequest:
    """What to measure.

    Attributes:
        suite: The suite to replay.
        fraction: Share of its texts.
        wanted: Which of its tasks.
        model: A model as in a run spec; None for random weights of full size.
        device: As in a run spec.
        precision: As in a run spec; None for bfloat16 on a GPU, else float32.
        attention: As in a run spec.
        token_budget: As in a run spec.
        workers: As in a run spec.
    """

    suite: str
    fraction: float
    wanted: TaskFilter = field(default_factory=TaskFilter)
    model: str | None = None
    device: str = "auto"
    precision: str | None = None
    attention: str = "auto"
    token_budget: int | None = None
    workers: int | None = None


@dataclass(frozen=True)
class TaskTime:
    """What one task took, in seconds, without those in which it waited for the model.

    Attributes:
        task: Its name.
        type: Its type.
        texts: Texts that were encoded.
        tokens: Tokens that the model read.
        data: Looking at the data: ids, counts, hash, a copy.
        encode: Texts to vectors.
        search: Finding documents.
        score: All else: evaluators and metrics.
    """

    task: str
    type: str
    texts: int
    tokens: int
    data: float
    encode: float
    search: float
    score: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.data + self.encode + self.search + self.score


@dataclass
class SuiteResult:
    """All that was measured.

    Attributes:
        suite: The suite.
        fraction: Share of its texts.
        model: Name of the model.
        device: Name of the device.
        precision: Number format.
        attention: Kernels in use.
        workers: Processes beside the one with the model.
        seconds: From the first task's data to the last one's scores.
        tasks: Task by task.
    """

    suite: str
    fraction: float
    model: str
    device: str
    precision: str
    attention: str
    workers: int
    seconds: float = 0.0
    tasks: list[TaskTime] = field(default_factory=list)

    def sum(self, name: str) -> float:
        """A figure summed over the tasks."""
        return float(sum(getattr(task, name) for task in self.tasks))


@dataclass(frozen=True)
class ReplayParcel:
    """The replay of one task as a `harness.executors.parcel.Parcel`.

    Attributes:
        task: A task of mteb.
        fraction: Share of its texts.
        words: Words that its texts are made of.
        source: The model.
    """

    task: AbsTask
    fraction: float
    words: tuple[str, ...]
    source: ModelSource

    def work(self, desk: Desk) -> Iterator[TaskTime]:
        """Replay the task, or an aggregate's parts, with texts of its own; gives what they took."""
        for replay in replay_tasks(self.task, self.fraction, ReplayText(self.words)):
            yield _measure(replay, self.source, desk)


def bench_suite(
    request: SuiteRequest, say: Callable[[str], None], changed: Callable[[SuiteResult], None]
) -> SuiteResult:
    """Measure.

    Args:
        request: What to measure.
        say: Told what is being done.
        changed: Told of every task as soon as it is measured.

    Raises:
        ValueError: If suite, model or device are not here.
    """
    if not 0 < request.fraction <= 1:
        raise RunError(f"fraction is {request.fraction}; expected above 0 and at most 1")
    tasks = filter_tasks(get_suite(request.suite), request.wanted)
    device = choose_device(request.device)
    precision = request.precision or ("bfloat16" if device.type == "cuda" else "float32")
    workers = worker_count(request.workers, len(tasks))
    with bench_model(request.model, device, say) as source, WorkerPool() as pool:
        pool.start(workers)
        say(f"loading {source.name} in {precision} on {device}")
        backend = load_backend(
            source,
            device=request.device,
            precision=precision,
            attention=request.attention,
            token_budget=request.token_budget,
        )
        assert source.folder is not None
        tokenizer = Tokenizer.from_file(str(source.folder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        words = tuple(one_token_words(tokenizer))
        backend.encode([f"{words[0]} " * length for length in _WARM_UP], Route(), lambda _: None)
        result = SuiteResult(
            suite=request.suite,
            fraction=request.fraction,
            model=source.name,
            device=device_name(device),
            precision=precision,
            attention=str(backend.attention),
            workers=workers,
        )
        largest_first = sorted(tasks, key=relative_effort, reverse=True)
        parcels = [ReplayParcel(task, request.fraction, words, source) for task in largest_first]
        started = time.perf_counter()
        for event in (
            pool.work(parcels, backend, progress=_nobody, fetching=_nobody)
            if workers
            else work_here(parcels, Desk(backend))
        ):
            if isinstance(event.what, Failure):
                raise RunError(f"{largest_first[event.parcel].metadata.name}: {event.what.reason}")
            if isinstance(event.what, TaskTime):
                result.tasks.append(event.what)
                result.seconds = time.perf_counter() - started
                changed(result)
    return result


_WARM_UP = (2000, 600, 100, 30, 10, 3)
"""Tokens of the texts that are encoded before the clock starts."""


def _nobody(*_: object) -> None:
    """Nobody is told."""


def _measure(task: AbsTask, source: ModelSource, desk: Desk) -> TaskTime:
    started = desk.clock()
    loaded = LoadedTask.of(task)
    copy = loaded.copy(DEFAULT_SEED)
    data = desk.clock() - started
    assert desk.backend is not None
    encoder = DenseMtebEncoder(
        desk.backend,
        make_routing(source.default_routing, source.prompts),
        model_meta(source, {}),
        view=View(source.width),
        vectors=TaskVectors(CACHE_BYTES),
        similarity=source.similarity,
        unit=source.truncates_to_unit,
        clock=desk.clock,
    )
    encoder.open_search = desk.open_search
    evaluate_task(copy, encoder, loaded.expected, processes=desk.processes)
    usage = encoder.usage
    rest = desk.clock() - started - data - usage.encode_seconds - usage.search_seconds
    return TaskTime(
        task=task.metadata.name,
        type=task.metadata.type,
        texts=usage.encoded_texts,
        tokens=(usage.total.tokens or 0) - (usage.total.truncated_tokens or 0),
        data=data,
        encode=usage.encode_seconds,
        search=usage.search_seconds,
        score=rest,
    )


def bench_suite_command(request: SuiteRequest, output: Path | None, *, quiet: bool) -> int:
    """Measure, print, and write the figures if asked to. Returns the exit code."""
    progress = make_console(stderr=True)

    def say(line: str) -> None:
        if not quiet:
            progress.print(line, soft_wrap=True)

    def changed(result: SuiteResult) -> None:
        last = result.tasks[-1]
        say(f"  {last.task}: {last.texts:,} texts, {last.total:.1f} s")
        write_figures(output, asdict(result))

    result = bench_suite(request, say, changed)
    make_console().print(render_grid(suite_grid(result)))
    return 0


def suite_grid(result: SuiteResult) -> Grid:
    """The measurements by task type, and in all."""
    parts = ("data", "encode", "search", "score")
    columns = (
        Column("Type", numeric=False),
        *(Column(title) for title in ("Tasks", "Texts", "Tokens", "Seconds")),
        *(Column(f"% {part}") for part in parts),
    )

    def row(name: str, short: str, tasks: list[TaskTime]) -> tuple[Cell, ...]:
        sums: dict[str, Any] = {
            part: sum(getattr(task, part) for task in tasks) for part in ("total", *parts)
        }
        return (
            Cell(name, short=short),
            number(len(tasks)),
            number(sum(task.texts for task in tasks)),
            number(sum(task.tokens for task in tasks)),
            Cell(f"{sums['total']:.1f}"),
            *(Cell(f"{100 * sums[part] / max(sums['total'], 1e-9):.1f}") for part in parts),
        )

    types = dict.fromkeys(task.type for task in result.tasks)
    rows = [
        row(kind, short_type(kind), [task for task in result.tasks if task.type == kind])
        for kind in types
    ]
    encode = result.sum("encode")
    notes = (
        f"{result.model} on {result.device}, {result.precision}, {result.attention}.",
        f"Encoding: {result.sum('tokens') / max(encode, 1e-9):,.0f} tokens/s. "
        f"{_workers(result)}: {result.seconds:.1f} s from the first task's data to the last one's "
        f"scores, of which the model encoded {100 * encode / max(result.seconds, 1e-9):.0f} %. "
        f"The whole suite would take about {result.seconds / result.fraction / 60:,.0f} min.",
    )
    title = f"{result.suite} replayed, {100 * result.fraction:g} % of its texts"
    return Grid(title, columns, (*rows, row("all", "all", result.tasks)), notes)


def _workers(result: SuiteResult) -> str:
    return f"{result.workers} workers" if result.workers else "One process"
