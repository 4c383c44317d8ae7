"""A model whose vectors are kept: what the cache holds is read from there, tokenizer and all."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from model.backend import Backend, Encoded, Progress, measured
from model.cache.hashes import hash_texts
from model.cache.space import Space
from model.cache.store import SpaceCache, VectorCache
from model.chunking import SPLITTER, WHOLE, Chunking
from model.guards import is_sound
from model.routing import Route
from model.source import ModelSource

__all__ = ["CachedBackend", "space_of"]


class CachedBackend:
    """A `model.backend.Backend` over another one and a cache."""

    def __init__(self, backend: Backend, source: ModelSource, cache: VectorCache) -> None:
        """Put a cache before a model.

        Args:
            backend: The model, loaded. One that learns from a task's texts cannot be cached.
            source: Which one it is.
            cache: Where its vectors are kept.
        """
        self._backend = backend
        self._source = source
        self._cache = cache

    @property
    def width(self) -> int | None:
        """As the model's."""
        return self._backend.width

    @property
    def max_length(self) -> int | None:
        """As the model's."""
        return self._backend.max_length

    @property
    def device(self) -> str:
        """As the model's."""
        return self._backend.device

    @property
    def precision(self) -> str:
        """As the model's."""
        return self._backend.precision

    @property
    def attention(self) -> str | None:
        """As the model's."""
        return self._backend.attention

    @property
    def compiled(self) -> bool:
        """As the model's."""
        return self._backend.compiled

    @property
    def fused_gelu(self) -> bool:
        """As the model's."""
        return self._backend.fused_gelu

    def prepare(self, texts: Sequence[str]) -> None:
        """As the model does."""
        self._backend.prepare(texts)

    def check_chunking(self, chunking: Chunking, prompt: str = "") -> None:
        """As the model does."""
        self._backend.check_chunking(chunking, prompt)

    def encode(self, texts: Sequence[str], route: Route, progress: Progress) -> Encoded:
        """Turn texts into vectors, of which those that are not cached go through the model."""

        def compute(missing: list[str]) -> tuple[Encoded, ...]:
            return (self._backend.encode(missing, route, progress),)

        return self._read(texts, [self._space(route, WHOLE)], compute, progress)[0]

    def encode_chunks(
        self,
        texts: Sequence[str],
        route: Route,
        chunkings: Sequence[Chunking],
        progress: Progress,
    ) -> tuple[Encoded, ...]:
        """Turn texts into the vectors of their chunks, likewise."""

        def compute(missing: list[str]) -> tuple[Encoded, ...]:
            return self._backend.encode_chunks(missing, route, chunkings, progress)

        spaces = [self._space(route, chunking) for chunking in chunkings]
        return self._read(texts, spaces, compute, progress)

    def _space(self, route: Route, chunking: Chunking) -> SpaceCache:
        return self._cache.space(
            space_of(self._source, route, chunking, self.precision, self.max_length)
        )

    def _read(
        self,
        texts: Sequence[str],
        spaces: Sequence[SpaceCache],
        compute: Callable[[list[str]], tuple[Encoded, ...]],
        progress: Progress,
    ) -> tuple[Encoded, ...]:
        """The texts' vectors of each space; a text that one of them lacks is computed for all."""
        hashes = hash_texts(texts)
        numbers = np.stack([space.find(hashes) for space in spaces])
        here = (numbers >= 0).all(axis=0)
        there = np.flatnonzero(here)
        held = [space.read(row[there]) for space, row in zip(spaces, numbers, strict=True)]
        if any(part is None for part in held):  # damage, which is found once
            return self._read(texts, spaces, compute, progress)
        progress(len(there))
        missing = np.flatnonzero(~here)
        if not len(missing):
            return tuple(replace(part, computed=0) for part in held if part is not None)
        started = time.perf_counter()
        new = compute([texts[row] for row in missing.tolist()])
        new = measured(new, time.perf_counter() - started)
        order = np.argsort(np.concatenate([there, missing]))
        found = []
        for space, old, fresh in zip(spaces, held, new, strict=True):
            # What is no embedding is refused by whoever asked, and must not be kept.
            if is_sound(fresh.vectors, self.width):
                space.add(hashes[missing], fresh)
            parts = [old, fresh] if old is not None and len(there) else [fresh]
            whole = Encoded.concatenate(parts).select(order)
            found.append(replace(whole, computed=len(missing)))
        return tuple(found)


_SEMANTIC_RULE = 2
"""Raised whenever `model.splitting` cuts semantic chunks otherwise."""


def space_of(
    source: ModelSource, route: Route, chunking: Chunking, precision: str, max_length: int | None
) -> Space:
    """What decides vectors of a model.

    Args:
        source: The model.
        route: The adapter and prompt in force.
        chunking: How a text becomes vectors.
        precision: Number format of the model's arithmetic.
        max_length: Longest input in tokens; None for no limit.
    """
    return Space(
        model=source.name,
        fingerprint=source.fingerprint,
        backend=source.kind,
        precision=precision,
        max_length=max_length,
        adapter=route.adapter,
        prompt=route.prompt,
        chunking=_named(chunking),
    )


def _named(chunking: Chunking) -> str:
    """A chunking with what else decides where it cuts, if anything does."""
    if chunking.unit != "semantic":
        return str(chunking)
    library = f"{SPLITTER} {importlib.metadata.version(SPLITTER)}"
    return f"{chunking} by {library}, rule {_SEMANTIC_RULE}"
