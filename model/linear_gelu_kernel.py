"""A linear layer and the GELU after it in one Triton kernel, for Hopper GPUs.

A matrix product alone is quicker in cuBLAS; but its result has to be written
out and read again by the GELU, which takes longer than what is lost here.
Persistent programs load tiles through the tensor memory accelerator; the GELU
is the exact one, on sums in float32.
"""

# Triton reads the kernel as its own language, with names and annotations as in its documentation.
# ruff: noqa: N803, ANN001, ANN202
from __future__ import annotations

import torch
import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor

__all__ = ["COLUMNS", "linear_gelu"]

ROWS, COLUMNS, DEPTH = 128, 256, 64
_GROUP = 8
_WARPS, _STAGES = 8, 4


def linear_gelu(inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """GELU(inputs @ weight.T + bias).

    Args:
        inputs: Shape (tokens, in), bfloat16 or float16, contiguous.
        weight: Shape (out, in), of the same format; out is a multiple of `COLUMNS`.
        bias: Shape (out,), likewise.
    """
    tokens, depth = inputs.shape
    outputs = weight.shape[0]
    out = torch.empty(tokens, outputs, device=inputs.device, dtype=inputs.dtype)
    programs = torch.cuda.get_device_properties(inputs.device).multi_processor_count
    _linear_gelu[(programs,)](
        TensorDescriptor.from_tensor(inputs, [ROWS, DEPTH]),
        TensorDescriptor.from_tensor(weight, [COLUMNS, DEPTH]),
        # Half a tile at a time is written, or the registers would not do.
        TensorDescriptor.from_tensor(out, [ROWS, COLUMNS // 2]),
        bias,
        *(tokens, outputs, depth),
        ROWS=ROWS,
        COLUMNS=COLUMNS,
        DEPTH=DEPTH,
        GROUP=_GROUP,
        PROGRAMS=programs,
        num_warps=_WARPS,
        num_stages=_STAGES,
    )
    return out


@triton.jit
def _gelu(x):  # type: ignore[no-untyped-def]
    return 0.5 * x * (1 + tl.erf(x * 0.7071067811865476))


@triton.jit
def _linear_gelu(  # type: ignore[no-untyped-def]
    INPUTS,
    WEIGHT,
    OUT,
    BIAS,
    tokens,
    outputs,
    depth,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
    GROUP: tl.constexpr,
    PROGRAMS: tl.constexpr,
):
    down = tl.cdiv(tokens, ROWS)
    across = tl.cdiv(outputs, COLUMNS)
    steps = tl.cdiv(depth, DEPTH)
    half: tl.constexpr = COLUMNS // 2
    for tile in tl.range(tl.program_id(0), down * across, PROGRAMS, flatten=True):
        # Tiles go down in groups, so that neighbours find their weights in the cache.
        first = tile // (GROUP * across) * GROUP
        rows = tl.minimum(down - first, GROUP)
        at_row = (first + tile % (GROUP * across) % rows) * ROWS
        at_column = tile % (GROUP * across) // rows * COLUMNS
        sums = tl.zeros((ROWS, COLUMNS), tl.float32)
        for step in range(steps):
            a = INPUTS.load([at_row, step * DEPTH])
            b = WEIGHT.load([at_column, step * DEPTH])
            sums = tl.dot(a, b.T, sums)
        left, right = tl.split(tl.permute(tl.reshape(sums, (ROWS, 2, half)), (0, 2, 1)))
        place = at_column + tl.arange(0, half)
        left += tl.load(BIAS + place).to(tl.float32)[None, :]
        right += tl.load(BIAS + half + place).to(tl.float32)[None, :]
        OUT.store([at_row, at_column], _gelu(left).to(BIAS.dtype.element_ty))
        OUT.store([at_row, at_column + half], _gelu(right).to(BIAS.dtype.element_ty))
