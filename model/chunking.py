"""Chunkings: how a document becomes vectors.

A chunking is written `none`, or `naive:` or `late:` with `fixed=256`,
`sentences=5` or `semantic=256`, and prints back to what was written:
`str(Chunking.parse(text)) == text` for canonical text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast, get_args

from model.errors import ModelError

__all__ = ["SPLITTER", "WHOLE", "Chunking", "ChunkingError", "Mode", "Unit"]

Mode = Literal["none", "naive", "late"]
"""One vector a document; each chunk encoded alone; chunks pooled after the whole was encoded."""

Unit = Literal["fixed", "sentences", "semantic"]
"""What a chunk's size counts: tokens; sentences; tokens at most, cut where it reads best."""

_ALLOWED = "none, or naive: or late: with fixed=N, sentences=N or semantic=N and N >= 1"
# More digits than any document has tokens are no size, and int() refuses thousands of them.
_FORM = re.compile(r"(naive|late):(fixed|sentences|semantic)=([0-9]{1,9})")
_SPECIAL_TOKENS = 2
"""As most tokenizers have; what counts before a tokenizer is read."""

SPLITTER = "semantic-text-splitter"
"""The package that finds semantic chunks."""


class ChunkingError(ModelError):
    """A chunking that cannot be read, or that does not fit the model."""


@dataclass(frozen=True)
class Chunking:
    """How a document becomes vectors; its score is the largest of its chunks'.

    Attributes:
        mode: Whether chunks are encoded alone ("naive") or pooled from the
            whole document's tokens ("late"); "none" for one vector a document.
        unit: What is counted; None for no chunks.
        size: How many of them a chunk has; None for no chunks.
    """

    mode: Mode = "none"
    unit: Unit | None = None
    size: int | None = None

    def __post_init__(self) -> None:
        whole = self.mode == "none"
        known = self.mode in get_args(Mode) and (whole or self.unit in get_args(Unit))
        sized = self.size is None if whole else self.size is not None and self.size >= 1
        if not known or not sized or (whole and self.unit is not None):
            raise ChunkingError(f"unknown chunking '{self}'; allowed: {_ALLOWED}")

    def __str__(self) -> str:
        if self.unit is None and self.size is None:
            return self.mode
        return f"{self.mode}:{self.unit}={self.size}"

    @classmethod
    def parse(cls, text: str) -> Chunking:
        """Read a chunking from its name.

        Raises:
            ChunkingError: If it is none of the forms above, or its size is 0.
        """
        if text.strip() == "none":
            return cls()
        found = _FORM.fullmatch(text.strip())
        if found is None or int(found[3]) < 1:
            raise ChunkingError(f"unknown chunking {text!r}; allowed: {_ALLOWED}")
        return cls(cast(Mode, found[1]), cast(Unit, found[2]), int(found[3]))

    @property
    def least_characters(self) -> int:
        """About the fewest characters that a chunk has in any language; at least 1."""
        each = {None: 1, "fixed": 2, "semantic": 1, "sentences": 20}[self.unit]
        return each * (self.size or 1)

    def check_fits(
        self, max_length: int | None, *, special: int = _SPECIAL_TOKENS, prompt: int = 0
    ) -> None:
        """Refuse chunks of more tokens than a model reads at once.

        Args:
            max_length: Longest input in tokens, prompt and special tokens included; None for no
                limit.
            special: Special tokens around each input.
            prompt: Tokens of the prompt. Naive chunks have it before each of them; late chunks
                are pooled from windows over the document, where it stands once.

        Raises:
            ChunkingError: If a chunk cannot fit. Sentences have no known length.
        """
        if max_length is None or self.size is None or self.unit == "sentences":
            return
        before = prompt if self.mode == "naive" else 0
        room = max_length - special - before
        if self.size > room:
            own = f" and {before} the prompt's" if before else ""
            allowed = f"{self.unit}={room} at most" if room > 0 else "none"
            raise ChunkingError(
                f"chunking '{self}': the model reads {max_length} tokens at once, "
                f"{special} of them special{own}; allowed: {allowed}"
            )


WHOLE = Chunking()
"""Documents are not cut."""
