"""Errors of libraries that read a model's files, as errors that name the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jina_eval.core.errors import ReadError
from jina_eval.core.reading import parse_json, read_small, shown_path
from model.errors import BrokenModelError, ModelError

__all__ = ["named_load"]


@contextmanager
def named_load(name: str, folder: Path) -> Iterator[None]:
    """Within, whatever a library raises while it reads a model's files names model and file.

    Libraries raise many kinds of errors for damaged or inconsistent files: `SafetensorError`,
    `TypeError`, `RecursionError`, `pydantic.ValidationError` and others.

    Args:
        name: The model.
        folder: Its files.

    Raises:
        BrokenModelError: In place of any error but our own.
    """
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        reason = _damage(folder) or f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise BrokenModelError(f"model {name} does not load: {reason}") from error


def _damage(folder: Path) -> str | None:
    """The first file that cannot be read by itself; None if each of them can."""
    from safetensors import SafetensorError, safe_open

    for path in sorted(folder.rglob("*.json")):
        try:
            parse_json(read_small(path), shown_path(path), object)
        except ReadError as error:
            return str(error)
    for path in sorted(folder.rglob("*.safetensors")):
        try:
            with safe_open(path, framework="numpy"):
                pass
        except (SafetensorError, OSError) as error:
            return f"{shown_path(path)} cannot be read: {' '.join(str(error).split())[:200]}"
    return None
