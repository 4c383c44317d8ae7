"""Texts from a user's file: lines of text, or JSON lines."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from harness.errors import RunError
from jina_eval.core.errors import ReadError
from jina_eval.core.reading import check_is_file, parse_json

__all__ = ["FORMATS", "InputText", "read_texts"]

Format = Literal["txt", "jsonl"]
FORMATS: tuple[str, ...] = get_args(Format)


@dataclass(frozen=True)
class InputText:
    """One row of the input.

    Attributes:
        text: The text.
        adapter: The adapter it asks for itself, "none" for none; None if it
            leaves that to the command line.
    """

    text: str
    adapter: str | None = None


def read_texts(source: str, kind: str | None) -> list[InputText]:
    """Read all texts of a file, in order.

    Args:
        source: A path, or "-" for standard input.
        kind: "txt": every line is a text, empty lines too. "jsonl": every line
            is a JSON string, or an object with "text" and, if it wants,
            "adapter". None: by the file's name; standard input is "txt".

    Raises:
        RunError: If the file or a line cannot be read; the message names the line.
    """
    if kind is None:
        kind = "jsonl" if source.endswith((".jsonl", ".ndjson")) else "txt"
    if kind not in FORMATS:
        raise RunError(f"unknown input format {kind!r}; allowed: {', '.join(FORMATS)}")
    texts = []
    for number, line in enumerate(_lines(source), start=1):
        if kind == "txt":
            texts.append(InputText(line))
        elif line.strip():
            texts.append(_parse(line, f"{source}, line {number}"))
    if not texts:
        raise RunError(f"input {source!r} holds no texts")
    return texts


def _lines(source: str) -> Iterator[str]:
    """Lines without their ends. Only a newline ends a line: texts may hold other separators."""
    try:
        content = _standard_input() if source == "-" else _file(Path(source))
    except OSError as error:
        raise RunError(f"input {source!r}: {error.strerror or error}") from error
    except ReadError as error:
        raise RunError(f"input {error}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content[: error.start].count(b"\n") + 1
        raise RunError(f"input {source!r}, line {number} is not UTF-8: {error.reason}") from error
    if not text:
        return
    for line in text.removesuffix("\n").split("\n"):
        yield line.removesuffix("\r")


def _file(path: Path) -> bytes:
    check_is_file(path)
    return path.read_bytes()


def _standard_input() -> bytes:
    with suppress(AttributeError, io.UnsupportedOperation):  # replaced by something in memory
        mode = os.fstat(sys.stdin.fileno()).st_mode
        if stat.S_ISCHR(mode) and not sys.stdin.isatty():  # such as /dev/zero, which never ends
            raise ReadError("'-': standard input is a device, not a file or a pipe")
    return sys.stdin.buffer.read()


def _parse(line: str, where: str) -> InputText:
    try:
        row = parse_json(line, where, object)
    except ReadError as error:
        raise RunError(str(error)) from error
    if isinstance(row, str):
        return InputText(row)
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise RunError(f'{where}: expected a JSON string, or an object with a string "text"')
    adapter = row.get("adapter")
    if adapter is not None and not isinstance(adapter, str):
        raise RunError(f'{where}: "adapter" is {adapter!r}; expected a name')
    return InputText(row["text"], adapter)
