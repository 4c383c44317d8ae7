"""Windows over inputs that are longer than a model reads."""

from __future__ import annotations

__all__ = ["OVERLAP", "window_overlap", "windows_over"]

OVERLAP = 256
"""Tokens that neighbouring windows share, as published in jina-ai/late-chunking."""


def window_overlap(max_length: int) -> int:
    """Tokens that neighbouring windows share: half of what the model reads if that is less."""
    return min(OVERLAP, max_length // 2)


def windows_over(length: int, size: int, overlap: int) -> list[tuple[int, int, int]]:
    """Windows over an input: first token, first of those not dropped, end.

    Args:
        length: Tokens of the input, special tokens included.
        size: Tokens that the model reads at once.
        overlap: Tokens that neighbouring windows share, fewer than `size`.
    """
    starts = range(0, max(1, length - overlap), size - overlap)
    return [(start, start + overlap if start else 0, min(start + size, length)) for start in starts]
