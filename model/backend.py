"""What every model looks like to the rest: texts and a route in, float32 vectors out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from model.chunking import Chunking
from model.routing import Route
from model.work import Pass, Work, joined_work

__all__ = ["Backend", "Encoded", "Progress", "measured", "spread"]

Progress = Callable[[int], None]
"""Called with the number of texts that were encoded since the last call."""


@dataclass(frozen=True)
class Encoded:
    """Vectors of some texts, with what was read of each.

    Attributes:
        vectors: Shape (n, width), float32; with `counts`, shape (sum of counts, width), those of
            a text one after another.
        tokens: Shape (n,), int64: tokens before truncation, prompt and special
            tokens included; None where the model has no tokenizer.
        truncated: Shape (n,), int64: tokens cut off; None likewise.
        counts: Shape (n,), int64: vectors of each text; None for one each.
        computed: How many of the texts went through the model; None for all of them.
        work: What the model did for them; empty where nobody measured it, or nothing was done.
    """

    vectors: npt.NDArray[np.float32]
    tokens: npt.NDArray[np.int64] | None = None
    truncated: npt.NDArray[np.int64] | None = None
    counts: npt.NDArray[np.int64] | None = None
    computed: int | None = None
    work: tuple[Work, ...] = ()

    def __len__(self) -> int:
        """Number of texts."""
        return len(self.vectors if self.counts is None else self.counts)

    def select(self, rows: npt.NDArray[np.int64]) -> Encoded:
        """Some of the texts.

        Args:
            rows: Places of the texts, shape (m,); one may be named more than once.
        """
        if len(rows) == len(self) and np.array_equal(rows, np.arange(len(rows))):
            return self
        places, counts = rows, None
        if self.counts is not None:
            counts = self.counts[rows]
            places = spread((np.cumsum(self.counts) - self.counts)[rows], counts)
        return Encoded(
            vectors=self.vectors[places],
            tokens=None if self.tokens is None else self.tokens[rows],
            truncated=None if self.truncated is None else self.truncated[rows],
            counts=counts,
            work=self.work,
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Encoded]) -> Encoded:
        """The texts of all parts, in order."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            vectors=np.concatenate([part.vectors for part in parts]),
            tokens=_joined([part.tokens for part in parts]),
            truncated=_joined([part.truncated for part in parts]),
            counts=_joined([part.counts for part in parts]),
            work=joined_work(part.work for part in parts),
        )


def measured(found: Sequence[Encoded], seconds: float) -> tuple[Encoded, ...]:
    """What one call gave, with the call as their work where the model measured none itself.

    Args:
        found: Vectors of the same texts, by one chunking each.
        seconds: What the call took.
    """
    if any(encoded.work or encoded.computed == 0 for encoded in found):
        return tuple(found)
    tokens = None
    if len(found) == 1 and found[0].counts is None and found[0].tokens is not None:
        cut = 0 if found[0].truncated is None else int(found[0].truncated.sum())
        tokens = int(found[0].tokens.sum()) - cut
    one = Pass(tokens, seconds)
    return tuple(
        replace(each, work=(Work(len(each) if each.computed is None else each.computed, (one,)),))
        for each in found
    )


def spread(starts: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Places `starts[i]`, `starts[i] + 1`, … `counts[i]` of them, for each i in turn.

    Both are of shape (n,); the result is of shape (sum of counts,).
    """
    before = np.cumsum(counts) - counts
    places: npt.NDArray[np.int64] = np.arange(counts.sum()) + np.repeat(starts - before, counts)
    return places


def _joined(arrays: Sequence[npt.NDArray[np.int64] | None]) -> npt.NDArray[np.int64] | None:
    there = [array for array in arrays if array is not None]
    return np.concatenate(there) if len(there) == len(arrays) else None


class Backend(Protocol):
    """A loaded model."""

    @property
    def width(self) -> int | None:
        """Full width of the vectors; None where it is not fixed."""
        ...

    @property
    def max_length(self) -> int | None:
        """Longest input in tokens; None for no limit."""
        ...

    @property
    def device(self) -> str:
        """Where it runs, such as "cpu" or "cuda:0"."""
        ...

    @property
    def precision(self) -> str:
        """Number format of its arithmetic, such as "float32"."""
        ...

    @property
    def attention(self) -> str | None:
        """Name of the attention kernel in use; None where there is none."""
        ...

    @property
    def compiled(self) -> bool:
        """Whether its layers are compiled."""
        ...

    @property
    def fused_gelu(self) -> bool:
        """Whether linear layers and the GELU after them are one kernel."""
        ...

    def prepare(self, texts: Sequence[str]) -> None:
        """Learn what must be known of a task's texts, without labels, before encoding them.

        Most models need nothing.
        """
        ...

    def encode(self, texts: Sequence[str], route: Route, progress: Progress) -> Encoded:
        """Turn texts into vectors, in the order of the texts.

        Args:
            texts: Texts without their prompt.
            route: The adapter and prompt to encode them with.
            progress: Told how far it is.
        """
        ...

    def check_chunking(self, chunking: Chunking, prompt: str = "") -> None:
        """Refuse a chunking that this model cannot do, before anything is encoded.

        Args:
            chunking: How to cut and pool.
            prompt: What documents are read behind.

        Raises:
            ModelError: Naming why it cannot, or what is not installed.
        """
        ...

    def encode_chunks(
        self, texts: Sequence[str], route: Route, chunkings: Sequence[Chunking], progress: Progress
    ) -> tuple[Encoded, ...]:
        """Turn documents into vectors of their chunks, by several chunkings at once.

        Args:
            texts: Documents without their prompt.
            route: The adapter and prompt to encode them with.
            chunkings: How to cut and pool; "none" is not allowed here. All
                late ones together take one pass through the model.
            progress: Told how far it is; counts each text once.

        Returns:
            One a chunking, each with `counts`. `tokens` are the whole
            document's, prompt and special tokens included; `truncated` those
            that went into none of its vectors.

        Raises:
            ModelError: As of `check_chunking`.
        """
        ...
