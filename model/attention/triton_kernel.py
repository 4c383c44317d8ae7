"""Attention for short texts, as a Triton kernel.

FlashAttention's tiles are made for long sequences; for texts of a few dozen to
a few hundred tokens this kernel reads and writes each number once and little
else (docs/benchmarks.md has the figures). One program does one tile of queries
of one head of one text.
"""

# Triton reads the kernel as its own language, with names and annotations as in its documentation.
# ruff: noqa: N803, ANN001, ANN202
from __future__ import annotations

import torch
import triton
import triton.language as tl

__all__ = ["attend"]

_LOG2_E = 1.4426950408889634

# Rows, columns and warps of a tile by the longest text, found by trying them
# on an H100 (head dimension 64).
_TILES = ((16, (16, 16, 2)), (32, (32, 32, 1)), (128, (64, 32, 4)), (192, (64, 64, 4)))
_LONG_TILE = (128, 64, 8)


def attend(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cumulative: torch.Tensor,
    longest: int,
    scale: float,
) -> torch.Tensor:
    """Attention within each text; arguments as in `model.attention.kernels`."""
    out = torch.empty_like(q, memory_format=torch.contiguous_format)
    rows, columns, warps = next((tile for limit, tile in _TILES if longest <= limit), _LONG_TILE)
    _, heads, head_dim = q.shape
    grid = (triton.cdiv(longest, rows), heads, cumulative.numel() - 1)
    _attention[grid](
        *(q, k, v, out, cumulative),
        *(q.stride(0), q.stride(1), k.stride(0), k.stride(1)),
        *(v.stride(0), v.stride(1), out.stride(0), out.stride(1)),
        scale * _LOG2_E,
        HEAD=head_dim,
        ROWS=rows,
        COLUMNS=columns,
        num_warps=warps,
        num_stages=1 if longest <= columns else 3,
    )
    return out


@triton.jit
def _attention(  # type: ignore[no-untyped-def]
    Q,
    K,
    V,
    OUT,
    CUMULATIVE,
    q_token,
    q_head,
    k_token,
    k_head,
    v_token,
    v_head,
    out_token,
    out_head,
    scale,
    HEAD: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    block = tl.program_id(0)
    head = tl.program_id(1)
    text = tl.program_id(2)
    start = tl.load(CUMULATIVE + text)
    length = tl.load(CUMULATIVE + text + 1) - start
    if block * ROWS >= length:
        return
    row = block * ROWS + tl.arange(0, ROWS)
    place = tl.arange(0, HEAD)
    row_ok = (row < length)[:, None]
    token = (start + row).to(tl.int64)[:, None]
    q = tl.load(Q + token * q_token + head * q_head + place[None, :], mask=row_ok, other=0.0)
    highest = tl.full([ROWS], -float("inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    sums = tl.zeros([ROWS, HEAD], tl.float32)
    for first in range(0, length, COLUMNS):
        column = first + tl.arange(0, COLUMNS)
        column_ok = column < length
        key = (start + column).to(tl.int64)
        k_at = K + key[None, :] * k_token + head * k_head + place[:, None]
        keys = tl.load(k_at, mask=column_ok[None, :], other=0.0)
        # Scores are in powers of two: the hardware has no other exponential.
        scores = tl.where(column_ok[None, :], tl.dot(q, keys) * scale, -float("inf"))
        new_highest = tl.maximum(highest, tl.max(scores, 1))
        weights = tl.exp2(scores - new_highest[:, None])
        shrink = tl.exp2(highest - new_highest)
        total = total * shrink + tl.sum(weights, 1)
        v_at = V + key[:, None] * v_token + head * v_head + place[None, :]
        values = tl.load(v_at, mask=column_ok[:, None], other=0.0)
        sums = tl.dot(weights.to(V.dtype.element_ty), values, sums * shrink[:, None])
        highest = new_highest
    out_at = OUT + token * out_token + head * out_head + place[None, :]
    tl.store(out_at, (sums / total[:, None]).to(OUT.dtype.element_ty), mask=row_ok)
