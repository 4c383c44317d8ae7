"""What a worker process and the one with the model say to each other, and the line between them.

The worker asks and the other answers, so that neither ever waits while the other does.
"""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from model.similarity import COSINE, Similarity

if TYPE_CHECKING:
    from harness.executors.parcel import Parcel
    from model.backend import Backend, Encoded
    from model.chunking import Chunking
    from model.routing import Route
    from model.work import Work as ModelWork
    from tasks.hub import DataSet

__all__ = [
    "Add",
    "Best",
    "Channel",
    "Check",
    "Encode",
    "Fetching",
    "ModelFacts",
    "Open",
    "Result",
    "WithoutVectors",
    "Work",
]


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a loaded model without asking it; as in `model.backend.Backend`."""

    width: int | None
    max_length: int | None
    device: str
    precision: str
    attention: str | None
    compiled: bool
    fused_gelu: bool

    @classmethod
    def of(cls, backend: Backend) -> ModelFacts:
        """The facts of a model."""
        return cls(**{name: getattr(backend, name) for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class Work:
    """To a worker: do this; the model's facts, if there is one to ask."""

    parcel: Parcel
    facts: ModelFacts | None


@dataclass(frozen=True)
class Encode:
    """Turn texts into vectors, or into those of their chunks by each of some chunkings.

    Answer: seconds, and what was read of each text; then the vectors of each chunking.
    """

    texts: list[str]
    route: Route
    chunkings: tuple[Chunking, ...] = ()


@dataclass(frozen=True)
class WithoutVectors:
    """`model.backend.Encoded` without its vectors, which follow."""

    tokens: npt.NDArray[np.int64] | None
    truncated: npt.NDArray[np.int64] | None
    counts: npt.NDArray[np.int64] | None
    computed: int | None
    work: tuple[ModelWork, ...]

    @classmethod
    def of(cls, encoded: Encoded) -> WithoutVectors:
        """All but the vectors."""
        return cls(
            encoded.tokens, encoded.truncated, encoded.counts, encoded.computed, encoded.work
        )

    def join(self, vectors: npt.NDArray[np.float32]) -> Encoded:
        """The same with its vectors."""
        from model.backend import Encoded

        return Encoded(vectors, self.tokens, self.truncated, self.counts, self.computed, self.work)


@dataclass(frozen=True)
class Check:
    """Can documents behind this prompt be cut so? Answer: seconds, or why not."""

    chunking: Chunking
    prompt: str = ""


@dataclass(frozen=True)
class Open:
    """Start a search for `k` documents a query; the queries' vectors follow. Answer: seconds."""

    k: int
    similarity: Similarity = COSINE


@dataclass(frozen=True)
class Add:
    """Search on; the documents' vectors follow, and how many each has if several.

    Answer: seconds.
    """

    chunked: bool


@dataclass(frozen=True)
class Best:
    """End the search. Answer: seconds; then scores and places."""


@dataclass(frozen=True)
class Fetching:
    """A data set is fetched; no answer."""

    data: DataSet


@dataclass(frozen=True)
class Result:
    """Something came of the parcel, its end included; no answer."""

    what: Any


class Channel:
    """One end of the line: two pipes.

    Objects are pickled. Both ends are processes of one run, started by one another.
    """

    def __init__(self, reader: int, writer: int) -> None:
        """Take over two file descriptors."""
        self.reader = Connection(reader, writable=False)
        self.writer = Connection(writer, readable=False)

    def send(self, message: Any, *arrays: npt.NDArray[Any]) -> None:
        """Send a message, and arrays after it, without copying these."""
        self.writer.send(message)
        for array in arrays:
            whole = np.ascontiguousarray(array)
            self.writer.send((whole.dtype.str, whole.shape))
            self.writer.send_bytes(whole.reshape(-1).view(np.uint8).data)

    def receive(self) -> Any:
        """The next message.

        Raises:
            EOFError: If there is nobody at the other end any more.
        """
        return self.reader.recv()

    def receive_array(self) -> npt.NDArray[Any]:
        """The next array."""
        dtype, shape = self.reader.recv()
        array = np.empty(shape, dtype=dtype)
        self.reader.recv_bytes_into(array.reshape(-1).view(np.uint8).data)
        return array

    def close(self) -> None:
        """Hang up."""
        self.reader.close()
        self.writer.close()
