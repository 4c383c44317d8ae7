"""Small files of users, read safely: whatever is in them, the outcome is data or one line.

A device that never ends does not fill the memory, and values nested thousands deep do not exhaust
the interpreter's stack, here or in whoever goes through them.
"""

from __future__ import annotations

import json
import stat
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from jina_eval.core.errors import ReadError

__all__ = [
    "MAX_BYTES",
    "check_is_file",
    "parse_json",
    "parse_toml",
    "read_json",
    "read_small",
    "read_toml",
    "shown_path",
]

MAX_BYTES = 64 << 20
"""Largest file that counts as small; tokenizers' vocabularies have up to 20 MB."""

_MAX_DEPTH = 100
_MAX_SHOWN = 120

_T = TypeVar("_T")

_KINDS: dict[type, str] = {dict: "object", list: "list", str: "string"}


def check_is_file(path: Path) -> None:
    """Refuse folders, and devices such as /dev/zero, which never end.

    Raises:
        ReadError: If it is neither a file nor a pipe, or cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ReadError(f"{shown_path(path)}: {reason or type(error).__name__}") from error
    if stat.S_ISDIR(mode):
        raise ReadError(f"{shown_path(path)} is a folder, not a file")
    if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
        raise ReadError(f"{shown_path(path)} is a device or socket, not a file")


def read_small(path: Path, most: int = MAX_BYTES) -> bytes:
    """Read a whole file, or the whole of a pipe.

    Args:
        path: The file.
        most: Bytes that it may have.

    Raises:
        ReadError: If it is no file, cannot be read or is larger.
    """
    check_is_file(path)
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise ReadError(f"{shown_path(path)}: {error.strerror or error}") from error
    if len(content) > most:
        raise ReadError(f"{shown_path(path)} has more than {most} bytes")
    return content


def read_json(path: Path, kind: type[_T]) -> _T:
    """Read a JSON file.

    Args:
        path: The file.
        kind: What it must hold: `dict` or `list`.

    Raises:
        ReadError: If it cannot be read, is no JSON or holds something else.
    """
    return parse_json(read_small(path), shown_path(path), kind)


def parse_json(content: bytes | str, where: str, kind: type[_T]) -> _T:
    """Parse a JSON document.

    Args:
        content: The document.
        where: What it is, for messages.
        kind: What it must hold: `dict`, `list`, `str`, or `object` for anything.

    Raises:
        ReadError: If it is no JSON or holds something else.
    """
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        said = "nested too deeply" if isinstance(error, RecursionError) else " ".join(_said(error))
        raise ReadError(f"{where} is not JSON ({said})") from error
    if not isinstance(value, kind):
        raise ReadError(f"{where} should hold a JSON {_KINDS[kind]}")
    _check_depth(value, where)
    return value


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ReadError: If it cannot be read or is no TOML.
    """
    return parse_toml(read_small(path), shown_path(path))


def parse_toml(content: bytes, where: str) -> dict[str, Any]:
    """Parse a TOML document; see `parse_json`.

    Raises:
        ReadError: If it is no TOML.
    """
    try:
        values = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        said = "nested too deeply" if isinstance(error, RecursionError) else " ".join(_said(error))
        raise ReadError(f"{where} is not TOML: {said}") from error
    _check_depth(values, where)
    return values


def shown_path(path: Path | str) -> str:
    """A path for messages: on one line, and shortened in the middle if it is very long."""
    text = "".join(character if character.isprintable() else "?" for character in str(path))
    if len(text) <= _MAX_SHOWN:
        return text
    half = _MAX_SHOWN // 2
    return f"{text[:half]}…{text[-half:]}"


def _said(error: Exception) -> list[str]:
    return str(error)[:300].split()


def _check_depth(value: object, where: str) -> None:
    """Refuse what those who go through it by recursion could not."""
    level: list[object] = [value]
    for _ in range(_MAX_DEPTH):
        level = [part for whole in level for part in _parts(whole)]
        if not level:
            return
    raise ReadError(f"{where} is nested more than {_MAX_DEPTH} deep")


def _parts(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
