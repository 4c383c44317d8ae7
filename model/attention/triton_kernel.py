"""Attention for short texts, as a Triton kernel.

FlashAttention's tiles are made for long sequences; for texts of a few dozen to
a few hundred tokens this kernel reads and writes each number once and little
else (docs/benchmarks.md has the figures). One program does one tile of queries
of one head of one text. It can turn queries and keys by their rotary position
embedding while it reads them, which saves writing them out turned and reading
them again.
"""

# Triton reads this file's functions as its own language: names as in its
# documentation, and no annotations but its own.
# ruff: noqa: N803, ANN001, ANN202
from __future__ import annotations

import torch
import triton
import triton.language as tl

__all__ = ["attend", "attend_rotary"]

_LOG2_E = 1.4426950408889634

# Tile sizes and warps by the longest text, found by trying them on an H100 (head dimension 64).
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
    return _launch(q, k, v, None, None, cumulative, longest, scale)


def attend_rotary(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cosine: torch.Tensor,
    sine: torch.Tensor,
    cumulative: torch.Tensor,
    longest: int,
    scale: float,
) -> torch.Tensor:
    """The same, with queries and keys not yet turned by their positions.

    Args:
        q: Queries, shape (tokens, heads, head_dim).
        k: Keys, likewise.
        v: Values, likewise.
        cosine: Shape (tokens, head_dim): the rotary embedding's cosines, both
            halves of the last axis alike (non-interleaved form, as in
            `JinaEmbeddingsV3RotaryEmbedding`).
        sine: Its sines, likewise.
        cumulative: Cumulative lengths, shape (texts + 1,), int32.
        longest: Length of the longest text.
        scale: Factor of the scores.
    """
    return _launch(q, k, v, cosine, sine, cumulative, longest, scale)


def _launch(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cosine: torch.Tensor | None,
    sine: torch.Tensor | None,
    cumulative: torch.Tensor,
    longest: int,
    scale: float,
) -> torch.Tensor:
    out = torch.empty_like(q, memory_format=torch.contiguous_format)
    rows, columns, warps = next((tile for limit, tile in _TILES if longest <= limit), _LONG_TILE)
    _, heads, head_dim = q.shape
    grid = (triton.cdiv(longest, rows), heads, cumulative.numel() - 1)
    _attention[grid](
        *(q, k, v, out, cumulative),
        *(cosine if cosine is not None else q, sine if sine is not None else q),
        *(q.stride(0), q.stride(1), k.stride(0), k.stride(1)),
        *(v.stride(0), v.stride(1), out.stride(0), out.stride(1)),
        cosine.stride(0) if cosine is not None else 0,
        scale * _LOG2_E,
        HALF=head_dim // 2,
        ROWS=rows,
        COLUMNS=columns,
        ROTARY=cosine is not None,
        num_warps=warps,
        num_stages=1 if longest <= columns else 3,
    )
    return out


@triton.jit  # type: ignore[untyped-decorator]
def _attention(
    Q,
    K,
    V,
    OUT,
    CUMULATIVE,
    COS,
    SIN,
    q_token,
    q_head,
    k_token,
    k_head,
    v_token,
    v_head,
    out_token,
    out_head,
    cos_token,
    scale,
    HALF: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    ROTARY: tl.constexpr,
):
    block = tl.program_id(0)
    head = tl.program_id(1)
    text = tl.program_id(2)
    start = tl.load(CUMULATIVE + text)
    length = tl.load(CUMULATIVE + text + 1) - start
    if block * ROWS >= length:
        return
    row = block * ROWS + tl.arange(0, ROWS)
    half = tl.arange(0, HALF)
    whole = tl.arange(0, 2 * HALF)
    row_ok = (row < length)[:, None]
    token = (start + row).to(tl.int64)[:, None]
    # Scores are sums over the head dimension: done in two halves, a rotation
    # only mixes the same place of both.
    q_at = Q + token * q_token + head * q_head + half[None, :]
    q1 = tl.load(q_at, mask=row_ok, other=0.0)
    q2 = tl.load(q_at + HALF, mask=row_ok, other=0.0)
    if ROTARY:
        turn = token * cos_token + half[None, :]
        cos = tl.load(COS + turn, mask=row_ok, other=0.0).to(tl.float32)
        sin = tl.load(SIN + turn, mask=row_ok, other=0.0).to(tl.float32)
        turned = q1 * cos - q2 * sin
        q2 = (q2 * cos + q1 * sin).to(Q.dtype.element_ty)
        q1 = turned.to(Q.dtype.element_ty)
    highest = tl.full([ROWS], -float("inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    sums = tl.zeros([ROWS, 2 * HALF], tl.float32)
    for first in range(0, length, COLUMNS):
        column = first + tl.arange(0, COLUMNS)
        column_ok = column < length
        key = (start + column).to(tl.int64)
        k_at = K + key[None, :] * k_token + head * k_head + half[:, None]
        k1 = tl.load(k_at, mask=column_ok[None, :], other=0.0)
        k2 = tl.load(k_at + HALF, mask=column_ok[None, :], other=0.0)
        if ROTARY:
            # Names of their own: what a loop assigns must keep its shape.
            k_turn = key[None, :] * cos_token + half[:, None]
            k_cos = tl.load(COS + k_turn, mask=column_ok[None, :], other=0.0).to(tl.float32)
            k_sin = tl.load(SIN + k_turn, mask=column_ok[None, :], other=0.0).to(tl.float32)
            k_turned = k1 * k_cos - k2 * k_sin
            k2 = (k2 * k_cos + k1 * k_sin).to(K.dtype.element_ty)
            k1 = k_turned.to(K.dtype.element_ty)
        scores = tl.dot(q2, k2, tl.dot(q1, k1)) * scale
        scores = tl.where(column_ok[None, :], scores, -float("inf"))
        new_highest = tl.maximum(highest, tl.max(scores, 1))
        weights = tl.exp2(scores - new_highest[:, None])
        shrink = tl.exp2(highest - new_highest)
        total = total * shrink + tl.sum(weights, 1)
        v_at = V + key[:, None] * v_token + head * v_head + whole[None, :]
        values = tl.load(v_at, mask=column_ok[:, None], other=0.0)
        sums = tl.dot(weights.to(V.dtype.element_ty), values, sums * shrink[:, None])
        highest = new_highest
    out_at = OUT + token * out_token + head * out_head + whole[None, :]
    tl.store(out_at, (sums / total[:, None]).to(OUT.dtype.element_ty), mask=row_ok)
