"""Do parcels one after the other in this process."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.errors import is_user_error, one_line
from harness.executors.parcel import (
    Desk,
    Event,
    FailedElsewhere,
    Failure,
    Finished,
    Parcel,
    Started,
)

__all__ = ["failure", "work_here"]


def work_here(parcels: Sequence[Parcel], desk: Desk) -> Iterator[Event]:
    """Do parcels, in their order; an error ends its parcel and no other."""
    for number, parcel in enumerate(parcels):
        yield Event(number, Started())
        try:
            for result in parcel.work(desk):
                yield Event(number, result)
        # One parcel's failure must not cost the others; nor may a library end the program.
        except (Exception, SystemExit) as error:
            yield Event(number, failure(error))
        else:
            yield Event(number, Finished())


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {one_line(error)}"


def failure(error: BaseException) -> Failure:
    """An error as it is reported."""
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, FailedElsewhere):
        return replace(error.failure, trace=f"{error.failure.trace}\n{trace}")
    return Failure(
        reason=one_line(error) if is_user_error(error) else _named(error),
        expected=is_user_error(error),
        trace=trace,
    )
