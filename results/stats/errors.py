"""Errors of statistical tests."""

__all__ = ["StatisticsError"]


class StatisticsError(ValueError):
    """These scores cannot be tested; the message says why."""
