"""Devices by name: what is asked for is there, or an error."""

import torch

from model.errors import ModelError

__all__ = ["choose_device", "reference_device"]

_ALLOWED = "allowed: auto, cpu, cuda, cuda:N, mps"


def choose_device(name: str) -> torch.device:
    """The device of this name; "auto" takes CUDA where present, else the CPU.

    Raises:
        ModelError: If there is no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(f"unknown device {name!r}; {_ALLOWED}") from error
    if device.type == "cpu":
        return device
    if device.type == "mps":
        if not torch.backends.mps.is_available():
            raise ModelError(f"device {name!r} is not here: torch sees no Metal device")
        return device
    if device.type != "cuda":
        raise ModelError(f"unknown device {name!r}; {_ALLOWED}")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (device.index or 0) >= count:
        raise ModelError(f"device {name!r} is not here: torch sees {count} CUDA devices")
    return torch.device("cuda", device.index or 0)


def reference_device(device: torch.device) -> torch.device:
    """Where the padded path runs that a model is checked against when it is loaded.

    On the device itself; but Metal, whose arithmetic nobody has measured for
    this project, has to agree with the CPU each time.
    """
    return torch.device("cpu") if device.type == "mps" else device
