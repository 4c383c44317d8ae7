"""What vectors were encoded with: everything that decides them beside the text."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

__all__ = ["FORMAT", "Space"]

FORMAT = 2
"""Raised whenever files change, or a change of ours moves the vectors of a model."""


@dataclass(frozen=True)
class Space:
    """Two equal ones give equal vectors to equal texts, up to float32's last bits.

    Attributes:
        model: The model's name; for people, the fingerprint decides.
        fingerprint: SHA-256 over its weights, configuration and tokenizer.
        backend: What turns its text into vectors.
        precision: Number format of its arithmetic.
        max_length: Tokens after which texts are cut; None for no limit.
        adapter: The adapter in force; None for none.
        prompt: What is put before each text.
        chunking: How a text becomes vectors; "none" for one of the whole.
    """

    model: str
    fingerprint: str
    backend: str
    precision: str
    max_length: int | None
    adapter: str | None = None
    prompt: str = ""
    chunking: str = "none"

    def as_dict(self) -> dict[str, str | int | None]:
        """As JSON data."""
        return asdict(self)

    def key(self) -> str:
        """SHA-256 over all but the name, 32 hexadecimal digits: the name of its folder."""
        fields = self.as_dict()
        del fields["model"]
        canonical = json.dumps({"format": FORMAT, **fields}, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()[:32]
