"""Routing profiles as tables: task types and task names to adapters and prompts.

The profiles of this project are in `routing.toml`; users write files of the
same kind, with `types` and `tasks` at the top, and perhaps `base`:

    base = "paper"
    [types.STS]
    dim = 64
    [tasks.SciFact]
    query = { adapter = "retrieval.query", prompt = "Claim: " }
    document = "retrieval.passage"

A row that names no adapter and no prompt has the base's; its dimension is what it says.
"""

from __future__ import annotations

import difflib
import fnmatch
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jina_eval.core.errors import ReadError
from jina_eval.core.reading import parse_toml, read_small, shown_path
from model.errors import ModelError

__all__ = ["Row", "Side", "Table", "built_in_tables", "read_table"]

_BUILT_IN = Path(__file__).parent / "routing.toml"
_SIDES = ("query", "document")
_ROW_KEYS = ("adapter", "prompt", *_SIDES, "dim", "source")
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
        dim: Leading coordinates that are read of the vectors; None for all
            or, in the row of a task, for those that its type has.
        source: Where this comes from, in words.
    """

    query: Side
    document: Side
    dim: int | None = None
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

    def dim(self, task: str, kind: str) -> int | None:
        """The dimension of a task: its own, or its type's; None for all coordinates."""
        own, by_type = self.find(task, kind), self.types.get(kind)
        if own is not None and own.dim is not None:
            return own.dim
        return by_type.dim if by_type is not None else None

    def dims(self) -> frozenset[int]:
        """Every dimension that it names."""
        rows = (*self.types.values(), *self.tasks.values())
        return frozenset(row.dim for row in rows if row.dim is not None)

    def adapters(self) -> frozenset[str]:
        """Every adapter that it names."""
        rows = (*self.types.values(), *self.tasks.values())
        sides = (side for row in rows for side in (row.query, row.document))
        return frozenset(side.adapter for side in sides if side.adapter is not None)


@cache
def built_in_tables() -> Mapping[str, Table]:
    """The project's own profiles by name."""
    content = tomllib.loads(_BUILT_IN.read_text(encoding="utf-8"))
    tables: dict[str, Table] = {}
    for name, part in content.items():
        own = _Part.read(part, str(_BUILT_IN))
        tables[name] = own.over(name, tables[part["base"]] if "base" in part else None)
    return MappingProxyType(tables)


def read_table(path: Path) -> Table:
    """Read a user's profile. Its name is the file's, with a hash of what it holds.

    Raises:
        ModelError: If it cannot be read, or a key or value is wrong.
    """
    try:
        raw = read_small(path)
        content = parse_toml(raw, shown_path(path))
    except ReadError as error:
        raise ModelError(f"routing file {error}") from error
    where = f"routing file {path}"
    _check_keys(content, _FILE_KEYS, where)
    name = f"{path.stem}-{hashlib.sha256(raw).hexdigest()[:8]}"
    own = _Part.read(content, where)
    base = content.get("base")
    if base is None:
        return own.over(name, None)
    if base not in built_in_tables():
        allowed = ", ".join(built_in_tables())
        raise ModelError(f"{where}: base is {base!r}; allowed: {allowed}")
    return own.over(name, built_in_tables()[base])


@dataclass(frozen=True)
class _Part:
    """The rows of one file; a row may leave to the base what it does not name."""

    types: Mapping[str, Mapping[str, Any]]
    tasks: Mapping[str, Mapping[str, Any]]
    description: str
    where: str

    @classmethod
    def read(cls, content: Mapping[str, Any], where: str) -> _Part:
        parts: dict[str, Any] = {}
        for part in ("types", "tasks"):
            parts[part] = content.get(part, {})
            if not isinstance(parts[part], dict):
                raise ModelError(f"{where}: {part} should be a table")
        return cls(description=str(content.get("description", "")), where=where, **parts)

    def over(self, name: str, base: Table | None) -> Table:
        """The table of these rows, with those of the base that they do not replace."""
        under = base or Table(name, {}, {})
        types = {
            key: _row(row, f"{self.where}: types.{key}", under.types.get(key))
            for key, row in self.types.items()
        }
        tasks = {
            key: _row(row, f"{self.where}: tasks.{key}", under.tasks.get(key))
            for key, row in self.tasks.items()
        }
        return Table(
            name=name,
            types={**under.types, **types},
            # Own patterns come first: the first that fits is taken.
            tasks={**tasks, **{key: row for key, row in under.tasks.items() if key not in tasks}},
            description=self.description,
        )


def _row(content: object, where: str, under: Row | None) -> Row:
    if not isinstance(content, dict):
        raise ModelError(f"{where} should be a table with {', '.join(_ROW_KEYS)}")
    _check_keys(content, _ROW_KEYS, where)
    dim = content.get("dim")
    if dim is not None and (not isinstance(dim, int) or isinstance(dim, bool) or dim < 1):
        raise ModelError(f"{where}: dim is {dim!r}; expected a whole number of at least 1")
    source = str(content.get("source", ""))
    if under is not None and not {"adapter", "prompt", *_SIDES} & set(content):
        return replace(under, dim=dim, source=source or under.source)
    both = _side({key: content[key] for key in _SIDE_KEYS if key in content}, where)
    own = {side: _side(content[side], f"{where}.{side}") for side in _SIDES if side in content}
    if "adapter" not in content and "prompt" not in content and set(own) != set(_SIDES):
        raise ModelError(f"{where} names neither adapter or prompt, nor both query and document")
    return Row(
        query=own.get("query", both), document=own.get("document", both), dim=dim, source=source
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
