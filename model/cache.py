"""Vectors that were made once, kept while a task is read in several views."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.backend import Encoded
from model.routing import Route

__all__ = ["CachedText", "VectorCache"]


@dataclass(frozen=True)
class CachedText:
    """One text's vector, with what was read of the text.

    Attributes:
        vector: Shape (width,), float32.
        tokens: Tokens before truncation, or None.
        truncated: Tokens cut off, or None.
    """

    vector: npt.NDArray[np.float32]
    tokens: int | None
    truncated: int | None


class VectorCache:
    """Vectors of one task by (route, text).

    It never outlives the task: which texts are encoded together then depends
    on the task alone, so that a run which was stopped and resumed encodes the
    same batches, and gets the same vectors, as one that was not.
    """

    def __init__(self, max_bytes: int) -> None:
        """Make an empty cache.

        Args:
            max_bytes: When this much is held, nothing more is added.
        """
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: dict[tuple[Route, str], CachedText] = {}

    def find(self, route: Route, texts: Sequence[str]) -> dict[str, CachedText]:
        """What is at hand of these texts."""
        found = {}
        for text in texts:
            entry = self._entries.get((route, text))
            if entry is not None:
                found[text] = entry
        return found

    def add(self, route: Route, texts: Sequence[str], encoded: Encoded) -> dict[str, CachedText]:
        """Keep newly encoded texts as far as there is room; return them all."""
        tokens = encoded.tokens
        cut = encoded.truncated
        new = {
            text: CachedText(
                vector=encoded.vectors[row],
                tokens=None if tokens is None else int(tokens[row]),
                truncated=None if cut is None else int(cut[row]),
            )
            for row, text in enumerate(texts)
        }
        if self._bytes + encoded.vectors.nbytes <= self._max_bytes:
            self._bytes += encoded.vectors.nbytes
            self._entries.update({(route, text): entry for text, entry in new.items()})
        return new
