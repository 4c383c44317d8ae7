"""Data sets from the hub: fetched once, at one commit, every file checked.

A data set counts as fetched once all its files are in the hub's cache and each had the checksum
that the hub states for it; a manifest in the cache, written last, says so. Tasks then read the
folder, so that neither a moved branch nor another cached revision can take its place.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jina_eval.core.errors import FetchError
from jina_eval.core.fetching import BytesDone, fetch, find, is_offline, total_bytes
from jina_eval.core.hub_cache import CachedRepository
from jina_eval.core.hub_files import Repository
from tasks.errors import DataUnavailableError

__all__ = ["BytesDone", "DataSet", "dataset_bytes", "fetch_dataset", "find_dataset", "row_cache"]


@dataclass(frozen=True, order=True)
class DataSet:
    """A data set on the hub at one commit.

    Attributes:
        name: "organisation/data set".
        revision: its commit.
    """

    name: str
    revision: str

    @property
    def repository(self) -> Repository:
        """Where it is on the hub."""
        return Repository("dataset", self.name)

    def __str__(self) -> str:
        return f"{self.name} at {self.revision}"


def find_dataset(data: DataSet) -> Path | None:
    """Return the folder of a data set that was fetched and is still whole, or None.

    No network is used. A file that has changed since it was checked is compared with its
    checksum.
    """
    return find(data.repository, data.revision)


def dataset_bytes(data: DataSet) -> int:
    """Return how many bytes a data set has on the hub.

    Raises:
        DataUnavailableError: the hub does not say.
    """
    with _named(data):
        return total_bytes(data.repository, data.revision)


def fetch_dataset(data: DataSet, done: BytesDone = lambda _: None) -> Path:
    """Fetch what is missing of a data set and check every file; return its folder.

    Args:
        data: what to fetch.
        done: told of bytes, from several threads.

    Raises:
        DataUnavailableError: the hub has it not or does not give it, or a file is not the one
            that the hub lists. What was fetched is kept for the next attempt.
    """
    missing = find_dataset(data) is None
    with _named(data):
        folder, _ = fetch(data.repository, data.revision, done=done)
    if missing:
        shutil.rmtree(row_cache(data), ignore_errors=True)  # made of other files, if there
    return folder


def row_cache(data: DataSet) -> Path:
    """Return the folder for what `datasets` makes of a data set's files."""
    return CachedRepository(data.repository).own / data.revision


@contextmanager
def _named(data: DataSet) -> Iterator[None]:
    """Name the data set in errors of the fetcher."""
    if is_offline() and find_dataset(data) is None:
        raise DataUnavailableError(
            f"data {data} is not here, and the hub may not be asked (offline); "
            "fetch it first: jina-eval fetch SUITE"
        )
    try:
        yield
    except FetchError as error:
        raise DataUnavailableError(f"data {data}: {error}") from error
