"""The table of published figures: `figures.csv`, whose README says where they come from."""

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, cast, get_args

from results.published.errors import PublishedError

__all__ = ["Kind", "PublishedFigure", "published_figures", "read_figures"]

Kind = Literal["mean", "task", "matryoshka", "length"]

_TABLE = Path(__file__).with_name("figures.csv")
_COLUMNS = (
    "model",
    "kind",
    "benchmark",
    "name",
    "detail",
    "metric",
    "score",
    "n_tasks",
    "source",
    "note",
)
_NEEDED = ("model", "kind", "benchmark", "name", "metric", "source")
_SIGNED = ("p-MRR", "spearman", "cosine_spearman")
"""Metrics that may be negative: a shift of ranks, and correlations."""

_MISSING = "missing: "
"""Begins the part of a note that names the tasks that a mean is not over."""


@dataclass(frozen=True)
class PublishedFigure:
    """One published figure, or the statement that there is none.

    Attributes:
        model: Name on the hub; for models behind an API, provider/name.
        kind: A `mean` over tasks, the score of one `task`, a mean over tasks at one dimension
            (`matryoshka`), or a task's score at one `length` of text.
        benchmark: mteb's name; "paper multilingual" and "paper Matryoshka" for selections of tasks
            that only the jina-embeddings-v3 paper has.
        name: A task, a task type, or "all".
        detail: The dimension or the length in tokens; None for the other kinds.
        metric: As the source calls it; "main_score" for a mean over several metrics.
        score: Times 100; None where nothing was published, and `note` says why.
        n_tasks: How many tasks a mean is over; None if it is no mean, or there is no score.
        source: Paper and table, or repository and commit.
        note: What else to know; empty for nothing.
    """

    model: str
    kind: Kind
    benchmark: str
    name: str
    detail: int | None
    metric: str
    score: float | None
    n_tasks: int | None
    source: str
    note: str

    @property
    def missing(self) -> tuple[str, ...]:
        """Tasks of the benchmark that the mean is not over; such means compare with no other."""
        for part in self.note.split("; "):
            if part.startswith(_MISSING):
                return tuple(part.removeprefix(_MISSING).split(", "))
        return ()


def published_figures(
    *,
    model: str | None = None,
    kind: Kind | None = None,
    benchmark: str | None = None,
    name: str | None = None,
    source: str | None = None,
) -> tuple[PublishedFigure, ...]:
    """Figures of the table, in its order; None leaves a column unfiltered.

    The same figure may have several sources with different scores.

    Args:
        model: Name of the model; one without figures gives an empty tuple.
        kind: See `PublishedFigure`.
        benchmark: mteb's name of it.
        name: A task, a task type, or "all".
        source: How the source begins, such as "arXiv:2409.10173".

    Raises:
        PublishedError: If the table is corrupt, or the kind is none of its kinds.
    """
    if kind is not None and kind not in get_args(Kind):
        raise PublishedError(f"no kind of figure: {kind!r}; allowed: {', '.join(get_args(Kind))}")
    return tuple(
        figure
        for figure in _built_in()
        if model in (None, figure.model)
        and kind in (None, figure.kind)
        and benchmark in (None, figure.benchmark)
        and name in (None, figure.name)
        and (source is None or figure.source.startswith(source))
    )


@lru_cache(maxsize=1)
def _built_in() -> tuple[PublishedFigure, ...]:
    return read_figures(_TABLE)


def read_figures(path: Path) -> tuple[PublishedFigure, ...]:
    """Read a table of figures.

    Args:
        path: A CSV file in UTF-8 with the columns of `PublishedFigure`.

    Raises:
        PublishedError: If the file cannot be read, a column or value is missing or wrong, a score
            is neither a number nor explained, or two rows state the same figure.
    """
    figures: dict[tuple[object, ...], PublishedFigure] = {}
    try:
        for line, row in _rows(path):
            try:
                figure = _figure(row)
            except ValueError as error:
                raise _corrupt(path, f"line {line}: {error}") from error
            key = (*list(row.values())[:6], figure.source)
            if key in figures:
                raise _corrupt(path, f"line {line}: the same figure stands there twice")
            figures[key] = figure
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _corrupt(path, " ".join(str(error).split())) from error
    return tuple(figures.values())


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file, strict=True)
        header = next(reader, [])
        if tuple(header) != _COLUMNS:
            raise _corrupt(path, f"columns {header}; they must be {', '.join(_COLUMNS)}")
        for values in reader:
            if len(values) != len(_COLUMNS):
                raise _corrupt(path, f"line {reader.line_num}: {len(values)} values")
            yield reader.line_num, dict(zip(_COLUMNS, values, strict=True))


def _figure(row: Mapping[str, str]) -> PublishedFigure:
    for column in _NEEDED:
        if not row[column]:
            raise ValueError(f"no {column}")
    kind = row["kind"]
    if kind not in get_args(Kind):
        raise ValueError(f"kind {kind!r}; allowed: {', '.join(get_args(Kind))}")
    detail = _count(row, "detail")
    if (detail is None) != (kind in ("mean", "task")):
        raise ValueError(f"detail {row['detail']!r} of kind {kind}")
    score = _score(row)
    n_tasks = _count(row, "n_tasks")
    if (n_tasks is None) != (score is None or kind in ("task", "length")):
        raise ValueError(f"n_tasks {row['n_tasks']!r} beside score {row['score']!r}, kind {kind}")
    return PublishedFigure(
        model=row["model"],
        kind=cast(Kind, kind),
        benchmark=row["benchmark"],
        name=row["name"],
        detail=detail,
        metric=row["metric"],
        score=score,
        n_tasks=n_tasks,
        source=row["source"],
        note=row["note"],
    )


def _score(row: Mapping[str, str]) -> float | None:
    if not row["score"]:
        if not row["note"]:
            raise ValueError("neither a score nor a note that says why")
        return None
    score = float(row["score"])
    low = -100.0 if row["metric"] in _SIGNED else 0.0
    if not (math.isfinite(score) and low <= score <= 100):
        raise ValueError(f"{row['metric']} {row['score']}; allowed: {low:g} to 100")
    return score


def _count(row: Mapping[str, str], column: str) -> int | None:
    if not row[column]:
        return None
    count = int(row[column])
    if count < 1:
        raise ValueError(f"{column} {count}")
    return count


def _corrupt(path: Path, reason: str) -> PublishedError:
    return PublishedError(f"corrupt table of published figures {path}: {reason}")
