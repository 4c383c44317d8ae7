"""Views: what is read of an embedding.

A view is written `dim=256`, `dim=full` for the whole vector, or `dim=route` for what the
routing says of each task. A precision other than float32 follows, as in `dim=256,int8`, and for
bits perhaps a rescoring, as in `dim=64,binary,rescore=4`. It prints back to what was written:
`str(View.parse(text)) == text` for canonical text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from model.errors import ViewError
from model.quantization import (
    PRECISIONS,
    Calibration,
    Precision,
    codes,
    dequantize,
    truncate,
)
from model.similarity import Similarity

__all__ = [
    "MATRYOSHKA_DIMS",
    "VIEW_SETS",
    "View",
    "default_views",
    "expand_views",
    "resolve_views",
]

MATRYOSHKA_DIMS = (1024, 768, 512, 256, 128, 64, 32)
"""The sizes jina-embeddings-v3 was trained for (arXiv 2409.10173, table 7)."""

VIEW_SETS: dict[str, tuple[Precision, ...]] = {
    "mrl": ("float32",),
    "sweep": ("float32", "float16", "int8", "binary"),
}
"""Sets of views by name: the dimensions of `default_views` in each of these precisions."""

_DIMS = "dim=N with N >= 1, dim=full or dim=route"
_BYTES: dict[Precision, int] = {"float32": 4, "float16": 2, "int8": 1, "uint8": 1}
_BITS: tuple[Precision, ...] = ("binary", "ubinary")


@dataclass(frozen=True)
class View:
    """The leading part of a vector, brought back to unit length, in some precision.

    Attributes:
        dim: Number of leading coordinates; None for all of them.
        by_route: Whether the routing decides `dim`, task by task.
        precision: In which form the numbers are stored.
        rescore: A search takes this many times the wanted documents by Hamming distance, and of
            these the best by the query's numbers against their bits; None for by bits alone.
    """

    dim: int | None = None
    by_route: bool = False
    precision: Precision = "float32"
    rescore: int | None = None

    def __post_init__(self) -> None:
        if self.dim is not None and self.dim < 1:
            raise ViewError(f"view '{self}': a dimension is at least 1")
        if self.precision not in PRECISIONS:
            raise ViewError(
                f"view '{self}': unknown precision {self.precision!r}; "
                f"allowed: {', '.join(PRECISIONS)}"
            )
        if self.rescore is None:
            return
        if self.rescore < 1:
            raise ViewError(f"view '{self}': rescore is at least 1")
        if not self.is_binary:
            raise ViewError(
                f"view '{self}': {self.precision} vectors are not rescored; "
                f"allowed: {', '.join(_BITS)}"
            )

    def __str__(self) -> str:
        size: int | str = "full" if self.dim is None else self.dim
        parts = [f"dim={'route' if self.by_route else size}"]
        if self.precision != "float32":
            parts.append(self.precision)
        if self.rescore is not None:
            parts.append(f"rescore={self.rescore}")
        return ",".join(parts)

    @classmethod
    def parse(cls, text: str) -> View:
        """Read a view from its name.

        Raises:
            ViewError: If `text` is no view's name.
        """
        first, *rest = text.strip().split(",")
        name, _, size = first.partition("=")
        if name != "dim" or (size not in ("full", "route") and _number(size) is None):
            raise ViewError(
                f"unknown view {text!r}; allowed: {_DIMS}, then ,PRECISION and ,rescore=N"
            )
        precision = _precision(text, rest.pop(0)) if rest else "float32"
        rescore = _rescore(text, rest.pop(0)) if rest else None
        if rest:
            raise ViewError(f"view {text!r}: nothing is allowed after rescore, not {rest[0]!r}")
        return cls(_number(size), size == "route", precision, rescore)

    @property
    def needs_calibration(self) -> bool:
        """Whether it can be read only with a `Calibration`."""
        return self.precision in ("int8", "uint8")

    @property
    def is_binary(self) -> bool:
        """Whether one bit is kept of each number."""
        return self.precision in _BITS

    def check_similarity(self, similarity: Similarity) -> None:
        """Refuse a view that says nothing of a similarity.

        Raises:
            ViewError: If it keeps signs alone and vectors are compared by their distance.
        """
        if self.is_binary and similarity in ("euclidean", "manhattan"):
            raise ViewError(
                f"view '{self}': signs alone say nothing of {similarity} distances, by which this "
                "model's vectors are compared; allowed: float32, float16, int8, uint8"
            )

    def bytes_per_vector(self, width: int) -> int:
        """Size of a stored vector.

        Args:
            width: Full width of the model's vectors.

        Raises:
            ViewError: If the routing decides and has not yet, or the view is wider.
        """
        if self.by_route and self.dim is None:
            raise ViewError(f"view '{self}': its size differs from task to task")
        dim = width if self.dim is None else self.dim
        if dim > width:
            raise ViewError(f"view '{self}' is wider than the model: at most dim={width}")
        return -(-dim // 8) if self.is_binary else dim * _BYTES[self.precision]

    def read(
        self,
        vectors: npt.NDArray[np.float32],
        calibration: Calibration | None = None,
        unit: bool = True,
    ) -> npt.NDArray[np.float32]:
        """Read this view of some vectors: the numbers that the stored codes stand for.

        Args:
            vectors: Shape (n, width), float32.
            calibration: For int8 and uint8: of this view's dimension.
            unit: Whether truncated vectors are brought back to unit length.

        Returns:
            Shape (n, dim), float32; see `dequantize`. The whole vector is left
            as the model made it.

        Raises:
            ViewError: If the vectors are narrower than the view, a vector is
                zero and so has no direction, a number is beyond float16, or
                there is no fitting calibration.
        """
        if self.precision == "float32":
            return self.read_float(vectors, unit)
        stored = self.codes(vectors, calibration, unit)
        dim = vectors.shape[1] if self.dim is None else self.dim
        numbers = dequantize(stored, calibration, self.precision, dim)
        zero = np.flatnonzero(~numbers.any(axis=1))
        if unit and len(zero):
            raise ViewError(f"view '{self}': vector {zero[0]} is zero in this precision")
        return numbers

    def codes(
        self,
        vectors: npt.NDArray[np.float32],
        calibration: Calibration | None = None,
        unit: bool = True,
    ) -> npt.NDArray[Any]:
        """This view of some vectors as it is stored; arguments and errors as for `read`.

        Returns:
            As `model.quantization.codes`.
        """
        leading = self.read_float(vectors, unit)
        try:
            return codes(leading, calibration, self.precision)
        except ViewError as error:
            raise ViewError(f"view '{self}': {error}") from error

    def read_float(
        self, vectors: npt.NDArray[np.float32], unit: bool = True
    ) -> npt.NDArray[np.float32]:
        """This view of some vectors before they lose precision; errors as for `read`.

        Returns:
            Shape (n, dim), float32.
        """
        dim = vectors.shape[1] if self.dim is None else self.dim
        return truncate(vectors, dim, f"view '{self}'", unit)

    def bits(self, vectors: npt.NDArray[np.float32], unit: bool = True) -> npt.NDArray[np.bool_]:
        """Which numbers of a binary view of some vectors are above 0; errors as for `read`.

        Returns:
            Shape (n, dim), bool.
        """
        above: npt.NDArray[np.bool_] = self.read_float(vectors, unit) > 0
        return above


def default_views(width: int | None) -> tuple[View, ...]:
    """The full vector and the Matryoshka sizes below it.

    Args:
        width: Full width of the model's vectors; None where it is not fixed.
    """
    if width is None:
        return (View(),)
    return (View(width), *(View(dim) for dim in MATRYOSHKA_DIMS if dim < width))


def expand_views(names: Sequence[str], width: int | None) -> tuple[View, ...]:
    """Concrete views from names of views and of sets of views, as `resolve_views`.

    Args:
        names: Such as "mrl" or "dim=64,binary"; empty for `default_views`.
        width: Full width of the model's vectors; None where it is not fixed.

    Raises:
        ViewError: If a name is none of a view or set, or does not go with the model.
    """
    views: list[View] = []
    for name in names:
        precisions = VIEW_SETS.get(name.strip())
        if precisions is None and "=" not in name:
            raise ViewError(
                f"unknown view {name!r}; allowed: {_DIMS}, or the sets {', '.join(VIEW_SETS)}"
            )
        if precisions is None:
            views.append(View.parse(name))
        elif width is None:
            raise ViewError(_not_fixed(name.strip()))
        else:
            views += [
                replace(view, precision=precision)
                for view in default_views(width)
                for precision in precisions
            ]
    return resolve_views(views, width)


def resolve_views(views: Sequence[View], width: int | None) -> tuple[View, ...]:
    """Make the views concrete for a model of this width: widest first, then finest.

    Args:
        views: What was asked for; empty for `default_views`.
        width: Full width of the model's vectors; None where it is not fixed.

    Raises:
        ViewError: If a view is wider than the model, or the model's vectors
            have no fixed width to truncate or to quantise.
    """
    if not views:
        return default_views(width)
    for view in views:
        if width is None and (view.dim is not None or view.precision != "float32"):
            raise ViewError(_not_fixed(str(view)))
        if view.dim is not None and width is not None and view.dim > width:
            raise ViewError(f"view '{view}' is wider than the model: at most dim={width}")
    concrete = {
        view if view.by_route or view.dim is not None else replace(view, dim=width)
        for view in views
    }
    return tuple(sorted(concrete, key=_place))


def _place(view: View) -> tuple[int, bool, int, int]:
    precision = PRECISIONS.index(view.precision)
    return -(view.dim or 0), view.by_route, precision, view.rescore or 0


def _not_fixed(name: str) -> str:
    return f"view '{name}': the width of this model's vectors is not fixed; allowed: dim=full"


def _number(text: str) -> int | None:
    """A whole number written in up to nine ASCII digits; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _precision(view: str, text: str) -> Precision:
    for precision in PRECISIONS:
        if precision == text:
            return precision
    raise ViewError(f"view {view!r}: unknown precision {text!r}; allowed: {', '.join(PRECISIONS)}")


def _rescore(view: str, text: str) -> int:
    name, _, value = text.partition("=")
    number = _number(value)
    if name != "rescore" or number is None:
        raise ViewError(f"view {view!r}: {text!r} is no rescoring; allowed: rescore=N with N >= 1")
    return number
