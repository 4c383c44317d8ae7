"""The cache of vectors that a run reads and fills."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from model.cache.limits import default_folder, parse_bytes
from model.cache.store import VectorCache

if TYPE_CHECKING:
    from harness.spec import RunSpec
    from model.backend import Backend
    from model.source import ModelSource

__all__ = ["cached", "describe_cache", "open_cache"]


def open_cache(spec: RunSpec) -> VectorCache | None:
    """The cache that a run spec asks for; None for none.

    Raises:
        ModelError: If its size is none, or the folder is no cache of this version.
    """
    size = parse_bytes(spec.cache_size)
    if spec.cache == "off" or spec.model == "lexical":  # which learns from each task's texts
        return None
    folder = default_folder() if spec.cache == "auto" else Path(spec.cache)
    return VectorCache(folder, size)


def describe_cache(spec: RunSpec) -> str:
    """Where vectors are kept, for people."""
    cache = open_cache(spec)
    return "off" if cache is None else f"{cache.folder} (at most {spec.cache_size})"


@contextmanager
def cached(backend: Backend, source: ModelSource, spec: RunSpec) -> Iterator[Backend]:
    """A model with the run's cache before it, where there is one."""
    cache = open_cache(spec)
    if cache is None:
        yield backend
        return
    from model.cached_backend import CachedBackend

    try:
        yield CachedBackend(backend, source, cache)
    finally:
        cache.close()
