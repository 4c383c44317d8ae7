"""What others published of a suite's benchmark, for behind our own."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from reports.leaderboard import Leaderboard
from reports.published_rows import benchmark_of
from results.published.figures import published_figures

__all__ = ["Curve", "Mean", "length_curve", "matryoshka_curve", "published_means"]

_PARAMETERS = Path(__file__).with_name("parameters.csv")
_PAPERS_MODEL = "jinaai/jina-embeddings-v3"


@dataclass(frozen=True)
class Curve:
    """A published curve.

    Attributes:
        label: What it is, in a few words.
        points: (dimension or length, score × 100), in rising order.
        source: Paper and table, or repository and commit.
    """

    label: str
    points: tuple[tuple[int, float], ...]
    source: str


@dataclass(frozen=True)
class Mean:
    """A published mean over all tasks of a benchmark.

    Attributes:
        model: Name on the hub.
        score: Times 100.
        parameters: Number of weights; None if it was not made known.
        n_tasks: How many tasks it is over.
        source: Paper and table, or repository and commit.
        note: What else to know; empty for nothing.
    """

    model: str
    score: float
    parameters: int | None
    n_tasks: int | None
    source: str
    note: str

    @property
    def is_broken(self) -> bool:
        """Whether the stored scores are known to be wrong."""
        return "broken" in self.note


def matryoshka_curve(board: Leaderboard, task_type: str) -> Curve | None:
    """Score against dimension as the jina-embeddings-v3 paper has it, for some task types.

    The paper's curve is a mean over tasks of its own choice. It is given where the board has that
    model, or is itself one of the benchmarks for which there are published figures.
    """
    models = {entry.some_record.provenance.identity.model for entry in board.entries}
    if not any("jina-embeddings-v3" in model for model in models) and not published_figures(
        benchmark=benchmark_of(board.suite), kind="mean"
    ):
        return None
    figures = [
        figure
        for figure in published_figures(model=_PAPERS_MODEL, kind="matryoshka", name=task_type)
        if figure.score is not None and figure.detail is not None
    ]
    if not figures:
        return None
    return Curve(
        label=f"published: {figures[0].n_tasks} tasks",
        points=tuple(sorted((f.detail or 0, f.score or 0.0) for f in figures)),
        source=figures[0].source,
    )


def length_curve(board: Leaderboard, task: str) -> Curve | None:
    """Score against length of jina-embeddings-v3, of the tasks for which it was published."""
    figures = [
        figure
        for figure in published_figures(
            model=_PAPERS_MODEL, kind="length", benchmark=benchmark_of(board.suite), name=task
        )
        if figure.score is not None and figure.detail is not None
    ]
    if not figures:
        return None
    return Curve(
        label="jina-embeddings-v3, published",
        points=tuple(sorted((f.detail or 0, f.score or 0.0) for f in figures)),
        source=figures[0].source,
    )


def published_means(board: Leaderboard) -> tuple[Mean, ...]:
    """The published means of the board's benchmark, a model once; best first.

    Of several sources the first is taken that is over all of its tasks, else the first.
    """
    count = len(board.tasks)
    found: dict[str, Mean] = {}
    for figure in published_figures(kind="mean", benchmark=benchmark_of(board.suite), name="all"):
        if figure.score is None:
            continue
        mean = Mean(
            figure.model,
            figure.score,
            _parameters().get(figure.model),
            figure.n_tasks,
            figure.source,
            figure.note,
        )
        known = found.get(figure.model)
        if known is None or (_is_poor(known, count) and not _is_poor(mean, count)):
            found[figure.model] = mean
    return tuple(sorted(found.values(), key=lambda mean: (-mean.score, mean.model)))


def _is_poor(mean: Mean, count: int) -> bool:
    return mean.n_tasks != count or mean.is_broken


@lru_cache(maxsize=1)
def _parameters() -> Mapping[str, int]:
    with _PARAMETERS.open(encoding="utf-8", newline="") as file:
        return {row["model"]: int(row["parameters"]) for row in csv.DictReader(file)}
