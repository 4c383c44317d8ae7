"""How many tokens a model reads of some texts, counted by its own tokenizer without the model.

Up to a bound all texts are counted, beyond it every so-many-th, and the others are estimated from
their characters. Nothing here is random.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from model.chunking import WHOLE, Chunking
from model.errors import ModelError
from model.splitting import Splitter
from model.tokenization import TextTokenizer
from model.windows import window_overlap, windows_over
from tasks.sizes import CHARACTERS_PER_TOKEN

if TYPE_CHECKING:
    from model.source import ModelSource

__all__ = ["Reader", "RoughReader", "TokenReader", "expected_tokens"]

_WHOLE_CHARACTERS = 1_000_000
"""Characters that are tokenized of one kind of text; a task of English takes 0.3 s per million."""

_CHUNKED_CHARACTERS = 3_000_000
"""The same for texts whose chunks are counted: their number varies more from text to text."""

_CHARACTERS_PER_TOKEN = 8
"""No more than so many are tokenized for each token that a model keeps, if that is enough."""


_SENTENCE_TOKENS = 25
"""About what a sentence has."""

_FILLED = 0.8
"""How full semantic chunks are, about: they end where a sentence or paragraph does."""


class TokenReader(Protocol):
    """Tells how many tokens a model reads."""

    @property
    def special_tokens(self) -> int:
        """Special tokens around each input."""
        ...

    @property
    def vocabulary(self) -> int:
        """Number of different tokens; 0 if that is not known."""
        ...

    def own_tokens(self, text: str) -> int:
        """Tokens of a text, however long, without special tokens."""
        ...

    def whole(self, texts: Sequence[str], prompt: str) -> int:
        """Tokens read of texts that are encoded whole, cut where the model cuts them."""
        ...

    def late(self, texts: Sequence[str], prompt: str) -> int:
        """Tokens read of documents for late chunks: windows that overlap, to each one's end."""
        ...

    def naive(self, texts: Sequence[str], prompt: str, chunkings: Sequence[Chunking]) -> list[int]:
        """Tokens read of documents whose chunks are encoded alone, each different one once.

        Args:
            texts: Documents that are encoded in one call.
            prompt: What each chunk is read behind.
            chunkings: How to cut them, all at once.

        Returns:
            For each chunking the tokens of the chunks that none before it has.
        """
        ...


class _ChunkTokens(NamedTuple):
    """Tokens of some chunks: each different one once, and with their repeats."""

    different: int
    all: int


class Reader:
    """Counts tokens as a model reads them."""

    def __init__(self, tokenizer: TextTokenizer, max_length: int | None) -> None:
        """Take a model's tokenizer.

        Args:
            tokenizer: The tokenizer.
            max_length: Tokens after which texts are cut; None for no limit.
        """
        self._tokenizer = tokenizer
        self._limit = max_length or sys.maxsize
        self._splitter = Splitter(tokenizer)

    @classmethod
    def of(cls, source: ModelSource, max_length: int | None) -> Reader | None:
        """For a model; None if it has no tokenizer file that can be read without it."""
        if source.folder is None:
            return None
        inside = sorted(source.folder.glob("*/tokenizer.json"))
        for folder in (source.folder, *(path.parent for path in inside)):
            try:
                return cls(TextTokenizer.from_folder(folder, max_length or sys.maxsize), max_length)
            except ModelError:
                continue
        return None

    @property
    def special_tokens(self) -> int:
        """Special tokens around each input."""
        return self._tokenizer.special_tokens

    @property
    def vocabulary(self) -> int:
        """Number of different tokens."""
        return int(self._tokenizer.backend.get_vocab_size())

    def own_tokens(self, text: str) -> int:
        """Tokens of a text, however long, without special tokens."""
        return int(self._tokenizer.tokenize([text]).full_lengths[0]) - self.special_tokens

    def whole(self, texts: Sequence[str], prompt: str) -> int:
        """Tokens read of texts that are encoded whole, cut where the model cuts them."""
        most = len(prompt) + min(self._limit * _CHARACTERS_PER_TOKEN, sys.maxsize // 2)
        return self._estimate(texts, prompt, most, self._limit, _WHOLE_CHARACTERS)

    def late(self, texts: Sequence[str], prompt: str) -> int:
        """Tokens read of documents for late chunks: windows that overlap, to each one's end."""
        return self._estimate(texts, prompt, sys.maxsize, None, _CHUNKED_CHARACTERS)

    def naive(self, texts: Sequence[str], prompt: str, chunkings: Sequence[Chunking]) -> list[int]:
        """As of `TokenReader`."""
        if not chunkings:
            return []
        rows = _sample([len(text) for text in texts], _CHUNKED_CHARACTERS)
        counted = self._chunks([texts[row] for row in rows], prompt, chunkings)
        if len(rows) == len(texts):
            return [one.different for one in counted]
        # Chunks repeat, so that twice the documents have fewer than twice the different ones:
        # how much fewer is seen between half of the sample and all of it.
        half = self._chunks([texts[row] for row in rows[::2]], prompt, chunkings)
        scale = sum(map(len, texts)) / max(1, sum(len(texts[row]) for row in rows))
        return [_extrapolated(few, many, scale) for few, many in zip(half, counted, strict=True)]

    def _chunks(
        self, texts: list[str], prompt: str, chunkings: Sequence[Chunking]
    ) -> list[_ChunkTokens]:
        """Tokens of the chunks by each chunking, but for those that one before it has."""
        chunks = [Counter[str]() for _ in chunkings]
        for document in self._splitter.read(prompt, texts):
            for own, chunking in zip(chunks, chunkings, strict=True):
                own.update(document.chunk_texts(self._splitter.split(document, chunking)))
        found, before = [], set[str]()
        for own in chunks:
            new = [chunk for chunk in own if chunk not in before]
            before.update(own)
            lengths = np.zeros(0, dtype=np.int64)
            if new:
                lengths = self._tokenizer.tokenize([prompt + one for one in new]).full_lengths
            lengths = np.minimum(lengths, self._limit)
            times = np.array([own[one] for one in new], dtype=np.int64)
            found.append(_ChunkTokens(int(lengths.sum()), int((lengths * times).sum())))
        return found

    def _estimate(
        self, texts: Sequence[str], prompt: str, most: int, limit: int | None, budget: int
    ) -> int:
        """Tokens read of all texts, from a count over those that the budget allows.

        Args:
            texts: The texts.
            prompt: What each is read behind.
            most: Characters of an input beyond which it is surely longer than the limit.
            limit: Tokens after which an input is cut; None to read it in windows.
            budget: Characters to tokenize.
        """
        inputs = [prompt + text for text in texts]
        sizes = [min(len(one), most) for one in inputs]
        rows = _sample(sizes, budget)
        lengths = np.zeros(len(inputs), dtype=np.int64)
        lengths[rows] = self._count([inputs[row] for row in rows], most)
        if len(rows) < len(inputs):
            rest = np.ones(len(inputs), dtype=np.bool_)
            rest[rows] = False
            own = lengths[rows] - self.special_tokens
            per_character = own.sum() / max(1, sum(sizes[row] for row in rows))
            wide = np.array([len(one) for one in inputs], dtype=np.float64)[rest]
            lengths[rest] = np.round(wide * per_character).astype(np.int64) + self.special_tokens
        if limit is not None:
            return int(np.minimum(lengths, limit).sum())
        return int(sum(self._in_windows(length) for length in lengths.tolist()))

    def _count(self, inputs: list[str], most: int) -> npt.NDArray[np.int64]:
        """Tokens of each input, or of so much of it that they are more than the model reads."""
        lengths = self._tokenizer.tokenize([one[:most] for one in inputs]).full_lengths
        again = [
            row for row, one in enumerate(inputs) if len(one) > most and lengths[row] < self._limit
        ]
        if again:
            lengths[again] = self._tokenizer.tokenize([inputs[row] for row in again]).full_lengths
        return lengths

    def _in_windows(self, length: int) -> int:
        if length <= self._limit:
            return length
        windows = windows_over(length, self._limit, window_overlap(self._limit))
        return sum(end - start for start, _, end in windows)


def _sample(sizes: Sequence[int], budget: int) -> list[int]:
    """Every so-many-th row, so that neighbours, which are alike, are all represented."""
    step = max(1, math.ceil(sum(sizes) / budget))
    return list(range(0, len(sizes), step))


class RoughReader:
    """For a model whose tokenizer is known only once it is loaded: four characters are a token."""

    special_tokens = 2
    vocabulary = 0

    def __init__(self, max_length: int | None) -> None:
        """Take the model's limit.

        Args:
            max_length: Tokens after which texts are cut; None for no limit.
        """
        self._limit = max_length

    def own_tokens(self, text: str) -> int:
        """As of `TokenReader`."""
        return math.ceil(len(text) / CHARACTERS_PER_TOKEN)

    def whole(self, texts: Sequence[str], prompt: str) -> int:
        """As of `TokenReader`."""
        return self._sum(texts, prompt, WHOLE)

    def late(self, texts: Sequence[str], prompt: str) -> int:
        """As of `TokenReader`."""
        return self._sum(texts, prompt, Chunking("late", "fixed", 1))

    def naive(self, texts: Sequence[str], prompt: str, chunkings: Sequence[Chunking]) -> list[int]:
        """As of `TokenReader`; no chunk is taken to repeat."""
        return [self._sum(texts, prompt, chunking) for chunking in chunkings]

    def _sum(self, texts: Sequence[str], prompt: str, chunking: Chunking) -> int:
        around = self.special_tokens + self.own_tokens(prompt)
        each = (
            expected_tokens(chunking, self.own_tokens(text), around, self._limit) for text in texts
        )
        return round(sum(each))


def _extrapolated(few: _ChunkTokens, many: _ChunkTokens, scale: float) -> int:
    """Tokens of the different chunks of all documents.

    The share of them among all chunks falls by a power of the number of chunks (Heaps' law).

    Args:
        few: Those of half of the sample.
        many: Those of the sample.
        scale: How many times as large as the sample all documents are.
    """
    if not few.different or few.all == many.all:
        return round(many.different * scale)
    shares = (many.different / many.all) / (few.different / few.all)
    power = min(0.0, math.log(shares) / math.log(many.all / few.all))
    return round(many.different * math.pow(scale, 1 + max(-1.0, power)))


def expected_tokens(chunking: Chunking, own: float, around: int, limit: int | None) -> float:
    """Tokens read of an average text, by rules of thumb for its chunks.

    Args:
        chunking: How it becomes vectors.
        own: Its own tokens.
        around: Tokens of its prompt and special tokens.
        limit: Tokens that the model reads at once; None for no limit.
    """
    length = own + around
    if chunking.mode == "late" and limit is not None and length > limit:
        windows = windows_over(round(length), limit, window_overlap(limit))
        return float(sum(end - start for start, _, end in windows))
    if chunking.mode == "naive":
        assert chunking.size is not None
        full = {"sentences": _SENTENCE_TOKENS, "semantic": _FILLED}.get(str(chunking.unit), 1)
        chunks = max(1.0, own / (full * chunking.size) + 0.5)
        return own + chunks * around
    return length if limit is None or chunking.mode == "late" else min(length, limit)
