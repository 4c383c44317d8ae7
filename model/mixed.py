"""Texts that each have a route of their own."""

from collections.abc import Sequence

import numpy as np

from model.backend import Backend, Encoded, Progress
from model.routing import Route

__all__ = ["encode_mixed"]


def encode_mixed(
    backend: Backend, texts: Sequence[str], routes: Sequence[Route], progress: Progress
) -> Encoded:
    """Encode texts with different adapters and prompts; rows in the order of the texts.

    Texts of one route go through the model together: an adapter is put in
    force once, and costs nothing while it is (measured in docs/benchmarks.md),
    where choosing it token by token would slow every layer.

    Args:
        backend: A loaded model.
        texts: Texts without their prompts.
        routes: The route of each.
        progress: Told of texts that are done.

    Raises:
        ModelError: If the model has not got an adapter.
    """
    groups: dict[Route, list[int]] = {}
    for row, route in enumerate(routes):
        groups.setdefault(route, []).append(row)
    order = sorted(groups, key=lambda route: (route.adapter or "", route.prompt))
    parts = [
        backend.encode([texts[row] for row in groups[route]], route, progress) for route in order
    ]
    rows = np.concatenate([groups[route] for route in order])
    place = np.argsort(rows, kind="stable")
    tokens = [part.tokens for part in parts if part.tokens is not None]
    cut = [part.truncated for part in parts if part.truncated is not None]
    return Encoded(
        vectors=np.concatenate([part.vectors for part in parts])[place],
        tokens=np.concatenate(tokens)[place] if len(tokens) == len(parts) else None,
        truncated=np.concatenate(cut)[place] if len(cut) == len(parts) else None,
    )
