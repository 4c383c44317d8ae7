"""What a model folder holds, read without loading it: fingerprint, number of weights."""

import hashlib
import json
import math
from pathlib import Path

from model.errors import ModelError

__all__ = ["count_parameters", "file_digest", "fingerprint_folder", "weight_files"]

_DECIDING = (".safetensors", ".json", ".txt", ".model")
"""Endings of the files that decide a model's vectors: weights, configuration, tokenizer."""


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The folder's weights.

    Raises:
        ModelError: If there are none, or only in a format that can run code.
    """
    files = tuple(sorted(folder.rglob("*.safetensors")))
    if files:
        return files
    pickled = sorted(path.name for path in folder.rglob("*.bin"))
    if pickled:
        raise ModelError(
            f"model folder {folder} has weights only as {pickled[0]}, which can run code when "
            "loaded; jina-eval reads safetensors only"
        )
    raise ModelError(f"model folder {folder} has no weights (no *.safetensors file)")


def fingerprint_folder(folder: Path) -> str:
    """SHA-256 over names and contents of weights, configuration and tokenizer files.

    Raises:
        ModelError: If a file in the hub's cache is not the one that the hub stated.
    """
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in _DECIDING and not _hidden(path, folder)
    )
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        content = file_digest(path)
        _check_fetched(path, content)
        digest.update(bytes.fromhex(content))
    return digest.hexdigest()


def _check_fetched(path: Path, digest: str) -> None:
    """The hub's cache keeps large files under the SHA-256 that the hub stated for them."""
    stored = path.resolve()
    if stored.parent.name == "blobs" and len(stored.name) == 64 and stored.name != digest:
        raise ModelError(
            f"{path} is damaged: its checksum is {digest[:12]}…, the hub stated "
            f"{stored.name[:12]}…; named as on the hub, the model is fetched again"
        )


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def count_parameters(folder: Path) -> int:
    """Number of weights, summed over the headers of the safetensors files.

    Raises:
        ModelError: If a header cannot be read.
    """
    return sum(_count(path) for path in weight_files(folder))


def _count(path: Path) -> int:
    # Format: 8 bytes little-endian header length, then a JSON header
    # (https://github.com/huggingface/safetensors#format).
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return sum(
            math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__"
        )
    except (ValueError, KeyError, TypeError, AttributeError, MemoryError, OverflowError) as error:
        raise ModelError(f"{path} is not a safetensors file ({error})") from error


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
