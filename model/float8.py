"""Linear layers in 8-bit floating point: quicker on Hopper GPUs, and less exact.

Weights are scaled by output channel and activations by token, both to the
range of e4m3; sums are kept in float32. Never a default: docs/benchmarks.md
says what it costs in agreement with bfloat16.
"""

from __future__ import annotations

import torch
from torch import nn

from model.errors import ModelError

__all__ = ["Float8Linear", "check_float8", "requantize", "use_float8"]

_FORMAT = torch.float8_e4m3fn
_MAX = torch.finfo(_FORMAT).max
_TINY = 1e-12


class Float8Linear(nn.Module):
    """A linear layer whose product is computed in 8-bit floating point."""

    def __init__(self, linear: nn.Linear) -> None:
        """Take over a layer's weights, which stay the ones to quantise from."""
        super().__init__()
        self.weight = linear.weight
        self.bias = linear.bias
        rows = linear.weight.shape[0]
        device = linear.weight.device
        self.quantized = nn.Buffer(
            torch.empty(linear.weight.shape, dtype=_FORMAT, device=device), persistent=False
        )
        self.scale = nn.Buffer(torch.empty(1, rows, device=device), persistent=False)
        self.requantize()

    @torch.no_grad()
    def requantize(self) -> None:
        """Quantise the weights as they are now."""
        quantized, scale = _quantize(self.weight)
        self.quantized.copy_(quantized)
        self.scale.copy_(scale.T)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Shape (…, in) to (…, out), in the format of the inputs."""
        flat = inputs.reshape(-1, inputs.shape[-1])
        quantized, scale = _quantize(flat)
        out = torch._scaled_mm(
            quantized,
            self.quantized.T,
            scale_a=scale,
            scale_b=self.scale,
            bias=self.bias,
            out_dtype=inputs.dtype,
            use_fast_accum=True,
        )
        return out.view(*inputs.shape[:-1], -1)


def check_float8(device: torch.device) -> None:
    """Refuse devices without 8-bit matrix units.

    Raises:
        ModelError: If the device is no CUDA GPU of compute capability 8.9 or higher.
    """
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < (8, 9):
        raise ModelError(
            f"precision is 'float8': needs a CUDA GPU of the Ada or Hopper kind or newer, "
            f"not {device}"
        )


def use_float8(layers: list[nn.Module]) -> None:
    """Replace the linear layers within some encoder layers.

    Raises:
        ModelError: If a layer's sizes are not multiples of 16, which the matrix units ask for.
    """
    for layer in layers:
        for path, module in list(layer.named_modules()):
            if not isinstance(module, nn.Linear):
                continue
            if module.in_features % 16 or module.out_features % 16:
                raise ModelError(
                    f"precision is 'float8': layer {path} of {module.in_features} × "
                    f"{module.out_features} has no sizes that are multiples of 16"
                )
            layer.set_submodule(path, Float8Linear(module))


def requantize(model: nn.Module) -> None:
    """Quantise a model's 8-bit layers anew after their weights were changed."""
    for module in model.modules():
        if isinstance(module, Float8Linear):
            module.requantize()


def _quantize(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Quantise row by row; returns e4m3 numbers and float32 scales of shape (rows, 1)."""
    scale = values.abs().amax(dim=-1, keepdim=True).float().clamp(min=_TINY) / _MAX
    return (values.float() / scale).to(_FORMAT), scale
