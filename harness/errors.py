"""Errors about a run that a user can act on."""

__all__ = [
    "EvaluationError",
    "OutputBusyError",
    "RunError",
    "SpecError",
    "StorageError",
    "is_user_error",
    "one_line",
]

_ROOMS = ("harness", "jina_eval", "model", "tasks", "results", "reports")


def is_user_error(error: BaseException) -> bool:
    """Whether an error is one of ours, whose message is all that a user needs."""
    return isinstance(error, ValueError) and type(error).__module__.split(".")[0] in _ROOMS


def one_line(error: BaseException) -> str:
    """An error's message on one line."""
    return " ".join(str(error).split()) or type(error).__name__


class RunError(ValueError):
    """A run cannot go on; the message says why and what to do."""


class SpecError(RunError):
    """A run spec that cannot be read; the message names the key and the allowed values."""


class OutputBusyError(RunError):
    """Another run is writing to the same output folder."""


class StorageError(RunError):
    """A result cannot be written; going on would measure for nothing."""


class EvaluationError(RunError):
    """A task was evaluated, but what came out is no score."""
