"""Documents as vectors of their chunks, for every backend whose tokenizer tells places."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from model.backend import Encoded, Progress
from model.chunking import Chunking, ChunkingError
from model.encoder import PackedEncoder
from model.errors import ModelError
from model.late_chunking import LateEncoder
from model.packed_model import PackedModel
from model.routing import Route
from model.splitting import Splitter
from model.work import Pass, Work

__all__ = ["ChunkEncoder"]

Encode = Callable[[Sequence[str], Route, Progress], Encoded]
"""A backend's ordinary `encode`."""


class ChunkEncoder:
    """Encodes documents chunk by chunk, as far as a model can."""

    def __init__(
        self,
        encode: Encode,
        splitter: Splitter | str,
        late: LateEncoder | str,
        max_length: int | None,
    ) -> None:
        """Take what a model has for it.

        Args:
            encode: Encodes chunks alone.
            splitter: Cuts documents; or why there is none.
            late: Pools chunks; or why there is none.
            max_length: Longest input in tokens; None for no limit.
        """
        self._encode = encode
        self._splitter = splitter
        self._late = late
        self._max_length = max_length

    @classmethod
    def packed(cls, encode: Encode, model: PackedModel, encoder: PackedEncoder) -> ChunkEncoder:
        """For a model that reads packed input.

        Args:
            encode: Encodes chunks alone.
            model: The model.
            encoder: The encoder that gives it its batches.
        """
        splitter = Splitter(encoder.tokenizer)
        late: LateEncoder | str
        try:
            late = LateEncoder(model, encoder, splitter)
        except ModelError as error:
            late = str(error)
        return cls(encode, splitter, late, encoder.tokenizer.max_length)

    def check(self, chunking: Chunking, prompt: str = "") -> None:
        """Refuse a chunking, before anything is encoded.

        Args:
            chunking: How to cut and pool.
            prompt: What documents are read behind.

        Raises:
            ModelError: If the model cannot do it; the message says why.
        """
        if chunking.mode == "none":
            return
        for needed in (self._splitter, self._late if chunking.mode == "late" else None):
            if isinstance(needed, str):
                raise ChunkingError(f"chunking '{chunking}': {needed}")
        assert isinstance(self._splitter, Splitter)
        tokenizer = self._splitter.tokenizer
        (length,) = tokenizer.tokenize([prompt]).full_lengths.tolist()
        special = tokenizer.special_tokens
        chunking.check_fits(self._max_length, special=special, prompt=length - special)
        self._splitter.check(chunking)

    def encode(
        self, texts: Sequence[str], route: Route, chunkings: Sequence[Chunking], progress: Progress
    ) -> tuple[Encoded, ...]:
        """As `Backend.encode_chunks`."""
        for chunking in chunkings:
            if chunking.mode == "none":
                raise ChunkingError("chunking 'none' has no chunks; allowed: naive or late")
            self.check(chunking, route.prompt)
        naive = [one for one in dict.fromkeys(chunkings) if one.mode == "naive"]
        late = [one for one in dict.fromkeys(chunkings) if one.mode == "late"]
        started = time.perf_counter()
        cut = self._cut(texts, route.prompt, naive)
        work = len(cut.distinct) + len(texts) * bool(late)
        shared = _Shared(progress, len(texts), work)
        found = dict(zip(naive, cut.encode(self._encode, route, shared, started), strict=True))
        if late:
            assert isinstance(self._late, LateEncoder)
            pooled = self._late.encode(texts, route.prompt, late, shared)
            found.update(zip(late, pooled, strict=True))
        return tuple(found[one] for one in chunkings)

    def _cut(self, texts: Sequence[str], prompt: str, chunkings: Sequence[Chunking]) -> _Cut:
        cut = _Cut(len(texts), len(chunkings))
        if chunkings:
            assert isinstance(self._splitter, Splitter)
            special = self._splitter.tokenizer.special_tokens
            for row, document in enumerate(self._splitter.read(prompt, texts)):
                cut.tokens[row] = len(document.ids) + special
                for one, chunking in enumerate(chunkings):
                    spans = self._splitter.split(document, chunking)
                    cut.dropped[one, row] = len(document.places) - np.diff(spans).sum()
                    cut.add(one, row, document.chunk_texts(spans))
        return cut


class _Cut:
    """Documents as texts of chunks, each different one kept once.

    Attributes:
        tokens: Tokens of each document, prompt and special tokens included, shape (texts,).
        dropped: Tokens of each in no chunk, shape (chunkings, texts).
        counts: Chunks of each, shape (chunkings, texts).
        distinct: The different chunks' places in what is encoded.
    """

    def __init__(self, texts: int, chunkings: int) -> None:
        self.tokens = np.zeros(texts, dtype=np.int64)
        self.dropped = np.zeros((chunkings, texts), dtype=np.int64)
        self.counts = np.zeros((chunkings, texts), dtype=np.int64)
        self.distinct: dict[str, int] = {}
        self._places: list[list[int]] = [[] for _ in range(chunkings)]

    def add(self, chunking: int, row: int, chunks: list[str]) -> None:
        """Note the next document's chunks."""
        self.counts[chunking, row] = len(chunks)
        self._places[chunking].extend(
            self.distinct.setdefault(chunk, len(self.distinct)) for chunk in chunks
        )

    def encode(
        self, encode: Encode, route: Route, progress: Progress, started: float
    ) -> tuple[Encoded, ...]:
        """Encode each different chunk alone, behind the prompt; one result per chunking.

        Args:
            encode: Encodes chunks.
            route: The adapter and prompt to encode them with.
            progress: Told how far it is.
            started: When cutting began, by `time.perf_counter`.
        """
        if not self._places:
            return ()
        encoded = encode(list(self.distinct), route, progress)
        places = [np.array(own, dtype=np.int64) for own in self._places]
        passes = _passes(encoded, places, time.perf_counter() - started)
        return tuple(
            replace(self._select(encoded, own, one), work=(Work(len(self.tokens), passes[one]),))
            for one, own in enumerate(places)
        )

    def _select(self, encoded: Encoded, places: npt.NDArray[np.int64], chunking: int) -> Encoded:
        counts = self.counts[chunking]
        unread = None
        if encoded.truncated is not None:
            owner = np.repeat(np.arange(len(counts)), counts)
            unread = self.dropped[chunking].copy()
            np.add.at(unread, owner, encoded.truncated[places])
        return Encoded(
            vectors=encoded.vectors[places],
            # None where the model itself counts none.
            tokens=None if encoded.tokens is None else self.tokens,
            truncated=unread,
            counts=counts,
        )


def _passes(
    encoded: Encoded, places: Sequence[npt.NDArray[np.int64]], seconds: float
) -> list[tuple[Pass, ...]]:
    """What was done for each chunking: chunks that the same chunkings have are one pass.

    Args:
        encoded: The different chunks.
        places: Those of each chunking among them.
        seconds: What encoding all of them took; it is divided by their tokens.
    """
    used = np.zeros((len(places), len(encoded)), dtype=np.bool_)
    for one, own in enumerate(places):
        used[one, own] = True
    read = None if encoded.tokens is None else encoded.tokens
    if read is not None and encoded.truncated is not None:
        read = read - encoded.truncated
    weights = np.ones(len(encoded), dtype=np.int64) if read is None else read
    total = max(1, int(weights.sum()))
    found: list[list[Pass]] = [[] for _ in places]
    groups, group_of = np.unique(used, axis=1, return_inverse=True)
    for number, users in enumerate(groups.T):
        weight = int(weights[group_of.reshape(-1) == number].sum())
        one_pass = Pass(None if read is None else weight, seconds * weight / total)
        for one in np.flatnonzero(users).tolist():
            found[one].append(one_pass)
    return [tuple(own) for own in found]


class _Shared:
    """Tells of texts while their parts are being done, each text once in all."""

    def __init__(self, progress: Progress, texts: int, parts: int) -> None:
        self._progress = progress
        self._texts = texts
        self._parts = parts
        self._done = 0
        self._told = 0

    def __call__(self, done: int) -> None:
        self._done += done
        texts = self._done * self._texts // self._parts
        if texts > self._told:
            self._progress(texts - self._told)
            self._told = texts
