"""Vectors that were made once, kept in memory while a task is read in several views."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
import numpy.typing as npt

from model.backend import Encoded

__all__ = ["TaskVectors"]


class TaskVectors:
    """Vectors of one task's texts, by what they were encoded with.

    It never outlives the task: which texts are encoded together then depends on the task alone.
    """

    def __init__(self, max_bytes: int) -> None:
        """Hold nothing yet.

        Args:
            max_bytes: When this much is held, nothing more is added.
        """
        self._room = max_bytes
        self._held: dict[Hashable, _Held] = {}

    def read(
        self, key: Hashable, texts: Sequence[str], encode: Callable[[list[str]], Encoded]
    ) -> Encoded:
        """Vectors of some texts, of which those not held are encoded and then held.

        Args:
            key: What they are encoded with.
            texts: Different texts.
            encode: Turns the texts that are not held into vectors.
        """
        held = self._held.setdefault(key, _Held())
        places = np.array([held.places.get(text, -1) for text in texts], dtype=np.int64)
        missing = np.flatnonzero(places < 0)
        if not len(missing):
            return held.take(places)
        wanted = [texts[row] for row in missing.tolist()]
        new = encode(wanted)
        if self.add(key, wanted, new):
            return self.read(key, texts, encode)
        if len(missing) == len(texts):
            return new
        there = np.flatnonzero(places >= 0)
        order = np.argsort(np.concatenate([there, missing]))
        return Encoded.concatenate([held.take(places[there]), new]).select(order)

    def holds(self, key: Hashable, text: str) -> bool:
        """Whether a text is held."""
        return key in self._held and text in self._held[key].places

    def add(self, key: Hashable, texts: Sequence[str], encoded: Encoded) -> bool:
        """Hold texts, none of which is held yet, if there is room; tells whether there was."""
        if encoded.vectors.nbytes > self._room:
            return False
        self._room -= encoded.vectors.nbytes
        self._held.setdefault(key, _Held()).add(texts, encoded)
        return True


class _Held:
    """Vectors of one kind, in the pieces in which they came."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        self._pieces: list[Encoded] = []
        self._starts = np.zeros(1, dtype=np.int64)

    def add(self, texts: Sequence[str], encoded: Encoded) -> None:
        """Take more texts."""
        first = int(self._starts[-1])
        self._pieces.append(encoded)
        self._starts = np.append(self._starts, first + len(texts))
        self.places.update(zip(texts, range(first, first + len(texts)), strict=True))

    def take(self, places: npt.NDArray[np.int64]) -> Encoded:
        """The texts at some places, in their order."""
        piece_of = np.searchsorted(self._starts, places, side="right") - 1
        pieces = np.unique(piece_of).tolist()
        parts, rows = [], []
        for piece in pieces:
            here = np.flatnonzero(piece_of == piece)
            parts.append(self._pieces[piece].select(places[here] - self._starts[piece]))
            rows.append(here)
        return Encoded.concatenate(parts).select(np.argsort(np.concatenate(rows)))
