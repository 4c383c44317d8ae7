"""A model in another process: asked over a channel, it answers as one here would."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.executors.channel import Add, Best, Channel, Encode, ModelFacts, Open
from harness.executors.parcel import FailedElsewhere, Failure
from model.backend import Encoded, Progress
from model.routing import Route

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
        (tokens, truncated), vectors = self._ask(Encode(list(texts), route), arrays=1)
        progress(len(texts))
        return Encoded(vectors=vectors, tokens=tokens, truncated=truncated)

    def open_search(self, queries: npt.NDArray[np.float32], k: int) -> _RemoteSearch:
        """Start a search on the model's device; one goes on at a time."""
        self._ask(Open(k), queries)
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

    def add(self, documents: npt.NDArray[np.float32]) -> None:
        """Score the next documents."""
        self._ask(Add(), documents)

    def best(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Scores and places of each query's best documents."""
        _, scores, places = self._ask(Best(), arrays=2)
        return scores, places
