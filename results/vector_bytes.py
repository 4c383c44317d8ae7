"""How much room a stored vector takes."""

from __future__ import annotations

from results.errors import RecordError

__all__ = ["vector_bytes"]

_BITS = {"float32": 32, "float16": 16, "int8": 8, "uint8": 8, "binary": 1, "ubinary": 1}
"""Of one dimension, by a view's precision."""


def vector_bytes(view: str, dim: int | None) -> int | None:
    """Bytes of one stored vector of a view.

    Single bits are rounded up to whole bytes. A rescoring changes nothing of what is stored.

    Args:
        view: A view's name, such as "dim=256,int8" or "dim=full,binary,rescore=4".
        dim: Number of dimensions that it reads, as in `results.provenance.Provenance`.

    Returns:
        None if the number of dimensions is not fixed, as that of a model without vectors.

    Raises:
        RecordError: If the view names no known precision.
    """
    precision = view.split(",")[1] if "," in view else "float32"
    if precision not in _BITS:
        raise RecordError(
            f"view {view!r}: unknown precision {precision!r}; allowed: {', '.join(_BITS)}"
        )
    return None if dim is None else -(-dim * _BITS[precision] // 8)
