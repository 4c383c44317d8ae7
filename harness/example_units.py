"""What the examples of a task share: keys by which a test finds the independent units.

Examples are drawn together, and so do not count as independent, where they share

- a text: one document in many pairs, an English side of thirty language pairs, a repeated text;
- a query: the same id in several subsets or splits, as with translations or lengths, or before and
  after an instruction changed;
- the only relevant document of a query;
- a row of parallel subsets: where no text, id or document links the subsets of a split, those with
  as many examples, of the same labels row by row where there are labels, are taken for translations
  of one another. Should they be none, nothing is lost: what is independent may be drawn together.

Keys are 32-bit hashes: enough to link examples, too short to tell what a text was.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import xxhash

from harness.p_mrr import AFTER, BEFORE
from harness.subqueries import PREFIX, whole_query
from tasks.text_lookup import TextLookup

if TYPE_CHECKING:
    import pandas as pd
    from mteb.abstasks import AbsTask

__all__ = ["ExampleUnits"]

_SIDES = ("query", "text", "first", "second", "human")

_MOST_TEXTS = 200_000
"""Examples up to which texts are hashed. Of more, how a few are linked changes no verdict."""

_MOSTLY = 0.5
"""Share of the examples from which on texts are taken to show how subsets are parallel."""

Keys = list[set[str]]
Place = tuple[str, str]


class ExampleUnits:
    """Finds the keys of one task's examples, once for all its views."""

    def __init__(self, task: AbsTask) -> None:
        """Take a task; nothing is read before a record asks for it.

        Args:
            task: The task, loaded.
        """
        self._lookup = TextLookup(task)
        self._has_parts = str(task.metadata.main_score).startswith(PREFIX)
        self._known: tuple[tuple[str, ...], list[str]] | None = None

    def add(self, examples: pd.DataFrame) -> pd.DataFrame:
        """The examples with their keys.

        Args:
            examples: A record's, see `results.examples`.
        """
        places = tuple(
            "\0".join(place)
            for place in zip(examples["split"], examples["subset"], examples["id"], strict=True)
        )
        if self._known is None or self._known[0] != places:
            self._known = places, self._keys(examples)
        return examples.assign(units=self._known[1])

    def _keys(self, examples: pd.DataFrame) -> list[str]:
        keys: Keys = [set() for _ in range(len(examples))]
        rows = defaultdict(list)
        for row, place in enumerate(zip(examples["split"], examples["subset"], strict=True)):
            rows[place].append(row)
        ids = examples["id"].tolist()
        if len(ids) <= _MOST_TEXTS:
            self._add_texts(keys, rows, ids)
        searched = {place for place in rows if "query" in self._lookup.sides(place[1])}
        golds = examples["gold"].tolist()
        if searched:
            some = [row for place in searched for row in rows[place]]
            # The parts of a query follow from its id only where that is how they are scored.
            name = _base if not self._has_parts else whole_query
            _add_repeated(keys, [(row, f"query\0{name(ids[row])}") for row in some])
            _add_repeated(keys, _only_documents(some, golds))
        # What is relevant to a query says nothing of which queries are translations.
        labels = [None if place in searched else golds for place in rows]
        _add_parallel(keys, rows, labels)
        return [" ".join(sorted(one)) for one in keys]

    def _add_texts(self, keys: Keys, rows: dict[Place, list[int]], ids: Sequence[str]) -> None:
        for (split, subset), here in rows.items():
            for side in self._lookup.sides(subset):
                if side not in _SIDES:
                    continue
                names = [ids[row] for row in here]
                texts = self._lookup.texts(split, subset, side, names)
                for row, text in zip(here, texts, strict=True):
                    if isinstance(text, str):
                        keys[row].add(_key(f"text\0{text.strip()}"))


def _add_repeated(keys: Keys, named: Iterable[tuple[int, str]]) -> None:
    """Add names that several examples have; one that is alone links nothing."""
    known = list(named)
    counts = Counter(name for _, name in known)
    for row, name in known:
        if counts[name] > 1:
            keys[row].add(_key(name))


def _base(query: str) -> str:
    return query.removesuffix(BEFORE).removesuffix(AFTER)


def _only_documents(rows: Iterable[int], golds: Sequence[str | None]) -> Iterable[tuple[int, str]]:
    for row in rows:
        relevant = json.loads(golds[row] or "{}")
        if len(relevant) == 1:
            yield row, f"document\0{next(iter(relevant))}"


def _add_parallel(
    keys: Keys, rows: dict[Place, list[int]], labels: Sequence[Sequence[str | None] | None]
) -> None:
    """Link the rows of subsets that are translations of one another, where nothing else does."""
    if len(rows) < 2 or _linked_share(keys, rows) >= _MOSTLY:
        return
    alike: dict[tuple[str, int, str], list[list[int]]] = defaultdict(list)
    for ((split, _), here), golds in zip(rows.items(), labels, strict=True):
        known = "" if golds is None else "\0".join(golds[row] or "" for row in here)
        alike[split, len(here), xxhash.xxh3_128_hexdigest(known.encode())].append(here)
    for name, subsets in alike.items():
        if len(subsets) > 1:
            for here in subsets:
                for number, row in enumerate(here):
                    keys[row].add(_key(f"row\0{name}\0{number}"))


def _linked_share(keys: Keys, rows: dict[Place, list[int]]) -> float:
    """Share of the examples with a key that another split or subset has as well."""
    counts = Counter(
        key for here in rows.values() for key in set().union(*(keys[row] for row in here))
    )
    linked = [any(counts[key] > 1 for key in keys[row]) for here in rows.values() for row in here]
    return sum(linked) / max(1, len(linked))


def _key(name: str) -> str:
    return xxhash.xxh32_hexdigest(name.encode("utf-8", "surrogatepass"))
