"""Which texts a record's examples refer to, taken from the loaded task they were measured on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from results.texts import MOST_TEXTS, KeptText, TextRow, kept_part, ranks_of, texts_table
from tasks.text_lookup import TextLookup

if TYPE_CHECKING:
    import pandas as pd
    from mteb.abstasks import AbsTask

__all__ = ["TextCollector"]

Key = tuple[str, str, str, str]
"""Split, subset, side and id."""


class TextCollector:
    """Collects the texts of one task's examples, each once for all views of it."""

    def __init__(self, task: AbsTask) -> None:
        """Take a task; nothing is read before a record asks for it.

        Args:
            task: The task, loaded.
        """
        self._lookup = TextLookup(task)
        self._kinds: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._ranks: dict[Key, int] = {}
        # A later record may give a text a lower rank: it is not looked up again.
        self._texts: dict[Key, KeptText | None] = {}

    def new_texts(self, examples: pd.DataFrame) -> pd.DataFrame | None:
        """Texts of a record's examples that no record before brought.

        Args:
            examples: The record's, see `results.examples`.

        Returns:
            As of `results.texts`; None if there is nothing new.
        """
        new: dict[Key, int] = {}
        seen: set[Key] = set()
        for rank, row in _by_rank(examples):
            if len(seen) >= MOST_TEXTS:  # more are never kept
                break
            split, subset, *_ = row
            for side, name in self._wanted(*row):
                key = (split, subset, side, name)
                seen.add(key)
                if rank < self._ranks.get(key, rank + 1):
                    self._ranks[key] = new[key] = rank
        rows = list(self._rows(new))
        return texts_table(rows) if rows else None

    def _wanted(
        self, split: str, subset: str, name: str, prediction: str, gold: str | None
    ) -> Iterator[tuple[str, str]]:
        """Side and id of each text that an example refers to."""
        if subset not in self._kinds:
            self._kinds[subset] = self._lookup.type(subset), self._lookup.sides(subset)
        kind, sides = self._kinds[subset]
        if "document" in sides:
            yield "query", name
            for document in (json.loads(gold) if gold else {}) | json.loads(prediction):
                yield "document", document
        elif kind == "BitextMining":
            yield "first", name
            yield from (("second", row) for row in dict.fromkeys((gold or prediction, prediction)))
        elif kind == "ZeroShotClassification":
            yield "text", name
            yield from (("label", row) for row in dict.fromkeys((gold or prediction, prediction)))
        elif kind == "Summarization":
            yield "human", name
            count = len(json.loads(prediction))
            yield from (("machine", f"{name}/{place}") for place in range(count))
        else:
            yield from ((side, name) for side in sides)

    def _rows(self, ranks: dict[Key, int]) -> Iterator[TextRow]:
        self._look_up(key for key in ranks if key not in self._texts)
        for key, rank in ranks.items():
            kept = self._texts[key]
            if kept is not None:  # as of a document that is judged, but not in the corpus
                yield TextRow(*key, *kept, rank)

    def _look_up(self, keys: Iterable[Key]) -> None:
        sides: dict[tuple[str, str, str], list[str]] = {}
        for split, subset, side, name in keys:
            sides.setdefault((split, subset, side), []).append(name)
        for (split, subset, side), names in sides.items():
            texts = self._lookup.texts(split, subset, side, names)
            for name, text in zip(names, texts, strict=True):
                kept = None if text is None else kept_part(text)
                self._texts[split, subset, side, name] = kept


def _by_rank(examples: pd.DataFrame) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """The first examples that matter, in the order in which texts are kept."""
    ranks = ranks_of(examples)
    # Where no prediction is kept, there is little to look at.
    rows = np.flatnonzero(examples["prediction"].notna().to_numpy())
    if len(rows) > MOST_TEXTS:
        rows = rows[np.argpartition(ranks[rows], MOST_TEXTS)[:MOST_TEXTS]]
    rows = rows[np.argsort(ranks[rows], kind="stable")]
    some = examples.iloc[rows]
    values = (some[name].tolist() for name in ("split", "subset", "id", "prediction", "gold"))
    return zip(ranks[rows].tolist(), zip(*values, strict=True), strict=True)
