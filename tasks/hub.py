"""Data sets from the hub: fetched once, at one commit, every file checked.

A data set counts as fetched once all its files are in the hub's cache and each had the checksum
that the hub states for it; a manifest in the cache, written last, says so. Tasks then read the
folder, so that neither a moved branch nor another cached revision can take its place.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tasks.errors import DataUnavailableError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["BytesDone", "DataSet", "dataset_bytes", "fetch_dataset", "find_dataset", "row_cache"]

BytesDone = Callable[[int], None]
"""Called with the number of bytes fetched, or found in the cache, since the last call."""

_T = TypeVar("_T")

_ATTEMPTS = 3
_WAIT_SECONDS = 1.0
_WORKERS = 4
_BLOCK = 1 << 20
_REPOSITORY_FILES = (".gitattributes", ".gitignore")


@dataclass(frozen=True, order=True)
class DataSet:
    """A data set on the hub at one commit.

    Attributes:
        name: "organisation/data set".
        revision: its commit.
    """

    name: str
    revision: str

    def __str__(self) -> str:
        return f"{self.name} at {self.revision}"


@dataclass(frozen=True)
class _File:
    """A file as the hub lists it.

    Attributes:
        name: path within the data set.
        size: bytes.
        digest: SHA-256 of a large file, git's SHA-1 of others.
    """

    name: str
    size: int
    digest: str

    def matches(self, path: Path) -> bool:
        """Whether a file on disk is this one."""
        size = path.stat().st_size
        if size != self.size:
            return False
        found = hashlib.sha256() if len(self.digest) == 64 else hashlib.sha1(usedforsecurity=False)
        if len(self.digest) != 64:
            found.update(f"blob {size}\0".encode())
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                found.update(block)
        return found.hexdigest() == self.digest


def find_dataset(data: DataSet) -> Path | None:
    """Return the folder of a data set that was fetched and is still whole, or None.

    No network is used. Sizes are compared with the manifest; checksums were when it was fetched.
    """
    try:
        path = _manifest(data)
        manifest: dict[str, Any] = json.loads(path.read_bytes())
        folder = path.parents[1] / manifest["folder"]
        whole = all((folder / name).stat().st_size == n for name, n in manifest["files"].items())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return folder if whole else None


def dataset_bytes(data: DataSet) -> int:
    """Return how many bytes a data set has on the hub.

    Raises:
        DataUnavailableError: the hub does not say.
    """
    return sum(file.size for file in _list_files(_api(data), data))


def fetch_dataset(data: DataSet, done: BytesDone = lambda _: None) -> Path:
    """Fetch what is missing of a data set and check every file; return its folder.

    Args:
        data: what to fetch.
        done: told of bytes, from several threads.

    Raises:
        DataUnavailableError: the hub has it not or does not give it, or a file is not the one
            that the hub lists. Whole files are kept for the next attempt.
    """
    api = _api(data)
    files = _list_files(api, data)
    pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="fetch")
    try:
        waiting = {pool.submit(_fetch_file, api, data, file, done): file for file in files}
        paths = {waiting[future].name: future.result() for future in as_completed(waiting)}
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    first = files[0].name
    folder = paths[first].parents[first.count("/")]
    shutil.rmtree(row_cache(data), ignore_errors=True)  # made of other files, if there
    _write_manifest(data, folder, files)
    return folder


def _api(data: DataSet) -> HfApi:
    from huggingface_hub import HfApi, constants

    if constants.HF_HUB_OFFLINE:
        raise DataUnavailableError(
            f"data {data} is not here, and the hub may not be asked (offline); "
            "fetch it first: jina-eval fetch SUITE"
        )
    return HfApi(endpoint=constants.ENDPOINT)


def _list_files(api: HfApi, data: DataSet) -> list[_File]:
    from huggingface_hub import constants

    timeout = constants.HF_HUB_ETAG_TIMEOUT
    info = _patiently(
        lambda: api.dataset_info(
            data.name, revision=data.revision, files_metadata=True, timeout=timeout
        ),
        data,
    )
    files = []
    for entry in info.siblings or ():
        digest = entry.lfs.sha256 if entry.lfs is not None else entry.blob_id
        if entry.rfilename in _REPOSITORY_FILES:
            continue
        if entry.size is None or digest is None:
            raise DataUnavailableError(
                f"data {data}: the hub states no checksum of {entry.rfilename}"
            )
        files.append(_File(entry.rfilename, entry.size, digest))
    if not files:
        raise DataUnavailableError(f"data {data}: the hub lists no files")
    return files


def _fetch_file(api: HfApi, data: DataSet, file: _File, done: BytesDone) -> Path:
    """One file's path in the cache, fetched if it is not there, and anew if it is another."""
    from huggingface_hub import hf_hub_download

    told = 0

    def tell(count: int) -> None:
        nonlocal told
        count = min(count, file.size - told)  # what is fetched anew was told before
        told += count
        done(count)

    for attempt in range(_ATTEMPTS):

        def fetch(anew: bool = attempt > 0) -> Path:
            return Path(
                hf_hub_download(
                    data.name,
                    file.name,
                    repo_type="dataset",
                    revision=data.revision,
                    endpoint=api.endpoint,
                    force_download=anew,
                    tqdm_class=_relay(tell),
                )
            )

        path = _patiently(fetch, data)
        if file.matches(path):
            tell(file.size)
            return path
    path.resolve().unlink(missing_ok=True)
    raise DataUnavailableError(
        f"data {data}: {file.name} came {_ATTEMPTS} times with another checksum than "
        f"{file.digest[:12]}…, which the hub states"
    )


def _relay(tell: BytesDone) -> Any:
    """A bar for the hub's client that draws nothing and passes on how many bytes came."""
    from tqdm.auto import tqdm  # type: ignore[import-untyped,unused-ignore]

    class Relay(tqdm):  # type: ignore[type-arg,misc,unused-ignore]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            options.pop("name", None)
            super().__init__(*arguments, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> None:
            tell(int(n or 0))

    return Relay


def _patiently(ask: Callable[[], _T], data: DataSet) -> _T:
    """Ask the hub, and again after what may pass; name what will not."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return ask()
        except Exception as error:
            reason, may_pass = _explain(error)
            if reason is None:
                raise
            if not may_pass or attempt == _ATTEMPTS:
                raise DataUnavailableError(f"data {data}: {reason}") from error
        time.sleep(_WAIT_SECONDS * 2 ** (attempt - 1))
    raise AssertionError("not reached")


def _explain(error: Exception) -> tuple[str | None, bool]:
    """What an error of the hub's client means, and whether it may pass; None if it is no such."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, GatedRepoError):
        return "the hub asks to accept its terms and log in", False
    if isinstance(error, RevisionNotFoundError):
        return "the hub has the data set, but not this revision", False
    if isinstance(error, RepositoryNotFoundError):
        return "the hub has no such public data set (a private one asks to log in)", False
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        if status == 401:
            return "the hub asks to log in", False
        return f"the hub answered {status}", status in (408, 429) or status >= 500
    # Connections, timeouts and short bodies come as kinds of the HTTP library, or as OSError.
    if isinstance(error, OSError) or type(error).__module__.startswith("http"):
        said = " ".join(str(error).split()) or type(error).__name__
        return f"the hub cannot be reached, or broke off ({said[:200]})", True
    return None, False


def row_cache(data: DataSet) -> Path:
    """Return the folder for what `datasets` makes of a data set's files."""
    return _manifest(data).with_suffix("")


def _manifest(data: DataSet) -> Path:
    from huggingface_hub import constants

    name = f"datasets--{data.name.replace('/', '--')}"
    return Path(constants.HF_HUB_CACHE) / name / "jina-eval" / f"{data.revision}.json"


def _write_manifest(data: DataSet, folder: Path, files: list[_File]) -> None:
    path = _manifest(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    where = folder.relative_to(path.parents[1]).as_posix()
    content = {"folder": where, "files": {file.name: file.size for file in files}}
    new = path.with_suffix(".new")
    new.write_text(json.dumps(content, indent=1), encoding="utf-8")
    new.replace(path)
