"""Models over several tasks, as mteb's leaderboard sums them up."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

from results.errors import RecordError

__all__ = ["borda_ranks", "mean_by_type"]


def borda_ranks(scores: Mapping[str, Mapping[str, float]]) -> dict[str, int]:
    """Each model's Borda rank, 1 for the best, by mteb's own function.

    A model gets as many points in a task as there are models with a lower score, half of one for
    each with the same.

    Args:
        scores: By model, then by task; every model has every task.

    Raises:
        RecordError: If a model lacks a task.
    """
    import polars as pl
    from mteb.benchmarks._create_table import _borda_rank_from_long

    tasks = {task for found in scores.values() for task in found}
    for model, found in scores.items():
        if tasks - found.keys():
            raise RecordError(f"{model} was not measured on {min(tasks - found.keys())}")
    rows = [
        {"model_name": model, "task_name": task, "score": score}
        for model, found in scores.items()
        for task, score in found.items()
    ]
    ranked = _borda_rank_from_long(pl.DataFrame(rows), n_models=len(scores))
    return {row["model_name"]: int(row["Rank (Borda)"]) for row in ranked.to_dicts()}


def mean_by_type(scores: Mapping[str, float], types: Mapping[str, str]) -> float:
    """The mean over the means of the task types.

    Args:
        scores: By task.
        types: Type of each task.
    """
    kinds = dict.fromkeys(types[task] for task in scores)
    return fmean(
        fmean(score for task, score in scores.items() if types[task] == kind) for kind in kinds
    )
