"""Which files a repository of the hub has at a revision, and what each must be."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from jina_eval.core import transfer
from jina_eval.core.errors import FetchError

__all__ = ["COMMIT", "HubFile", "Listing", "Repository", "file_address", "list_files"]

COMMIT = re.compile("[0-9a-f]{40}")
"""A full commit."""

_DIGEST = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_BLOCK = 1 << 20
_NOT_DATA = (".gitattributes", ".gitignore")


@dataclass(frozen=True, order=True)
class Repository:
    """A repository on the hub.

    Attributes:
        kind: What it holds.
        name: "organisation/name".
    """

    kind: Literal["model", "dataset"]
    name: str


@dataclass(frozen=True)
class HubFile:
    """A file as the hub lists it.

    Attributes:
        name: Path within the repository.
        size: Bytes.
        digest: SHA-256 of a file in large file storage, git's blob SHA-1 of any other.
    """

    name: str
    size: int
    digest: str

    def matches(self, path: Path) -> bool:
        """Whether a file on disk is this one.

        Raises:
            OSError: If it cannot be read.
        """
        if path.stat().st_size != self.size:
            return False
        found = hashlib.sha256() if len(self.digest) == 64 else hashlib.sha1(usedforsecurity=False)
        if len(self.digest) != 64:  # git hashes a header, too (git-hash-object)
            found.update(f"blob {self.size}\0".encode())
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                found.update(block)
        return found.hexdigest() == self.digest


@dataclass(frozen=True)
class Listing:
    """A repository's files at one commit.

    Attributes:
        commit: The commit.
        files: Its files; never empty.
    """

    commit: str
    files: tuple[HubFile, ...]


def list_files(
    repository: Repository,
    revision: str,
    wanted: Callable[[str], bool],
    patience: transfer.Patience,
) -> Listing:
    """Ask the hub for a repository's files.

    Args:
        repository: Which one.
        revision: Branch, tag or commit.
        wanted: Whether a file is wanted, by its path.
        patience: How long to wait.

    Raises:
        FetchError: If it does not say, or has no wanted file.
    """
    from huggingface_hub import constants

    url = (
        f"{constants.ENDPOINT}/api/{repository.kind}s/{repository.name}"
        f"/revision/{quote(revision, safe='')}?blobs=true"
    )
    answer = transfer.ask_json(url, patience)
    try:
        commit, entries = answer["sha"], answer["siblings"]
        files = [_file(entry) for entry in entries if entry["rfilename"] not in _NOT_DATA]
        known = COMMIT.fullmatch(commit) is not None
    except (KeyError, TypeError, AttributeError) as error:
        raise FetchError("the hub's list of files cannot be read", "content") from error
    if not known:
        raise FetchError("the hub's list of files names no commit", "content")
    if COMMIT.fullmatch(revision) and commit != revision:
        raise FetchError(f"the hub lists the files of another commit ({commit[:8]})", "content")
    kept = tuple(file for file in files if wanted(file.name))
    if not kept:
        raise FetchError("the hub lists no files that could be used", "content")
    for file in kept:
        _check(file)
    return Listing(commit, kept)


def file_address(repository: Repository, commit: str, name: str) -> str:
    """The URL of a file."""
    from huggingface_hub import constants, hf_hub_url

    return hf_hub_url(
        repository.name,
        name,
        repo_type=repository.kind,
        revision=commit,
        endpoint=constants.ENDPOINT,
    )


def _file(entry: Any) -> HubFile:
    large = entry.get("lfs")
    digest = entry.get("blobId") if large is None else large.get("sha256")
    return HubFile(entry["rfilename"], entry.get("size"), digest)


def _check(file: HubFile) -> None:
    """Refuse what would be stored elsewhere, or could not be checked."""
    parts = file.name.split("/")
    if any(part in ("", ".", "..") for part in parts) or re.search(r"[\\\x00-\x1f:]", file.name):
        raise FetchError(f"the hub lists the file {file.name[:80]!r}, not a usable path", "content")
    if type(file.size) is not int or file.size < 0 or not isinstance(file.digest, str):
        raise FetchError(f"the hub states no size or checksum of {file.name}", "content")
    if not _DIGEST.fullmatch(file.digest):
        raise FetchError(f"the hub states no usable checksum of {file.name}", "content")
