"""Errors of the system that a user can do something about, and arguments that are empty."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Sequence

from jina_eval.core.reading import shown_path

__all__ = ["close_output", "drop_output", "empty_argument", "explain_system_error"]

_CAN_BE_HELPED = frozenset(
    {
        errno.EACCES,
        errno.EDQUOT,
        errno.EIO,
        errno.EISDIR,
        errno.ELOOP,
        errno.EMFILE,
        errno.ENAMETOOLONG,
        errno.ENFILE,
        errno.ENOSPC,
        errno.ENOTDIR,
        errno.EPERM,
        errno.EROFS,
    }
)


def explain_system_error(error: OSError) -> str | None:
    """An error of the system as one line; None if it is none that a user can help.

    A full disk, missing rights or a name that is too long are no mistakes of the program.
    """
    if error.errno not in _CAN_BE_HELPED:
        return None
    if error.filename is None:  # such as writing to standard output
        return f"a file or standard output cannot be written: {error.strerror}"
    return f"{shown_path(os.fsdecode(error.filename))}: {error.strerror}"


def close_output() -> None:
    """Write out what is left for standard output.

    Raises:
        OSError: If it cannot be written. Nothing more is written to it then, so that the
            interpreter does not fail once more at its end.
    """
    try:
        sys.stdout.flush()
    except OSError:
        drop_output()
        raise


def drop_output() -> None:
    """Let standard output lead nowhere from here on."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def empty_argument(arguments: Sequence[str]) -> str | None:
    """What to say of an argument that is empty; None if none is.

    It is most often a variable of the shell that is not set, and would stand for the current
    folder wherever a folder may be named.
    """
    for place, argument in enumerate(arguments):
        if argument == "":
            before = arguments[place - 1] if place else ""
            after = f" after {before}" if before else ""
            return f"argument {place + 1}{after} is empty"
        if argument.startswith("--") and argument.endswith("=") and argument.count("=") == 1:
            return f"{argument[:-1]} has an empty value"
    return None
