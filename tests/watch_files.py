"""Which files of a folder are opened, by Python or by compiled code; Linux alone."""

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["opened_files"]

_OPEN, _IS_FOLDER, _NONBLOCK = 0x20, 0x40000000, 0o4000  # of <sys/inotify.h>
_EVENT = struct.Struct("iIII")


@contextmanager
def opened_files(folder: Path) -> Iterator[set[Path]]:
    """A set that has the opened files when the block ends, by the folder that holds them."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(_NONBLOCK)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "inotify")
    watched = {}
    for path in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        watched[libc.inotify_add_watch(descriptor, os.fsencode(path), _OPEN)] = path
    found: set[Path] = set()
    try:
        yield found
        content = os.read(descriptor, 1 << 20)
    finally:
        os.close(descriptor)
    at = 0
    while at < len(content):
        watch, mask, _, length = _EVENT.unpack_from(content, at)
        at += _EVENT.size
        name = os.fsdecode(content[at : at + length].rstrip(b"\0"))
        at += length
        if name and not mask & _IS_FOLDER:
            found.add(watched[watch] / name)
