"""Shards: a file of vectors, and one that says whose they are, both only ever appended to.

The second file is a row of records, one for each call that added vectors. A record states the
checksum of its own bytes and of every block of its vectors. A record that is not whole, as a killed
process leaves it, does not count; vectors that do not match their checksum are never read.

A record also names the space that its vectors belong to, which is the name of the folder that it
was written to. In another folder, where somebody moved or copied it, it is never read.

    <name>.vectors   float32, rows of one width
    <name>.index     records: header, hashes, tokens, truncated, counts, checksums of blocks
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xxhash

from model.backend import Encoded
from model.cache.hashes import HASH

__all__ = [
    "BLOCK",
    "DamagedShardError",
    "Entries",
    "ForeignShardError",
    "Shard",
    "ShardWriter",
]

BLOCK = 1024
"""Rows of vectors under one checksum."""

_OLDER_MAGICS = (b"JEVEC001",)
"""How shards of earlier formats begin, which did not name their space."""

_MAGIC = b"JEVEC002"
_HEADER = struct.Struct("<8s32sQQQQQ")
"""Magic, name of the space, texts, rows, width, first row, bytes after the header."""

_CHECK = struct.Struct("<Q")
_UNKNOWN = -1


class DamagedShardError(Exception):
    """Vectors are not what was written."""


class ForeignShardError(DamagedShardError):
    """Vectors belong to another space than the one of the folder that they are in."""


@dataclass(frozen=True)
class Entries:
    """What a record says of its texts, in arrays of shape (texts,).

    Attributes:
        hashes: Their hashes, `HASH`.
        tokens: Tokens, int64; -1 where they were not counted.
        truncated: Tokens cut off, int64; -1 likewise.
        counts: Vectors of each, int64.
        starts: Row of the first vector of each in the shard, int64.
        chunked: Whether a text may have several vectors.
    """

    hashes: npt.NDArray[np.void]
    tokens: npt.NDArray[np.int64]
    truncated: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    chunked: bool


class Shard:
    """One shard as it is read; it may grow meanwhile."""

    def __init__(self, index: Path) -> None:
        """Name a shard by its index file; nothing is read yet."""
        self.index = index
        self.vectors = index.with_suffix(".vectors")
        self.width = 0
        self._read = 0
        self._checks = np.zeros(0, dtype=np.uint64)
        self._blocks = np.zeros((0, 2), dtype=np.int64)  # first and last row of each checksum
        self._checked = np.zeros(0, dtype=np.bool_)
        self._map: npt.NDArray[np.float32] | None = None

    def bytes(self) -> int:
        """Bytes on disk; 0 if it is gone."""
        try:
            return self.index.stat().st_size + self.vectors.stat().st_size
        except OSError:
            return 0

    def last_used(self) -> float:
        """When it was last read or written, in seconds since 1970; 0 if it is gone."""
        try:
            return self.index.stat().st_mtime
        except OSError:
            return 0.0

    def is_older(self) -> bool:
        """Whether it is of an earlier format."""
        try:
            with self.index.open("rb") as file:
                return file.read(len(_MAGIC)) in _OLDER_MAGICS
        except OSError:
            return False

    def new_entries(self) -> Iterator[Entries]:
        """What was added since the last call.

        Raises:
            DamagedShardError: If a whole record is not what was written.
        """
        try:
            with self.index.open("rb") as file:
                file.seek(self._read)
                content = file.read()
            rows = self.vectors.stat().st_size // 4
        except OSError:
            return
        at = 0
        while at + _HEADER.size <= len(content):
            magic, space, texts, count, width, first, size = _HEADER.unpack_from(content, at)
            end = at + _HEADER.size + size + _CHECK.size
            if magic != _MAGIC:
                raise DamagedShardError(f"{self.index} holds something else")
            if end > len(content) or (first + count) * width > rows:
                return  # not whole yet, or never
            record = memoryview(content)[at : end - _CHECK.size]
            (check,) = _CHECK.unpack_from(content, end - _CHECK.size)
            if xxhash.xxh3_64_intdigest(record) != check or self.width not in (0, width):
                raise DamagedShardError(f"{self.index} does not match its checksum")
            if space != _space_name(self.index):
                other = space.rstrip(b"\0").decode("ascii", "replace")
                raise ForeignShardError(f"{self.index} holds vectors of another space, {other}")
            yield self._take(record[_HEADER.size :], texts, count, width, first)
            at = end
            self._read += len(record) + _CHECK.size

    def rows(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Some rows, shape (places, width), float32; each block is checked when first read.

        Raises:
            DamagedShardError: If a block does not match its checksum.
        """
        blocks = np.unique(np.searchsorted(self._blocks[:, 0], places, side="right") - 1)
        matrix = self._matrix()
        for block in blocks[~self._checked[blocks]].tolist():
            first, last = self._blocks[block].tolist()
            if xxhash.xxh3_64_intdigest(matrix[first:last].data) != int(self._checks[block]):
                raise DamagedShardError(f"{self.vectors} does not match its checksums")
            self._checked[block] = True
        found: npt.NDArray[np.float32] = matrix[places]
        return found

    def verify(self) -> int:
        """Check everything; gives the number of texts.

        Raises:
            DamagedShardError: If anything is not what was written.
        """
        texts = sum(len(entries.hashes) for entries in self.new_entries())
        if self._read != self.index.stat().st_size:
            raise DamagedShardError(f"{self.index} ends in the middle of a record")
        for first, last in self._blocks.tolist():
            self.rows(np.arange(first, last))
        return texts

    def touch(self) -> None:
        """Note that it was used just now."""
        try:
            os.utime(self.index)
        except OSError:  # somebody made room meanwhile
            return

    def remove(self) -> None:
        """Delete its files; processes that read them go on doing so."""
        self.index.unlink(missing_ok=True)
        self.vectors.unlink(missing_ok=True)

    def _take(self, body: memoryview, texts: int, count: int, width: int, first: int) -> Entries:
        self.width = width
        hashes = np.frombuffer(body, dtype=HASH, count=texts)
        at = hashes.nbytes
        # Counts of tokens, of tokens cut off, and of vectors.
        tokens, truncated, counts = np.frombuffer(body, "<i8", 3 * texts, at).reshape(3, texts)
        checks = np.frombuffer(body, "<u8", offset=at + 24 * texts)
        chunked = bool(len(counts) and counts[0] < 0)
        counts = np.abs(counts)
        starts = first + np.cumsum(counts) - counts
        edges = np.append(np.arange(first, first + count, BLOCK), first + count)
        self._blocks = np.concatenate([self._blocks, np.stack([edges[:-1], edges[1:]], axis=1)])
        self._checks = np.concatenate([self._checks, checks])
        self._checked = np.concatenate([self._checked, np.zeros(len(checks), dtype=np.bool_)])
        return Entries(hashes, tokens, truncated, counts, starts, chunked)

    def _matrix(self) -> npt.NDArray[np.float32]:
        rows = int(self._blocks[-1, 1])
        if self._map is None or len(self._map) < rows:
            self._map = np.memmap(
                self.vectors, dtype=np.float32, mode="r", shape=(rows, self.width)
            )
        return self._map


class ShardWriter:
    """Appends to a shard of its own, which nobody else writes to."""

    def __init__(self, index: Path, width: int) -> None:
        """Begin a new shard.

        Args:
            index: Its index file, which must not exist, in the folder of its space.
            width: Width of its vectors.

        Raises:
            OSError: If the folder cannot be written.
        """
        self.index = index
        self.width = width
        self.bytes = 0
        self._rows = 0
        self._vectors = index.with_suffix(".vectors").open("xb")
        self._index = index.open("xb")

    def append(self, hashes: npt.NDArray[np.void], encoded: Encoded) -> None:
        """Append texts; all of them are there afterwards, or none.

        Args:
            hashes: Of the texts, shape (texts,), `HASH`.
            encoded: Their vectors, and what was read of each.

        Raises:
            OSError: If the files cannot be written.
        """
        vectors = np.ascontiguousarray(encoded.vectors, dtype="<f4")
        checks = [
            xxhash.xxh3_64_intdigest(vectors[first : first + BLOCK].data)
            for first in range(0, len(vectors), BLOCK)
        ]
        unknown = np.full(len(hashes), _UNKNOWN, dtype=np.int64)
        counts = np.ones(len(hashes), dtype=np.int64)
        if encoded.counts is not None:
            counts = -encoded.counts  # below 0: of a text that may have several
        body = b"".join(
            [
                hashes.tobytes(),
                (unknown if encoded.tokens is None else encoded.tokens).tobytes(),
                (unknown if encoded.truncated is None else encoded.truncated).tobytes(),
                counts.tobytes(),
                np.array(checks, dtype="<u8").tobytes(),
            ]
        )
        header = _HEADER.pack(
            _MAGIC,
            _space_name(self.index),
            len(hashes),
            len(vectors),
            self.width,
            self._rows,
            len(body),
        )
        record = header + body
        self._vectors.write(vectors.data)
        self._vectors.flush()
        self._index.write(record + _CHECK.pack(xxhash.xxh3_64_intdigest(record)))
        self._index.flush()
        self._rows += len(vectors)
        self.bytes += vectors.nbytes + len(record) + _CHECK.size

    def close(self) -> None:
        """Close the files."""
        self._vectors.close()
        self._index.close()


def _space_name(index: Path) -> bytes:
    """The name of a shard's folder, as `Space.key` makes it, 32 bytes in a header."""
    name = os.fsencode(index.parent.name)
    if len(name) > 32:  # no key; a digest of it cannot be one either
        name = hashlib.sha256(name).digest()
    return name.ljust(32, b"\0")
