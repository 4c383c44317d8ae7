"""Which number of a record is the one that was published: the same metric, over the same parts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from statistics import fmean

from results.published.references import Part, Reference
from results.record import Record

__all__ = ["common_parts", "is_same_metric", "same_metric", "value_over"]

_SAME_METRICS: Mapping[str, tuple[str, ...]] = {
    "spearman": ("cosine_spearman",),
    "ap": ("max_ap",),
    "map": ("map_at_1000", "max_over_subqueries_map_at_1000"),
}
"""Papers' names of metrics, and what mteb calls them where they are a task's main score."""


def _scores(record: Record) -> Mapping[Part, Mapping[str, object]]:
    return {
        (split, str(scores.get("hf_subset", "default"))): scores
        for split, subsets in record.task_result["scores"].items()
        for scores in subsets
    }


def common_parts(record: Record, reference: Reference) -> tuple[frozenset[Part], str]:
    """Splits and subsets to compare over, and what to say if those are not all of either side.

    None can be compared over if the source gives one mean, and parts of that were not measured.
    """
    measured = frozenset(_scores(record))
    if reference.parts is None:
        return measured, "splits: which of them the figure is the mean of is not known"
    lacking, more = reference.parts - measured, measured - reference.parts
    one_by_one = bool(reference.scores)
    common = frozenset(reference.scores) & measured if one_by_one else reference.parts - lacking
    if lacking and not (one_by_one and common):
        return frozenset(), f"splits: not measured here: {_named(lacking)}"
    said = []
    if lacking:
        said.append(f"not measured here: {_named(lacking)}")
    if more and not reference.split:
        said.append(f"measured here and not in the figure: {_named(more)}")
    return common, f"splits: compared over {_named(common)}; {'; '.join(said)}" if said else ""


def _named(parts: Iterable[Part]) -> str:
    names = sorted(split if subset == "default" else f"{split}/{subset}" for split, subset in parts)
    return ", ".join(names) if len(names) <= 8 else f"{', '.join(names[:6])}, … ({len(names)})"


def is_same_metric(published: str, ours: str) -> bool:
    """Whether a main score of ours is what a source calls a metric; papers have shorter names."""
    return published == ours or ours in _SAME_METRICS.get(published, ())


def same_metric(record: Record, wanted: str | None, parts: Iterable[Part]) -> str | None:
    """Name of our metric that is the figure's; None if the record has no such metric."""
    main = record.provenance.task.main_score
    if wanted is None or is_same_metric(wanted, main):
        return main
    return wanted if value_over(record, parts, wanted) is not None else None


def value_over(record: Record, parts: Iterable[Part], metric: str) -> float | None:
    """Times 100, the mean of a metric over some parts; None if one of them lacks it."""
    main = metric == record.provenance.task.main_score
    scores = _scores(record)
    values = [scores[part].get("main_score" if main else metric) for part in sorted(parts)]
    numbers = [value for value in values if isinstance(value, int | float) and math.isfinite(value)]
    return 100 * fmean(numbers) if numbers and len(numbers) == len(values) else None
