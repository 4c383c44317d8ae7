"""`jina-eval bench cache`: how quickly vectors are found and read again."""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from harness.bench_tables import write_figures
from harness.console import make_console
from harness.errors import RunError
from model.backend import Encoded
from model.cache.hashes import hash_texts
from model.cache.space import Space
from model.cache.store import VectorCache
from reports.grid import Cell, Column, Grid
from reports.terminal import render_grid

__all__ = ["CacheFigures", "bench_cache", "bench_cache_command"]

_PIECE = 50_000
_READ = 200_000
_SPACE = Space("bench/cache", "0" * 64, "bench", "float32", 512)


@dataclass(frozen=True)
class CacheFigures:
    """Texts a second of processor time, on one core.

    Attributes:
        texts: Texts in the cache.
        width: Width of their vectors.
        added: Hashed, checked and written.
        found: Hashed and looked up, in random order, 100,000 at a time.
        read: Their vectors read, in random order, each block checked once before.
    """

    texts: int
    width: int
    added: float
    found: float
    read: float


def bench_cache(texts: int, width: int) -> CacheFigures:
    """Fill a cache in a temporary folder and read it again.

    Args:
        texts: How many texts.
        width: Width of their vectors.

    Raises:
        RunError: If there is nothing to measure.
    """
    if texts < 1 or width < 1:
        raise RunError(f"{texts} texts of width {width}: there is nothing to measure")
    words = [
        f"This is sentence number {n} of many, about as long as a query or title is, {n * 7919}."
        for n in range(texts)
    ]
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((min(texts, _PIECE), width), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        cache = VectorCache(Path(folder) / "vectors", 2**62)
        started = time.process_time()
        for start in range(0, texts, _PIECE):
            part = words[start : start + _PIECE]
            zeros = np.zeros(len(part), dtype=np.int64)
            encoded = Encoded(vectors[: len(part)], zeros + 20, zeros)
            cache.space(_SPACE).add(hash_texts(part), encoded)
        added = time.process_time() - started
        cache.close()
        space = VectorCache(Path(folder) / "vectors", 2**62).space(_SPACE)
        space.find(hash_texts(words[:1]))  # notes what there is
        order = rng.permutation(texts)
        asked = [words[row] for row in order]
        started = time.process_time()
        numbers = [
            space.find(hash_texts(asked[start : start + 2 * _PIECE]))
            for start in range(0, texts, 2 * _PIECE)
        ]
        found = time.process_time() - started
        some = np.concatenate(numbers)[:_READ]
        space.read(some)
        started = time.process_time()
        space.read(some)
        read = time.process_time() - started
    rates = (texts / added, texts / found, len(some) / max(read, 1e-9))
    return CacheFigures(texts, width, *rates)


def bench_cache_command(texts: int, width: int, output: Path | None) -> int:
    """Measure, print, and write the figures if asked to. Returns the exit code."""
    found = bench_cache(texts, width)
    write_figures(output, asdict(found))
    columns = (Column("What", numeric=False), Column("Texts a second"))
    rows = tuple(
        (Cell(name), Cell(f"{rate:,.0f}"))
        for name, rate in (("added", found.added), ("found", found.found), ("read", found.read))
    )
    notes = ("Processor time of one core. Found: hashed and looked up; read: the vectors.",)
    title = f"Cache of {texts:,} texts, {width} wide"
    make_console().print(render_grid(Grid(title, columns, rows, notes)))
    return 0
