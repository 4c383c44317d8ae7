"""Replaces a linear layer and the GELU after it by one kernel, where that is quicker."""

from __future__ import annotations

import functools
import importlib.util
import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

__all__ = ["fuse_gelu"]

# Where architectures keep the layer and the activation after it.
_PLACES = (("mlp", "fc1", "activation_fn"), ("intermediate", "dense", "intermediate_act_fn"))

_TOKENS = 65536
_REPEATS = 5
_CALLS = 10
_MARGIN = 0.97


@torch.library.custom_op("jina_eval::linear_gelu", mutates_args=())
def _linear_gelu(inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    # An operator of its own, so that compiled layers need not look into it.
    from model.linear_gelu_kernel import linear_gelu

    flat = inputs.reshape(-1, inputs.shape[-1])
    return linear_gelu(flat, weight, bias).view(*inputs.shape[:-1], -1)


@_linear_gelu.register_fake
def _(inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return inputs.new_empty(*inputs.shape[:-1], weight.shape[0])


class _LinearGelu(nn.Module):
    """Both in one; its weights go by the linear layer's names."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = linear.weight
        self.bias = linear.bias

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Shape (…, in) to (…, out)."""
        fused: torch.Tensor = _linear_gelu(inputs, self.weight, self.bias)
        return fused


def fuse_gelu(encoder: nn.Module, layers: list[nn.Module]) -> bool:
    """Fuse the linear layers and GELUs of an encoder's layers if that is quicker here.

    Args:
        encoder: The encoder, on its device and in its number format.
        layers: Its layers.

    Returns:
        Whether it was done.
    """
    found = [place for layer in layers if (place := _find(layer)) is not None]
    if not found or len(found) < len(layers):
        return False
    if getattr(encoder.config, "hidden_act", None) != "gelu":
        return False
    owner, linear_name, _ = found[0]
    linear = getattr(owner, linear_name)
    if not _usable(linear) or not _quicker(
        linear.in_features, linear.out_features, linear.weight.device, linear.weight.dtype
    ):
        return False
    for owner, name, activation in found:
        setattr(owner, name, _LinearGelu(getattr(owner, name)))
        setattr(owner, activation, nn.Identity())
    return True


def _find(layer: nn.Module) -> tuple[Any, str, str] | None:
    for owner_name, linear, activation in _PLACES:
        owner = getattr(layer, owner_name, None)
        if isinstance(getattr(owner, linear, None), nn.Linear) and hasattr(owner, activation):
            return owner, linear, activation
    return None


def _usable(linear: nn.Linear) -> bool:
    device = linear.weight.device
    if device.type != "cuda" or linear.weight.dtype not in (torch.bfloat16, torch.float16):
        return False
    if torch.cuda.get_device_capability(device)[0] != 9 or not importlib.util.find_spec("triton"):
        return False
    from model.linear_gelu_kernel import COLUMNS

    return linear.bias is not None and not linear.out_features % COLUMNS


@functools.cache
def _quicker(inputs: int, outputs: int, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the fused kernel beats cuBLAS and a GELU at these sizes."""
    generator = torch.Generator(device).manual_seed(0)
    shapes = ((_TOKENS, inputs), (outputs, inputs), (outputs,))
    x, weight, bias = (
        torch.randn(shape, device=device, dtype=dtype, generator=generator) for shape in shapes
    )
    apart = _time(lambda: nn.functional.gelu(nn.functional.linear(x, weight, bias)))
    fused = _time(lambda: _linear_gelu(x, weight, bias))
    return fused < _MARGIN * apart


def _time(run: Callable[[], object]) -> float:
    """Median time of some calls in milliseconds.

    Calls follow one another as they do in a forward, so that the time to launch one is hidden.
    """
    times = []
    for _ in range(_REPEATS + 1):
        begin, end = (
            torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            for _ in range(2)
        )
        begin.record()
        for _ in range(_CALLS):
            run()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return float(statistics.median(times[1:]))
