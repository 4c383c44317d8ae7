"""The ways of turning text into vectors, one a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.attention.names import ATTENTION_NAMES
from model.errors import ModelError
from model.precision import AUTO, PRECISIONS, resolve_precision
from model.source import ModelSource

if TYPE_CHECKING:
    from model.backend import Backend

__all__ = ["PRECISIONS", "check_settings", "load_backend"]


def check_settings(
    source: ModelSource,
    *,
    device: str = "auto",
    precision: str = AUTO,
    max_length: int | None = None,
    batch_size: int = 32,
    attention: str = "auto",
    token_budget: int | None = None,
) -> None:
    """Refuse settings that no model has, or that this one could only ignore.

    Takes what `load_backend` takes, and needs no torch.

    Raises:
        ModelError: If a setting is wrong; the message names it and what is allowed.
    """
    for name, number in (
        ("max_length", max_length),
        ("batch_size", batch_size),
        ("token_budget", token_budget),
    ):
        if number is not None and number < 1:
            raise ModelError(f"{name} is {number}: allowed is 1 or more")
    for name, value, allowed in (
        ("precision", precision, (AUTO, *PRECISIONS)),
        ("attention", attention, ATTENTION_NAMES),
    ):
        if value not in allowed:
            raise ModelError(f"{name} is {value!r}; allowed: {', '.join(allowed)}")
    if source.kind == "sentence-transformers" and precision == "float8":
        raise ModelError(
            f"precision is 'float8': {source.name} runs in {', '.join(PRECISIONS[:-1])}"
        )
    if source.kind == "lexical":
        _check_lexical(device, precision, max_length, attention)


def _check_lexical(device: str, precision: str, max_length: int | None, attention: str) -> None:
    if max_length is not None:
        raise ModelError(f"max_length is {max_length}: model 'lexical' has no maximum length")
    if precision not in (AUTO, PRECISIONS[0]):
        raise ModelError(f"precision is {precision!r}: model 'lexical' runs in {PRECISIONS[0]}")
    if attention != "auto":
        raise ModelError(f"attention is {attention!r}: model 'lexical' has none")
    if device not in ("auto", "cpu"):
        raise ModelError(f"device is {device!r}: model 'lexical' runs on the CPU")


def load_backend(
    source: ModelSource,
    *,
    device: str = "auto",
    precision: str = AUTO,
    max_length: int | None = None,
    batch_size: int = 32,
    attention: str = "auto",
    token_budget: int | None = None,
) -> Backend:
    """Load a model.

    Args:
        source: Which one, from `resolve_model`.
        device: "auto" (CUDA where present, else CPU), "cpu", "cuda", "cuda:N" or "mps".
        precision: One of `PRECISIONS`, or "auto", see `model.precision.resolve_precision`.
        max_length: Longest input in tokens; None for the model's own limit.
        batch_size: Texts per batch, for models that cannot read packed input.
        attention: One of `ATTENTION_NAMES`.
        token_budget: Tokens per batch, for models that read packed input; None
            for what suits the device.

    Raises:
        ModelError: If the model cannot be loaded or run as asked.
    """
    check_settings(
        source,
        device=device,
        precision=precision,
        max_length=max_length,
        batch_size=batch_size,
        attention=attention,
        token_budget=token_budget,
    )
    precision = resolve_precision(source, precision, device)
    if source.kind == "lexical":
        from model.backends.lexical import LexicalBackend

        return LexicalBackend()
    if source.kind == "jina-embeddings-v3":
        from model.backends.jina_v3 import JinaV3Backend

        return JinaV3Backend(
            source,
            device=device,
            precision=precision,
            max_length=max_length,
            attention=attention,
            token_budget=token_budget,
        )
    from model.backends.sentence_transformers import SentenceTransformersBackend

    return SentenceTransformersBackend(
        source,
        device=device,
        precision=precision,
        max_length=max_length,
        batch_size=batch_size,
        attention=attention,
        token_budget=token_budget,
    )
