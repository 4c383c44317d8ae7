"""What must hold between a record and its per-example scores.

The manifest beside a record tells whether its files are those that were written. These checks tell
whether the examples can be this record's at all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from results.errors import CorruptRecordError
from results.record import Record

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_examples"]

_TOLERANCE = 1e-4
"""mteb rounds retrieval metrics to five digits."""


def check_examples(record: Record, examples: pd.DataFrame) -> None:
    """Check a record's examples against its scores.

    Args:
        record: The record.
        examples: Its examples, see `results.examples`.

    Raises:
        CorruptRecordError: If their number is not the record's, an id occurs twice in a split and
            subset, some of its scores are missing, or the scores' mean is none of its metrics.
    """
    said = _broken(record, examples)
    if said:
        raise CorruptRecordError(
            f"corrupt examples of {record.ref}: {said}; --overwrite measures them again"
        )


def _broken(record: Record, examples: pd.DataFrame) -> str:
    expected = record.provenance.coverage.n_expected
    if len(examples) != expected:
        return f"there are {len(examples):,}, the record has {expected:,}"
    for (split, subset), rows in examples.groupby(["split", "subset"], sort=False):
        place = f"split {split!r}, subset {subset!r}"
        if rows["id"].duplicated().any():
            return f"{place} has an id twice"
        known = rows["score"].notna()
        if known.any() and not known.all():
            return f"{place} lacks {int((~known).sum()):,} of {len(rows):,} scores"
        metrics = _metrics(record.task_result, str(split), str(subset))
        mean = float(rows["score"].mean())
        if known.any() and metrics and not _is_among(mean, metrics):
            return f"the scores of {place} have the mean {mean:.6f}, which is none of its metrics"
    return ""


def _metrics(task_result: Mapping[str, Any], split: str, subset: str) -> tuple[float, ...]:
    """The numbers of one split and subset; empty if the record does not list it by itself."""
    return tuple(
        float(value)
        for scores in task_result["scores"].get(split, ())
        if scores.get("hf_subset") == subset
        for value in scores.values()
        if isinstance(value, int | float) and not isinstance(value, bool)
    )


def _is_among(mean: float, metrics: tuple[float, ...]) -> bool:
    return any(math.isclose(mean, one, rel_tol=0, abs_tol=_TOLERANCE) for one in metrics)
