"""A low-rank change of a weight matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["LowRankUpdate"]


@dataclass(frozen=True)
class LowRankUpdate:
    """W' = W + scale * left @ right, for linear layers and embeddings alike.

    Attributes:
        left: Shape (rows of W, rank).
        right: Shape (rank, columns of W).
        scale: Factor of the change.
    """

    left: torch.Tensor
    right: torch.Tensor
    scale: float
