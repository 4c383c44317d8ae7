"""Views: what is read of an embedding.

A view is written `dim=256`, `dim=full` for the whole vector, or `dim=route` for
what the routing says of each task, and prints back to what was written:
`str(View.parse(text)) == text` for canonical text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.errors import ViewError

__all__ = ["MATRYOSHKA_DIMS", "View", "default_views", "resolve_views"]

MATRYOSHKA_DIMS = (1024, 768, 512, 256, 128, 64, 32)
"""The sizes jina-embeddings-v3 was trained for (arXiv 2409.10173, table 7)."""


@dataclass(frozen=True)
class View:
    """The leading part of a vector, brought back to unit length.

    Attributes:
        dim: Number of leading coordinates; None for all of them.
        by_route: Whether the routing decides `dim`, task by task.
    """

    dim: int | None = None
    by_route: bool = False

    def __post_init__(self) -> None:
        if self.dim is not None and self.dim < 1:
            raise ViewError(f"view 'dim={self.dim}': a dimension is at least 1")

    def __str__(self) -> str:
        if self.by_route:
            return "dim=route"
        return "dim=full" if self.dim is None else f"dim={self.dim}"

    @classmethod
    def parse(cls, text: str) -> View:
        """Read a view from its name.

        Raises:
            ViewError: If `text` is not `dim=N`, `dim=full` or `dim=route`.
        """
        name, _, value = text.strip().partition("=")
        if name == "dim" and value == "full":
            return cls()
        if name == "dim" and value == "route":
            return cls(by_route=True)
        if name == "dim" and value.isascii() and value.isdigit():
            return cls(int(value))
        raise ViewError(f"unknown view {text!r}; allowed: dim=N with N >= 1, dim=full or dim=route")

    def read(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Read this view of some vectors.

        Args:
            vectors: Shape (n, width), float32.

        Returns:
            Shape (n, dim), float32. Truncated vectors have unit length; the
            whole vector is left as the model made it.

        Raises:
            ViewError: If the vectors are narrower than the view, or a
                truncated vector is zero and so has no direction.
        """
        width = vectors.shape[1]
        if self.dim is None or self.dim == width:
            return vectors
        if self.dim > width:
            raise ViewError(f"view '{self}' is wider than the model's vectors ({width})")
        leading = vectors[:, : self.dim]
        norms = np.linalg.norm(leading, axis=1, keepdims=True)
        if not norms.all():
            row = int(np.flatnonzero(norms[:, 0] == 0)[0])
            raise ViewError(f"view '{self}': vector {row} is zero in its first {self.dim} numbers")
        unit: npt.NDArray[np.float32] = leading / norms
        return unit


def default_views(width: int | None) -> tuple[View, ...]:
    """The full vector and the Matryoshka sizes below it.

    Args:
        width: Full width of the model's vectors; None where it is not fixed.
    """
    if width is None:
        return (View(),)
    return (View(width), *(View(dim) for dim in MATRYOSHKA_DIMS if dim < width))


def resolve_views(views: Sequence[View], width: int | None) -> tuple[View, ...]:
    """Make the views concrete for a model of this width, widest first.

    Args:
        views: What was asked for; empty for `default_views`.
        width: Full width of the model's vectors; None where it is not fixed.

    Raises:
        ViewError: If a view is wider than the model, or the model's vectors
            have no fixed width to truncate.
    """
    if not views:
        return default_views(width)
    for view in views:
        if view.dim is not None and width is None:
            raise ViewError(
                f"view '{view}': the width of this model's vectors is not fixed; allowed: dim=full"
            )
        if view.dim is not None and width is not None and view.dim > width:
            raise ViewError(f"view '{view}' is wider than the model: at most dim={width}")
    concrete = {
        view if view.by_route else View(view.dim if view.dim is not None else width)
        for view in views
    }
    return tuple(sorted(concrete, key=lambda view: -(view.dim or 0)))
