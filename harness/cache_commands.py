"""What the `jina-eval cache` commands do."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from harness.console import make_console, show_error
from harness.errors import RunError
from model.cache.limits import default_folder, parse_bytes, show_bytes
from model.cache.maintenance import Holding, holdings, prune, verify
from model.cache.store import CacheError
from reports.grid import MISSING, Cell, Column, Grid, number
from reports.terminal import render_grid

__all__ = ["PruneRequest", "info_command", "prune_command", "verify_command"]


@dataclass(frozen=True)
class PruneRequest:
    """What to delete.

    Attributes:
        folder: The cache; None for the user's own.
        max_size: What may be left, as a user says it; None for no bound.
        older_than: Days; None for any age.
        model: Only this model's; None for every one.
        everything: Whether all of it is to go.
    """

    folder: Path | None
    max_size: str | None
    older_than: float | None
    model: str | None
    everything: bool


def info_command(folder: Path | None) -> int:
    """Print what the cache holds. Returns the exit code."""
    folder = _existing(folder)
    found = sorted(holdings(folder), key=lambda holding: -holding.last_used)
    names = ("Model", "Weights", "Adapter", "Prompt", "Precision", "Chunking")
    columns = (
        *(Column(name, numeric=False) for name in names),
        *(Column(name) for name in ("Cut at", "Texts", "Size")),
        Column("Last used", numeric=False),
    )
    rows = tuple(_row(holding) for holding in found)
    total = show_bytes(sum(holding.bytes for holding in found))
    notes = (f"{sum(holding.texts for holding in found):,} texts, {total} in {folder}.",)
    make_console().print(render_grid(Grid("Cached vectors", columns, rows, notes)))
    return 0


def verify_command(folder: Path | None, *, repair: bool) -> int:
    """Check every byte. Returns the exit code."""
    folder = _existing(folder)
    console = make_console(stderr=True)
    count = size = 0
    damaged = []
    with console.status("checking") as status:
        for shard, damage in verify(folder):
            count, size = count + 1, size + shard.bytes()
            status.update(f"checking: {count} files, {show_bytes(size)}")
            if damage is not None:
                damaged.append(shard)
                show_error(damage)
                if repair:
                    shard.remove()
    make_console().print(f"{count} files, {show_bytes(size)}: {len(damaged)} damaged", style=None)
    if damaged and not repair:
        show_error("run jina-eval cache verify --repair to delete what is damaged")
    return 2 if damaged and not repair else 0


def prune_command(request: PruneRequest) -> int:
    """Delete what was asked for. Returns the exit code."""
    bounds = request.max_size is not None or request.older_than is not None
    if bounds == request.everything:
        raise RunError("cache prune: say either --max-size or --older-than (or both), or --all")
    folder = _existing(request.folder)
    freed = prune(
        folder,
        max_bytes=None if request.max_size is None else parse_bytes(request.max_size),
        older_than_days=request.older_than,
        model=request.model,
    )
    make_console().print(f"{show_bytes(freed)} deleted", style=None)
    return 0


def _existing(folder: Path | None) -> Path:
    folder = default_folder() if folder is None else folder
    if folder.exists() and not (folder / "cache.json").exists():
        raise CacheError(f"{folder} is no cache of vectors")
    return folder


def _row(holding: Holding) -> tuple[Cell, ...]:
    space = holding.space
    used = datetime.datetime.fromtimestamp(holding.last_used).astimezone()
    facts = (number(holding.texts), Cell(show_bytes(holding.bytes)), Cell(f"{used:%Y-%m-%d %H:%M}"))
    if space is None:
        return (Cell(holding.folder.name), *(Cell(MISSING),) * 6, *facts)
    return (
        Cell(space.model),
        Cell(space.fingerprint[:8]),
        Cell(space.adapter or MISSING),
        Cell(space.prompt or MISSING),
        Cell(space.precision),
        Cell(space.chunking),
        number(space.max_length),
        *facts,
    )
