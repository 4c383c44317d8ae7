"""Fetch a repository from the hub: whole, at one commit, every file checked.

The one fetcher for models and data sets. What is in the cache already and is what the hub lists
is not fetched again; what is damaged there is. Partial files are continued.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from jina_eval.core import transfer
from jina_eval.core.errors import FetchError
from jina_eval.core.hub_cache import CachedRepository
from jina_eval.core.hub_files import COMMIT, HubFile, Listing, Repository, file_address, list_files

__all__ = ["BytesDone", "Selection", "fetch", "find", "is_offline", "total_bytes"]

log = logging.getLogger(__name__)

BytesDone = Callable[[int], None]
"""Called with the number of bytes fetched, or found in the cache, since the last call."""

_WORKERS = 4
_CHECKSUM_ATTEMPTS = 3
_MAIN = "main"


@dataclass(frozen=True)
class Selection:
    """Which files of a repository are wanted.

    Attributes:
        name: Stands for the rule in the cache; a changed rule needs a changed name.
        wanted: Whether a file is wanted, by its path.
    """

    name: str = ""
    wanted: Callable[[str], bool] = lambda _: True


def is_offline() -> bool:
    """Whether the hub may not be asked."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def find(repository: Repository, commit: str, selection: Selection | None = None) -> Path | None:
    """The folder of what was fetched and is still whole, or None. No network is used."""
    selection = selection or Selection()
    return CachedRepository(repository).whole(commit, selection.name)


def total_bytes(repository: Repository, revision: str, selection: Selection | None = None) -> int:
    """How many bytes the wanted files have on the hub.

    Raises:
        FetchError: If the hub does not say.
    """
    wanted = (selection or Selection()).wanted
    listing = list_files(repository, revision, wanted, transfer.PATIENCE)
    return sum(file.size for file in listing.files)


def fetch(
    repository: Repository,
    revision: str | None = None,
    selection: Selection | None = None,
    done: BytesDone = lambda _: None,
    *,
    heal: bool = False,
) -> tuple[Path, str]:
    """Fetch what is missing; return the folder and the commit.

    Where the hub cannot be reached, a whole copy of the revision in the cache will do.

    Args:
        repository: What to fetch.
        revision: Branch, tag or commit; None for the main branch.
        selection: Which files; None for all.
        done: Told of bytes, from several threads.
        heal: Compare every file with its checksum, also where nothing seems to be missing, and
            fetch those again that are damaged.

    Raises:
        FetchError: If the hub does not have it or does not give it, or a file is not the one that
            the hub lists. What was fetched is kept for the next attempt.
    """
    selection = selection or Selection()
    revision = revision or _MAIN
    cache = CachedRepository(repository)
    if COMMIT.fullmatch(revision) and not heal:
        folder = cache.whole(revision, selection.name)
        if folder is not None:
            return folder, revision
    if is_offline():
        return _copy(cache, revision, selection, heal, FetchError(_OFFLINE, "offline"))
    patience = transfer.PATIENCE
    known = cache.commit_of(revision)
    if known is not None and cache.whole(known, selection.name) is not None:
        patience = replace(patience, attempts=min(2, patience.attempts))  # a copy may do
    try:
        listing = list_files(repository, revision, selection.wanted, patience)
    except FetchError as outage:
        if outage.failure == "no revision":
            raise
        error = outage
        if outage.failure in _OUTAGES:
            error = FetchError(f"{outage}; there is no copy in the cache", outage.failure)
        folder, commit = _copy(cache, revision, selection, heal, error)
        log.warning("%s: %s; using the copy at %s", repository.name, outage, commit)
        return folder, commit
    folder = None if heal else cache.whole(listing.commit, selection.name)
    try:
        if folder is None:
            folder = _Fetch(repository, cache, listing, done).run(selection.name)
        cache.note_commit(revision, listing.commit)
    except OSError as error:  # a full disk, a folder that cannot be written
        said = error.strerror or str(error)
        raise FetchError(f"{error.filename or cache.folder}: {said}", "disk") from error
    return folder, listing.commit


_OUTAGES = ("unreachable", "slow", "rate limit", "status")
_OFFLINE = "the hub cannot be reached (offline), and there is no copy in the cache"


def _copy(
    cache: CachedRepository, revision: str, selection: Selection, heal: bool, error: FetchError
) -> tuple[Path, str]:
    """A copy of a revision that is whole, as far as can be said without the hub."""
    commit = cache.commit_of(revision)
    if commit is None:
        raise error
    folder = cache.whole(commit, selection.name)
    damaged = cache.damaged(commit) if heal or folder is None else []
    if damaged:
        raise FetchError(
            f"{damaged[0]} is missing or damaged in the cache, and the hub cannot be asked for it; "
            "run once with a connection",
            error.failure,
        ) from error
    if folder is None and not cache.mark(commit).exists() and not cache.manifest(commit).exists():
        folder = _foreign(cache, commit, selection)
    if folder is None:
        raise error
    return folder, commit


def _foreign(cache: CachedRepository, commit: str, selection: Selection) -> Path | None:
    """A copy that another program fetched; its completeness is taken on trust."""
    folder = cache.snapshot(commit)
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return folder if any(map(selection.wanted, found)) else None


class _Fetch:
    """One fetch of one listing."""

    def __init__(
        self, repository: Repository, cache: CachedRepository, listing: Listing, done: BytesDone
    ) -> None:
        self._repository = repository
        self._cache = cache
        self._listing = listing
        self._done = done
        self._stop = threading.Event()

    def run(self, selection: str) -> Path:
        """Bring every file; return their folder."""
        commit = self._listing.commit
        self._cache.begin(commit)
        self._cache.forget(commit)
        pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="fetch")
        try:
            waiting = [pool.submit(self._bring, file) for file in self._listing.files]
            for future in as_completed(waiting):
                future.result()
        finally:
            self._stop.set()  # an interrupt must not wait for gigabytes
            pool.shutdown(wait=True, cancel_futures=True)
        return self._cache.finish(self._listing, selection)

    def _bring(self, file: HubFile) -> None:
        """See to it that one file is there."""
        from filelock import FileLock

        place = self._cache.snapshot(self._listing.commit) / file.name
        if _matches(file, place):
            self._done(file.size)
            return
        blob, lock = self._cache.blob(file), self._cache.lock(file)
        blob.parent.mkdir(parents=True, exist_ok=True)
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):
            if _matches(file, blob):
                self._done(file.size)
            else:
                self._download(file, blob)
            self._cache.link(file, self._listing.commit)

    def _download(self, file: HubFile, blob: Path) -> None:
        partial = blob.with_name(f"{blob.name}.jina-eval")
        told = _Told(file.size, self._done)
        for _ in range(_CHECKSUM_ATTEMPTS):
            self._transfer(file, partial, told)
            if _matches(file, partial):
                partial.replace(blob)
                told.all()
                return
            partial.unlink()
            told.restart()
        raise FetchError(
            f"{file.name} came {_CHECKSUM_ATTEMPTS} times with another checksum than "
            f"{file.digest[:12]}…, which the hub states",
            "content",
        )

    def _transfer(self, file: HubFile, partial: Path, told: _Told) -> None:
        """Bring as many bytes as the file has, over as many requests as that takes."""
        url = file_address(self._repository, self._listing.commit, file.name)
        patience = transfer.PATIENCE
        begun = 0

        def attempt() -> None:
            nonlocal begun
            with partial.open("ab") as target:
                begun = target.tell()
                if begun > file.size:
                    target.truncate(0)
                    begun = 0
                if begun < file.size or not file.size:
                    told.start_at(begun)
                    transfer.download(url, target, file.size, patience, told, self._stop)

        def progressed() -> bool:
            return partial.stat().st_size - begun >= patience.progress

        try:
            transfer.patiently(attempt, patience, self._stop, progressed)
        except FetchError as error:
            raise FetchError(f"{file.name}: {error}", error.failure) from error


class _Told:
    """Passes on how many bytes of a file there are, each of them once."""

    def __init__(self, size: int, done: BytesDone) -> None:
        self._size = size
        self._done = done
        self._at = self._told = 0

    def __call__(self, count: int) -> None:
        self._at += count
        new = min(self._at, self._size) - self._told
        if new > 0:
            self._told += new
            self._done(new)

    def start_at(self, count: int) -> None:
        """A transfer continues behind so many bytes."""
        self._at = 0
        self(count)

    def restart(self) -> None:
        """A transfer begins again; its bytes were told already."""
        self._at = 0

    def all(self) -> None:
        """Whatever was not told yet, is there."""
        self._at = 0
        self(self._size)


def _matches(file: HubFile, path: Path) -> bool:
    try:
        return file.matches(path)
    except OSError:
        return False
