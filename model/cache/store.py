"""The cache: a folder of spaces, each a folder of shards; safe for several processes at once.

    <folder>/cache.json             the format
    <folder>/<key>/space.json       what its vectors were encoded with
    <folder>/<key>/<name>.index     shards, see `model.cache.shard`
    <folder>/<key>/<name>.vectors

Each process appends to shards of its own and reads everybody's. When the cache is full, whole
shards go, those first that were not used for longest.
"""

from __future__ import annotations

import json
import logging
import os
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jina_eval.core.reading import parse_json, read_json, shown_path
from model.backend import Encoded, spread
from model.cache.hashes import HashIndex
from model.cache.limits import show_bytes
from model.cache.shard import DamagedShardError, Entries, Shard, ShardWriter
from model.cache.space import FORMAT, Space
from model.errors import ModelError

__all__ = [
    "CacheError",
    "SpaceCache",
    "VectorCache",
    "check_folder",
    "discard_older",
    "read_space",
    "remove_empty",
]

log = logging.getLogger(__name__)

_SHARD_BYTES = 256 * 1024**2
_SHARDS_AT_LEAST = 16
"""The bound is at least so many shards, so that making room never costs much of what is there."""

_LOOKS = 64
"""How often the whole cache is counted while it is filled once."""

_REFRESH_SECONDS = 1.0
"""How often at most to look for what other processes have added."""


class CacheError(ModelError):
    """The cache cannot be used; the message says why and what to do."""


class VectorCache:
    """Vectors on disk, of any number of models."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Open a cache; it is made when the first vectors are added.

        Vectors of an earlier format are deleted, which is said.

        Args:
            folder: Where it is.
            max_bytes: How large it may become.

        Raises:
            CacheError: If the folder holds something else, or a cache of another version.
        """
        self.folder = folder
        self._max_bytes = max_bytes
        self._spaces: dict[str, SpaceCache] = {}
        self._counted: float = float("inf")
        self._added = 0
        discard_older(folder)
        check_folder(folder)

    def space(self, space: Space) -> SpaceCache:
        """The part of the cache with vectors that were encoded in one way."""
        key = space.key()
        if key not in self._spaces:
            self._spaces[key] = SpaceCache(self, space)
        return self._spaces[key]

    def shard_bytes(self) -> int:
        """How large a shard may become before the next is begun."""
        return min(_SHARD_BYTES, max(1, self._max_bytes // _SHARDS_AT_LEAST))

    def make_room(self, own: Path, added: int) -> None:
        """Delete shards that were not used for longest until the rest is within the bound.

        Other processes fill the cache too, so what is there is counted again from time to time,
        and whenever what is known of comes to the bound.

        Args:
            own: A shard to keep, since it is being written.
            added: Bytes that were added to it.
        """
        self._added += added
        seen = self._counted + self._added
        if seen <= self._max_bytes and self._added < self._max_bytes // _LOOKS:
            return
        shards = [Shard(path) for path in self.folder.glob("*/*.index")]
        sizes = [shard.bytes() for shard in shards]
        self._counted, self._added = sum(sizes), 0
        excess = self._counted - self._max_bytes
        if excess <= 0:
            return
        oldest_first = sorted(zip(shards, sizes, strict=True), key=lambda pair: pair[0].last_used())
        for shard, size in oldest_first:
            if excess > 0 and shard.index != own:
                shard.remove()
                excess -= size
                self._counted -= size

    def close(self) -> None:
        """Close what is being written."""
        for space in self._spaces.values():
            space.close()


class SpaceCache:
    """Vectors that were encoded in one way, by the hash of their text."""

    def __init__(self, cache: VectorCache, space: Space) -> None:
        """Read what is there; see `VectorCache.space`."""
        self._cache = cache
        self._space = space
        self._folder = cache.folder / space.key()
        self._writer: ShardWriter | None = None
        self._looked = float("-inf")
        self._forget()

    def __len__(self) -> int:
        """Texts that are known, also by another process as far as was seen."""
        return len(self._index)

    def find(self, hashes: npt.NDArray[np.void]) -> npt.NDArray[np.int64]:
        """Numbers of texts for `read`, -1 where they are not here, shape (texts,), int64."""
        numbers = self._index.find(hashes)
        if (numbers < 0).any() and time.monotonic() - self._looked > _REFRESH_SECONDS:
            self._refresh()
            numbers = self._index.find(hashes)
        return numbers

    def read(self, numbers: npt.NDArray[np.int64]) -> Encoded | None:
        """The texts of some numbers, in their order; None if a shard turned out damaged.

        A damaged shard is deleted, and nothing of it is found any more.
        """
        which, starts, counts = (
            self._shard_of[numbers],
            self._starts[numbers],
            self._counts[numbers],
        )
        tokens, truncated = self._tokens[numbers], self._truncated[numbers]
        first = np.cumsum(counts) - counts
        vectors: npt.NDArray[np.float32] | None = None
        for place in np.unique(which).tolist():
            shard, here = self._shards[place], np.flatnonzero(which == place)
            try:
                rows = shard.rows(spread(starts[here], counts[here]))
            except (DamagedShardError, OSError, ValueError) as error:
                self._drop(shard, error)
                return None
            if not self._used[place]:
                self._used[place] = True
                shard.touch()
            if len(here) == len(numbers):
                vectors = rows
                break
            if vectors is None:
                vectors = np.empty((int(counts.sum()), rows.shape[1]), dtype=np.float32)
            vectors[spread(first[here], counts[here])] = rows
        if vectors is None:
            vectors = np.zeros((0, 0), dtype=np.float32)
        return Encoded(
            vectors=vectors,
            tokens=None if (tokens < 0).any() else tokens,
            truncated=None if (truncated < 0).any() else truncated,
            counts=counts if self._space.chunking != "none" else None,
        )

    def add(self, hashes: npt.NDArray[np.void], encoded: Encoded) -> None:
        """Keep texts: all of them, or none where they do not fit or the disk is full.

        Args:
            hashes: Of the texts, shape (texts,), `HASH`.
            encoded: Their vectors, and what was read of each.
        """
        if not len(hashes) or encoded.vectors.nbytes > self._cache.shard_bytes() * 8:
            return
        try:
            self._write(hashes, encoded)
        except OSError as error:
            # The vectors are in hand; not to keep them costs time and nothing else.
            log.warning("vectors are not cached: %s: %s", self._folder, error.strerror or error)
            self._writer = None
            return
        self._refresh()

    def close(self) -> None:
        """Close what is being written."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write(self, hashes: npt.NDArray[np.void], encoded: Encoded) -> None:
        width = encoded.vectors.shape[1]
        writer = self._writer
        if writer is not None and (
            writer.bytes >= self._cache.shard_bytes()
            or writer.width != width
            or not writer.index.exists()  # it had to make room
        ):
            self.close()
        if self._writer is None:
            _describe(self._folder, self._space)
            name = f"{time.time_ns():x}-{os.getpid():x}-{os.urandom(3).hex()}.index"
            self._writer = ShardWriter(self._folder / name, width)
        before = self._writer.bytes
        self._writer.append(hashes, encoded)
        self._cache.make_room(self._writer.index, self._writer.bytes - before)

    def _forget(self) -> None:
        self._index = HashIndex()
        self._shards: list[Shard] = []
        self._used: list[bool] = []
        self._known: set[Path] = set()
        self._shard_of = np.zeros(0, dtype=np.int64)
        self._starts = np.zeros(0, dtype=np.int64)
        self._counts = np.zeros(0, dtype=np.int64)
        self._tokens = np.zeros(0, dtype=np.int64)
        self._truncated = np.zeros(0, dtype=np.int64)

    def _refresh(self) -> None:
        """Take note of what was added since."""
        for path in sorted(self._folder.glob("*.index")):
            if path not in self._known:
                self._known.add(path)
                self._shards.append(Shard(path))
                self._used.append(False)
        for place, shard in enumerate(self._shards):
            try:
                for entries in shard.new_entries():
                    if entries.chunked == (self._space.chunking != "none"):
                        self._note(place, entries)
            except DamagedShardError as error:
                self._drop(shard, error)
                break
        self._looked = time.monotonic()

    def _note(self, place: int, entries: Entries) -> None:
        count = len(entries.hashes)
        numbers = len(self._starts) + np.arange(count, dtype=np.int64)
        self._shard_of = np.append(self._shard_of, np.full(count, place))
        self._starts = np.append(self._starts, entries.starts)
        self._counts = np.append(self._counts, entries.counts)
        self._tokens = np.append(self._tokens, entries.tokens)
        self._truncated = np.append(self._truncated, entries.truncated)
        self._index.add(entries.hashes, numbers)

    def _drop(self, shard: Shard, error: Exception) -> None:
        """Delete a damaged shard and read the others anew."""
        log.warning("a damaged part of the cache is deleted and encoded anew: %s", error)
        if self._writer is not None and self._writer.index == shard.index:
            self.close()
        shard.remove()
        self._forget()
        self._refresh()


def check_folder(folder: Path) -> None:
    """See whether a folder is a cache of this version, or empty, or absent.

    Raises:
        CacheError: If it is none of these.
    """
    found = _stored_format(folder)
    if found == FORMAT or (found is None and not folder.exists()):
        return
    if found is None:
        if not folder.is_dir() or not _is_begun(folder):
            raise CacheError(
                f"cache {folder} is no cache of vectors and not empty; name another folder"
            )
        return
    older = "the next run deletes its vectors, and jina-eval cache prune --all does now"
    raise CacheError(
        f"cache {shown_path(folder)} has format {found!r}, this version reads {FORMAT}; "
        f"{older if _is_older(found) else 'name another folder'}"
    )


def discard_older(folder: Path) -> int:
    """Delete what an earlier version has left in a cache; gives the number of bytes.

    Raises:
        CacheError: If the folder's description cannot be read.
    """
    if not _is_older(_stored_format(folder)):
        return 0
    freed = 0
    for shard in [Shard(path) for path in folder.glob("*/*.index")]:
        # Another process may have done the same just now, and begun to write.
        if shard.is_older():
            freed += shard.bytes()
            shard.remove()
            remove_empty(shard.index.parent)
    _write_json(folder / "cache.json", {"format": FORMAT})
    log.warning(
        "cache %s: %s of vectors in an older format are deleted; texts are encoded again",
        folder,
        show_bytes(freed),
    )
    return freed


def remove_empty(space: Path) -> None:
    """Remove the folder of a space that has no shards."""
    if not any(space.glob("*.index")):
        with suppress(OSError):  # another process may be about to write there
            (space / "space.json").unlink(missing_ok=True)
            space.rmdir()


def _is_older(found: object) -> bool:
    return isinstance(found, int) and 1 <= found < FORMAT


def _stored_format(folder: Path) -> object:
    """The format that a cache says it has; None if there is no description."""
    path = folder / "cache.json"
    try:
        return parse_json(path.read_bytes(), path.name, dict)["format"]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CacheError(
            f"cache {shown_path(folder)}: {path.name} cannot be read ({reason})"
        ) from error


def _is_begun(folder: Path) -> bool:
    """Whether a folder is empty, or holds what is left where the disk was full at the beginning."""
    return all(
        path.name.startswith(".cache.json.")
        or (path.is_dir() and all(one.name.startswith(".space.json.") for one in path.iterdir()))
        for path in folder.iterdir()
    )


def _describe(folder: Path, space: Space) -> None:
    """Make a space's folder and say what it holds."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder.parent / "cache.json").exists():
        _write_json(folder.parent / "cache.json", {"format": FORMAT})
    description = folder / "space.json"
    if read_space(description) is None:
        _write_json(description, space.as_dict())


def read_space(description: Path) -> Space | None:
    """What a space's description says; None where it is lost, or is that of another space."""
    try:
        space = Space(**read_json(description, dict))
        return space if space.key() == description.parent.name else None
    except (OSError, ValueError, TypeError):
        return None


def _write_json(path: Path, content: object) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise
