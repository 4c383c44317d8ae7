"""The data files of the starter suite: read only as recorded, else refused by name."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tasks.errors import DataFileError

DATA = Path(__file__).parent / "data"
CHECKSUMS = "checksums.json"
SIZES = "sizes.json"
SUFFIX = ".jsonl.gz"

PATH_PREFIX = "jina-eval/starter/"
"""First part of the dataset path of each starter task; the rest is the data file's name."""

Row = dict[str, Any]
"""One line of a data file; the data card lists the fields of each file."""


@cache
def checksums() -> Mapping[str, str]:
    """Return the recorded sha256 (hex) of each data file, by file name without suffix."""
    recorded: dict[str, str] = json.loads((DATA / CHECKSUMS).read_text(encoding="utf-8"))
    return recorded


def read_rows(name: str) -> list[Row]:
    """Read a data file whole, after checking that it is the recorded one.

    Args:
        name: file name without its suffix, for example `debian_faq`.

    Raises:
        DataFileError: the file is unknown, missing, or changed.
    """
    if name not in checksums():
        raise DataFileError(f"no data file {name!r}; there are: {', '.join(checksums())}")
    path = DATA / f"{name}{SUFFIX}"
    if not path.is_file():
        raise DataFileError(f"data file {path} is missing; reinstall, or run tasks.starter.build")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != checksums()[name]:
        raise DataFileError(
            f"data file {path} has changed: sha256 {found}, recorded {checksums()[name]}"
        )
    return parse_rows(content)


def parse_rows(content: bytes) -> list[Row]:
    """Parse the bytes of a gzipped JSON-lines file."""
    # Not splitlines(): texts may hold line separators other than the newline.
    lines = gzip.decompress(content).decode("utf-8").removesuffix("\n").split("\n")
    return [json.loads(line) for line in lines]


def revision(name: str) -> str:
    """Return the dataset revision of a data file: changed data is a changed revision."""
    return checksums()[name][:40]
