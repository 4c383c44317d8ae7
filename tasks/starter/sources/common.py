"""Helpers of the sources: deterministic sampling, cleaning, lexical similarity."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from tasks.starter.files import Row

T = TypeVar("T")

_WORD = re.compile(r"\w+")
# Scripts written without spaces: their words are approximated by pairs of characters.
_UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def squash(text: str) -> str:
    """Replace each run of white space by one space, and strip the ends."""
    return " ".join(text.split())


def in_hash_order(items: Iterable[str], salt: str = "") -> list[str]:
    """Order strings by their sha256: a shuffle that no version of `random` can change."""
    return sorted(items, key=lambda item: hashlib.sha256((salt + item).encode()).digest())


def fraction(seed: str) -> float:
    """Return a number of [0, 1) that depends on `seed` alone."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:6]) / 2**48


def sample(items: Iterable[T], size: int, key: Callable[[T], str], salt: str = "") -> list[T]:
    """Take at most `size` items, chosen by the hash of their key, in the order of that hash."""
    keyed = {key(item): item for item in items}
    return [keyed[name] for name in in_hash_order(keyed, salt)[:size]]


def terms(text: str) -> list[str]:
    """Split a text into lower-case words, or pairs of characters in unspaced scripts."""
    found: list[str] = []
    for word in _WORD.findall(text.lower()):
        if _UNSPACED.search(word) and len(word) > 1:
            found.extend(word[i : i + 2] for i in range(len(word) - 1))
        else:
            found.append(word)
    return found


def word_overlap(text: str, other: str) -> float:
    """Return the share of the distinct words of `text` that `other` has too (0 to 1)."""
    words = set(terms(text))
    return len(words & set(terms(other))) / max(len(words), 1)


class LexicalIndex:
    """TF-IDF vectors of some texts, to find those most similar to a query."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Index `texts`; the weights come from them alone."""
        counts = [Counter(terms(text)) for text in texts]
        frequency = Counter(term for count in counts for term in count)
        self._idf = {
            term: math.log((1 + len(texts)) / (1 + df)) + 1 for term, df in frequency.items()
        }
        self._vectors = [self._vector(count) for count in counts]

    def scores(self, query: str) -> list[float]:
        """Return the cosine similarity of the query with each text."""
        vector = self._vector(Counter(terms(query)))
        return [
            math.fsum(weight * other.get(term, 0.0) for term, weight in vector.items())
            for other in self._vectors
        ]

    def nearest(self, query: str, size: int) -> list[int]:
        """Return the indices of the `size` most similar texts, most similar first."""
        scores = self.scores(query)
        # Rounded, so that the last bits of a floating-point library cannot change the order.
        return sorted(range(len(scores)), key=lambda i: (-round(scores[i], 9), i))[:size]

    def _vector(self, count: Counter[str]) -> dict[str, float]:
        weights = {
            term: (1 + math.log(n)) * self._idf[term]
            for term, n in count.items()
            if term in self._idf
        }
        norm = math.sqrt(math.fsum(weight * weight for weight in weights.values()))
        return {term: weight / norm for term, weight in weights.items()} if norm else {}


def without_repeats(rows: Iterable[Row], fields: Sequence[str]) -> list[Row]:
    """Drop each row that repeats, in any of `fields`, the value of a row kept before."""
    kept: list[Row] = []
    seen: set[tuple[str, str]] = set()
    for row in rows:
        values = {(field, row[field]) for field in fields}
        if not values & seen:
            kept.append(row)
            seen |= values
    return kept
