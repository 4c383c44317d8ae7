"""Hashes of texts, and where each was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xxhash

__all__ = ["HASH", "HashIndex", "hash_texts"]

HASH = np.dtype([("high", "<u8"), ("low", "<u8")])
"""128 bits. That two of a hundred million texts agree by chance has a probability of 1e-23."""


def hash_texts(texts: Sequence[str]) -> npt.NDArray[np.void]:
    """Hash texts, shape (texts,), `HASH`."""
    digest = xxhash.xxh3_128_digest
    return np.frombuffer(b"".join([digest(text.encode()) for text in texts]), dtype=HASH)


class HashIndex:
    """From hashes to numbers.

    Entries are kept in sorted arrays, of which small ones are merged as they come, so that there
    are few arrays and each entry is moved a few times only.
    """

    def __init__(self) -> None:
        """Know nothing."""
        self._levels: list[_Level] = []

    def __len__(self) -> int:
        """Number of entries."""
        return sum(len(level.numbers) for level in self._levels)

    def add(self, hashes: npt.NDArray[np.void], numbers: npt.NDArray[np.int64]) -> None:
        """Add entries; where a hash is there already, the earlier one stays in force.

        Args:
            hashes: Shape (n,), `HASH`.
            numbers: Shape (n,), int64, at least 0.
        """
        if not len(hashes):
            return
        new = _Level(hashes["high"], hashes["low"], numbers)
        while self._levels and len(self._levels[-1].numbers) <= 2 * len(new.numbers):
            new = self._levels.pop().join(new)
        # Stable: of equal hashes the earlier comes first, which is the one that is found.
        order = np.lexsort((new.low, new.high))
        self._levels.append(_Level(new.high[order], new.low[order], new.numbers[order]))

    def find(self, hashes: npt.NDArray[np.void]) -> npt.NDArray[np.int64]:
        """The number of each hash, -1 where it was not added, shape (n,), int64."""
        # Neighbours in memory are looked up one after another, which is several times quicker.
        order = np.argsort(hashes["high"])
        wanted = hashes[order]
        high, low = np.ascontiguousarray(wanted["high"]), np.ascontiguousarray(wanted["low"])
        found = np.full(len(hashes), -1, dtype=np.int64)
        for level in self._levels:
            level.find(high, low, found)
        numbers = np.empty_like(found)
        numbers[order] = found
        return numbers


@dataclass(frozen=True)
class _Level:
    """Entries in the order of their hashes, each array of shape (entries,)."""

    high: npt.NDArray[np.uint64]
    low: npt.NDArray[np.uint64]
    numbers: npt.NDArray[np.int64]

    def join(self, later: _Level) -> _Level:
        return _Level(
            np.concatenate([self.high, later.high]),
            np.concatenate([self.low, later.low]),
            np.concatenate([self.numbers, later.numbers]),
        )

    def find(
        self,
        high: npt.NDArray[np.uint64],
        low: npt.NDArray[np.uint64],
        found: npt.NDArray[np.int64],
    ) -> None:
        """Put the numbers of hashes into `found` where it is below 0."""
        places = np.searchsorted(self.high, high)
        pending = np.flatnonzero((places < len(self.high)) & (found < 0))
        while len(pending):
            at = places[pending]
            same = self.high[at] == high[pending]
            hit = same & (self.low[at] == low[pending])
            found[pending[hit]] = self.numbers[at[hit]]
            # Another text whose first half agrees: look at the next one.
            pending = pending[same & ~hit]
            places[pending] += 1
            pending = pending[places[pending] < len(self.high)]
