"""Errors of the neutral package: each is a ValueError whose message is one line."""

from __future__ import annotations

from typing import Literal

__all__ = ["FetchError", "FetchFailure", "ReadError"]

FetchFailure = Literal[
    "no repository",
    "no revision",
    "no access",
    "offline",
    "unreachable",
    "slow",
    "rate limit",
    "status",
    "content",
    "disk",
]
"""Why something could not be fetched."""


class FetchError(ValueError):
    """Something could not be fetched from the hub; the message says why and what to do.

    Attributes:
        failure: The kind of failure.
        may_pass: Whether trying again may help.
        wait: Seconds that the server asks to wait before the next attempt; None if it does not.
    """

    def __init__(
        self,
        reason: str,
        failure: FetchFailure,
        *,
        may_pass: bool = False,
        wait: float | None = None,
    ) -> None:
        """Store the reason, brought to one line."""
        super().__init__(" ".join(reason.split()))
        self.failure = failure
        self.may_pass = may_pass
        self.wait = wait


class ReadError(ValueError):
    """A file cannot be read or does not hold what it must; the message names it."""
