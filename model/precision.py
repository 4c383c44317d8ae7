"""Which number format "auto" stands for: the checkpoint's own on a GPU, float32 elsewhere.

Nothing here loads the model. torch is imported only to ask for a GPU where an NVIDIA driver is
installed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.fingerprint import weight_files

if TYPE_CHECKING:
    from model.source import ModelSource

__all__ = ["AUTO", "PRECISIONS", "checkpoint_precision", "resolve_precision", "uses_cuda"]

AUTO = "auto"
"""The default precision: see `resolve_precision`."""

PRECISIONS = ("float32", "bfloat16", "float16", "float8")
"""Number formats a model can compute in; "float8" is for jina-embeddings-v3 on recent GPUs."""

_STORED = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}
"""Number formats of safetensors headers that a model also computes in."""

_DRIVERS = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg")
"""One of these is there wherever Linux, WSL included, reaches an NVIDIA GPU."""


def resolve_precision(source: ModelSource, precision: str, device: str) -> str:
    """The number format that a model runs in.

    Args:
        source: The model.
        precision: What was asked for; anything but "auto" is returned as it is.
        device: As in `model.backends.load_backend`.

    Returns:
        For "auto", the checkpoint's own format on a CUDA device, and float32 everywhere else: few
        CPUs compute faster in shorter formats.
    """
    if precision != AUTO:
        return precision
    if source.folder is None or not uses_cuda(device):
        return PRECISIONS[0]
    return checkpoint_precision(source.folder)


def uses_cuda(device: str) -> bool:
    """Whether a model that is asked to run on this device runs on a CUDA device."""
    if device != AUTO:
        return device.split(":")[0] == "cuda"
    if sys.platform == "darwin":
        return False
    if sys.platform.startswith("linux") and not any(map(_exists, _DRIVERS)):
        return False
    import torch

    return torch.cuda.is_available()


def checkpoint_precision(folder: Path) -> str:
    """The number format of a checkpoint.

    As in transformers' `dtype="auto"`, it is what config.json says under `dtype` or `torch_dtype`
    or, where it says nothing, the format of the first floating-point tensor.

    Returns:
        "float32", "bfloat16" or "float16"; "float32" also for a format that no model computes in.

    Raises:
        ModelError: If the folder has no safetensors file.
    """
    files = weight_files(folder)
    for config in dict.fromkeys((folder / "config.json", files[0].parent / "config.json")):
        content = _read_json(config)
        stated = content.get("dtype") or content.get("torch_dtype")
        if isinstance(stated, str):
            name = stated.removeprefix("torch.")
            return name if name in _STORED.values() else PRECISIONS[0]
    kinds = (kind for path in files for kind in _tensor_formats(path))
    return next((_STORED[kind] for kind in kinds if kind in _STORED), PRECISIONS[0])


def _tensor_formats(path: Path) -> Iterator[str]:
    """Formats of a file's tensors by the header: its length in 8 bytes, then JSON."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        try:
            header = json.loads(file.read(length))
        except (ValueError, RecursionError, MemoryError, OverflowError):
            return  # what is wrong with the file is said when it is read
    for name, tensor in header.items() if isinstance(header, dict) else ():
        if name != "__metadata__" and isinstance(tensor, dict):
            yield str(tensor.get("dtype"))


def _read_json(path: Path) -> dict[str, Any]:
    """A configuration file; nothing where there is none that could be read."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _exists(path: str) -> bool:
    return Path(path).exists()
