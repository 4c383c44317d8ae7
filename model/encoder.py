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

import numpy as np
import numpy.typing as npt
import torch

from model.backend import Encoded, Progress
from model.errors import ModelError
from model.packing import PackedBatch, pack, plan_batches
from model.tokenization import TextTokenizer, TokenizedTexts

__all__ = ["Forward", "PackedEncoder"]

log = logging.getLogger(__name__)

Forward = Callable[[PackedBatch], torch.Tensor]
"""A model: a batch to its vectors, shape (texts, width), float32, on the model's device."""

_BYTES_PER_TOKEN = 4
"""About what a token stands for; only the size of windows hangs on it."""

_MIN_WINDOW_BYTES = 1 << 18
"""Smaller pieces of work would leave the tokenizer's threads idle."""

_IN_FLIGHT = 2
"""Batches given to the device ahead of the one whose vectors are waited for."""


@dataclass(frozen=True)
class _Window:
    """Some of the texts, tokenized, with their places among all texts."""

    rows: npt.NDArray[np.int64]
    tokens: TokenizedTexts

    def take(self, order: npt.NDArray[np.int64]) -> _Window:
        return _Window(self.rows[order], self.tokens.select(order))

    def join(self, other: _Window) -> _Window:
        return _Window(
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
        self._device = device
        self.token_budget = token_budget

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], progress: Progress) -> Encoded:
        """Turn texts into vectors, in the order of the texts.

        Raises:
            ModelError: If not even one text fits into the device's memory.
        """
        full_lengths = np.zeros(len(texts), dtype=np.int64)
        kept = np.zeros(len(texts), dtype=np.int64)

        def windows() -> Iterator[_Window]:
            for window in self._tokenized(texts):
                full_lengths[window.rows] = window.tokens.full_lengths
                kept[window.rows] = window.tokens.lengths
                yield window

        vectors = self._run(windows(), len(texts), progress)
        return Encoded(vectors=vectors, tokens=full_lengths, truncated=full_lengths - kept)

    @torch.inference_mode()
    def encode_tokens(self, tokens: TokenizedTexts) -> npt.NDArray[np.float32]:
        """Turn tokenized texts into vectors, shape (texts, width), float32."""
        count = len(tokens.lengths)
        return self._run(iter([_Window(np.arange(count), tokens)]), count, lambda _: None)

    def _tokenized(self, texts: Sequence[str]) -> Iterator[_Window]:
        """The texts tokenized, about longest first, always one window ahead."""
        sizes = np.array([len(text.encode()) for text in texts], dtype=np.int64)
        order = np.argsort(-sizes, kind="stable")
        pieces = _cut(sizes[order], self.token_budget * _BYTES_PER_TOKEN)

        def tokenize(piece: slice) -> _Window:
            rows = order[piece]
            return _Window(rows, self.tokenizer.tokenize([texts[row] for row in rows]))

        pool = ThreadPoolExecutor(1, thread_name_prefix="tokenize")
        try:
            ahead = deque(pool.submit(tokenize, piece) for piece in pieces[:2])
            for piece in [*pieces[2:], None, None]:
                if not ahead:
                    return
                window = ahead.popleft().result()
                if piece is not None:
                    ahead.append(pool.submit(tokenize, piece))
                yield window
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _run(
        self, windows: Iterator[_Window], count: int, progress: Progress
    ) -> npt.NDArray[np.float32]:
        results = _Results(count, self._device, progress)
        rest: _Window | None = None
        for number, window in enumerate(windows):
            # The first is encoded to its end, so that the device has work while the next is made.
            joined = window if rest is None else rest.join(window)
            rest = self._feed(joined, results, final=number == 0)
        if rest is not None:
            self._feed(rest, results, final=True)
        return results.finish()

    def _feed(self, window: _Window, results: _Results, *, final: bool) -> _Window | None:
        """Encode a window batch by batch; a last one not half full is left for the next."""
        window = window.take(np.argsort(-window.tokens.lengths, kind="stable"))
        at = 0
        while at < len(window.rows):
            lengths = window.tokens.lengths[at:]
            batch = plan_batches(lengths, self.token_budget)[0]
            rest = batch.stop == len(lengths) and lengths.sum() < self.token_budget // 2
            if rest and not final:
                return window.take(np.arange(at, len(window.rows)))
            here = np.arange(at, at + batch.stop)
            if self._encode_batch(window.take(here), results):
                at += batch.stop
        return None

    def _encode_batch(self, batch: _Window, results: _Results) -> bool:
        """Encode a batch; False if the budget had to be halved instead."""
        try:
            vectors = self._forward(pack(batch.tokens, self._device))
        except torch.OutOfMemoryError as error:
            self._halve(batch, error)
            results.drain()
            torch.cuda.empty_cache()
            return False
        results.add(batch.rows, vectors)
        return True

    def _halve(self, batch: _Window, error: torch.OutOfMemoryError) -> None:
        tokens = int(batch.tokens.lengths.sum())
        if len(batch.rows) == 1:
            raise ModelError(
                f"a text of {tokens} tokens does not fit into the memory of {self._device}; "
                "set a smaller max_length, or a precision of fewer bits"
            ) from error
        self.token_budget = max(1, min(self.token_budget, tokens) // 2)
        log.warning(
            "%s is out of memory: going on with %d tokens a batch", self._device, self.token_budget
        )


class _Results:
    """Vectors on their way from the device to their places."""

    def __init__(self, count: int, device: torch.device, progress: Progress) -> None:
        self._device = device
        self._progress = progress
        self._count = count
        self._vectors: npt.NDArray[np.float32] | None = None
        self._coming: deque[tuple[npt.NDArray[np.int64], torch.Tensor, torch.cuda.Event | None]] = (
            deque()
        )

    def add(self, rows: npt.NDArray[np.int64], vectors: torch.Tensor) -> None:
        """Start bringing a batch's vectors home; wait for an earlier one's."""
        arrived: torch.cuda.Event | None = None
        if self._device.type == "cuda":
            home = torch.empty(vectors.shape, dtype=vectors.dtype, pin_memory=True)
            home.copy_(vectors, non_blocking=True)
            arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            arrived.record(torch.cuda.current_stream(self._device))
            vectors = home
        self._coming.append((rows, vectors, arrived))
        while len(self._coming) > (_IN_FLIGHT if arrived is not None else 0):
            self._take()

    def drain(self) -> None:
        """Wait for everything that is on its way."""
        while self._coming:
            self._take()

    def finish(self) -> npt.NDArray[np.float32]:
        """All vectors."""
        self.drain()
        if self._vectors is None:
            return np.zeros((self._count, 0), dtype=np.float32)
        return self._vectors

    def _take(self) -> None:
        rows, vectors, arrived = self._coming.popleft()
        if arrived is not None:
            arrived.synchronize()
        if self._vectors is None:
            self._vectors = np.empty((self._count, vectors.shape[1]), dtype=np.float32)
        self._vectors[rows] = vectors.cpu().numpy()
        self._progress(len(rows))


def _cut(sizes: npt.NDArray[np.int64], window: int) -> list[slice]:
    """Cut texts into windows of so many bytes; the first is small, so that work starts at once."""
    first = max(_MIN_WINDOW_BYTES, window // 4)
    whole = max(_MIN_WINDOW_BYTES, window)
    head = int(np.searchsorted(np.cumsum(sizes), first)) + 1
    tail = [
        slice(head + piece.start, head + piece.stop) for piece in plan_batches(sizes[head:], whole)
    ]
    return [slice(0, min(head, len(sizes))), *tail] if len(sizes) else []
