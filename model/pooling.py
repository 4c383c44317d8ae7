"""Pooling: the token vectors of packed texts become one vector a text, in float32."""

from __future__ import annotations

from typing import Literal, get_args

import torch

from model.packing import PackedBatch

__all__ = ["POOLINGS", "Pooling", "pool"]

Pooling = Literal["mean", "cls", "lasttoken"]
"""By sentence-transformers' names."""

POOLINGS: tuple[str, ...] = get_args(Pooling)


def pool(hidden: torch.Tensor, batch: PackedBatch, pooling: Pooling) -> torch.Tensor:
    """Pool the token vectors of each text.

    Args:
        hidden: Token vectors, shape (tokens, width).
        batch: Which texts they belong to.
        pooling: "mean" over all tokens, special tokens and prompt included;
            "cls": the first token; "lasttoken": the last.

    Returns:
        Shape (texts, width), float32.
    """
    ends = batch.cumulative.long()
    if pooling == "cls":
        return hidden[ends[:-1]].float()
    if pooling == "lasttoken":
        return hidden[ends[1:] - 1].float()
    # Summed text by text in order, not by index_add_, whose order on a GPU is a matter of chance.
    return torch.segment_reduce(hidden.float(), "mean", offsets=ends)
