"""A piece of work that can be done in this process or in another, and what comes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from model.backend import Backend
    from model.mteb_encoder import EncodeProgress
    from model.top_k import OpenSearch
    from tasks.hub import DataSet

__all__ = ["Desk", "Event", "FailedElsewhere", "Failure", "Finished", "Parcel", "Started"]


@dataclass(frozen=True)
class Desk:
    """What a parcel finds where it is worked on.

    Attributes:
        backend: The model, or one elsewhere that answers like it; None if the parcel brings its
            own.
        open_search: Where documents are searched; None for here.
        clock: Seconds in which this desk was not kept waiting.
        progress: Told how far each encode call is; None where somebody else tells.
        fetching: Told of each data set that has to be fetched first.
        processes: Processes that may score at a time.
    """

    backend: Backend | None
    open_search: OpenSearch | None = None
    clock: Callable[[], float] = time.perf_counter
    progress: EncodeProgress | None = None
    fetching: Callable[[DataSet], None] = lambda _: None
    processes: int = 1


class Parcel(Protocol):
    """A piece of work. It travels between processes, so it and its results can be pickled."""

    def work(self, desk: Desk) -> Iterator[Any]:
        """Do it; every result is kept as soon as it is there."""
        ...


@dataclass(frozen=True)
class Started:
    """A parcel was begun."""


@dataclass(frozen=True)
class Finished:
    """A parcel was worked on to its end."""


@dataclass(frozen=True)
class Failure:
    """A parcel met an error.

    Attributes:
        reason: Its message, on one line.
        expected: Whether it is one of ours, whose message is all that a user needs.
        trace: The traceback.
    """

    reason: str
    expected: bool
    trace: str


class FailedElsewhere(Exception):  # noqa: N818
    """Something that was asked for failed in another process.

    Attributes:
        failure: What is reported of it.
    """

    def __init__(self, failure: Failure) -> None:
        """Take over what the other process reports."""
        super().__init__(failure.reason)
        self.failure = failure


@dataclass(frozen=True)
class Event:
    """Something came of a parcel.

    Attributes:
        parcel: Its number among those given.
        what: `Started`, `Finished`, `Failure`, or one of its results.
    """

    parcel: int
    what: Any
