"""Routing profiles as tables: task types and task names to adapters and prompts.

The profiles of this project are in `routing.toml`; users write files of the
same kind, with `types` and `tasks` at the top, and perhaps `base`:

    base = "paper"
    [tasks.SciFact]
    query = { adapter = "retrieval.query", prompt = "Claim: " }
    document = "retrieval.passage"
"""

from __future__ import annotations

import difflib
import fnmatch
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from model.errors import ModelError

__all__ = ["Row", "Side", "Table", "built_in_tables", "read_table"]

_BUILT_IN = Path(__file__).parent / "routing.toml"
_SIDES = ("query", "document")
_ROW_KEYS = ("adapter", "prompt", *_SIDES, "source")
_SIDE_KEYS = ("adapter", "prompt")
_FILE_KEYS = ("base", "description", "types", "tasks")


@dataclass(frozen=True)
class Side:
    """What one side of a task gets.

    Attributes:
        adapter: Name of the adapter; None for the plain model.
        prompt: Text put before the input; None for the adapter's own.
    """

    adapter: str | None = None
    prompt: str | None = None


@dataclass(frozen=True)
class Row:
    """What a task gets.

    Attributes:
        query: For queries.
        document: For documents, and for tasks that have one side only.
        source: Where this comes from, in words.
    """

    query: Side
    document: Side
    source: str = ""


@dataclass(frozen=True)
class Table:
    """A routing profile.

    Attributes:
        name: As it is asked for and recorded.
        types: Rows by task type.
        tasks: Rows by task name, which may hold * and ?.
        description: What it is, in words.
    """

    name: str
    types: Mapping[str, Row]
    tasks: Mapping[str, Row]
    description: str = ""

    def find(self, task: str, kind: str) -> Row | None:
        """The row of a task: by its name, by a pattern, or by its type."""
        if task in self.tasks:
            return self.tasks[task]
        patterns = (row for name, row in self.tasks.items() if fnmatch.fnmatchcase(task, name))
        return next(patterns, None) or self.types.get(kind)

    def adapters(self) -> frozenset[str]:
        """Every adapter that it names."""
        rows = (*self.types.values(), *self.tasks.values())
        sides = (side for row in rows for side in (row.query, row.document))
        return frozenset(side.adapter for side in sides if side.adapter is not None)


@cache
def built_in_tables() -> Mapping[str, Table]:
    """The project's own profiles by name."""
    content = tomllib.loads(_BUILT_IN.read_text(encoding="utf-8"))
    return MappingProxyType(
        {name: _table(name, part, str(_BUILT_IN)) for name, part in content.items()}
    )


def read_table(path: Path) -> Table:
    """Read a user's profile. Its name is the file's, with a hash of what it holds.

    Raises:
        ModelError: If it cannot be read, or a key or value is wrong.
    """
    try:
        raw = path.read_bytes()
        content = tomllib.loads(raw.decode("utf-8"))
    except OSError as error:
        raise ModelError(f"routing file {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"routing file {path} is not TOML: {error}") from error
    where = f"routing file {path}"
    _check_keys(content, _FILE_KEYS, where)
    name = f"{path.stem}-{hashlib.sha256(raw).hexdigest()[:8]}"
    own = _table(name, content, where)
    base = content.get("base")
    if base is None:
        return own
    if base not in built_in_tables():
        allowed = ", ".join(built_in_tables())
        raise ModelError(f"{where}: base is {base!r}; allowed: {allowed}")
    under = built_in_tables()[base]
    return Table(
        name=name,
        types={**under.types, **own.types},
        # Own patterns come first: the first that fits is taken.
        tasks={**own.tasks, **{k: row for k, row in under.tasks.items() if k not in own.tasks}},
        description=own.description,
    )


def _table(name: str, content: Mapping[str, Any], where: str) -> Table:
    parts = {}
    for part in ("types", "tasks"):
        rows = content.get(part, {})
        if not isinstance(rows, dict):
            raise ModelError(f"{where}: {part} should be a table")
        parts[part] = {key: _row(row, f"{where}: {part}.{key}") for key, row in rows.items()}
    return Table(name=name, description=str(content.get("description", "")), **parts)


def _row(content: object, where: str) -> Row:
    if not isinstance(content, dict):
        raise ModelError(f"{where} should be a table with {', '.join(_ROW_KEYS)}")
    _check_keys(content, _ROW_KEYS, where)
    both = _side({key: content[key] for key in _SIDE_KEYS if key in content}, where)
    own = {side: _side(content[side], f"{where}.{side}") for side in _SIDES if side in content}
    if "adapter" not in content and "prompt" not in content and set(own) != set(_SIDES):
        raise ModelError(f"{where} names neither adapter or prompt, nor both query and document")
    return Row(
        query=own.get("query", both),
        document=own.get("document", both),
        source=str(content.get("source", "")),
    )


def _side(content: object, where: str) -> Side:
    if isinstance(content, str):
        content = {"adapter": content}
    if not isinstance(content, dict):
        raise ModelError(f"{where} is {content!r}; expected an adapter, or a table")
    _check_keys(content, _SIDE_KEYS, where)
    for key, value in content.items():
        if not isinstance(value, str):
            raise ModelError(f"{where}: {key} is {value!r}; expected a string")
    adapter = content.get("adapter")
    return Side(adapter=None if adapter == "none" else adapter, prompt=content.get("prompt"))


def _check_keys(content: Mapping[str, Any], allowed: tuple[str, ...], where: str) -> None:
    for key in content:
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, n=1)
            hint = f" did you mean {near[0]!r}?" if near else ""
            raise ModelError(f"{where}: unknown key {key!r};{hint} allowed: {', '.join(allowed)}")
