"""Refuse what is no text and what is no embedding, by name."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from model.errors import ModelError, ModelOutputError

__all__ = ["check_texts", "check_vectors", "is_sound"]

_SHORTEST = 1e-12
"""Shorter vectors are not brought to unit length by `torch.nn.functional.normalize` (its `eps`)."""


def check_texts(texts: Sequence[object]) -> None:
    """Refuse anything that is not a text.

    Raises:
        ModelError: If an item is no string, or a string that is no Unicode text.
    """
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            kind = type(text).__name__
            raise ModelError(f"text {index} of {len(texts)} is a {kind}, not a string")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ModelError(
                f"text {index} of {len(texts)} is not valid Unicode: {error.reason} "
                f"at character {error.start}"
            ) from error


def is_sound(vectors: npt.NDArray[np.float32], width: int | None) -> bool:
    """Whether all vectors, shape (n, width), are finite and not zero."""
    fits = vectors.ndim == 2 and width in (None, vectors.shape[1])
    return fits and bool(np.isfinite(vectors).all() and vectors.any(axis=1).all())


def check_vectors(
    vectors: npt.NDArray[np.float32],
    texts: Sequence[str],
    width: int | None,
    counts: npt.NDArray[np.int64] | None = None,
) -> None:
    """Refuse vectors that are no embeddings of these texts.

    Args:
        vectors: Should have shape (len(texts), width), or with `counts` (their sum, width), and
            dtype float32.
        texts: The texts, to name the one that went wrong.
        width: The width every vector must have; None for any.
        counts: Vectors of each text, which must be at least one, shape (len(texts),).

    Raises:
        ModelOutputError: If the shape or the dtype is wrong, or a vector is not finite, zero, or so
            short or long that float32 has no cosine of it.
    """
    if vectors.dtype != np.float32:
        raise ModelOutputError(f"the model returned {vectors.dtype} vectors; expected float32")
    if counts is not None:
        if len(counts) != len(texts) or (counts < 1).any():
            raise ModelOutputError(f"the model returned no chunks for some of {len(texts)} texts")
        texts = [text for text, n in zip(texts, counts.tolist(), strict=True) for _ in range(n)]
    if vectors.ndim != 2 or len(vectors) != len(texts):
        raise ModelOutputError(
            f"the model returned shape {vectors.shape} for {len(texts)} texts; "
            "expected one vector a text"
        )
    if width is not None and vectors.shape[1] != width:
        raise ModelOutputError(
            f"the model returned vectors of width {vectors.shape[1]}; expected {width}"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("ij,ij->i", vectors, vectors)
    for what, bad in (
        ("a vector that is not finite", np.flatnonzero(~np.isfinite(vectors).all(axis=1))),
        ("a zero vector", np.flatnonzero(~vectors.any(axis=1))),
        ("a vector too short for a cosine in float32", np.flatnonzero(squares < _SHORTEST**2)),
        ("a vector too long for a cosine in float32", np.flatnonzero(np.isinf(squares))),
    ):
        if len(bad):
            start = texts[bad[0]][:60] + ("…" if len(texts[bad[0]]) > 60 else "")
            raise ModelOutputError(
                f"the model returned {what} for {len(bad)} of {len(texts)} texts, "
                f"the first is {start!r}"
            )
