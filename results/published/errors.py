"""Errors about published scores that a user can act on."""

from results.errors import RecordError

__all__ = ["PublishedError"]


class PublishedError(RecordError):
    """Published scores cannot be read, or are ambiguous; the message says which and why."""
