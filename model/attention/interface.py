"""Where transformers' models call attention over packed input.

Registering the name `PACKED` with transformers' `AttentionInterface` lets every
architecture that goes through that interface read packed input: a batch of one
row in which texts stand one after another. Without packed arguments the name
behaves as `sdpa`, so that a padded batch stays right.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from model.attention.kernels import KERNELS
from model.attention.names import SEGMENTS

__all__ = ["PACKED", "Segment", "packed_arguments"]

PACKED = "jina_eval_packed"
"""The name under which transformers knows this attention."""

Segment = tuple[int, int, int]
"""(first token, number of texts, their length): neighbouring texts of equal length."""


@torch.library.custom_op("jina_eval::packed_attention", mutates_args=())
def _packed_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cumulative: torch.Tensor,
    longest: int,
    scale: float,
    kernel: str,
) -> torch.Tensor:
    # An operator of its own, so that compiled layers need not look into it.
    return KERNELS[kernel].run(q, k, v, cumulative, longest, scale)


@_packed_attention.register_fake
def _(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cumulative: torch.Tensor,
    longest: int,
    scale: float,
    kernel: str,
) -> torch.Tensor:
    return torch.empty_like(q, memory_format=torch.contiguous_format)


def packed_arguments(
    cumulative: torch.Tensor, longest: int, kernel: str, segments: tuple[Segment, ...]
) -> dict[str, Any]:
    """What a model's forward is called with beside tokens and positions.

    Args:
        cumulative: Cumulative lengths, shape (texts + 1,), int32.
        longest: Length of the longest text.
        kernel: Name of the kernel, one of `KERNELS` or `SEGMENTS`.
        segments: The texts by length, in order; used by `SEGMENTS` alone.
    """
    if kernel == SEGMENTS:
        return {"packed_segments": segments}
    return {"cu_seq_lens_q": cumulative, "max_length_q": longest, "packed_kernel": kernel}


def _attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    packed_segments: tuple[Segment, ...] | None = None,
    packed_kernel: str | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Transformers' attention function: (1, heads, tokens, head_dim) to (1, tokens, heads, …)."""
    if packed_segments is None and packed_kernel is None:
        padded: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
        return padded
    if attention_mask is not None or query.shape[0] != 1:
        raise RuntimeError("packed input is one row without a mask")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if packed_segments is not None:
        return _attend_segments(query, key, value, packed_segments, scale), None
    q, k, v = (tensor.transpose(1, 2)[0] for tensor in (query, key, value))
    out = _packed_attention(
        q, k, v, kwargs["cu_seq_lens_q"], kwargs["max_length_q"], scale, packed_kernel
    )
    return out[None], None


def _attend_segments(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    segments: tuple[Segment, ...],
    scale: float,
) -> torch.Tensor:
    _, heads, tokens, head_dim = query.shape
    out = query.new_empty(1, tokens, heads, head_dim)
    for first, count, length in segments:
        here = slice(first, first + count * length)
        q, k, v = (
            tensor[0, :, here].reshape(heads, count, length, head_dim).transpose(0, 1)
            for tensor in (query, key, value)
        )
        attended = nn.functional.scaled_dot_product_attention(q, k, v, scale=scale)
        out[0, here].view(count, length, heads, head_dim).copy_(attended.transpose(1, 2))
    return out


AttentionInterface.register(PACKED, _attention)
# Without a mask function of its own, a padded batch would silently lose its mask.
AttentionMaskInterface.register(PACKED, sdpa_mask)
