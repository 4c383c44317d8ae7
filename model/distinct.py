"""How many different things there were, in eight bytes a thing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["DistinctCounter"]


class DistinctCounter:
    """Tells which hashes are new.

    Hashes are kept in sorted arrays, of which small ones are merged as they come, so that there
    are few arrays and each hash is moved a few times only.
    """

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._sorted: list[npt.NDArray[np.uint64]] = []

    def __len__(self) -> int:
        """Number of different hashes seen."""
        return sum(map(len, self._sorted))

    def add(self, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Note hashes.

        Args:
            hashes: Shape (n,), uint64; a repeated one is new the first time only.

        Returns:
            Which of them had not been seen, shape (n,).
        """
        new = np.zeros(len(hashes), dtype=np.bool_)
        values, first = np.unique(hashes, return_index=True)
        unseen = np.ones(len(values), dtype=np.bool_)
        for known in self._sorted:
            places = np.searchsorted(known, values).clip(max=len(known) - 1)
            unseen &= known[places] != values
        new[first[unseen]] = True
        added = values[unseen]
        while self._sorted and len(self._sorted[-1]) <= 2 * len(added):
            added = np.union1d(self._sorted.pop(), added)
        if len(added):
            self._sorted.append(added)
        return new
