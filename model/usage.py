"""What an evaluation gave a model to read, counted as it goes on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xxhash

from model.distinct import DistinctCounter
from model.routing import Route
from model.work import Work

if TYPE_CHECKING:
    from model.backend import Encoded

__all__ = ["TextTally", "Usage"]


@dataclass
class TextTally:
    """Some texts, counted.

    Attributes:
        texts: Texts asked for, repeats included.
        tokens: Tokens of the distinct texts; None without a tokenizer.
        truncated_texts: Distinct texts that were cut; None likewise.
        truncated_tokens: Tokens cut off from them; None likewise.
    """

    texts: int = 0
    tokens: int | None = None
    truncated_texts: int | None = None
    truncated_tokens: int | None = None
    _seen: DistinctCounter = field(default_factory=DistinctCounter, repr=False)

    @property
    def distinct_texts(self) -> int:
        """Different (route, text) pairs."""
        return len(self._seen)

    def add(self, asked: int, hashes: npt.NDArray[np.uint64], encoded: Encoded) -> None:
        """Count texts.

        Args:
            asked: How many were asked for, repeats included.
            hashes: Of the distinct ones, see `hash_texts`.
            encoded: What was read of each of those.
        """
        self.texts += asked
        new = self._seen.add(hashes)
        if encoded.tokens is not None:
            self.tokens = (self.tokens or 0) + int(encoded.tokens[new].sum())
        if encoded.truncated is not None:
            cut = encoded.truncated[new]
            self.truncated_texts = (self.truncated_texts or 0) + int((cut > 0).sum())
            self.truncated_tokens = (self.truncated_tokens or 0) + int(cut.sum())


@dataclass
class Usage:
    """What one evaluation asked of the model.

    Attributes:
        routes: The route of each prompt type ("query", "document", "" for the only side).
        task_routes: The same by name of the task, or of an aggregate's part, and prompt type.
        total: All its texts.
        by_split: The texts of each split.
        encoded_texts: Texts that went through the model, the others were at hand.
        encode_seconds: Time this took, reading those that were cached included.
        search_seconds: Time that finding documents took beside.
        used: The work that the vectors come from which this evaluation read, by whomever it was
            asked for; as keys, in order.
        made: The work that was done in this evaluation, by whomever it is used; likewise.
    """

    routes: dict[str, Route] = field(default_factory=dict)
    task_routes: dict[tuple[str, str], Route] = field(default_factory=dict)
    total: TextTally = field(default_factory=TextTally)
    by_split: dict[str, TextTally] = field(default_factory=dict)
    encoded_texts: int = 0
    encode_seconds: float = 0.0
    search_seconds: float = 0.0
    used: dict[Work, None] = field(default_factory=dict)
    made: dict[Work, None] = field(default_factory=dict)

    def count(
        self, split: str, asked: int, route: Route, texts: Sequence[str], encoded: Encoded
    ) -> None:
        """Count the texts of one call.

        Args:
            split: The split they are of.
            asked: How many were asked for, repeats included.
            route: How they were encoded.
            texts: The distinct ones.
            encoded: What was read of each of those.
        """
        hashes = hash_texts(route, texts)
        for tally in (self.total, self.by_split.setdefault(split, TextTally())):
            tally.add(asked, hashes, encoded)


def hash_texts(route: Route | None, texts: Iterable[str]) -> npt.NDArray[np.uint64]:
    """Hash (route, text) pairs to 64 bits, shape (texts,).

    That two of nine million agree by chance has a probability of two in a million.
    """
    seed = xxhash.xxh3_64_intdigest(repr(route).encode())
    digests = [xxhash.xxh3_64_intdigest(text.encode(), seed) for text in texts]
    return np.array(digests, dtype=np.uint64)
