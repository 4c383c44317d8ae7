"""The leaderboard of a suite: one row a model, means over the same tasks for all.

A mean is only formed where every task that it is over was measured, so that
no column averages different tasks for different models.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING

from reports.errors import ReportError
from reports.noise import Ranking, plain_ranking
from results.provenance import Coverage
from results.ranks import borda_ranks
from results.record import Record
from results.vector_bytes import vector_bytes

if TYPE_CHECKING:
    from reports.published_rows import PublishedRow

__all__ = ["Entry", "Leaderboard", "TaskColumn", "make_leaderboards"]

Settings = tuple[tuple[str, object], ...]


@dataclass(frozen=True)
class TaskColumn:
    """A task of the leaderboard.

    Attributes:
        name: Its name.
        type: Its type.
        metric: Name of its main score; None if no record says.
        examples: Number of examples to score; None likewise.
    """

    name: str
    type: str
    metric: str | None
    examples: int | None


@dataclass(frozen=True)
class Entry:
    """One model under one set of settings.

    Attributes:
        label: What tells it from the other entries.
        records: Its records by (view, task).
    """

    label: str
    records: Mapping[tuple[str, str], Record]

    @property
    def views(self) -> tuple[str, ...]:
        """Views that were measured, widest first."""
        names = {view for view, _ in self.records}
        return tuple(sorted(names, key=lambda view: (-max(self._dims(view), default=0), view)))

    @property
    def main_view(self) -> str:
        """The widest view that was measured, as a rule the whole vector."""
        return self.views[0]

    def dim(self, view: str) -> int | None:
        """Number of dimensions that a view reads; None if it is not fixed or differs by task."""
        dims = self._dims(view)
        return dims[0] if len(dims) == 1 else None

    def is_mixed(self, view: str) -> bool:
        """Whether the number of dimensions differs by task."""
        return len(self._dims(view)) > 1

    def dim_range(self, view: str) -> str | None:
        """Numbers of dimensions that a view reads, such as "64–256"; None if they are not fixed."""
        dims = self._dims(view)
        return "–".join(str(dim) for dim in dict.fromkeys((dims[0], dims[-1]))) if dims else None

    def vector_bytes(self, view: str) -> tuple[int, int] | None:
        """The fewest and the most bytes of a stored vector; None if dimensions are not fixed."""
        found = [vector_bytes(view, dim) for dim in self._dims(view)]
        known = [size for size in found if size is not None]
        return (known[0], known[-1]) if known else None

    def coverage(self, view: str) -> Coverage:
        """How many examples should be scored and how many were, over the measured tasks."""
        found = [r.provenance.coverage for (name, _), r in self.records.items() if name == view]
        return Coverage(
            n_expected=sum(one.n_expected for one in found),
            n_scored=sum(one.n_scored for one in found),
        )

    def _dims(self, view: str) -> list[int]:
        found = {r.provenance.dim for (name, _), r in self.records.items() if name == view}
        return sorted(dim for dim in found if dim is not None)

    def score(self, view: str, task: str) -> float | None:
        """A task's score in a view; None if it was not measured, or is not a finite number."""
        record = self.records.get((view, task))
        if record is None or not math.isfinite(record.provenance.score):
            return None
        return record.provenance.score

    def mean(self, view: str, tasks: Iterable[str]) -> float | None:
        """Mean score of some tasks; None if one of them was not measured."""
        scores = [self.score(view, task) for task in tasks]
        known = [score for score in scores if score is not None]
        return fmean(known) if known and len(known) == len(scores) else None

    @property
    def some_record(self) -> Record:
        """Some record, for the facts that all of them share."""
        return next(iter(self.records.values()))

    @property
    def texts_per_second(self) -> float | None:
        """Speed of encoding, as of this entry alone; None if nothing was encoded for it.

        Passes that it shares with other entries count as if they had been its own, so that one
        of several chunkings that are encoded together is as fast as if it were encoded alone.
        """
        known = [speed for r in self.records.values() if (speed := r.provenance.speed) is not None]
        return sum(texts for texts, _ in known) / sum(s for _, s in known) if known else None

    @property
    def truncated_share(self) -> float | None:
        """Share of distinct texts that were cut, in the main view; None if not counted."""
        counts = [
            record.provenance.text_count
            for (view, _), record in self.records.items()
            if view == self.main_view
        ]
        texts = sum(count.distinct_texts for count in counts if count.truncated_texts is not None)
        return sum(count.truncated_texts or 0 for count in counts) / texts if texts else None


@dataclass(frozen=True)
class Leaderboard:
    """All entries of one suite, best first.

    Attributes:
        suite: The suite's name.
        tasks: All its tasks, measured or not.
        entries: Best mean over tasks first, incomplete ones last.
        ranking: Places of the complete ones; see `reports.noise` for ties.
        published: What others published of the suite, see `reports.published_rows`.
    """

    suite: str
    tasks: tuple[TaskColumn, ...]
    entries: tuple[Entry, ...]
    ranking: Ranking = field(default_factory=Ranking)
    published: tuple[PublishedRow, ...] = ()

    @property
    def types(self) -> tuple[str, ...]:
        """Task types, in the order of the tasks."""
        return tuple(dict.fromkeys(task.type for task in self.tasks))

    def tasks_of(self, task_type: str) -> tuple[str, ...]:
        """Names of the tasks of one type."""
        return tuple(task.name for task in self.tasks if task.type == task_type)

    def type_mean(self, entry: Entry, view: str, task_type: str) -> float | None:
        """Mean over the tasks of one type; None unless all were measured."""
        return entry.mean(view, self.tasks_of(task_type))

    def mean_task(self, entry: Entry, view: str) -> float | None:
        """Mean over all tasks; None unless all were measured."""
        return entry.mean(view, [task.name for task in self.tasks])

    def mean_type(self, entry: Entry, view: str) -> float | None:
        """Mean over the means of the types; None unless all tasks were measured."""
        means = [self.type_mean(entry, view, name) for name in self.types]
        known = [mean for mean in means if mean is not None]
        return fmean(known) if known and len(known) == len(means) else None

    @cached_property
    def borda(self) -> Mapping[str, int]:
        """The Borda rank as mteb has it by label, of the entries that were measured on all tasks.

        It is empty if there are fewer than two of them: a rank among one says nothing.
        """
        scores = {
            entry.label: {
                task.name: score
                for task in self.tasks
                if (score := entry.score(entry.main_view, task.name)) is not None
            }
            for entry in self.entries
            if not self.missing(entry)
        }
        return borda_ranks(scores) if len(scores) > 1 else {}

    def missing(self, entry: Entry) -> tuple[str, ...]:
        """Tasks that were not measured in the main view."""
        view = entry.main_view
        return tuple(task.name for task in self.tasks if entry.score(view, task.name) is None)


def make_leaderboards(records: Iterable[Record]) -> tuple[Leaderboard, ...]:
    """One leaderboard for each suite.

    Args:
        records: Records of any models and suites; the same record may come twice.

    Raises:
        ReportError: If there are none, or the same task was measured on
            different data.
    """
    by_suite: dict[str, list[Record]] = {}
    for record in records:
        by_suite.setdefault(record.provenance.suite, []).append(record)
    if not by_suite:
        raise ReportError("nothing to report: there are no records")
    return tuple(_make_leaderboard(suite, by_suite[suite]) for suite in sorted(by_suite))


def _make_leaderboard(suite: str, records: list[Record]) -> Leaderboard:
    _check_data(records)
    entries = _entries(records)
    known = {record.ref.task: record.provenance for record in records}
    types = {
        name: kind for record in records for name, kind in record.provenance.suite_tasks.items()
    }
    tasks = tuple(
        TaskColumn(
            name=name,
            type=kind,
            metric=known[name].task.main_score if name in known else None,
            examples=known[name].coverage.n_expected if name in known else None,
        )
        for name, kind in types.items()
    )
    board = Leaderboard(suite, tasks, entries)

    def rank(entry: Entry) -> tuple[bool, float, str]:
        mean = board.mean_task(entry, entry.main_view)
        return mean is None, -(mean or 0.0), entry.label

    board = replace(board, entries=tuple(sorted(entries, key=rank)))
    return replace(board, ranking=plain_ranking(board))


def _check_data(records: Iterable[Record]) -> None:
    """The same task must be over the same texts and labels in all records."""
    first: dict[str, Record] = {}
    for record in records:
        other = first.setdefault(record.ref.task, record)
        if record.provenance.task.content_hash != other.provenance.task.content_hash:
            raise ReportError(
                f"task {record.ref.task} was measured on different data for {other.ref.model} and "
                f"{record.ref.model}; records of different data are never compared"
            )


def _entries(records: Iterable[Record]) -> tuple[Entry, ...]:
    groups: dict[Settings, dict[tuple[str, str], Record]] = {}
    for record in records:
        group = groups.setdefault(_settings(record), {})
        place = (record.provenance.view, record.ref.task)
        other = group.setdefault(place, record)
        if other.provenance.key != record.provenance.key:
            what = record.provenance.identity.differences(other.provenance.identity)
            raise ReportError(
                f"{record.ref} was measured twice under different settings "
                f"({', '.join(what)}); report the runs one by one"
            )
    labels = _labels(list(groups))
    return tuple(Entry(labels[settings], group) for settings, group in groups.items())


def _settings(record: Record) -> Settings:
    """What makes two records entries of their own: all that holds for a whole run."""
    facts = record.provenance
    identity = facts.identity
    return (
        ("model", identity.model),
        ("revision", identity.revision),
        ("backend", identity.backend),
        ("routing", facts.run_spec.get("routing")),
        ("chunking", identity.chunking),
        ("precision", identity.precision),
        ("max_length", identity.max_length),
        ("seed", identity.seed),
        ("mteb_version", identity.mteb_version),
        ("fingerprint", identity.fingerprint),
    )


def _labels(settings: list[Settings]) -> dict[Settings, str]:
    """Each model's short name, with whatever setting tells it from its namesakes."""
    models = {str(dict(one)["model"]) for one in settings}
    labels: dict[Settings, str] = {}
    for one in settings:
        model = str(dict(one)["model"])
        short = model.rsplit("/", 1)[-1]
        unique = sum(other.rsplit("/", 1)[-1] == short for other in models) == 1
        namesakes = [dict(other) for other in settings if dict(other)["model"] == model]
        differing = [
            f"{name} {value}"
            for name, value in one
            if name != "fingerprint"
            and (name, value) != ("chunking", "none")  # whole documents go without saying
            and any(other[name] != value for other in namesakes)
        ]
        name = short if unique else model
        labels[one] = f"{name} ({', '.join(differing)})" if differing else name
    # Other weights under the same name and settings: nothing but a hash tells them apart.
    shown = list(labels.values())
    return {
        one: label if shown.count(label) == 1 else f"{label} [{str(dict(one)['fingerprint'])[:8]}]"
        for one, label in labels.items()
    }
