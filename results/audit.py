"""Does a model reproduce its published scores? Records beside references, task by task.

A score is compared with a score of the same metric over the same splits and subsets, or not at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from results.causes import RoutedAlike, likely_causes, routing_of, same_routing
from results.comparable import common_parts, same_metric, value_over
from results.errors import RecordError
from results.published.references import Part, Reference
from results.record import Record

__all__ = ["TOLERANCE", "Finding", "SourceMean", "Verdict", "audit", "source_means"]

Verdict = Literal["reproduced", "differs", "not comparable", "not measured here", "not published"]

TOLERANCE = 0.05
"""Points that a score may differ by, beside the rounding of the published one."""

_NOISE_DECIMALS = 9
"""Differences of floats are compared after rounding away what binary fractions add to them."""

_NO_CAUSE = "no cause is known: settings and versions are as the source has them, or it names none"


@dataclass(frozen=True)
class Finding:
    """What an audit says about one published score, or about a record without one.

    Attributes:
        task: mteb's task name.
        split: The one split that was published; empty for a whole task.
        source: Where the score was published; empty if nowhere.
        benchmarks: Benchmarks in which the source gives it.
        metric: What was compared; None if nothing was.
        ours: Times 100; None if nothing was measured, or nothing that compares.
        published: Times 100, over the same parts as ours where both are there.
        limit: The largest difference that counts as reproduced, in points.
        verdict: See `audit`.
        routing: Routing profile of the record; None without a record.
        revision: The model's revision in the record; None without a record.
        causes: Why it may differ, or why nothing could be compared.
        notes: What else to know.
    """

    task: str
    split: str
    source: str
    verdict: Verdict
    benchmarks: tuple[str, ...] = ()
    metric: str | None = None
    ours: float | None = None
    published: float | None = None
    limit: float | None = None
    routing: str | None = None
    revision: str | None = None
    causes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def difference(self) -> float | None:
        """Ours minus published, in points; None if there is nothing to compare."""
        if self.ours is None or self.published is None or self.verdict == "not comparable":
            return None
        return self.ours - self.published


@dataclass(frozen=True)
class SourceMean:
    """Means of ours and of one source, over the same tasks.

    Attributes:
        source: Where the scores were published.
        benchmark: In which benchmark; empty for a checkout.
        tasks: The tasks that both have.
        missing: Tasks of the source that were not measured here, or do not compare.
        ours: Times 100.
        published: Times 100.
    """

    source: str
    benchmark: str
    tasks: tuple[str, ...]
    missing: tuple[str, ...]
    ours: float
    published: float


def audit(
    records: Iterable[Record],
    references: Sequence[Reference],
    *,
    tolerance: float = TOLERANCE,
    alike: RoutedAlike = same_routing,
) -> tuple[Finding, ...]:
    """Compare one model's records with its published scores.

    Only records of whole vectors and whole documents count. Where a task was measured under several
    settings, the record routed as the source was is taken, and the finding says which others there
    are. A score over other parts is compared over the parts that both have, where the source gives
    them one by one.

    Args:
        records: Records of one model.
        references: What was published about it.
        tolerance: Points by which a score may differ, beside the published one's rounding.
        alike: Whether a record is routed as under the profile of a name.

    Returns:
        A finding for each reference, in their order, then one for each task that is in none.
        `reproduced` and `differs` are judgements; `not comparable` says why there is none.

    Raises:
        RecordError: If the tolerance is no number of points, or the records are of several models.
    """
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise RecordError(f"tolerance is {tolerance}; expected points, 0 or more")
    by_task: dict[str, list[Record]] = {}
    for record in records:
        by_task.setdefault(record.ref.task, []).append(record)
    models = sorted({record.ref.model for some in by_task.values() for record in some})
    if len(models) > 1:
        raise RecordError(f"records of several models: {', '.join(models)}; audit them one by one")
    findings = [
        _finding(reference, by_task.get(reference.task, []), tolerance, alike)
        for reference in references
    ]
    published = {reference.task for reference in references}
    alone = [_unpublished(some) for task, some in by_task.items() if task not in published]
    return (*_with_other_sources(findings), *alone)


def source_means(findings: Iterable[Finding]) -> tuple[SourceMean, ...]:
    """A mean for each source and benchmark, over the tasks that compare; none has single splits."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        if finding.published is not None and not finding.split:
            for benchmark in finding.benchmarks or ("",):
                groups.setdefault((finding.source, benchmark), []).append(finding)
    return tuple(
        _mean(source, benchmark, some)
        for (source, benchmark), some in groups.items()
        if any(finding.difference is not None for finding in some)
    )


def _mean(source: str, benchmark: str, findings: Sequence[Finding]) -> SourceMean:
    pairs = {
        finding.task: (finding.ours, finding.published)
        for finding in findings
        if finding.difference is not None
    }
    return SourceMean(
        source=source,
        benchmark=benchmark,
        tasks=tuple(pairs),
        missing=tuple(finding.task for finding in findings if finding.task not in pairs),
        ours=fmean(ours for ours, _ in pairs.values() if ours is not None),
        published=fmean(score for _, score in pairs.values() if score is not None),
    )


def _finding(
    reference: Reference, records: Sequence[Record], tolerance: float, alike: RoutedAlike
) -> Finding:
    plain = [record for record in records if _is_plain(record)]
    finding = Finding(
        task=reference.task,
        split=reference.split,
        source=reference.source,
        benchmarks=reference.benchmarks,
        verdict="not measured here",
        published=reference.score,
        notes=(reference.note,) if reference.note else (),
    )
    if reference.score is None:
        finding = replace(finding, verdict="not published")
        if not plain:
            return finding
        record = _chosen(plain, reference, alike)
        return _with_record(finding, record, common_parts(record, reference)[0])
    if not plain:
        return replace(finding, causes=_why_not_plain(records))
    record = _chosen(plain, reference, alike)
    finding = replace(
        _with_record(finding, record, frozenset()),
        notes=(*finding.notes, *_other_settings(record, plain)),
    )
    return _compared(finding, record, reference, tolerance, alike)


def _compared(
    finding: Finding, record: Record, reference: Reference, tolerance: float, alike: RoutedAlike
) -> Finding:
    parts, said = common_parts(record, reference)
    metric = same_metric(record, reference.metric, parts)
    ours = None if metric is None else value_over(record, parts, metric)
    published = reference.score_over(parts)
    if metric is None or ours is None or published is None:
        main = record.provenance.task.main_score
        why = said if not parts else f"metric: the figure is {reference.metric}, ours is {main}"
        return replace(finding, verdict="not comparable", ours=None, causes=(why,))
    limit = tolerance + reference.rounding
    notes = [*finding.notes, *_metric_notes(record, reference, metric)]
    if said:
        notes.append(said)
    finding = replace(
        finding,
        metric=metric,
        ours=ours,
        published=published,
        limit=limit,
        notes=tuple(notes),
    )
    if _within(ours, published, limit):
        return replace(finding, verdict="reproduced")
    causes = (
        *_by_another_metric(finding, record, parts),
        *((said,) if reference.parts is None else ()),
        *likely_causes(record, reference, alike),
    )
    return replace(finding, verdict="differs", causes=causes or (_NO_CAUSE,))


def _within(ours: float, published: float, limit: float) -> bool:
    return round(abs(ours - published), _NOISE_DECIMALS) <= round(limit, _NOISE_DECIMALS)


def _is_plain(record: Record) -> bool:
    """Whether it is of whole vectors in full precision, and of whole documents."""
    facts = record.provenance
    whole = facts.dim == facts.model.embedding_dim and "," not in facts.view
    return whole and facts.identity.chunking == "none"


def _why_not_plain(records: Sequence[Record]) -> tuple[str, ...]:
    """Why the records of a task do not count; nothing if there are none."""
    settings = {
        f"{record.provenance.view} with chunking {record.provenance.identity.chunking}"
        for record in records
    }
    if not settings:
        return ()
    return (f"view: measured only in {', '.join(sorted(settings))}; the full view was published",)


def _chosen(records: Sequence[Record], reference: Reference, alike: RoutedAlike) -> Record:
    """The record whose settings are nearest to the source's; of equals the newest."""

    def distance(record: Record) -> tuple[bool, ...]:
        facts = record.provenance
        wanted = reference.routing
        return (
            wanted is not None and not alike(record, wanted),
            wanted is not None and not same_routing(record, wanted),
            reference.revision not in (None, record.ref.revision),
            facts.run_spec_given.get("max_length") is not None,
            facts.identity.precision != "float32",
            facts.identity.seed != 42,
            reference.mteb_version not in (None, facts.identity.mteb_version),
        )

    newest_first = sorted(records, key=lambda r: r.provenance.cost.finished, reverse=True)
    return min(newest_first, key=distance)


def _other_settings(record: Record, records: Sequence[Record]) -> tuple[str, ...]:
    """A note if there are records of the task that differ in what decides a score."""
    others = [other for other in records if other.provenance.key != record.provenance.key]
    if not others:
        return ()
    routings = sorted({routing_of(other) or "none named" for other in others})
    return (
        f"used is the record under routing {routing_of(record) or 'none named'}, "
        f"precision {record.provenance.identity.precision}; others there are: {len(others)} "
        f"(routing {', '.join(routings)})",
    )


def _with_record(finding: Finding, record: Record, parts: frozenset[Part]) -> Finding:
    """The finding with what the record is, and its main score over some parts."""
    main = record.provenance.task.main_score
    ours = value_over(record, parts, main)
    return replace(
        finding,
        metric=None if ours is None else main,
        ours=ours,
        routing=routing_of(record),
        revision=record.ref.revision,
    )


def _unpublished(records: Sequence[Record]) -> Finding:
    task = records[0].ref.task
    plain = [record for record in records if _is_plain(record)]
    finding = Finding(task=task, split="", source="", verdict="not published")
    if not plain:
        return replace(finding, causes=_why_not_plain(records))
    nowhere = Reference(model="", task=task, source="")
    record = _chosen(plain, nowhere, same_routing)
    return _with_record(finding, record, common_parts(record, nowhere)[0])


def _metric_notes(record: Record, reference: Reference, metric: str) -> Iterator[str]:
    main = record.provenance.task.main_score
    if reference.metric is None:
        yield f"metric: the source does not tell which it is; compared with {main}"
    elif metric != main:
        yield f"metric: compared by {metric}, as published; mteb's main score is now {main}"


def _by_another_metric(finding: Finding, record: Record, parts: frozenset[Part]) -> Iterator[str]:
    """Whether the task's main score would be the figure where the metric of that name is not."""
    main = record.provenance.task.main_score
    value = None if finding.metric == main else value_over(record, parts, main)
    if value is None or finding.published is None or finding.limit is None:
        return
    said = "which is the figure" if _within(value, finding.published, finding.limit) else "also not"
    yield f"metric: the figure is called {finding.metric}; by {main} ours is {value:.2f}, {said}"


def _with_other_sources(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Findings that differ, with the other sources whose figure ours is."""
    for finding in findings:
        same = [
            other.source
            for other in findings
            if (other.task, other.split, other.metric)
            == (finding.task, finding.split, finding.metric)
            and other.verdict == "reproduced"
        ]
        if finding.verdict == "differs" and same:
            sources = ", ".join(dict.fromkeys(same))
            said = f"sources: they disagree, and ours is the figure of {sources}"
            yield replace(finding, causes=(said, *finding.causes))
        else:
            yield finding
