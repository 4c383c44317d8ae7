"""`jina-eval bench sweep`: many views of one encode, beside mteb's way of one encode a view."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.bench_tables import write_figures
from harness.console import ProgressDisplay, make_console
from harness.errors import RunError
from harness.executors.pool import WorkerPool
from harness.output import Output
from harness.plan import make_plan, resolve_run
from harness.run import execute
from harness.spec import RunSpec
from model.cache.maintenance import holdings
from model.device import choose_device
from model.source import ModelSource, resolve_model
from model.views import VIEW_SETS, View, default_views
from reports.grid import Cell, Column, Grid, number
from reports.terminal import render_grid

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask
    from mteb.models import EncoderProtocol

__all__ = ["SweepRequest", "SweepResult", "bench_sweep", "bench_sweep_command"]

_DIMS_OF_A_SWEEP = 7


@dataclass(frozen=True)
class SweepRequest:
    """What to measure.

    Attributes:
        model: As in a run spec.
        suite: As in a run spec.
        tasks: Only these of the suite; empty for all.
        peer_views: Views that are evaluated through mteb's own wrappers too.
        workers: As in a run spec.
    """

    model: str
    suite: str
    tasks: tuple[str, ...]
    peer_views: tuple[str, ...]
    workers: int | None


@dataclass(frozen=True)
class OwnRun:
    """One run of ours with an empty cache.

    Attributes:
        views: Number of views.
        seconds: From loading the model to the last record.
        encoded: Texts that went through the model.
        distinct: Different (route, text) pairs of all tasks together.
        scores: Main scores by (view, task).
    """

    views: int
    seconds: float
    encoded: int
    distinct: int
    scores: dict[str, dict[str, float]] = field(repr=False)


@dataclass(frozen=True)
class PeerRun:
    """One view through mteb's wrappers.

    Attributes:
        view: The view.
        seconds: From loading the model to the last task's scores.
        scores: Main scores by task.
    """

    view: str
    seconds: float
    scores: dict[str, float]


@dataclass
class SweepResult:
    """All that was measured."""

    model: str
    suite: str
    one: OwnRun | None = None
    sweep: OwnRun | None = None
    peers: list[PeerRun] = field(default_factory=list)


def sweep_views(width: int) -> tuple[str, ...]:
    """Seven dimensions × four precisions of a model of any width.

    The Matryoshka sizes; where these are fewer than seven, with sizes half-way between them.
    """
    dims = [view.dim for view in default_views(width) if view.dim is not None]
    between = [(larger + smaller) // 2 for larger, smaller in itertools.pairwise(dims)]
    dims += between[: max(0, _DIMS_OF_A_SWEEP - len(dims))]
    return tuple(
        str(View(dim, precision=precision))
        for dim in sorted(dims, reverse=True)
        for precision in VIEW_SETS["sweep"]
    )


def bench_sweep(
    request: SweepRequest,
    say: Callable[[str], None],
    changed: Callable[[SweepResult], None],
    *,
    quiet: bool = True,
) -> SweepResult:
    """Measure.

    Args:
        request: What to measure.
        say: Told what is being done.
        changed: Told of every run as soon as it is over.
        quiet: Do not show how far runs are.

    Raises:
        ValueError: If model, suite or view are not here.
    """
    source = resolve_model(request.model)
    if source.width is None:
        raise RunError(f"model {request.model!r} has vectors of no fixed width: nothing to sweep")
    peer_views = [View.parse(view) for view in request.peer_views]
    result = SweepResult(source.name, request.suite)
    say("one view, nothing cached")
    result.one = _own(request, (f"dim={source.width}",), quiet)
    changed(result)
    views = sweep_views(source.width)
    say(f"{len(views)} views, nothing cached")
    result.sweep = _own(request, views, quiet)
    changed(result)
    for view in peer_views:
        say(f"{view} through mteb's own wrappers")
        result.peers.append(_peer(request, source, view, say))
        changed(result)
    return result


def _own(request: SweepRequest, views: tuple[str, ...], quiet: bool) -> OwnRun:
    with tempfile.TemporaryDirectory() as folder:
        spec = RunSpec(
            model=request.model,
            suite=request.suite,
            tasks=request.tasks,
            views=views,
            workers=request.workers,
            cache=f"{folder}/vectors",
            cache_size="1TB",
        )
        output = Output(Path(folder) / "run")
        console = make_console(stderr=True)
        plan = make_plan(resolve_run(spec), output.store)
        started = time.perf_counter()
        with (
            output.locked(),
            WorkerPool() as pool,
            ProgressDisplay(console, quiet=quiet) as display,
        ):
            outcome = execute(plan, output, display, pool)
        seconds = time.perf_counter() - started
        for task, reason in outcome.refused.items():
            raise RunError(f"{task}: {reason}")
        scores: dict[str, dict[str, float]] = {}
        for record in outcome.measured:
            scores.setdefault(record.provenance.view, {})[record.ref.task] = record.provenance.score
        return OwnRun(
            views=len(views),
            seconds=seconds,
            encoded=sum(record.provenance.cost.encoded_texts for record in outcome.measured),
            distinct=sum(holding.texts for holding in holdings(Path(folder) / "vectors")),
            scores=scores,
        )


def _peer(
    request: SweepRequest, source: ModelSource, view: View, say: Callable[[str], None]
) -> PeerRun:
    import mteb
    from mteb.models import CompressionWrapper, SentenceTransformerEncoderWrapper
    from mteb.types import OutputDType
    from sentence_transformers import SentenceTransformer

    spec = RunSpec(model=request.model, suite=request.suite, tasks=request.tasks)
    tasks: Sequence[AbsTask] = resolve_run(spec).tasks
    started = time.perf_counter()
    model = SentenceTransformer(
        str(source.folder),
        truncate_dim=view.dim,
        device=str(choose_device("auto")),
        local_files_only=True,
        model_kwargs={"use_safetensors": True},
    )
    wrapper: EncoderProtocol = SentenceTransformerEncoderWrapper(model)
    if view.precision != "float32":
        wrapper = CompressionWrapper(wrapper, OutputDType(view.precision))  # type: ignore[assignment]
    scores = {}
    for task in tasks:
        (found,) = mteb.evaluate(
            wrapper,
            task,
            cache=None,
            co2_tracker=False,
            show_progress_bar=False,
            encode_kwargs={"batch_size": 32, "show_progress_bar": False},
        ).task_results
        scores[found.task_name] = float(found.get_score())
        say(f"  {found.task_name}: {time.perf_counter() - started:.0f} s")
    return PeerRun(str(view), time.perf_counter() - started, scores)


def bench_sweep_command(request: SweepRequest, output: Path | None, *, quiet: bool) -> int:
    """Measure, print, and write the figures if asked to. Returns the exit code."""
    progress = make_console(stderr=True)

    def say(line: str) -> None:
        if not quiet:
            progress.print(line, soft_wrap=True)

    result = bench_sweep(
        request, say, lambda result: write_figures(output, asdict(result)), quiet=quiet
    )
    for grid in sweep_grids(result):
        make_console().print(render_grid(grid))
    return 0


def sweep_grids(result: SweepResult) -> tuple[Grid, ...]:
    """The times, and the scores where mteb's differ."""
    assert result.one is not None
    assert result.sweep is not None
    columns = (
        Column("Run", numeric=False),
        *(Column(name) for name in ("Views", "Seconds", "÷ one view", "Encoded", "Distinct")),
    )
    rows = [
        (
            Cell(name),
            number(run.views),
            Cell(f"{run.seconds:.1f}"),
            Cell(f"{run.seconds / result.one.seconds:.2f}"),
            number(run.encoded),
            number(run.distinct),
        )
        for name, run in (("one view", result.one), ("sweep", result.sweep))
    ]
    for peer in result.peers:
        ratio = Cell(f"{peer.seconds / result.one.seconds:.2f}")
        name = Cell(f"mteb's wrappers, {peer.view}")
        rows.append((name, number(1), Cell(f"{peer.seconds:.1f}"), ratio, Cell("–"), Cell("–")))
    notes = ["Encoded: texts through the model; distinct: different (route, text) pairs."]
    if result.peers:
        each = sum(peer.seconds for peer in result.peers) / len(result.peers)
        whole = each * result.sweep.views
        notes.append(
            f"mteb takes {each:.0f} s a view: {whole:,.0f} s for {result.sweep.views}, which is "
            f"{whole / result.sweep.seconds:.1f} × the sweep."
        )
    times = Grid(f"{result.model} on {result.suite}", columns, tuple(rows), tuple(notes))
    return (times, _differences(result)) if result.peers else (times,)


def _differences(result: SweepResult) -> Grid:
    assert result.sweep is not None
    columns = (
        Column("View", numeric=False),
        Column("Task", numeric=False),
        *(Column(name) for name in ("Ours", "mteb", "Difference")),
    )
    rows = []
    for peer in result.peers:
        ours = result.sweep.scores.get(peer.view, {})
        for task, score in peer.scores.items():
            if task not in ours or abs(ours[task] - score) < 0.00005:
                continue
            figures = (ours[task], score, ours[task] - score)
            cells = (Cell(f"{100 * figure:.2f}") for figure in figures)
            rows.append((Cell(peer.view), Cell(task), *cells))
    return Grid("Where mteb's scores differ", columns, tuple(rows), ("Scores × 100.",))
