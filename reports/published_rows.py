"""Rows of a leaderboard that others published: means, and where there are some, scores of tasks.

A published mean stands in a column only if it is over the very tasks of that column; else the row
says in words what it is over. No published row takes part in a rank or is called a tie: there are
no examples of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import TYPE_CHECKING

from results.comparable import is_same_metric
from results.published.figures import PublishedFigure, published_figures
from results.published.references import PAPER, REPOSITORY, Reference, from_figures

if TYPE_CHECKING:
    from reports.leaderboard import Leaderboard

__all__ = ["PublishedRow", "benchmark_of", "published_rows", "with_published"]

_BENCHMARKS = {
    "english": "MTEB(eng, v2)",
    "english-v1": "MTEB(eng, v1)",
    "multilingual": "MTEB(Multilingual, v2)",
    "multilingual-v1": "MTEB(Multilingual, v1)",
    "long-context": "LongEmbed",
}
_MOST_NAMES = 5


@dataclass(frozen=True)
class PublishedRow:
    """What one source says of one model; scores between 0 and 1.

    Attributes:
        label: What tells it from the other rows.
        model: Name under which it was published.
        source: Paper, or repository and commit or revision.
        mean_task: Mean over all tasks of the suite; None if that was not published.
        mean_type: Mean over the means of its types; None if one of them is missing.
        types: Means by task type, of those that are over all tasks of the type.
        scores: By task, where there are some.
        tasks: Over how many tasks of the suite anything was published; None if that is not said.
        notes: What is missing or over other tasks, and what else the source says.
        asked: Whether it was asked for by name, and is no row of the table kept here.
    """

    label: str
    model: str
    source: str
    mean_task: float | None
    mean_type: float | None
    types: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    tasks: int | None = None
    notes: tuple[str, ...] = ()
    asked: bool = False

    @property
    def origin(self) -> str:
        """The source in a word, where it is of a known kind."""
        if self.source.startswith(PAPER):
            return "paper"
        if self.source.startswith(REPOSITORY):
            return "repository"
        return "leaderboard" if "leaderboard" in self.source else self.source

    @property
    def is_comparable(self) -> bool:
        """Whether there is a mean over the very tasks of a column."""
        return self.mean_task is not None or bool(self.types)


def benchmark_of(suite: str) -> str:
    """The benchmark that a suite is, as mteb calls it; else the suite's own name."""
    return _BENCHMARKS.get(suite, suite)


def with_published(board: Leaderboard, references: Iterable[Reference] = ()) -> Leaderboard:
    """The leaderboard with what was published of its suite."""
    return replace(board, published=published_rows(board, references))


def published_rows(
    board: Leaderboard, references: Iterable[Reference] = ()
) -> tuple[PublishedRow, ...]:
    """What was published of a suite, best mean over tasks first.

    Args:
        board: The suite's leaderboard.
        references: Scores of tasks beside those that are kept here. Their `benchmarks` hold the
            suites that they are of, over the suite's own splits and subsets.
    """
    benchmark = benchmark_of(board.suite)
    means: dict[tuple[str, str], list[PublishedFigure]] = {}
    for figure in published_figures(kind="mean", benchmark=benchmark):
        means.setdefault((figure.model, _whole(figure.source)), []).append(figure)
    tasks: dict[tuple[str, str], list[Reference]] = {}
    for kept in from_figures(published_figures(kind="task", benchmark=benchmark)):
        tasks.setdefault((kept.model, _whole(kept.source)), []).append(kept)
    asked: dict[tuple[str, str], list[Reference]] = {}
    for reference in references:
        if board.suite in reference.benchmarks:
            asked.setdefault((reference.model, reference.source), []).append(reference)
    keys = dict.fromkeys([*means, *tasks])
    rows = [_row(board, key, means.get(key, ()), tasks.get(key, ())) for key in keys]
    rows += [replace(_row(board, key, (), found), asked=True) for key, found in asked.items()]
    rows = [row for row in rows if row.is_comparable or row.scores or row.tasks or row.asked]
    return tuple(sorted(_labelled(rows), key=_place))


def _place(row: PublishedRow) -> tuple[bool, float, str]:
    return row.mean_task is None, -(row.mean_task or 0.0), row.label


def _whole(source: str) -> str:
    """A paper without the table, so that its tables make one row."""
    return source.split(" ")[0] if source.startswith(PAPER) else source


def _row(
    board: Leaderboard,
    key: tuple[str, str],
    means: Sequence[PublishedFigure],
    tasks: Sequence[Reference],
) -> PublishedRow:
    scores = _task_scores(board, tasks)
    by_name = {figure.name: figure for figure in means}
    notes: list[str] = []
    overall = by_name.get("all")
    mean_task = _mean(overall, [task.name for task in board.tasks], scores, notes, "all tasks")
    types = {}
    for name in board.types:
        mean = _mean(by_name.get(name), board.tasks_of(name), scores, notes, name)
        if mean is not None:
            types[name] = mean
    every = bool(types) and len(types) == len(board.types)
    mean_type = fmean(types.values()) if every else None
    notes += _said(means)
    if scores and not means:
        notes += _lacking(board, scores)
        notes += dict.fromkeys(one.note for one in tasks if one.score is None and one.note)
    count = overall.n_tasks if overall is not None and overall.n_tasks else len(scores) or None
    return PublishedRow("", *key, mean_task, mean_type, types, scores, count, tuple(notes))


def _task_scores(board: Leaderboard, references: Sequence[Reference]) -> dict[str, float]:
    """By task of the suite. One whose main metric was another is none of ours."""
    ours = {task.name: task.metric for task in board.tasks}
    found: dict[str, float] = {}
    for one in references:
        if one.task not in ours or one.score is None or one.split:
            continue
        metric = ours[one.task]
        if one.metric is None or metric is None or is_same_metric(one.metric, metric):
            found[one.task] = one.score / 100
    return found


def _mean(
    figure: PublishedFigure | None,
    tasks: Sequence[str],
    scores: Mapping[str, float],
    notes: list[str],
    what: str,
) -> float | None:
    """A mean over these very tasks; None, and a note, if it is over others."""
    if figure is not None and figure.score is not None:
        if figure.n_tasks == len(tasks) and not figure.missing:
            return figure.score / 100
        without = f", without {_named(figure.missing)}" if figure.missing else ""
        notes.append(f"{what}: {figure.score:.2f} over {figure.n_tasks} of {len(tasks)}{without}")
        return None
    if scores and all(task in scores for task in tasks):
        return fmean(scores[task] for task in tasks)
    return None


def _lacking(board: Leaderboard, scores: Mapping[str, float]) -> list[str]:
    missing = [task.name for task in board.tasks if task.name not in scores]
    return [f"lacks {_named(missing)}"] if missing else []


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{', '.join(names[:_MOST_NAMES])}{more}"


def _said(means: Sequence[PublishedFigure]) -> list[str]:
    """What the source says beside the figures; what it says of one type alone is said so."""
    notes: dict[str, list[str]] = {}
    for figure in means:
        note = _plain(figure.note)
        if note:
            notes.setdefault(note, []).append(figure.name)
    return [
        note if len(names) > 1 or names == ["all"] else f"{names[0]}: {note}"
        for note, names in notes.items()
    ]


def _plain(note: str) -> str:
    """A note without what is said of missing tasks already."""
    return "; ".join(part for part in note.split("; ") if not part.startswith("missing: "))


def _labelled(rows: Sequence[PublishedRow]) -> list[PublishedRow]:
    """Each model's short name and where the row is from, as much as tells them apart."""
    full: dict[str, set[str]] = {}
    for row in rows:
        full.setdefault(row.model.rsplit("/", 1)[-1], set()).add(row.model)
    sources = Counter((row.model, row.origin) for row in rows)
    labelled = []
    for row in rows:
        short = row.model.rsplit("/", 1)[-1]
        name = short if len(full[short]) == 1 else row.model
        origin = row.origin if sources[row.model, row.origin] == 1 else row.source
        labelled.append(replace(row, label=f"{name} ({origin})"))
    return labelled
