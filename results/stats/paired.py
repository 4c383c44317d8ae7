"""The paired test of two models, on one task or on a weighted mean over several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

import numpy as np

from results.stats.contributions import Contributions, contributions
from results.stats.errors import StatisticsError
from results.stats.sign_flip import confidence_interval, flip_p_value, smallest_p_value
from results.stats.units import Design, Reduced, Sample, sample_of

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    from results.record import Record

    Floats = npt.NDArray[np.float64]

__all__ = [
    "PairedDifference",
    "TaskPair",
    "mean_difference",
    "pair_task",
    "paired_difference",
]


_ROUNDING = 1e-12
"""Scores are between -1 and 1: what is smaller is rounding."""


@dataclass(frozen=True)
class PairedDifference:
    """How much one model's score is above another's.

    Attributes:
        mean: The difference.
        low: Lower end of its 95 % confidence interval; -inf where the units are too few for one.
        high: Its upper end; inf likewise. 0 is between the ends exactly if p is 0.05 or more.
        p: Two-sided p-value of the sign-flip test, for this difference alone. Never 0.
        n: Number of examples.
        units: Number of independent units, see `results.stats.units`.
    """

    mean: float
    low: float
    high: float
    p: float
    n: int
    units: int

    @property
    def smallest_p(self) -> float:
        """The lowest p-value that so many units can give."""
        return smallest_p_value(self.units)


@dataclass(frozen=True)
class TaskPair:
    """One task's examples, with what they add to the scores of two models."""

    sample: Sample
    first: Contributions
    second: Contributions


def pair_task(first: tuple[Record, pd.DataFrame], second: tuple[Record, pd.DataFrame]) -> TaskPair:
    """Take two records of a task apart.

    Args:
        first: A record with its examples, see `results.examples`.
        second: Likewise.

    Raises:
        StatisticsError: If the examples differ, or the score cannot be taken apart.
    """
    parts = [contributions(*one) for one in (first, second)]
    if parts[0].places != parts[1].places:
        raise StatisticsError("the two were scored on different examples")
    # Keys of either will do: records from before keys were kept have none.
    known = second if "units" in second[1] and second[1]["units"].notna().any() else first
    return TaskPair(sample_of(*known), *parts)


def mean_difference(pairs: Sequence[TaskPair], weights: Sequence[float]) -> PairedDifference:
    """Test the difference of two weighted means over tasks, the first minus the second.

    Args:
        pairs: The tasks, at least one.
        weights: The weight of each; they add up to 1.
    """
    design = Design([pair.sample for pair in pairs], weights)
    parts = [
        design.reduce(task, pair.first.values) - design.reduce(task, pair.second.values)
        for task, pair in enumerate(pairs)
    ]
    n = sum(len(pair.first.values) for pair in pairs)
    return paired_difference(design, reduce(add, parts), n)


def paired_difference(design: Design, difference: Reduced, n: int) -> PairedDifference:
    """Test a difference whose units are known.

    Args:
        design: The units.
        difference: One model's minus another's.
        n: Number of examples.
    """
    residuals, shares = design.flips(difference)
    if abs(difference.mean) <= _ROUNDING:
        difference = replace(difference, mean=0.0)
    residuals = np.where(np.abs(residuals) <= _ROUNDING * shares, 0.0, residuals)

    def sums_at(other: float) -> Floats:
        return residuals + shares * (difference.mean - other)

    spread = float(np.sqrt((residuals**2).sum()))
    ends = confidence_interval(sums_at, difference.mean, spread)
    low, high = (-np.inf, np.inf) if ends is None else ends
    p = flip_p_value(sums_at(0.0))
    return PairedDifference(difference.mean, low, high, p, n, design.units)
