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
_MULTIPLES_OF_8 = frozenset(range(8, 257, 8))

Run = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, int, float], torch.Tensor]
"""(q, k, v, cumulative lengths, longest, scale) to the output, of q's shape."""


@dataclass(frozen=True)
class Kernel:
    """A way to compute attention over packed input on a CUDA device.

    Attributes:
        name: As it is asked for and recorded.
        run: What computes it.
        modules: Any one of these has to be installed; empty for none.
        hint: What to say where none of them is.
        generation: The GPU's compute capability: at least this.
        this_generation_only: Nor more than this.
        head_dims: Numbers a head that it can do.
    """

    name: str
    run: Run
    modules: tuple[str, ...] = ()
    hint: str = ""
    generation: int = 8
    this_generation_only: bool = False
    head_dims: frozenset[int] = _MULTIPLES_OF_8

    def missing(self, device: torch.device, dtype: torch.dtype, head_dim: int) -> str | None:
        """What keeps it from running here, in words; None if nothing does."""
        if device.type != "cuda":
            return f"runs on CUDA, not on {device.type}"
        found = [name for name in self.modules if importlib.util.find_spec(name)]
        if self.modules and not found:
            return self.hint
        generation, _ = torch.cuda.get_device_capability(device)
        newer = generation > self.generation and self.this_generation_only
        if generation < self.generation or newer:
            return f"runs on GPUs of compute capability {self.generation}, not {generation}"
        # The build that holds FlashAttention 3's forward pass alone has no float16 in it.
        formats = _HALF[:1] if found[:1] == ["fa3_fwd_interface"] else _HALF
        if dtype not in formats:
            return f"does not compute in {str(dtype).removeprefix('torch.')}"
        return None if head_dim in self.head_dims else f"cannot do {head_dim} numbers a head"


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


KERNELS = {
    kernel.name: kernel
    for kernel in (
        Kernel(
            "triton",
            _triton,
            modules=("triton",),
            hint="triton is not installed",
            head_dims=frozenset({32, 64, 128}),
        ),
        Kernel(
            "flash-attention-3",
            _flash3,
            modules=_FLASH3_MODULES,
            hint="not installed; run: pip install 'jina-eval[flash-attn-3]'",
            generation=9,
            this_generation_only=True,
        ),
        Kernel(
            "flash-attention-2",
            _flash2,
            modules=("flash_attn",),
            hint="not installed; run: pip install 'jina-eval[flash-attn]'",
        ),
        Kernel("torch-varlen", _torch_varlen),
    )
}
"""Every kernel by name, in the order of `KERNEL_NAMES`."""
