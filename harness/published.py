"""`jina-eval published`: the figures that are kept here, or a model's scores in a checkout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from harness.audit import published_name
from harness.audit_tables import points, short_source
from harness.console import make_console
from harness.errors import RunError
from reports.grid import MISSING, Cell, Column, Grid, number
from reports.terminal import render_grid
from results.published.figures import Kind, PublishedFigure, published_figures
from results.published.repository import PublishedScore, load_published

__all__ = ["published_command"]


def published_command(
    model: str | None,
    *,
    kind: str | None,
    benchmark: str | None,
    checkout: Path | None,
    revision: str | None,
) -> int:
    """Print what was published. Returns the exit code."""
    name = None if model is None else published_name(model)
    if checkout is not None:
        if name is None:
            raise RunError("name the model whose scores in the checkout are wanted")
        if kind is not None or benchmark is not None:
            raise RunError("kind and benchmark: a checkout holds tasks alone; leave them out")
        grid = _scores_grid(load_published(checkout, name, revision=revision), checkout)
    elif revision is not None:
        raise RunError(f"revision {revision!r}: only a checkout has revisions; give --published")
    else:
        figures = published_figures(model=name, kind=cast("Kind | None", kind), benchmark=benchmark)
        if not figures:
            raise RunError(_nothing(name, kind, benchmark))
        every = name is None and kind is None and benchmark is None
        grid = _models_grid(figures) if every else _figures_grid(figures, name)
    make_console().print(render_grid(grid))
    return 0


def _nothing(name: str | None, kind: str | None, benchmark: str | None) -> str:
    figures = published_figures()
    asked = {"model": name, "kind": kind, "benchmark": benchmark}
    said = ", ".join(f"{key} {value!r}" for key, value in asked.items() if value is not None)
    if name is not None and all(figure.model != name for figure in figures):
        allowed = f"models: {', '.join(dict.fromkeys(figure.model for figure in figures))}"
    elif benchmark is not None and all(figure.benchmark != benchmark for figure in figures):
        allowed = f"benchmarks: {', '.join(dict.fromkeys(figure.benchmark for figure in figures))}"
    else:
        return f"no figures of {said} together"
    return f"no figures of {said}; {allowed}"


def _models_grid(figures: Sequence[PublishedFigure]) -> Grid:
    """How many figures of each kind there are, by model."""
    kinds = tuple(dict.fromkeys(figure.kind for figure in figures))
    counts = Counter((f.model, f.kind) for f in figures if f.score is not None)
    missing = Counter(f.model for f in figures if f.score is None)
    rows = tuple(
        (
            Cell(model),
            *(number(counts[model, kind] or None) for kind in kinds),
            number(missing[model] or None),
        )
        for model in dict.fromkeys(figure.model for figure in figures)
    )
    columns = (
        Column("Model", numeric=False),
        *(Column(kind.capitalize()) for kind in kinds),
        Column("Not published"),
    )
    sources = ", ".join(dict.fromkeys(figure.source for figure in figures))
    notes = (
        "Name a model, --kind or --benchmark to see the figures.",
        f"Sources: {sources}.",
    )
    return Grid("Published figures kept here", columns, rows, notes)


def _figures_grid(figures: Sequence[PublishedFigure], model: str | None) -> Grid:
    titles = ("Benchmark", "Kind", "Name")
    columns = (
        *(Column("Model", numeric=False),) * (model is None),
        *(Column(title, numeric=False) for title in titles),
        Column("Dim or length", "Dim"),
        Column("Score"),
        Column("Tasks"),
        Column("Metric", numeric=False),
        Column("Source", numeric=False),
        Column("Note", numeric=False),
    )
    rows = tuple(
        (
            *(Cell(figure.model),) * (model is None),
            Cell(figure.benchmark),
            Cell(figure.kind),
            Cell(figure.name),
            number(figure.detail),
            points(figure.score),
            number(figure.n_tasks),
            Cell(figure.metric),
            Cell(short_source(figure.source)),
            Cell(figure.note),
        )
        for figure in figures
    )
    notes = ("Scores times 100. No mean is comparable with one over other tasks: see Note.",)
    return Grid(f"Published figures{f' of {model}' if model else ''}", columns, rows, notes)


def _scores_grid(scores: Sequence[PublishedScore], checkout: Path) -> Grid:
    titles = ("Task", "Split", "Subset", "Metric")
    columns = (
        *(Column(title, numeric=False) for title in titles),
        Column("Score"),
        Column("mteb", numeric=False),
        Column("Note", numeric=False),
    )
    rows = tuple(
        (
            Cell(score.task),
            Cell(score.split),
            Cell(score.subset),
            Cell(score.metric or MISSING),
            points(None if score.score is None else 100 * score.score),
            Cell(score.mteb_version or MISSING),
            Cell("stored without a number" if score.score is None else ""),
        )
        for score in scores
    )
    title = f"{scores[0].model}, revision {scores[0].revision}, in {checkout}"
    return Grid(title, columns, rows, ("Main scores times 100, as stored.",))
