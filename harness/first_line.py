"""The first line of a run: what decides its scores beside the model's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.precision import uses_cuda

if TYPE_CHECKING:
    from harness.plan import ResolvedRun

__all__ = ["first_line"]


def first_line(run: ResolvedRun) -> str:
    """One line that names the model, its precision and device."""
    device = run.spec.device
    if device == "auto":
        device = "cuda" if uses_cuda(device) else "cpu"
    return f"{run.source.name}: {run.precision} on {device}"
