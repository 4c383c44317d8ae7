"""Values of a model's configuration files, each of the type that it must have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.errors import ModelError

__all__ = ["get_number", "get_text"]


def get_number(config: Mapping[str, Any], key: str, path: Path) -> int | None:
    """A whole number above 0; None if it is absent or null.

    Args:
        config: What the file holds.
        key: The key.
        path: The file, for messages.

    Raises:
        ModelError: If it is something else.
    """
    value = config.get(key)
    if value is None:
        return None
    if type(value) is not int or value < 1:
        raise ModelError(f"{path}: {key} is {_shown(value)}; expected a whole number above 0")
    return value


def get_text(config: Mapping[str, Any], key: str, path: Path) -> str | None:
    """A text; None if it is absent or null. Arguments as in `get_number`.

    Raises:
        ModelError: If it is something else.
    """
    value = config.get(key)
    if value is not None and not isinstance(value, str):
        raise ModelError(f"{path}: {key} is {_shown(value)}; expected a text")
    return value


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"
