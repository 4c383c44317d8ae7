"""The hub's cache on disk: the layout of `huggingface_hub`, and what is known to be whole in it.

    <HF_HUB_CACHE>/<kind>s--<organisation>--<name>/
        blobs/<digest>                 contents, by the checksum that the hub states
        snapshots/<commit>/<file>      links to them
        refs/<branch or tag>           the commit it was at
        jina-eval/<commit>.json        manifest: all wanted files are there and were checked
        jina-eval/<commit>.fetching    a fetch that has not ended

Other programs that use the cache find what was fetched here, and the other way round.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from jina_eval.core.hub_files import COMMIT, HubFile, Listing, Repository

__all__ = ["CachedRepository"]


class CachedRepository:
    """A repository's folder in the cache."""

    def __init__(self, repository: Repository) -> None:
        """Name the folder; nothing is made yet."""
        from huggingface_hub import constants

        kind, name = repository.kind, repository.name.replace("/", "--")
        self._locks = Path(constants.HF_HUB_CACHE) / ".locks" / f"{kind}s--{name}"
        self.folder = Path(constants.HF_HUB_CACHE) / f"{kind}s--{name}"
        self.own = self.folder / "jina-eval"

    def snapshot(self, commit: str) -> Path:
        """The folder with the files of a commit."""
        return self.folder / "snapshots" / commit

    def blob(self, file: HubFile) -> Path:
        """Where a file's content is."""
        return self.folder / "blobs" / file.digest

    def lock(self, file: HubFile) -> Path:
        """The lock of a file's content: the one that `huggingface_hub` takes."""
        return self._locks / f"{file.digest}.lock"

    def manifest(self, commit: str) -> Path:
        """Says that a commit's files are there."""
        return self.own / f"{commit}.json"

    def mark(self, commit: str) -> Path:
        """Says that a fetch of a commit has begun and not ended."""
        return self.own / f"{commit}.fetching"

    def commit_of(self, revision: str) -> str | None:
        """The commit that a revision was at when it was last fetched; None if it never was."""
        if COMMIT.fullmatch(revision):
            return revision
        with suppress(OSError, ValueError):
            commit = self._reference(revision).read_text(encoding="ascii").strip()
            return commit if COMMIT.fullmatch(commit) else None
        return None

    def note_commit(self, revision: str, commit: str) -> None:
        """Remember which commit a branch or tag is at."""
        if revision == commit or self.commit_of(revision) == commit:
            return
        path = self._reference(revision)
        if path.is_relative_to(self.folder / "refs") and ".." not in path.parts:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, commit)

    def whole(self, commit: str, selection: str) -> Path | None:
        """The folder of a commit whose files are all there and unchanged; None if one is not.

        A file whose size and time of change are those of when it was checked is not read again;
        one with another time is compared with its checksum.
        """
        try:
            known = json.loads(self.manifest(commit).read_bytes())
            place = known["folder"]
            if not isinstance(place, str) or not known["files"]:
                return None
            folder = self.folder / place
            if known.get("selection", "") != selection or not folder.is_relative_to(self.folder):
                return None
            times = known.get("times") or {}
            current: dict[str, int] = {}
            for name, size in known["files"].items():
                found = (folder / name).stat()
                current[name] = found.st_mtime_ns
                if found.st_size != size:
                    return None
                if name not in times or times[name] == found.st_mtime_ns:
                    continue
                if not HubFile(name, size, known["digests"][name]).matches(folder / name):
                    return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        if times and times != current:  # copied: need not be read the next time
            with suppress(OSError):
                _write(self.manifest(commit), json.dumps({**known, "times": current}, indent=1))
        return folder

    def damaged(self, commit: str) -> list[str]:
        """Files of a manifest that are no longer what they were, by their checksums."""
        try:
            known = json.loads(self.manifest(commit).read_bytes())
            folder = self.folder / known["folder"]
            files = [HubFile(name, size, known["digests"][name]) for name, size in _items(known)]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return []
        return [file.name for file in files if not _is(file, folder / file.name)]

    def forget(self, commit: str) -> None:
        """Take back what the manifest says, before files are replaced."""
        self.manifest(commit).unlink(missing_ok=True)

    def begin(self, commit: str) -> None:
        """Note that a commit's folder may be incomplete from here on."""
        self.own.mkdir(parents=True, exist_ok=True)
        self.mark(commit).touch()

    def finish(self, listing: Listing, selection: str) -> Path:
        """Note that all files are there; returns their folder."""
        folder = self.snapshot(listing.commit)
        content = {
            "folder": folder.relative_to(self.folder).as_posix(),
            "selection": selection,
            "files": {file.name: file.size for file in listing.files},
            "digests": {file.name: file.digest for file in listing.files},
            "times": {file.name: (folder / file.name).stat().st_mtime_ns for file in listing.files},
        }
        _write(self.manifest(listing.commit), json.dumps(content, indent=1))
        self.mark(listing.commit).unlink(missing_ok=True)
        return folder

    def link(self, file: HubFile, commit: str) -> None:
        """Let a file of a commit be a content of the cache."""
        place, blob = self.snapshot(commit) / file.name, self.blob(file)
        place.parent.mkdir(parents=True, exist_ok=True)
        new = place.with_name(f"{place.name[:100]}.{os.getpid()}.new")
        try:
            new.symlink_to(os.path.relpath(blob, place.parent))
        except OSError:  # no links on this file system
            shutil.copyfile(blob, new)
        new.replace(place)

    def _reference(self, revision: str) -> Path:
        return self.folder / "refs" / revision


def _items(known: Any) -> list[tuple[str, int]]:
    return list(known["files"].items())


def _is(file: HubFile, path: Path) -> bool:
    try:
        return file.matches(path)
    except OSError:
        return False


def _write(path: Path, content: str) -> None:
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    new.write_text(content, encoding="utf-8")
    new.replace(path)
