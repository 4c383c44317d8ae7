"""Errors about reports that a user can act on."""

__all__ = ["ReportError"]


class ReportError(ValueError):
    """These records make no report; the message says why."""
