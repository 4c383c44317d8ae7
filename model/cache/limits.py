"""Where the cache is and how large it may become, as a user says it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from model.errors import ModelError

__all__ = ["DEFAULT_SIZE", "default_folder", "models_folder", "parse_bytes", "show_bytes"]

DEFAULT_SIZE = "20GB"

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_FORM = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([KMGT]?B)", re.IGNORECASE)


def default_folder() -> Path:
    """`JINA_EVAL_CACHE`, or else `jina-eval/vectors` in the user's folder for caches."""
    named = os.environ.get("JINA_EVAL_CACHE")
    if named:
        return Path(named)
    return _users_folder() / "vectors"


def models_folder() -> Path:
    """Where models are kept that are unpacked once: `jina-eval/models` beside the vectors.

    Beside a folder FOLDER that `JINA_EVAL_CACHE` names it is FOLDER-models.
    """
    named = os.environ.get("JINA_EVAL_CACHE")
    if named:
        return Path(named).with_name(f"{Path(named).name}-models")
    return _users_folder() / "models"


def _users_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "jina-eval"


def parse_bytes(text: str) -> int:
    """A size such as "500MB" or "1.5 TB", in powers of ten, as a number of bytes.

    Raises:
        ModelError: If it is none, or nothing.
    """
    found = _FORM.fullmatch(text.strip())
    size = round(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
    if size < 1:
        raise ModelError(f"size {text!r}: expected a number with B, KB, MB, GB or TB, as 20GB")
    return size


def show_bytes(size: float) -> str:
    """A size for people, such as "1.2 GB"."""
    for unit in ("B", "KB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
