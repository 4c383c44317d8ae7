"""Vectors in fewer bits: float16, eight bits a number, one bit a number.

The codes are those of `sentence_transformers.util.quantization.quantize_embeddings`, but for
eight bits, where the nearest level is taken instead of the one below. What eight bits mean is
fitted once, on given vectors (`Calibrator`), and then holds for queries and documents alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from model.errors import ViewError

__all__ = [
    "PRECISIONS",
    "Calibration",
    "Calibrator",
    "Precision",
    "codes",
    "dequantize",
    "truncate",
]

Precision = Literal["float32", "float16", "int8", "uint8", "binary", "ubinary"]
"""By sentence-transformers' names; the finer first."""

PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def truncate(
    vectors: npt.NDArray[np.float32], dim: int, asker: str, unit: bool = True
) -> npt.NDArray[np.float32]:
    """The leading part of vectors, brought back to unit length.

    Args:
        vectors: Shape (n, width), float32.
        dim: Number of leading coordinates.
        asker: What they are read for, as an error names it.
        unit: False to leave their length as it is, for models whose vectors have no unit length
            and are not compared by their angle.

    Returns:
        Shape (n, dim), float32; the whole vectors, with dim = width, are left as they are.

    Raises:
        ViewError: If the vectors are narrower, or a truncated vector is zero
            and so has no direction.
    """
    width = vectors.shape[1]
    if dim == width:
        return vectors
    if dim > width:
        raise ViewError(f"{asker} is wider than the model's vectors ({width})")
    leading = vectors[:, :dim]
    if not unit:
        return np.ascontiguousarray(leading)
    norms = np.linalg.norm(leading, axis=1, keepdims=True)
    if not norms.all():
        row = int(np.flatnonzero(norms[:, 0] == 0)[0])
        raise ViewError(f"{asker}: vector {row} is zero in its first {dim} numbers")
    scaled: npt.NDArray[np.float32] = leading / norms
    return scaled


@dataclass(frozen=True, eq=False)
class Calibration:
    """Between which numbers the 256 levels of int8 and uint8 lie, dimension by dimension.

    Attributes:
        dim: Number of dimensions.
        lower: The lowest level of each, shape (dim,), float32.
        upper: The highest, likewise; equal to `lower` where the dimension is constant.
        texts: Number of vectors that it was fitted on.
    """

    dim: int
    lower: npt.NDArray[np.float32]
    upper: npt.NDArray[np.float32]
    texts: int

    @property
    def steps(self) -> npt.NDArray[np.float32]:
        """From one level to the next, shape (dim,), float32; 0 for a constant dimension."""
        return (self.upper - self.lower) / np.float32(255)

    @property
    def digest(self) -> str:
        """The first 16 hex digits of the SHA-256 over both ends, little-endian."""
        ends = np.stack([self.lower, self.upper]).astype("<f4")
        return hashlib.sha256(ends.tobytes()).hexdigest()[:16]

    def summary(self) -> dict[str, Any]:
        """What a record says of it, as JSON data."""
        return {"texts": self.texts, "dim": self.dim, "sha256": self.digest}


class Calibrator:
    """Fits calibrations of several dimensions in one pass.

    However the vectors are cut into batches and ordered, the result is the same, bit for bit.
    """

    def __init__(self, dims: Iterable[int], unit: bool = True) -> None:
        """Start without vectors.

        Args:
            dims: Numbers of leading coordinates to fit for.
            unit: As for `truncate`.
        """
        self._unit = unit
        self._ends = {
            dim: (np.full(dim, np.inf, np.float32), np.full(dim, -np.inf, np.float32))
            for dim in dims
        }
        self._texts = 0

    def add(self, vectors: npt.NDArray[np.float32]) -> None:
        """Take more vectors.

        Args:
            vectors: Whole ones, shape (n, width), float32.

        Raises:
            ViewError: As `truncate`.
        """
        if not len(vectors):
            return
        for dim, (lower, upper) in self._ends.items():
            read = truncate(vectors, dim, f"calibration of dim={dim}", self._unit)
            np.minimum(lower, read.min(axis=0), out=lower)
            np.maximum(upper, read.max(axis=0), out=upper)
        self._texts += len(vectors)

    def finish(self) -> dict[int, Calibration]:
        """The calibration of each dimension.

        Raises:
            ViewError: If there were no vectors, or one was not finite.
        """
        if not self._texts:
            raise ViewError("int8 and uint8 have nothing to be calibrated on: there are no vectors")
        for dim, ends in self._ends.items():
            if not np.isfinite(ends).all():
                raise ViewError(f"calibration of dim={dim}: a vector is not finite")
        # Of 0.0 and -0.0 either may come out as the smaller: adding 0.0 makes both 0.0.
        return {
            dim: Calibration(dim, lower + np.float32(0), upper + np.float32(0), self._texts)
            for dim, (lower, upper) in self._ends.items()
        }


def codes(
    vectors: npt.NDArray[np.float32], calibration: Calibration | None, precision: Precision
) -> npt.NDArray[Any]:
    """Vectors as they are stored.

    Args:
        vectors: Shape (n, dim), float32, truncated.
        calibration: Of the same dim; needed by int8 and uint8 alone.
        precision: In which form.

    Returns:
        Shape (n, dim), of the precision's own dtype. For "binary" and "ubinary"
        shape (n, ceil(dim / 8)), int8 and uint8: bits that say which numbers are
        above 0, the first one highest, filled up with 0.

    Raises:
        ViewError: If a number is beyond float16, or there is no fitting calibration.
    """
    if precision == "float32":
        return vectors
    if precision == "float16":
        return _half(vectors)
    if precision in ("binary", "ubinary"):
        packed = np.packbits(vectors > 0, axis=1)
        return packed if precision == "ubinary" else _shifted(packed)
    levels = _levels(vectors, _fitting(calibration, vectors.shape[1], precision))
    return levels if precision == "uint8" else _shifted(levels)


def dequantize(
    stored: npt.NDArray[Any], calibration: Calibration | None, precision: Precision, dim: int
) -> npt.NDArray[np.float32]:
    """The numbers that codes stand for.

    Args:
        stored: As from `codes`.
        calibration: What it was given.
        precision: What it was given.
        dim: Width of the vectors.

    Returns:
        Shape (n, dim), float32. A bit stands for 1 / sqrt(dim) or -1 / sqrt(dim),
        so that the vector has unit length and the dot product of two is
        1 - 2 * (their Hamming distance) / dim.

    Raises:
        ViewError: If there is no fitting calibration.
    """
    if precision in ("float32", "float16"):
        return stored.astype(np.float32, copy=False)
    unsigned = _unshifted(stored) if stored.dtype == np.int8 else stored
    if precision in ("binary", "ubinary"):
        bits = np.unpackbits(unsigned, axis=1, count=dim)
        one = np.float32(1 / np.sqrt(dim))
        return np.where(bits, one, -one)
    fitting = _fitting(calibration, dim, precision)
    numbers = unsigned.astype(np.float32)
    numbers *= fitting.steps
    numbers += fitting.lower
    return numbers


def _half(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
    with np.errstate(over="ignore"):
        half = vectors.astype(np.float16)
    beyond = np.argwhere(np.isinf(half))
    if len(beyond):
        row, place = beyond[0].tolist()
        raise ViewError(
            f"float16 holds numbers up to {np.finfo(np.float16).max:.0f}; "
            f"vector {row} has {vectors[row, place]:g} at place {place}"
        )
    return half


def _levels(vectors: npt.NDArray[np.float32], calibration: Calibration) -> npt.NDArray[np.uint8]:
    """The nearest of 256 levels, the lowest in constant dimensions."""
    steps = calibration.steps
    numbers = np.clip(vectors, calibration.lower, calibration.upper)
    numbers -= calibration.lower
    numbers /= np.where(steps > 0, steps, 1)
    np.rint(numbers, out=numbers)
    # Steps among the smallest numbers are rounded so much that more than 255 of them may fit.
    np.minimum(numbers, 255, out=numbers)
    return numbers.astype(np.uint8)


def _fitting(calibration: Calibration | None, dim: int, precision: Precision) -> Calibration:
    if calibration is None:
        raise ViewError(f"{precision} needs a calibration, fitted on the corpus; there is none")
    if calibration.dim != dim:
        raise ViewError(
            f"{precision} vectors of dim={dim} need a calibration of that dim; "
            f"this one is of dim={calibration.dim}"
        )
    return calibration


def _shifted(unsigned: npt.NDArray[np.uint8]) -> npt.NDArray[np.int8]:
    """Minus 128."""
    return (unsigned ^ np.uint8(128)).view(np.int8)


def _unshifted(signed: npt.NDArray[np.int8]) -> npt.NDArray[np.uint8]:
    """Plus 128."""
    return signed.view(np.uint8) ^ np.uint8(128)
