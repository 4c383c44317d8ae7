"""What a safetensors file says of its tensors, read without loading them and without torch."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import dataclass
from pathlib import Path

from model.errors import ModelError

__all__ = ["Tensor", "read_header"]

_LARGEST_HEADER = 100_000_000
"""Bytes; the library refuses longer ones, too."""

_BITS = {
    "BOOL": 8,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "I64": 64,
    "U64": 64,
    "F64": 64,
    "C64": 64,
}


@dataclass(frozen=True)
class Tensor:
    """One tensor of a file.

    Attributes:
        dtype: Number format, by the format's own name, as "BF16".
        shape: Its shape.
        start: Its first byte in the file.
        end: The byte after its last.
    """

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def count(self) -> int:
        """Number of numbers."""
        return math.prod(self.shape)


def read_header(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name.

    The format: 8 bytes, the header's length in little-endian, a JSON header, the
    tensors' bytes (https://github.com/huggingface/safetensors#format).

    Raises:
        ModelError: If it is no safetensors file, or cannot be read.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > min(size, _LARGEST_HEADER):
                raise ValueError(f"it states a header of {length} bytes")
            header = json.loads(file.read(length))
        tensors = {
            name: _tensor(name, entry, 8 + length, size)
            for name, entry in header.items()
            if name != "__metadata__"
        }
        in_order = sorted(tensors.values(), key=lambda tensor: (tensor.start, tensor.end))
        for one, next_one in itertools.pairwise(in_order):
            if next_one.start < one.end:
                raise ValueError("two tensors overlap")
        return tensors
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path} is not a safetensors file ({error})") from error


def _tensor(name: str, entry: dict[str, object], first: int, size: int) -> Tensor:
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or not isinstance(shape, list) or not isinstance(offsets, list):
        raise TypeError(f"tensor {name} is not described")
    start, end = (int(offset) for offset in offsets)
    tensor = Tensor(dtype, tuple(int(side) for side in shape), first + start, first + end)
    bits = _BITS.get(dtype)
    if not 0 <= start <= end or tensor.end > size or min(tensor.shape, default=0) < 0:
        raise ValueError(f"tensor {name} lies outside the file")
    if bits is not None and tensor.count * bits != (end - start) * 8:
        raise ValueError(f"tensor {name} does not have the bytes of its shape")
    return tensor
