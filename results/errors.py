"""Errors about stored results that a user can act on."""

__all__ = [
    "CorruptRecordError",
    "CorruptTextsError",
    "ImpossibleScoresError",
    "NewerRecordError",
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


class NewerRecordError(RecordError):
    """A record was written by a version of this project that knows more than this one."""


class ImpossibleScoresError(RecordError):
    """Metrics that contradict one another."""


class NoExamplesError(RecordError):
    """A record was measured before examples were kept."""
