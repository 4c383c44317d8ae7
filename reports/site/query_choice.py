"""Which examples of a task are worth looking at: where models differ, where all fail, a sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

__all__ = ["Reason", "choose"]

Reason = Literal["differs most", "worst for all", "sample"]


def choose(errors: Floats, order: npt.NDArray[np.int64], most: int) -> list[tuple[int, Reason]]:
    """Half of them where the models differ most, a quarter where all are wrong, a sample.

    Args:
        errors: How wrong each model is on each example, from 0 for right; NaN where that is not
            known. Shape (examples, models).
        order: What is taken first among equals, and into the sample, shape (examples,).
        most: How many at most.

    Returns:
        Rows with the reason for each; the same for the same arguments.
    """
    known = ~np.isnan(errors)
    highest = np.where(known, errors, -np.inf).max(axis=1, initial=-np.inf)
    lowest = np.where(known, errors, np.inf).min(axis=1, initial=np.inf)
    spread = np.where(known.sum(axis=1) > 1, highest - lowest, 0.0)
    wrong = np.where(known.any(axis=1), lowest, 0.0)
    differing = np.lexsort((order, -spread))
    differing = differing[spread[differing] > 0][: most - most // 2]
    failing = np.lexsort((order, -wrong))
    failing = failing[(wrong[failing] > 0) & ~np.isin(failing, differing)]
    failing = failing[: most // 4]
    rest = np.argsort(order, kind="stable")
    rest = rest[~np.isin(rest, np.concatenate([differing, failing]))]
    rest = rest[: most - len(differing) - len(failing)]
    parts: list[tuple[npt.NDArray[np.int64], Reason]] = [
        (differing, "differs most"),
        (failing, "worst for all"),
        (rest, "sample"),
    ]
    return [(row, reason) for rows, reason in parts for row in rows.tolist()]
