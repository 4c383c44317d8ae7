"""Several processes read data, search candidates and score, while this one has the model.

Encoding is a GPU's work, scoring a CPU's: with the scoring elsewhere, the model goes on
encoding for the next task. A task is worked on by one process from its data to its scores.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from multiprocessing.connection import wait
from types import TracebackType
from typing import TYPE_CHECKING, Any

from harness.executors.channel import (
    Add,
    Best,
    Channel,
    Check,
    Encode,
    Fetching,
    ModelFacts,
    Open,
    Result,
    WithoutVectors,
    Work,
)
from harness.executors.local import failure
from harness.executors.parcel import Event, Failure, Finished, Parcel, Started

if TYPE_CHECKING:
    from model.backend import Backend
    from model.mteb_encoder import EncodeProgress
    from model.top_k import ExactSearch
    from tasks.hub import DataSet

__all__ = ["MOST_WORKERS", "WorkerPool", "usable_cores"]

MOST_WORKERS = 8
"""Without being told, no more processes are started: each holds a task's data."""


def usable_cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class WorkerPool(AbstractContextManager["WorkerPool"]):
    """Worker processes, started when they are first needed and kept until the end.

    Attributes:
        busy_seconds: Time in which the model was encoding or searching for them.
    """

    def __init__(self) -> None:
        """No process is started yet."""
        self._channels: list[Channel] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self.busy_seconds = 0.0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop them, whatever they are at."""
        for channel in self._channels:
            channel.close()
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def start(self, count: int) -> None:
        """Start processes until there are so many; they get ready by themselves."""
        lines = []
        for _ in range(count - len(self._channels)):
            their_reader, our_writer = os.pipe()
            our_reader, their_writer = os.pipe()
            lines.append((their_reader, their_writer))
            self._channels.append(Channel(our_reader, our_writer))
        if not lines:
            return
        theirs = [descriptor for line in lines for descriptor in line]
        self._processes.append(
            subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "harness.executors.worker",
                    *(f"{reader},{writer}" for reader, writer in lines),
                ],
                pass_fds=theirs,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C is for this process to deal with
                env={
                    **os.environ,
                    "CUDA_VISIBLE_DEVICES": "",
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                },
            )
        )
        for descriptor in theirs:
            os.close(descriptor)

    def work(
        self,
        parcels: Sequence[Parcel],
        backend: Backend | None,
        *,
        progress: EncodeProgress,
        fetching: Callable[[DataSet], None],
    ) -> Iterator[Event]:
        """Have parcels done, begun in their order.

        Args:
            parcels: What to do.
            backend: The model that they ask; None if they bring their own.
            progress: Told how far each encode call is.
            fetching: Told of each data set that is fetched.
        """
        facts = None if backend is None else ModelFacts.of(backend)
        desks = {
            channel.reader: _ModelDesk(channel, backend, progress) for channel in self._channels
        }
        idle = list(desks.values())
        at: dict[_ModelDesk, int] = {}
        waiting = deque(enumerate(parcels))
        while waiting or at:
            while waiting and idle:
                desk = idle.pop(0)
                if not desk.give(Work(waiting[0][1], facts)):
                    self._channels.remove(desk.channel)
                    continue
                at[desk], _ = waiting.popleft()
                yield Event(at[desk], Started())
            if not at:
                yield from (Event(number, _LOST) for number, _ in waiting)
                return
            for reader in wait([desk.channel.reader for desk in at]):
                desk = desks[reader]  # type: ignore[index]
                what = desk.attend(fetching)
                self.busy_seconds += desk.take_seconds()
                if what is None:
                    continue
                yield Event(at[desk], what)
                if what is _LOST:
                    self._channels.remove(desk.channel)
                else:
                    idle.extend([desk] if isinstance(what, Finished | Failure) else [])
                if isinstance(what, Finished | Failure):
                    del at[desk]


_LOST = Failure(
    reason="its worker process has ended; was there too little memory? "
    "--workers sets how many there are, 0 for none",
    expected=True,
    trace="",
)


class _ModelDesk:
    """Answers one worker."""

    def __init__(self, channel: Channel, backend: Backend | None, progress: EncodeProgress) -> None:
        self.channel = channel
        self._backend = backend
        self._progress = progress
        self._search: ExactSearch | None = None
        self._seconds = 0.0

    def take_seconds(self) -> float:
        """Seconds that the model worked since the last call."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds

    def give(self, work: Work) -> bool:
        """Hand out work; False if there is nobody to take it."""
        try:
            self.channel.send(work)
        except BrokenPipeError:
            return False
        return True

    def attend(self, fetching: Callable[[DataSet], None]) -> Any:
        """Deal with the next message; gives what came of the parcel, None for a question."""
        try:
            message = self.channel.receive()
            if isinstance(message, Result):
                return message.what
            if isinstance(message, Fetching):
                fetching(message.data)
                return None
            self._answer(message)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return _LOST
        return None

    def _answer(self, message: Any) -> None:
        count = 1 if isinstance(message, Open | Add) else 0
        if isinstance(message, Add) and message.chunked:
            count = 2
        arrays = [self.channel.receive_array() for _ in range(count)]
        started = time.perf_counter()
        try:
            facts, found = self._find(message, arrays)
        # The worker's evaluation ends with it, not this process.
        except (Exception, SystemExit) as error:
            self.channel.send(failure(error))
            return
        seconds = time.perf_counter() - started
        self._seconds += seconds
        self.channel.send((seconds, facts), *found)

    def _find(self, message: Any, arrays: Sequence[Any]) -> tuple[Any, tuple[Any, ...]]:
        from model.top_k import ExactSearch

        assert self._backend is not None
        if isinstance(message, Encode):
            return self._encode(message, self._backend)
        if isinstance(message, Check):
            self._backend.check_chunking(message.chunking, message.prompt)
            return None, ()
        if isinstance(message, Open):
            self._search = ExactSearch(
                arrays[0], message.k, self._backend.device, message.similarity
            )
            return None, ()
        assert self._search is not None
        if isinstance(message, Add):
            self._search.add(*arrays)
            return None, ()
        assert isinstance(message, Best)
        search, self._search = self._search, None
        return None, search.best()

    def _encode(self, message: Encode, backend: Backend) -> tuple[Any, tuple[Any, ...]]:
        texts, count = message.texts, len(message.texts)

        def report(done: int) -> None:
            self._progress(done, count)

        report(0)
        if message.chunkings:
            found = backend.encode_chunks(texts, message.route, message.chunkings, report)
        else:
            found = (backend.encode(texts, message.route, report),)
        facts = tuple(WithoutVectors.of(encoded) for encoded in found)
        return facts, tuple(encoded.vectors for encoded in found)
