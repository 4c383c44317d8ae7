"""How wrong a model is on each example of a task, also where the task's score is no mean."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]

__all__ = ["clusters_of", "example_errors"]

_BY_RANK = ("STS", "PairClassification", "Regression")


def example_errors(table: pd.DataFrame, task_type: str) -> Floats:
    """How wrong each example is: 0 for right, as a rule up to 1; NaN where that is not known.

    With a score it is what is missing to 1. Of similarities and other values, whose score is about
    their order, it is how far an example's place in that order is from its place by the gold, as a
    share of all. Of clusters, it is the share of draws in which most of the cluster's texts have
    another label.

    Args:
        table: A record's examples.
        task_type: The task's type.

    Returns:
        float64 of shape (examples,).
    """
    errors = 1 - table["score"].to_numpy(dtype=np.float64, na_value=np.nan)
    if not np.isnan(errors).all():
        return errors
    if task_type in _BY_RANK:
        return _rank_errors(table)
    if task_type == "Clustering":
        return _cluster_errors(table)
    return errors


def _rank_errors(table: pd.DataFrame) -> Floats:
    import pandas as pd

    values = pd.DataFrame(
        {
            "split": table["split"],
            "subset": table["subset"],
            "found": [_number(value) for value in table["prediction"]],
            "gold": [_number(value) for value in table["gold"]],
        }
    )
    groups = values.groupby(["split", "subset"], sort=False)
    shares = groups[["found", "gold"]].rank(pct=True)
    errors: Floats = (shares["found"] - shares["gold"]).abs().to_numpy(dtype=np.float64)
    return errors


def _number(value: str | None) -> float:
    """A number, or the mean of several experiments; NaN if it is neither."""
    found = None if value is None else json.loads(value)
    if isinstance(found, list):
        found = float(np.mean(found)) if found else None
    return float(found) if isinstance(found, int | float) else float("nan")


def _cluster_errors(table: pd.DataFrame) -> Floats:
    errors = np.full(len(table), np.nan)
    for row, (labels, gold) in enumerate(clusters_of(table)):
        if labels.total():
            errors[row] = 1 - labels[gold] / labels.total()
    return errors


def clusters_of(table: pd.DataFrame) -> list[tuple[Counter[str], str]]:
    """Of each text, the most frequent labels of the clusters that it was put into.

    Numbers of clusters mean nothing; what they are made of does. Of several levels of labels, it
    is the first.

    Returns:
        For each example how often each label, and its own label.
    """
    places: dict[tuple[Any, ...], Counter[str]] = {}
    members: list[list[tuple[Any, ...]]] = []
    golds: list[str] = []
    columns = (table[name].tolist() for name in ("split", "subset", "id", "prediction", "gold"))
    for split, subset, name, prediction, gold in zip(*columns, strict=True):
        label = json.loads(gold) if gold is not None else None
        label = label[0] if isinstance(label, list) and label else label
        golds.append(str(label))
        found = json.loads(prediction) if prediction is not None else {}
        if isinstance(found, dict):
            draws: list[int | None] = next(iter(found.values()), [])
            mine = [(split, subset, draw, n) for draw, n in enumerate(draws) if n is not None]
        else:  # a set of texts is clustered by itself
            mine = [(split, subset, name.partition("/")[0], found)]
        members.append(mine)
        for place in mine:
            places.setdefault(place, Counter())[str(label)] += 1
    most = {
        place: min(labels, key=lambda one: (-labels[one], one)) for place, labels in places.items()
    }
    return [
        (Counter(most[place] for place in mine), gold)
        for mine, gold in zip(members, golds, strict=True)
    ]
