"""What a cache holds, whether it is sound, and how to make it smaller."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from model.cache.shard import DamagedShardError, Shard
from model.cache.space import Space
from model.cache.store import check_folder, discard_older, read_space, remove_empty

__all__ = ["Holding", "holdings", "prune", "verify"]

_DAY = 24 * 3600


@dataclass(frozen=True)
class Holding:
    """Vectors that were encoded in one way.

    Attributes:
        space: The way; None where its description is lost, or is that of another space.
        folder: Where they are.
        texts: Texts, those that two processes encoded at the same time twice.
        bytes: Size on disk.
        last_used: Seconds since 1970.
    """

    space: Space | None
    folder: Path
    texts: int
    bytes: int
    last_used: float


def holdings(folder: Path) -> Iterator[Holding]:
    """What a cache holds, way by way; the texts of damaged shards are not counted.

    Raises:
        CacheError: If the folder is no cache of this version.
    """
    check_folder(folder)
    for description in sorted(folder.glob("*/space.json")):
        shards = [Shard(path) for path in description.parent.glob("*.index")]
        yield Holding(
            space=read_space(description),
            folder=description.parent,
            texts=sum(map(_texts, shards)),
            bytes=sum(shard.bytes() for shard in shards),
            last_used=max((shard.last_used() for shard in shards), default=0.0),
        )


def verify(folder: Path) -> Iterator[tuple[Shard, str | None]]:
    """Read every byte of a cache and compare it with its checksums, shard by shard.

    What a killed process or a full disk left unfinished at the end of a shard is damage too; what
    is before it is sound, and is used. A shard of another space, where folders were copied or
    exchanged, is named as well.

    Returns:
        Each shard, with what is wrong with it if anything is.

    Raises:
        CacheError: If the folder is no cache of this version.
    """
    check_folder(folder)
    for path in sorted(folder.glob("*/*.index")):
        shard = Shard(path)
        try:
            shard.verify()
            _check_remainder(path)
        except (DamagedShardError, OSError, ValueError) as error:
            yield shard, str(error)
        else:
            yield shard, None


def _check_remainder(index: Path) -> None:
    """Find vectors that no record describes: their record was not written any more.

    Raises:
        DamagedShardError: If there are some.
    """
    shard = Shard(index)
    rows = sum(int(entries.counts.sum()) for entries in shard.new_entries())
    rest = shard.vectors.stat().st_size - 4 * rows * shard.width
    if rest > 0:
        raise DamagedShardError(
            f"{shard.vectors} ends in {rest} bytes that no record describes; was the disk full?"
        )


def prune(
    folder: Path,
    *,
    max_bytes: int | None = None,
    older_than_days: float | None = None,
    model: str | None = None,
) -> int:
    """Delete shards; gives the number of bytes that this freed.

    Vectors of an earlier format are deleted in any case.

    Args:
        folder: The cache.
        max_bytes: Delete those not used for longest until the rest is no larger.
        older_than_days: Delete those not used for so long.
        model: Look only at the vectors of this model. Without a size and an age, all of them go.

    Raises:
        CacheError: If the folder is no cache of this version.
    """
    freed = discard_older(folder)
    shards = [
        Shard(path)
        for holding in holdings(folder)
        if model is None or (holding.space is not None and holding.space.model == model)
        for path in holding.folder.glob("*.index")
    ]
    shards.sort(key=Shard.last_used)
    left = sum(shard.bytes() for shard in shards)
    everything = max_bytes is None and older_than_days is None
    before = time.time() - _DAY * (older_than_days or 0.0)
    for shard in shards:
        old = older_than_days is not None and shard.last_used() < before
        if everything or old or (max_bytes is not None and left > max_bytes):
            size = shard.bytes()
            shard.remove()
            left, freed = left - size, freed + size
    for description in folder.glob("*/space.json"):
        remove_empty(description.parent)
    return freed


def _texts(shard: Shard) -> int:
    try:
        return sum(len(entries.hashes) for entries in shard.new_entries())
    except DamagedShardError:
        return 0
