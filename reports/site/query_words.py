"""What was predicted of an example, and what would be right, in words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reports.site.query_errors import clusters_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FindText", "PredictionWords", "gold_words", "query_text"]

FindText = Callable[[str, str], str | None]
"""Gives a text of the example's split and subset by side and id; None if it was not kept."""

_NOT_KEPT = "(text not kept)"
_SIMILARITIES = ("STS", "PairClassification")
_BY_TEXT = {"BitextMining": "second", "ZeroShotClassification": "label"}


def query_text(name: str, sides: Sequence[str], text: FindText) -> str | None:
    """The text of an example; of a pair both, numbered. None if none was kept."""
    found = [text(side, name) for side in sides]
    if all(one is None for one in found):
        return None
    if len(found) == 1:
        return found[0]
    return "\n".join(f"{n}: {one or _NOT_KEPT}" for n, one in enumerate(found, 1))


def gold_words(value: str | None, name: str, task_type: str, text: FindText) -> str:
    """What would be right; empty if nothing is known."""
    if value is None:
        return ""
    gold = json.loads(value)
    if task_type in _BY_TEXT:
        return _with_text(_BY_TEXT[task_type], gold, text)
    if task_type == "Summarization":
        ratings = (f"rated {_short(one)}" for one in gold)
        return _summaries(ratings, name, text)
    return f"rated {_short(gold)}" if task_type == "STS" else _label(gold)


class PredictionWords:
    """One model's predictions; some mean something only beside all others."""

    def __init__(self, table: pd.DataFrame, task_type: str) -> None:
        """Take all examples of a record.

        Args:
            table: The examples.
            task_type: The task's type.
        """
        self._type = task_type
        self._predictions = table["prediction"]
        self._clusters = clusters_of(table) if task_type == "Clustering" else []
        self._ranks = _ranks(table) if task_type in _SIMILARITIES else {}

    def of(self, row: int, name: str, text: FindText) -> str | None:
        """What was predicted of one example; None if that is not known.

        Args:
            row: Its place in the table.
            name: Its id.
            text: Finds texts of its split and subset.
        """
        value = self._predictions.iloc[row]
        if not isinstance(value, str):
            return None
        if self._type == "Clustering":
            labels, _ = self._clusters[row]
            return f"among {_counted(labels)}" if labels else None
        found = json.loads(value)
        if self._type in _BY_TEXT:
            return _with_text(_BY_TEXT[self._type], found, text)
        if self._type == "Summarization":
            return _summaries((f"similarity {_short(one)}" for one in found), name, text)
        if self._type in _SIMILARITIES:
            rank, count = self._ranks[row]
            return f"similarity {_short(found)}, {rank:,} of {count:,} from the top"
        if self._type == "Regression" and found:
            return _values(found)
        if isinstance(found, list) and found:
            return _counted(Counter(_label(one) for one in found))
        return _label(found)


def _ranks(table: pd.DataFrame) -> dict[int, tuple[int, int]]:
    """Each similarity's place among those of its split and subset, from 1 for the highest."""
    import pandas as pd

    found = pd.DataFrame(
        {
            "place": table["split"] + "\x00" + table["subset"],
            "value": [
                float("nan") if not isinstance(value, str) else json.loads(value)
                for value in table["prediction"]
            ],
        }
    )
    groups = found.groupby("place", sort=False)["value"]
    ranks, counts = groups.rank(ascending=False, method="min"), groups.transform("count")
    known = found["value"].notna()
    return {int(row): (int(ranks[row]), int(counts[row])) for row in found.index[known]}


def _with_text(side: str, row: Any, text: FindText) -> str:
    return text(side, str(row)) or f"{_NOT_KEPT}, number {row}"


def _summaries(said: Iterable[str], name: str, text: FindText) -> str:
    return "\n".join(
        f"{n + 1}: {what} – {text('machine', f'{name}/{n}') or _NOT_KEPT}"
        for n, what in enumerate(said)
    )


def _counted(labels: Mapping[str, int]) -> str:
    """Labels, the most frequent first; how often each, unless all are one."""
    if len(labels) == 1:
        return next(iter(labels))
    total = sum(labels.values())
    ordered = sorted(labels.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{label} ({count} of {total})" for label, count in ordered)


def _values(found: Sequence[float]) -> str:
    mean = _short(sum(found) / len(found))
    least, most = _short(min(found)), _short(max(found))
    return mean if least == most else f"{mean} ({least} to {most})"


def _label(gold: Any) -> str:
    if isinstance(gold, list):
        return " + ".join(map(_label, gold)) if gold else "(none)"
    return _short(gold) if isinstance(gold, float) else str(gold)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
