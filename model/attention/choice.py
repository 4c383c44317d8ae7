"""Which kernel for which length: measured, not believed."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch

from model.attention.kernels import KERNELS, Kernel, usable_kernels
from model.attention.names import ATTENTION_NAMES, SEGMENTS
from model.errors import ModelError

__all__ = ["KernelChoice", "choose_kernels"]

_LENGTHS = (32, 128, 512, 1024, 2048, 8192)
_TOKENS = 32768
_REPEATS = 5
# A kernel must be this much quicker than the one before it in order to be taken,
# so that noise does not change what runs from one start to the next.
_MARGIN = 0.95


@dataclass(frozen=True)
class KernelChoice:
    """Kernels by the length of a batch's longest text.

    Attributes:
        steps: (longest length, kernel name), ascending; the last holds for
            everything longer too.
    """

    steps: tuple[tuple[int, str], ...]

    def kernel_for(self, longest: int) -> str:
        """The kernel for a batch whose longest text has this many tokens."""
        return next((name for limit, name in self.steps if longest <= limit), self.steps[-1][1])

    def __str__(self) -> str:
        """As it is recorded, such as "triton to 1024 tokens, flash-attention-3 above"."""
        *first, (_, last) = self.steps
        parts = [f"{name} to {limit} tokens" for limit, name in first]
        return ", ".join([*parts, f"{last} above" if parts else last])


def choose_kernels(
    asked: str,
    *,
    device: torch.device,
    dtype: torch.dtype,
    heads: int,
    head_dim: int,
    max_length: int,
) -> KernelChoice:
    """Choose the kernels for a model.

    Args:
        asked: One of `ATTENTION_NAMES`; "auto" takes the quickest.
        device: Where the model runs.
        dtype: Number format of its arithmetic.
        heads: Attention heads.
        head_dim: Numbers a head.
        max_length: Longest input in tokens.

    Raises:
        ModelError: If the kernel asked for does not exist, or does not run here.
    """
    assert asked in ATTENTION_NAMES
    usable, reasons = usable_kernels(device, dtype, head_dim)
    if asked in reasons:
        raise ModelError(f"attention {asked!r} does not run here: {reasons[asked]}")
    if asked != "auto":
        return KernelChoice(((max_length, asked),))
    if not usable:
        return KernelChoice(((max_length, SEGMENTS),))
    lengths = tuple(length for length in _LENGTHS if length < max_length)
    return _measure(tuple(usable), device, dtype, heads, head_dim, (*lengths, max_length))


@functools.cache
def _measure(
    names: tuple[str, ...],
    device: torch.device,
    dtype: torch.dtype,
    heads: int,
    head_dim: int,
    lengths: tuple[int, ...],
) -> KernelChoice:
    steps: list[tuple[int, str]] = []
    for length in lengths:
        best, best_time = "", float("inf")
        for name in names:
            time = _time(KERNELS[name], device, dtype, heads, head_dim, length)
            if time < best_time * (_MARGIN if best else 1.0):
                best, best_time = name, time
        if steps and steps[-1][1] == best:
            steps.pop()
        steps.append((length, best))
    return KernelChoice(tuple(steps))


def _time(
    kernel: Kernel,
    device: torch.device,
    dtype: torch.dtype,
    heads: int,
    head_dim: int,
    length: int,
) -> float:
    """Median time of one call in milliseconds."""
    texts = max(1, _TOKENS // length)
    generator = torch.Generator(device).manual_seed(0)
    q, k, v = (
        torch.randn(
            texts * length, heads, head_dim, device=device, dtype=dtype, generator=generator
        )
        for _ in range(3)
    )
    cumulative = torch.arange(texts + 1, device=device, dtype=torch.int32) * length
    times = []
    for _ in range(_REPEATS + 1):
        begin, end = (
            torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            for _ in range(2)
        )
        begin.record()
        kernel.run(q, k, v, cumulative, length, head_dim**-0.5)
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return float(sorted(times[1:])[len(times[1:]) // 2])
