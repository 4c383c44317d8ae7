"""What must hold between a task's metrics whatever was measured.

Scores that break these rules were not measured but made by a mistake, as when the results of two
runs were mixed: such a record is neither written nor read.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from results.errors import ImpossibleScoresError

__all__ = ["check_scores"]

_TOLERANCE = 2e-5
"""mteb rounds retrieval metrics to five digits."""

_AT_K = re.compile(r"(ndcg|map|recall|precision|mrr|hit_rate)_at_(\d+)")
_SHARES = (
    "accuracy",
    "f1",
    "f1_weighted",
    "precision",
    "recall",
    "ap",
    "ap_weighted",
    "lrap",
    "v_measure",
    "v_measures",
    "max_ap",
    "max_f1",
    "max_accuracy",
    "hamming",
)
_CORRELATIONS = (
    "pearson",
    "spearman",
    "cosine_pearson",
    "cosine_spearman",
    "manhattan_pearson",
    "manhattan_spearman",
    "euclidean_pearson",
    "euclidean_spearman",
)


def check_scores(task_result: Mapping[str, Any]) -> None:
    """Check every subset's metrics against one another.

    Args:
        task_result: mteb's TaskResult as JSON data.

    Raises:
        ImpossibleScoresError: If a share is outside of 0 to 1, a correlation outside of -1 to 1,
            precision, MRR and hit rate at 1 differ, recall or hit rate falls as k grows, or nDCG
            at 1 and precision at 1 do not vanish together.
    """
    for split, subsets in task_result["scores"].items():
        for scores in subsets:
            for said in _broken(scores):
                raise ImpossibleScoresError(
                    f"task {task_result['task_name']}, split {split!r}, "
                    f"subset {scores.get('hf_subset')!r}: {said}, which cannot be"
                )


def _broken(scores: Mapping[str, Any]) -> Iterator[str]:
    numbers = {name: value for name, value in scores.items() if _is_number(value)}
    for name, value in numbers.items():
        low = 0.0 if name in _SHARES or _AT_K.fullmatch(name) else None
        low = -1.0 if name in _CORRELATIONS else low
        if low is not None and not low - _TOLERANCE <= value <= 1 + _TOLERANCE:
            yield f"{name} is {value}"
    at = _by_metric(numbers)
    first = {name: at[name][1] for name in ("precision", "mrr", "hit_rate") if 1 in at[name]}
    if first and max(first.values()) - min(first.values()) > _TOLERANCE:
        yield "at rank 1 " + ", ".join(f"{name} is {value}" for name, value in first.items())
    for metric in ("recall", "hit_rate", "mrr", "map"):
        ranks = sorted(at[metric])
        for low_rank, high_rank in pairwise(ranks):
            if at[metric][high_rank] < at[metric][low_rank] - _TOLERANCE:
                yield f"{metric} falls from rank {low_rank} to rank {high_rank}"
    if 1 in at["ndcg"] and "precision" in first:
        gain, found = at["ndcg"][1], first["precision"]
        if gain > found + _TOLERANCE or (found > _TOLERANCE and gain <= 0):
            yield f"ndcg_at_1 is {gain} where precision_at_1 is {found}"


def _by_metric(numbers: Mapping[str, float]) -> Mapping[str, Mapping[int, float]]:
    at: dict[str, dict[int, float]] = defaultdict(dict)
    for name, value in numbers.items():
        match = _AT_K.fullmatch(name)
        if match:
            at[match[1]][int(match[2])] = value
    return at


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
