"""What must hold between a record's numbers whatever was measured.

Scores that break these rules were not measured but made by a mistake, as when the results of two
runs were mixed: such a record is neither written nor read.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING, Any

from results.errors import ImpossibleScoresError

if TYPE_CHECKING:
    from results.record import Record

__all__ = ["check_record", "check_scores"]

_TOLERANCE = 2e-5
"""mteb rounds retrieval metrics to five digits."""

_AT_K = re.compile(r"(ndcg|map|recall|precision|mrr|hit_rate)_at_(\d+)")
_MEASURE = re.compile(
    r"(?:(?:cosine|dot|euclidean|manhattan|max|similarity)_)?"
    r"(?:(accuracy|ap|f1|precision|recall)|(pearson|spearman))"
)
"""Metrics of pairs: of each similarity measure, of the model's own, and the largest of all."""

_SHARES = ("f1_weighted", "ap_weighted", "lrap", "v_measure", "hamming")
_CORRELATIONS = ("kendalltau",)


def check_record(record: Record) -> None:
    """Check a record's metrics against one another, and its score against them.

    Raises:
        ImpossibleScoresError: As of `check_scores`; or if a subset's main score is not the metric
            that is the task's, or the record's score is not the mean of the main scores.
    """
    check_scores(record.task_result)
    facts = record.provenance
    values = []
    for split, subsets in record.task_result["scores"].items():
        for scores in subsets:
            main, metric = scores.get("main_score"), scores.get(facts.task.main_score)
            if _is_number(main) and _is_number(metric) and abs(main - metric) > _TOLERANCE:
                raise _impossible(
                    record.task_result,
                    split,
                    scores,
                    f"the main score is {main}, but {facts.task.main_score} is {metric}",
                )
            values.append(main)
    if values and all(map(_is_number, values)) and abs(fmean(values) - facts.score) > _TOLERANCE:
        raise ImpossibleScoresError(
            f"task {facts.task.name}: the score is {facts.score}, but the mean of the main scores "
            f"is {fmean(values):.6g}, which cannot be"
        )


def check_scores(task_result: Mapping[str, Any]) -> None:
    """Check every subset's metrics against one another.

    Args:
        task_result: mteb's TaskResult as JSON data.

    Raises:
        ImpossibleScoresError: If a share is outside of 0 to 1, a correlation outside of -1 to 1,
            precision, MRR and hit rate at 1 differ, recall or hit rate falls as k grows, a metric
            of k is above the hit rate of k, nDCG at 1 and precision at 1 do not vanish together,
            or a mean over experiments, or a maximum over measures, is none.
    """
    for split, subsets in task_result["scores"].items():
        for scores in subsets:
            for said in _broken(scores):
                raise _impossible(task_result, split, scores, said)


def _impossible(
    task_result: Mapping[str, Any], split: str, scores: Mapping[str, Any], said: str
) -> ImpossibleScoresError:
    return ImpossibleScoresError(
        f"task {task_result['task_name']}, split {split!r}, "
        f"subset {scores.get('hf_subset')!r}: {said}, which cannot be"
    )


def _broken(scores: Mapping[str, Any]) -> Iterator[str]:
    numbers = {name: value for name, value in scores.items() if _is_number(value)}
    yield from _out_of_range(numbers)
    yield from _contradictions_at_k(_by_metric(numbers))
    yield from _no_mean(scores, numbers)
    for kind in ("accuracy", "ap", "f1", "precision", "recall"):
        own = [
            value
            for name, value in numbers.items()
            if name.endswith(f"_{kind}") and _MEASURE.fullmatch(name) and name != f"max_{kind}"
        ]
        largest = numbers.get(f"max_{kind}")
        if own and largest is not None and abs(max(own) - largest) > _TOLERANCE:
            yield f"max_{kind} is {largest}, but the largest of all measures is {max(own)}"


def _out_of_range(numbers: Mapping[str, float]) -> Iterator[str]:
    for name, value in numbers.items():
        measure = _MEASURE.fullmatch(name)
        low = None
        if name in _SHARES or _AT_K.fullmatch(name) or (measure and measure[1]):
            low = 0.0
        elif name in _CORRELATIONS or measure:
            low = -1.0
        if low is not None and not low - _TOLERANCE <= value <= 1 + _TOLERANCE:
            yield f"{name} is {value}"


def _contradictions_at_k(at: Mapping[str, Mapping[int, float]]) -> Iterator[str]:
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
    for metric in ("ndcg", "map", "recall", "precision", "mrr"):
        for k in at[metric].keys() & at["hit_rate"].keys():
            if at[metric][k] > at["hit_rate"][k] + _TOLERANCE:
                yield f"{metric}_at_{k} is {at[metric][k]}, above hit_rate_at_{k}"


def _no_mean(scores: Mapping[str, Any], numbers: Mapping[str, float]) -> Iterator[str]:
    """Metrics that are not the mean of what they are stated to be the mean of."""
    experiments = scores.get("scores_per_experiment") or ()
    for name in numbers if experiments else ():
        own = [one.get(name) for one in experiments]
        if all(map(_is_number, own)) and abs(fmean(own) - numbers[name]) > _TOLERANCE:
            mean = f"{fmean(own):.6g}"
            yield f"{name} is {numbers[name]}, but its mean over the experiments is {mean}"
    draws = scores.get("v_measures")
    levels = draws.values() if isinstance(draws, Mapping) else [draws or ()]
    values = [value for level in levels for value in level]
    stated = numbers.get("v_measure")
    if not values or stated is None or not all(map(_is_number, values)):
        return
    if abs(fmean(values) - stated) > _TOLERANCE:
        yield f"v_measure is {stated}, but its mean over the draws is {fmean(values):.6g}"


def _by_metric(numbers: Mapping[str, float]) -> Mapping[str, Mapping[int, float]]:
    at: dict[str, dict[int, float]] = defaultdict(dict)
    for name, value in numbers.items():
        match = _AT_K.fullmatch(name)
        if match:
            at[match[1]][int(match[2])] = value
    return at


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
