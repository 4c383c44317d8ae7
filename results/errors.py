"""Errors about stored results that a user can act on."""

__all__ = [
    "CorruptRecordError",
    "CorruptTextsError",
    "ImpossibleScoresError",
    "NoExamplesError",
    "RecordError",
    "StaleRecordError",
]


class RecordError(ValueError):
    """A stored record cannot be used; the message says which, why and what to do."""


class CorruptRecordError(RecordError):
    """A record's files do not match its manifest."""


class CorruptTextsError(RecordError):
    """A task's kept texts are not what was written."""


class StaleRecordError(RecordError):
    """A record stands where another one belongs: it was measured under other settings."""


class ImpossibleScoresError(RecordError):
    """Metrics that contradict one another."""


class NoExamplesError(RecordError):
    """A record was measured before examples were kept."""
