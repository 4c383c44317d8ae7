"""A model in another process: asked over a channel, it answers as one here would."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.executors.channel import Add, Best, Channel, Check, Encode, ModelFacts, Open
from harness.executors.parcel import FailedElsewhere, Failure
from model.backend import Encoded, Progress
from model.chunking import Chunking
from model.routing import Route
from model.similarity import COSINE, Similarity

__all__ = ["RemoteModel"]


class RemoteModel:
    """A `model.backend.Backend` and a place to search, both elsewhere."""

    def __init__(self, channel: Channel, facts: ModelFacts) -> None:
        """Bind the channel to the model at its other end."""
        self._channel = channel
        self.width = facts.width
        self.max_length = facts.max_length
        self.device = facts.device
        self.precision = facts.precision
        self.attention = facts.attention
        self.compiled = facts.compiled
        self.fused_gelu = facts.fused_gelu
        self._waited = 0.0

    def clock(self) -> float:
        """Seconds, without those in which the model worked for others."""
        return time.perf_counter() - self._waited

    def prepare(self, texts: Sequence[str]) -> None:
        """Nothing: models that learn from texts are loaded where they are used."""

    def encode(self, texts: Sequence[str], route: Route, progress: Progress) -> Encoded:
        """Turn texts into vectors, as the model does."""
        (facts,), vectors = self._ask(Encode(list(texts), route), arrays=1)
        progress(len(texts))
        encoded: Encoded = facts.join(vectors)
        return encoded

    def check_chunking(self, chunking: Chunking, prompt: str = "") -> None:
        """Refuse a chunking that the model refuses."""
        self._ask(Check(chunking, prompt))

    def encode_chunks(
        self, texts: Sequence[str], route: Route, chunkings: Sequence[Chunking], progress: Progress
    ) -> tuple[Encoded, ...]:
        """Turn documents into vectors of their chunks, as the model does."""
        question = Encode(list(texts), route, tuple(chunkings))
        facts, *vectors = self._ask(question, arrays=len(chunkings))
        progress(len(texts))
        return tuple(one.join(own) for one, own in zip(facts, vectors, strict=True))

    def open_search(
        self, queries: npt.NDArray[Any], k: int, similarity: Similarity = COSINE, /
    ) -> _RemoteSearch:
        """Start a search on the model's device; one goes on at a time."""
        self._ask(Open(k, similarity), queries)
        return _RemoteSearch(self._ask)

    def _ask(self, message: Any, *sent: npt.NDArray[Any], arrays: int = 0) -> tuple[Any, ...]:
        """Ask; gives the answer and the arrays after it. An error there is raised here."""
        started = time.perf_counter()
        self._channel.send(message, *sent)
        answer = self._channel.receive()
        if isinstance(answer, Failure):
            raise FailedElsewhere(answer)
        seconds, facts = answer
        answered = time.perf_counter()
        self._waited += max(0.0, answered - started - seconds)
        return (facts, *(self._channel.receive_array() for _ in range(arrays)))


class _RemoteSearch:
    """A `model.top_k.Search` elsewhere."""

    def __init__(self, ask: Any) -> None:
        self._ask = ask

    def add(self, documents: npt.NDArray[Any], counts: npt.NDArray[np.int64] | None = None) -> None:
        """Score the next documents."""
        if counts is None:
            self._ask(Add(chunked=False), documents)
        else:
            self._ask(Add(chunked=True), documents, counts)

    def best(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Scores and places of each query's best documents."""
        _, scores, places = self._ask(Best(), arrays=2)
        return scores, places
