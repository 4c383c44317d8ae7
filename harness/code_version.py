"""Which code is at work: a hash over it, and over the libraries that decide scores."""

from __future__ import annotations

import hashlib
import importlib.metadata
from pathlib import Path

__all__ = ["code_version"]

_ROOMS = ("harness", "jina_eval", "model", "tasks", "results")
_SUFFIXES = (".py", ".toml", ".gz", ".json")
_LIBRARIES = (
    "bm25s",
    "mteb",
    "numpy",
    "scikit-learn",
    "scipy",
    "sentence-transformers",
    "tokenizers",
    "torch",
    "transformers",
)


def code_version() -> str:
    """Twelve hexadecimal digits; equal ones mean that the same code would run."""
    digest = hashlib.sha256()
    root = Path(__file__).parent.parent
    for room in _ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.suffix in _SUFFIXES and path.is_file():
                digest.update(f"{path.relative_to(root)}\n".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    for name in _LIBRARIES:
        try:
            digest.update(f"{name} {importlib.metadata.version(name)}\n".encode())
        except importlib.metadata.PackageNotFoundError:
            digest.update(f"{name} absent\n".encode())
    return digest.hexdigest()[:12]
