"""The way from texts to vectors: tokenise, pack, one forward, pool, bring home.

Tokenising, the transfers and the model's arithmetic go on at the same time: a
thread tokenises the next texts and the device is always given a batch before
the last one's vectors are waited for.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from model.backend import Encoded, Progress
from model.errors import ModelError
from model.packing import PackedBatch, pack, plan_batches
from model.tokenization import TextTokenizer, TokenizedTexts

__all__ = ["Forward", "PackedEncoder", "Place", "Portion", "Step"]

log = logging.getLogger(__name__)

Forward = Callable[[PackedBatch], torch.Tensor]
"""A model: a batch to its vectors, shape (texts, width), float32, on the model's device."""

Place = Callable[[npt.NDArray[np.float32]], None]
"""Takes what was made of a batch, once it has come home."""

Step = Callable[[npt.NDArray[np.int64], PackedBatch], tuple[torch.Tensor, Place]]
"""The rows of a batch's texts and the batch to something on the device, float32, and its place."""

_BYTES_PER_TOKEN = 4
"""About what a token stands for; only the size of portions hangs on it."""

_MIN_WINDOW_BYTES = 1 << 18
"""Smaller pieces of work would leave the tokenizer's threads idle."""

_IN_FLIGHT = 2
"""Batches given to the device ahead of the one whose vectors are waited for."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Portion:
    """Some of the texts, tokenized, with their places among all texts, shape (texts,), int64."""

    rows: npt.NDArray[np.int64]
    tokens: TokenizedTexts

    def take(self, order: npt.NDArray[np.int64]) -> Portion:
        """Some of the portion's texts."""
        return Portion(self.rows[order], self.tokens.select(order))

    def join(self, other: Portion) -> Portion:
        """The texts of both."""
        return Portion(
            np.concatenate([self.rows, other.rows]),
            TokenizedTexts.concatenate([self.tokens, other.tokens]),
        )


class PackedEncoder:
    """Turns texts into vectors through a model that reads packed input."""

    def __init__(
        self,
        forward: Forward,
        tokenizer: TextTokenizer,
        *,
        device: torch.device,
        token_budget: int,
    ) -> None:
        """Bind a model to its tokenizer.

        Args:
            forward: The model.
            tokenizer: Its tokenizer, which also holds the maximum length.
            device: Where the model runs.
            token_budget: Tokens a batch. Halved whenever the device runs out
                of memory.
        """
        self._forward = forward
        self.tokenizer = tokenizer
        self.device = device
        self.token_budget = token_budget

    def encode(self, texts: Sequence[str], progress: Progress) -> Encoded:
        """Turn texts into vectors, in the order of the texts.

        Raises:
            ModelError: If not even one text fits into the device's memory.
        """
        full_lengths = np.zeros(len(texts), dtype=np.int64)
        kept = np.zeros(len(texts), dtype=np.int64)

        def tokenize(rows: npt.NDArray[np.int64]) -> Portion:
            return Portion(rows, self.tokenizer.tokenize([texts[row] for row in rows]))

        def portions() -> Iterator[Portion]:
            for portion in self.ahead(texts, tokenize):
                full_lengths[portion.rows] = portion.tokens.full_lengths
                kept[portion.rows] = portion.tokens.lengths
                yield portion

        vectors = self._vectors(portions(), len(texts), progress)
        return Encoded(vectors=vectors, tokens=full_lengths, truncated=full_lengths - kept)

    def encode_tokens(self, tokens: TokenizedTexts) -> npt.NDArray[np.float32]:
        """Turn tokenized texts into vectors, shape (texts, width), float32."""
        count = len(tokens.lengths)
        return self._vectors(iter([Portion(np.arange(count), tokens)]), count, lambda _: None)

    def ahead(
        self, texts: Sequence[str], make: Callable[[npt.NDArray[np.int64]], _T]
    ) -> Iterator[_T]:
        """Make something of the texts in a thread, always one portion ahead.

        Args:
            texts: The texts.
            make: From the rows of some texts, about longest first, to what is
                yielded of them.
        """
        sizes = np.array([len(text.encode()) for text in texts], dtype=np.int64)
        order = np.argsort(-sizes, kind="stable")
        pieces = _cut(sizes[order], self.token_budget * _BYTES_PER_TOKEN)
        pool = ThreadPoolExecutor(1, thread_name_prefix="tokenize")
        try:
            coming = deque(pool.submit(make, order[piece]) for piece in pieces[:2])
            for piece in [*pieces[2:], None, None]:
                if not coming:
                    return
                made = coming.popleft().result()
                if piece is not None:
                    coming.append(pool.submit(make, order[piece]))
                yield made
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    @torch.inference_mode()
    def run(self, portions: Iterator[Portion], step: Step) -> None:
        """Give portions to the device batch by batch, each within the token budget.

        Args:
            portions: Texts to read, longest first within each portion or not.
            step: What is done with a batch. Where the device runs out of
                memory, it is done again with fewer of its texts. What it makes
                is brought home while the next batch is at work.

        Raises:
            ModelError: If not even one text fits into the device's memory.
        """
        coming = _Homecoming(self.device)
        rest: Portion | None = None
        for number, portion in enumerate(portions):
            # The first is encoded to its end, so that the device has work while the next is made.
            joined = portion if rest is None else rest.join(portion)
            rest = self._feed(joined, step, coming, final=number == 0)
        if rest is not None:
            self._feed(rest, step, coming, final=True)
        coming.drain()

    def _vectors(
        self, portions: Iterator[Portion], count: int, progress: Progress
    ) -> npt.NDArray[np.float32]:
        vectors = _Vectors(count, progress)

        def step(rows: npt.NDArray[np.int64], batch: PackedBatch) -> tuple[torch.Tensor, Place]:
            return self._forward(batch), partial(vectors.place, rows)

        self.run(portions, step)
        return vectors.all()

    def _feed(
        self, portion: Portion, step: Step, coming: _Homecoming, *, final: bool
    ) -> Portion | None:
        """Encode a portion batch by batch; a last one not half full is left for the next."""
        portion = portion.take(np.argsort(-portion.tokens.lengths, kind="stable"))
        at = 0
        while at < len(portion.rows):
            lengths = portion.tokens.lengths[at:]
            batch = plan_batches(lengths, self.token_budget)[0]
            rest = batch.stop == len(lengths) and lengths.sum() < self.token_budget // 2
            if rest and not final:
                return portion.take(np.arange(at, len(portion.rows)))
            here = np.arange(at, at + batch.stop)
            if self._encode_batch(portion.take(here), step, coming):
                at += batch.stop
        return None

    def _encode_batch(self, batch: Portion, step: Step, coming: _Homecoming) -> bool:
        """Encode a batch; False if the budget had to be halved instead."""
        try:
            made, place = step(batch.rows, pack(batch.tokens, self.device))
        except torch.OutOfMemoryError as error:
            self._halve(batch, error)
            coming.drain()
            torch.cuda.empty_cache()
            return False
        coming.add(made, place)
        return True

    def _halve(self, batch: Portion, error: torch.OutOfMemoryError) -> None:
        tokens = int(batch.tokens.lengths.sum())
        if len(batch.rows) == 1:
            raise ModelError(
                f"a text of {tokens} tokens does not fit into the memory of {self.device}; "
                "set a smaller max_length, or a precision of fewer bits"
            ) from error
        self.token_budget = max(1, min(self.token_budget, tokens) // 2)
        log.warning(
            "%s is out of memory: going on with %d tokens a batch", self.device, self.token_budget
        )


class _Vectors:
    """Vectors, each to be put in its place."""

    def __init__(self, count: int, progress: Progress) -> None:
        self._count = count
        self._progress = progress
        self._vectors: npt.NDArray[np.float32] | None = None

    def place(self, rows: npt.NDArray[np.int64], vectors: npt.NDArray[np.float32]) -> None:
        if self._vectors is None:
            self._vectors = np.empty((self._count, vectors.shape[1]), dtype=np.float32)
        self._vectors[rows] = vectors
        self._progress(len(rows))

    def all(self) -> npt.NDArray[np.float32]:
        if self._vectors is None:
            return np.zeros((self._count, 0), dtype=np.float32)
        return self._vectors


class _Homecoming:
    """What was made of batches, on its way from the device to its places."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._coming: deque[tuple[torch.Tensor, Place, torch.cuda.Event | None]] = deque()

    def add(self, made: torch.Tensor, place: Place) -> None:
        """Start bringing something home; wait for an earlier one."""
        arrived: torch.cuda.Event | None = None
        if self._device.type == "cuda":
            home = torch.empty(made.shape, dtype=made.dtype, pin_memory=True)
            home.copy_(made, non_blocking=True)
            arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            arrived.record(torch.cuda.current_stream(self._device))
            made = home
        self._coming.append((made, place, arrived))
        while len(self._coming) > (_IN_FLIGHT if arrived is not None else 0):
            self._take()

    def drain(self) -> None:
        """Wait for everything that is on its way."""
        while self._coming:
            self._take()

    def _take(self) -> None:
        made, place, arrived = self._coming.popleft()
        if arrived is not None:
            arrived.synchronize()
        place(made.cpu().numpy())


def _cut(sizes: npt.NDArray[np.int64], portion: int) -> list[slice]:
    """Cut texts into portions of so many bytes; the first is small, so that work starts at once."""
    first = max(_MIN_WINDOW_BYTES, portion // 4)
    whole = max(_MIN_WINDOW_BYTES, portion)
    head = int(np.searchsorted(np.cumsum(sizes), first)) + 1
    tail = [
        slice(head + piece.start, head + piece.stop) for piece in plan_batches(sizes[head:], whole)
    ]
    return [slice(0, min(head, len(sizes))), *tail] if len(sizes) else []
