"""Many tests at once: p-values corrected for their number."""

from __future__ import annotations

from collections.abc import Sequence

from results.stats.errors import StatisticsError

__all__ = ["LEVEL", "could_be_rejected", "holm"]

LEVEL = 0.05
"""Level of a test, and 1 minus the confidence of an interval."""


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjust p-values for their number by Holm's step-down method.

    Rejecting those below 0.05 keeps the chance of any false rejection at 5 %, however the tests
    depend on one another (Holm, Scandinavian Journal of Statistics 6, 1979).

    Args:
        p_values: One per test of the family.

    Returns:
        Adjusted p-values, in the same order; equal ones stay equal.

    Raises:
        StatisticsError: If one of them is outside of 0 to 1.
    """
    for p in p_values:
        if not 0 <= p <= 1:
            raise StatisticsError(f"p-value {p}; allowed: 0 to 1")
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return tuple(adjusted)


def could_be_rejected(p_values: Sequence[float], place: int, smallest: float, level: float) -> bool:
    """Whether a test could have been significant in its family at all.

    Args:
        p_values: Those of the family, unadjusted.
        place: Which test.
        smallest: The lowest p-value that it can give.
        level: Of the family.
    """
    if smallest * len(p_values) < level:
        return True
    best = [*p_values[:place], smallest, *p_values[place + 1 :]]
    return holm(best)[place] < level
