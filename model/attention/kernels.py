"""The kernels that compute attention over packed input, one function each.

All take queries, keys and values of shape (tokens, heads, head_dim), the
cumulative lengths of the texts, shape (texts + 1,), int32, and the length of
the longest; a token attends to the tokens of its own text, and to no other.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

import torch

__all__ = ["KERNELS", "Kernel", "usable_kernels"]

_HALF = (torch.bfloat16, torch.float16)


@dataclass(frozen=True)
class Kernel:
    """A way to compute attention over packed input on a CUDA device.

    Attributes:
        name: As it is asked for and recorded.
        run: (q, k, v, cumulative lengths, longest, scale) to the output, of q's shape.
        missing: What keeps it from running on (device, dtype, head_dim), in
            words; None if nothing does.
    """

    name: str
    run: Callable[
        [torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, int, float], torch.Tensor
    ]
    missing: Callable[[torch.device, torch.dtype, int], str | None]


def usable_kernels(
    device: torch.device, dtype: torch.dtype, head_dim: int
) -> tuple[dict[str, Kernel], dict[str, str]]:
    """The kernels that run here by name, and why the others do not."""
    usable = {}
    reasons = {}
    for name, kernel in KERNELS.items():
        reason = kernel.missing(device, dtype, head_dim)
        if reason is None:
            usable[name] = kernel
        else:
            reasons[name] = reason
    return usable, reasons


def _flash3(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cumulative: torch.Tensor,
    longest: int,
    scale: float,
) -> torch.Tensor:
    out = _flash3_function()(
        q, k, v, cumulative, cumulative, longest, longest, softmax_scale=scale, causal=False
    )
    result: torch.Tensor = out[0] if isinstance(out, tuple) else out
    return result


def _flash2(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cumulative: torch.Tensor,
    longest: int,
    scale: float,
) -> torch.Tensor:
    from flash_attn import flash_attn_varlen_func

    out: torch.Tensor = flash_attn_varlen_func(
        q, k, v, cumulative, cumulative, longest, longest, softmax_scale=scale, causal=False
    )
    return out


def _torch_varlen(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cumulative: torch.Tensor,
    longest: int,
    scale: float,
) -> torch.Tensor:
    from torch.nn.attention.varlen import varlen_attn

    out = varlen_attn(q, k, v, cumulative, cumulative, longest, longest, scale=scale)
    assert isinstance(out, torch.Tensor)
    return out


def _triton(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cumulative: torch.Tensor,
    longest: int,
    scale: float,
) -> torch.Tensor:
    from model.attention.triton_kernel import attend

    return attend(q, k, v, cumulative, longest, scale)


@functools.cache
def _flash3_function() -> Callable[..., torch.Tensor | tuple[torch.Tensor, ...]]:
    # The project's own package, or the wheel that holds its forward pass alone.
    name = next(name for name in _FLASH3_MODULES if importlib.util.find_spec(name))
    function: Callable[..., torch.Tensor] = importlib.import_module(name).flash_attn_varlen_func
    return function


_FLASH3_MODULES = ("flash_attn_interface", "fa3_fwd_interface")


def _no_cuda(device: torch.device, dtype: torch.dtype) -> str | None:
    if device.type != "cuda":
        return f"runs on CUDA, not on {device.type}"
    if dtype not in _HALF:
        return f"computes in bfloat16 or float16, not in {str(dtype).removeprefix('torch.')}"
    return None


def _missing_flash3(device: torch.device, dtype: torch.dtype, head_dim: int) -> str | None:
    if reason := _no_cuda(device, dtype):
        return reason
    if not any(importlib.util.find_spec(name) for name in _FLASH3_MODULES):
        return "neither flash_attn_interface nor fa3_fwd_interface is installed"
    if torch.cuda.get_device_capability(device)[0] != 9:
        return "runs on Hopper GPUs only"
    if dtype != torch.bfloat16 and not importlib.util.find_spec(_FLASH3_MODULES[0]):
        return "the fa3-fwd build computes in bfloat16 only"
    return None if head_dim % 8 == 0 and head_dim <= 256 else f"head dimension {head_dim}"


def _missing_flash2(device: torch.device, dtype: torch.dtype, head_dim: int) -> str | None:
    if reason := _no_cuda(device, dtype):
        return reason
    if not importlib.util.find_spec("flash_attn"):
        return "flash-attn is not installed; run: pip install 'jina-eval[flash-attn]'"
    return None if head_dim % 8 == 0 and head_dim <= 256 else f"head dimension {head_dim}"


def _missing_varlen(device: torch.device, dtype: torch.dtype, head_dim: int) -> str | None:
    if reason := _no_cuda(device, dtype):
        return reason
    if torch.cuda.get_device_capability(device)[0] < 8:
        return "needs an Ampere GPU or newer"
    return None if head_dim % 8 == 0 and head_dim <= 256 else f"head dimension {head_dim}"


def _missing_triton(device: torch.device, dtype: torch.dtype, head_dim: int) -> str | None:
    if reason := _no_cuda(device, dtype):
        return reason
    if not importlib.util.find_spec("triton"):
        return "triton is not installed"
    if torch.cuda.get_device_capability(device)[0] < 8:
        return "needs an Ampere GPU or newer"
    return None if head_dim in (32, 64, 128) else f"head dimension {head_dim}"


KERNELS = {
    kernel.name: kernel
    for kernel in (
        Kernel("triton", _triton, _missing_triton),
        Kernel("flash-attention-3", _flash3, _missing_flash3),
        Kernel("flash-attention-2", _flash2, _missing_flash2),
        Kernel("torch-varlen", _torch_varlen, _missing_varlen),
    )
}
"""Every kernel by name, in the order of `KERNEL_NAMES`."""
