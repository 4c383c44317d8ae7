"""The ways of turning text into vectors, one a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.errors import ModelError
from model.source import ModelSource

if TYPE_CHECKING:
    from model.backend import Backend

__all__ = ["PRECISIONS", "load_backend"]

PRECISIONS = ("float32", "bfloat16", "float16")
"""Number formats a model can compute in."""


def load_backend(
    source: ModelSource,
    *,
    device: str = "auto",
    precision: str = "float32",
    max_length: int | None = None,
    batch_size: int = 32,
) -> Backend:
    """Load a model.

    Args:
        source: Which one, from `resolve_model`.
        device: "auto" (CUDA where present, else CPU), "cpu", "cuda" or "cuda:N".
        precision: One of `PRECISIONS`.
        max_length: Longest input in tokens; None for the model's own limit.
        batch_size: Texts a batch.

    Raises:
        ModelError: If the model cannot be loaded or run as asked.
    """
    if source.kind == "lexical":
        from model.backends.lexical import LexicalBackend

        if max_length is not None or precision != "float32" or device not in ("auto", "cpu"):
            raise ModelError(
                "model 'lexical' has no maximum length, runs in float32 and on the CPU"
            )
        return LexicalBackend()
    from model.backends.sentence_transformers import SentenceTransformersBackend

    return SentenceTransformersBackend(
        source, device=device, precision=precision, max_length=max_length, batch_size=batch_size
    )
