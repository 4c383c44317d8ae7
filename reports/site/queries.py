"""Which single queries of a task are worth looking at, and what each model made of them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.leaderboard import Leaderboard
from reports.site.query_choice import Reason, choose
from reports.site.query_errors import example_errors
from reports.site.query_words import FindText, PredictionWords, gold_words, query_text
from results.errors import NoExamplesError
from results.record import Record
from results.texts import MOST_TEXTS, ExampleTexts, KeptText, ranks_of

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

__all__ = ["Hit", "Query", "QueryTable", "Side", "query_pages"]

_MOST, _LEAST = 200, 20
"""Queries of a task, if few models are compared, and if many are."""

_MOST_SIDES = 2_400
"""Queries times models."""

_MOST_GOLD = 20
"""Gold documents that are listed of a query."""

_DOCUMENT_CHARACTERS = 400

_SEARCHES = ("Retrieval", "Reranking", "InstructionRetrieval", "InstructionReranking")
_SIDES = {
    "STS": ("first", "second"),
    "PairClassification": ("first", "second"),
    "BitextMining": ("first",),
    "Summarization": ("human",),
}


@dataclass(frozen=True)
class Hit:
    """A document, found or to be found.

    Attributes:
        id: Its id.
        score: Similarity that it was found with; None for a gold document.
        relevant: Whether it is gold.
        text: As it was encoded, perhaps cut, which a last … says; None if it was not kept.
    """

    id: str
    score: float | None
    relevant: bool
    text: str | None


@dataclass(frozen=True)
class Side:
    """What one model made of a query.

    Attributes:
        label: The entry's label.
        score: What the query adds to the task's score; None where that is no mean over queries,
            or nothing is known.
        hits: Best first, at most ten; empty for tasks that search nothing.
        prediction: For people; None for a search, or if nothing is known.
        missed: Ids of those of the query's gold documents that are not among the hits.
        lacking: Why there is nothing to show; None if there is.
    """

    label: str
    score: float | None
    hits: tuple[Hit, ...]
    prediction: str | None
    missed: tuple[str, ...] = ()
    lacking: str | None = None


@dataclass(frozen=True)
class Query:
    """A query, pair, text or row of bitext, and what each model made of it.

    Attributes:
        id: Unique within split and subset.
        split: Where it is scored.
        subset: Likewise.
        text: As it was encoded, perhaps cut; of pairs both, numbered; None if not kept.
        gold: The relevant documents of a search, the highest grades first, at most twenty;
            otherwise what would be right, for people.
        sides: One for each of the table's labels, in their order.
        reason: Why it is shown: "differs most", "worst for all" or "sample".
    """

    id: str
    split: str
    subset: str
    text: str | None
    gold: tuple[Hit, ...] | str
    sides: tuple[Side, ...]
    reason: Reason


@dataclass(frozen=True)
class QueryTable:
    """Single queries of one task, side by side.

    Attributes:
        task: The task's name.
        labels: Of the entries that are compared, in the board's order.
        queries: Those that differ most first, then the worst for all, then a sample.
        left_out: How many more queries there are.
        lacking: Labels of entries whose record has no examples, with the reason.
    """

    task: str
    labels: tuple[str, ...]
    queries: tuple[Query, ...]
    left_out: int
    lacking: tuple[tuple[str, str], ...] = ()


def query_pages(
    board: Leaderboard,
    task: str,
    examples: Callable[[Record], pd.DataFrame],
    texts: Callable[[str, str], ExampleTexts] | None = None,
) -> QueryTable | None:
    """Single queries of a task side by side, as of the main view of each entry.

    Args:
        board: The board.
        task: Name of one of its tasks.
        examples: Reads a record's examples, see `results.store.RecordStore.examples`.
        texts: Reads the texts of a task's examples by task and content hash, see
            `results.store.RecordStore.texts`; None for ids alone.

    Returns:
        The table, the same for the same records; None if no entry was measured on the task.

    Raises:
        RecordError: If examples or texts are not what was written.
    """
    records = [(entry.label, entry.records.get((entry.main_view, task))) for entry in board.entries]
    measured = [(label, record) for label, record in records if record is not None]
    if not measured:
        return None
    facts = measured[0][1].provenance.task
    columns: list[_Column] = []
    lacking: list[tuple[str, str]] = []
    for label, record in measured:
        try:
            columns.append(_Column(label, examples(record), facts.type))
        except NoExamplesError:
            lacking.append((label, "measured before examples were kept"))
    if not columns:
        return QueryTable(task, (), (), 0, tuple(lacking))
    table = _Table(facts.type, columns, texts(task, facts.content_hash) if texts else None)
    queries = table.queries(max(_LEAST, min(_MOST, _MOST_SIDES // len(columns))))
    labels = tuple(column.label for column in columns)
    count = max(len(column.table) for column in columns)
    return QueryTable(task, labels, queries, count - len(queries), tuple(lacking))


Place = tuple[str, str, str]
"""Split, subset and id of an example."""


class _Column:
    """One entry's examples.

    Attributes:
        label: The entry's label.
        table: All of them.
        ranks: Rank of each that is considered: a task may have millions.
    """

    def __init__(self, label: str, table: pd.DataFrame, task_type: str) -> None:
        self.label, self.table = label, table
        self._words = None if task_type in _SEARCHES else PredictionWords(table, task_type)
        self._errors = example_errors(table, task_type)
        # Of a record from before they were kept, there are none at all.
        self._has_hits = bool(table["prediction"].notna().any())
        ranks = ranks_of(table)
        rows = np.argsort(ranks, kind="stable")[:MOST_TEXTS]
        some = table.iloc[rows]
        keys = zip(*(some[name].tolist() for name in ("split", "subset", "id")), strict=True)
        self._rows: dict[Place, int] = dict(zip(keys, rows.tolist(), strict=True))
        self.ranks = {place: int(ranks[row]) for place, row in self._rows.items()}

    def errors(self, places: Sequence[Place]) -> npt.NDArray[np.float64]:
        """How wrong some examples are; NaN where this entry has none."""
        rows = np.array([self._rows.get(place, -1) for place in places], dtype=np.int64)
        return np.where(rows < 0, np.nan, self._errors[rows])

    def value(self, place: Place, name: str) -> str | None:
        """What stands in a column of texts."""
        row = self._rows.get(place)
        value = None if row is None else self.table[name].iloc[row]
        return value if isinstance(value, str) else None

    def side(self, place: Place, gold: Sequence[Hit] | None, text: FindText) -> Side:
        """What the entry made of an example; `gold` of a search."""
        row = self._rows.get(place)
        if row is None:
            return Side(self.label, None, (), None, lacking="not among its examples")
        score = _number(self.table["score"].iloc[row])
        if gold is None:
            words = self._words.of(row, place[2], text) if self._words else None
            return Side(self.label, score, (), words)
        found = self.value(place, "prediction")
        if found is None:
            why = "hits were not kept of this query"
            if not self._has_hits:
                why = "measured before hits were kept"
            return Side(self.label, score, (), None, lacking=why)
        relevant = {hit.id for hit in gold} | set(_grades(self.value(place, "gold")))
        hits = tuple(
            Hit(name, _number(value), name in relevant, text("document", name))
            for name, value in json.loads(found).items()
        )
        known = {hit.id for hit in hits}
        missed = tuple(hit.id for hit in gold if hit.id not in known)
        return Side(self.label, score, hits, None, missed)


class _Table:
    """The examples of all entries."""

    def __init__(
        self, task_type: str, columns: Sequence[_Column], texts: ExampleTexts | None
    ) -> None:
        self._type, self._columns = task_type, columns
        self._texts = ExampleTexts() if texts is None else texts
        search = task_type in _SEARCHES
        self._sides = ("query",) if search else _SIDES.get(task_type, ("text",))
        ranks: dict[Place, int] = {}
        for column in columns:
            ranks = column.ranks | ranks
        self._ranks = ranks

    def queries(self, most: int) -> tuple[Query, ...]:
        """Those to look at."""
        places = sorted(self._ranks, key=lambda place: (self._ranks[place], place))
        # Those without a text say little, and are left out where there are enough others.
        kept = [place for place in places if self._is_kept(place)]
        places = kept if len(kept) >= min(most, len(places)) else places
        errors = np.column_stack([column.errors(places) for column in self._columns])
        chosen = choose(errors, np.arange(len(places)), most)
        return tuple(self._query(places[row], reason) for row, reason in chosen)

    def _is_kept(self, place: Place) -> bool:
        split, subset, name = place
        return self._texts.find(split, subset, self._sides[0], name) is not None

    def _query(self, place: Place, reason: Reason) -> Query:
        split, subset, name = place

        def text(side: str, identifier: str) -> str | None:
            kept = self._texts.find(split, subset, side, identifier)
            most = _DOCUMENT_CHARACTERS if side == "document" else None
            return None if kept is None else _beginning(kept, most)

        values = (column.value(place, "gold") for column in self._columns)
        value = next((found for found in values if found is not None), None)
        gold: tuple[Hit, ...] | str
        if self._type in _SEARCHES:
            ordered = sorted(_grades(value).items(), key=lambda pair: (-pair[1], pair[0]))
            gold = tuple(
                Hit(document, None, True, text("document", document))
                for document, _ in ordered[:_MOST_GOLD]
            )
        else:
            gold = gold_words(value, name, self._type, text)
        return Query(
            id=name,
            split=split,
            subset=subset,
            text=query_text(name, self._sides, text),
            gold=gold,
            sides=tuple(
                column.side(place, None if isinstance(gold, str) else gold, text)
                for column in self._columns
            ),
            reason=reason,
        )


def _grades(gold: str | None) -> dict[str, float]:
    found: dict[str, float] = {} if gold is None else json.loads(gold)
    return found


def _number(value: Any) -> float | None:
    """A number as JSON can hold it; None if it is none."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _beginning(kept: KeptText, most: int | None) -> str:
    """A text's beginning, and how long all of it is if that is more."""
    shown = kept.text[:most]
    if len(shown) >= kept.length:
        return shown
    return f"{shown.rstrip()} … ({kept.length:,} characters)"
