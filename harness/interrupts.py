"""Ctrl-C that cannot get lost.

Python raises KeyboardInterrupt wherever the program happens to be, and some
places swallow it: destructors, callbacks out of compiled code, libraries that
catch everything. It is therefore remembered too, and asked for between jobs.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["check_interrupt", "remember_interrupts"]


class _State:
    asked = False


@contextmanager
def remember_interrupts() -> Iterator[None]:
    """Within, an interrupt is remembered as well as raised.

    Does nothing outside the main thread, or where somebody else handles the signal.
    """
    _State.asked = False
    usual = signal.getsignal(signal.SIGINT)
    if (
        usual is not signal.default_int_handler
        or threading.current_thread() is not threading.main_thread()
    ):
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        _State.asked = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


def check_interrupt() -> None:
    """Stop if an interrupt was asked for, whatever became of it.

    Raises:
        KeyboardInterrupt: If so.
    """
    if _State.asked:
        raise KeyboardInterrupt
