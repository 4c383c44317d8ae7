"""What a model did for some vectors: which of its passes they come from, and how long those took.

One pass may serve several chunkings and views, so that a record's cost cannot be read off the
clock: passes are objects, and whoever adds up costs counts each of them once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Pass", "Work", "joined_work"]


@dataclass(frozen=True, eq=False)
class Pass:
    """Tokens that went through the model once; equal only to itself.

    Attributes:
        tokens: Tokens read, prompts and special tokens included, after truncation; None where the
            model has no tokenizer.
        seconds: Time that took.
    """

    tokens: int | None
    seconds: float


@dataclass(frozen=True, eq=False)
class Work:
    """Texts that went through the model in one call, by one chunking; equal only to itself.

    Attributes:
        texts: Number of texts.
        passes: The passes that their vectors come from, some of them perhaps another work's too.
    """

    texts: int
    passes: tuple[Pass, ...]


def joined_work(parts: Iterable[tuple[Work, ...]]) -> tuple[Work, ...]:
    """The works of all parts, each once, in the order in which they come."""
    return tuple(dict.fromkeys(work for part in parts for work in part))
