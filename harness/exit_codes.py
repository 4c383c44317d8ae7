"""The gate's exit code is never 0 or 1 by accident.

0 means that everything was judged, 1 that something failed. Python's own exit code after an error
is 1, and a library that ends the program may choose any, 0 included.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

from harness.console import show_error
from harness.errors import is_user_error, one_line

__all__ = ["ended_by", "judged"]

_NOT_JUDGED = 2


def judged(work: Callable[[], int]) -> int:
    """Do a gate's work. Returns its exit code, or 2 if it ended in any other way.

    Raises:
        ValueError: A user's mistake, which is shown as a line with exit code 2.
        KeyboardInterrupt: If it was interrupted.
    """
    try:
        return work()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if is_user_error(error):
            raise
        if isinstance(error, Exception):
            traceback.print_exc(file=sys.stderr)
        show_error(f"nothing was judged: {ended_by(error)}")
        return _NOT_JUDGED


def ended_by(error: BaseException) -> str:
    """What ended the work, on one line."""
    if isinstance(error, SystemExit):
        return f"a library ended the program with exit code {error.code}"
    message = str(error)
    return f"{type(error).__name__}: {one_line(error)}" if message else type(error).__name__
