"""Errors of the tasks room: each is a ValueError whose message is one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MAX_LISTED = 40


class UnknownNameError(ValueError):
    """A name that is not among the allowed ones.

    Attributes:
        value: the offending name.
        close: allowed names that resemble it, best first.
    """

    def __init__(self, kind: str, value: str, allowed: Iterable[str]) -> None:
        """Word the message for `value`, which should have been one of `allowed` (a `kind`)."""
        names = list(allowed)
        self.value = value
        self.close = difflib.get_close_matches(value, names, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(map(repr, self.close))}?" if self.close else ";"
        listed = ", ".join(names[:MAX_LISTED])
        more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
        super().__init__(f"unknown {kind} {value!r}{hint} allowed: {listed}{more}")


class JoinError(ValueError):
    """Suites that cannot be one, because they measure a task of one name differently."""

    def __init__(self, suite: str, task: str) -> None:
        """Word the message for the suites' joint name and the task."""
        super().__init__(
            f"suite {suite!r}: its parts have task {task} with different subsets or splits; "
            "run them apart, each with an output of its own"
        )


class NoTaskError(ValueError):
    """Filters that leave no task."""


class DataFileError(ValueError):
    """A data file that is missing, or is not the one whose checksum was recorded."""


class UnsupportedTaskError(ValueError):
    """A task whose type this package cannot read."""


class DataUnavailableError(ValueError):
    """A task's data can be had neither from the hub nor from the cache."""
