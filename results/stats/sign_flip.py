"""The sign-flip test: could the signs of some numbers be coin tosses?

Two models that are equally good may exchange their outputs for any independent unit of the data
(a query, a pair, a document), which flips the sign of the unit's contribution to the difference of
their scores. The p-value is the share of all flips whose sum is at least as far from zero as the
one observed (Fisher, The Design of Experiments, 1935, section 21). It is computed, not sampled, so
it needs no seed, and it reaches as far into the tail as a correction for many tests asks for:

- exactly, by meeting in the middle (Horowitz and Sahni, Journal of the ACM 21, 1974), where each
  half has few outcomes: up to 26 units, or any number of units of few distinct sizes, for which
  this is McNemar's exact test and its kin;
- else by the saddlepoint approximation of the tail (Lugannani and Rice, Advances in Applied
  Probability 12, 1980; for sign flips Robinson, Journal of the Royal Statistical Society B 44,
  1982), with a correction for sums that lie on a lattice. Its relative error is about 1 %.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from results.stats.errors import StatisticsError
from results.stats.multiple import LEVEL

__all__ = ["confidence_interval", "flip_p_value", "smallest_p_value"]

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_SAME = 1e-10
"""Two sums closer than this share of the sizes are equal, added in another order."""

_HALF = 2**13
"""Outcomes of one half that are enumerated."""

_TINY = float(np.finfo(np.float64).tiny)


def smallest_p_value(units: int) -> float:
    """The p-value if all units agreed on the sign, 2 · 2^-units: no test of them gives a lower one.

    Args:
        units: Number of independent units.
    """
    return min(1.0, 2.0 ** (1 - units)) if units < 1000 else 0.0


def flip_p_value(sums: Floats) -> float:
    """Two-sided p-value of the sum of some numbers under random signs.

    Args:
        sums: One number per independent unit, shape (n,).

    Returns:
        The chance of a sum at least as far from zero, above 0 and at most 1.

    Raises:
        StatisticsError: If a number is not finite.
    """
    if not np.isfinite(sums).all():
        where = int(np.flatnonzero(~np.isfinite(sums))[0])
        raise StatisticsError(f"the contribution of unit {where} is {sums[where]}")
    sizes = np.abs(sums[sums != 0])
    total = float(sizes.sum())
    least = abs(float(sums.sum())) - _SAME * total
    if least <= 0:
        return 1.0
    distinct, counts = _distinct(sizes)
    halves = _halves(counts)
    if halves is not None:
        tail = _exact_tail(distinct, counts, halves, least)
    else:
        tail = _saddlepoint_tail(distinct, counts, least)
    return min(1.0, max(2 * tail, _TINY))


def confidence_interval(
    sums_at: Callable[[float], Floats], center: float, spread: float
) -> tuple[float, float] | None:
    """All differences that the test does not reject, as an interval.

    Args:
        sums_at: The units' sums if the true difference were some number.
        center: The observed difference.
        spread: Its standard error, roughly: where the search begins.

    Returns:
        Lower and upper end at the confidence 1 - `LEVEL`; None where the units are too few to
        reject anything. 0 is in the interval exactly if the test of 0 is not significant.
    """
    if smallest_p_value(len(sums_at(center))) >= LEVEL:
        return None
    low, high = (_end(sums_at, center, side * spread) for side in (-1, 1))
    # The test of 0 is exact for ties, which any other difference breaks: 0 decides for itself.
    if flip_p_value(sums_at(0.0)) >= LEVEL:
        return min(low, 0.0), max(high, 0.0)
    return low, high


def _end(sums_at: Callable[[float], Floats], center: float, step: float) -> float:
    """One end of the interval: where the p-value falls below the level."""
    from scipy.optimize import brentq

    if step == 0:
        return center

    def above(distance: float) -> float:
        return float(np.log(flip_p_value(sums_at(center + distance * step)) / LEVEL))

    far = 3.0
    while above(far) > 0:
        far *= 2
        if far > 1e6:
            return float(np.sign(step) * np.inf)
    # A step function where few units are enumerated: any point of the step will do.
    return center + step * float(brentq(above, 0.0, far, xtol=1e-6))


def _distinct(sizes: Floats) -> tuple[Floats, Indices]:
    """Sizes that differ by more than rounding, and how often each occurs."""
    ordered = np.sort(sizes)
    begins = np.flatnonzero(
        np.concatenate([[True], np.diff(ordered) > _SAME * np.maximum(ordered[1:], _TINY)])
    )
    counts = np.diff(np.append(begins, len(ordered)))
    return ordered[begins], counts.astype(np.int64)


def _halves(counts: Indices) -> npt.NDArray[np.bool_] | None:
    """Which distinct sizes go to the first half; None if the outcomes are too many."""
    if len(counts) == 1:  # McNemar's test, of any size
        return np.ones(1, dtype=np.bool_)
    outcomes = np.log2(counts + 1.0)
    if outcomes.sum() > 2 * np.log2(_HALF):
        return None
    first = np.zeros(len(counts), dtype=np.bool_)
    loads = [0.0, 0.0]
    for place in np.argsort(-outcomes, kind="stable"):
        lighter = int(loads[1] < loads[0])
        loads[lighter] += float(outcomes[place])
        first[place] = lighter == 0
    return first if max(loads) <= np.log2(_HALF) else None


def _exact_tail(
    sizes: Floats, counts: Indices, first: npt.NDArray[np.bool_], least: float
) -> float:
    """The chance of a sum of at least `least`, over all outcomes."""
    sums, chances = _all_sums(sizes[first], counts[first])
    others, other_chances = _all_sums(sizes[~first], counts[~first])
    order = np.argsort(others)
    # Chance that the other half is at least as large as what is missing.
    upto = np.append(np.cumsum(other_chances[order][::-1])[::-1], 0.0)
    missing = np.searchsorted(others[order], least - sums, side="left")
    return float((chances * upto[missing]).sum())


def _all_sums(sizes: Floats, counts: Indices) -> tuple[Floats, Floats]:
    """Every sum that `counts` signed copies of each size can have, and its probability."""
    sums, chances = np.zeros(1), np.ones(1)
    for size, count in zip(sizes, counts.tolist(), strict=True):
        minus = np.arange(count + 1)
        odds = np.log((count - minus[:-1]) / (minus[:-1] + 1))  # of one more minus sign
        binomial = np.exp(np.concatenate([[0.0], np.cumsum(odds)]) - count * np.log(2))
        sums = (sums[:, None] + size * (count - 2 * minus)).ravel()
        chances = (chances[:, None] * binomial).ravel()
    return sums, chances


@dataclass(frozen=True)
class _Cumulants:
    """Cumulant generating function of a sum of signed sizes, Σ counts · log cosh(t · size)."""

    sizes: Floats
    counts: Indices

    def value(self, t: float) -> float:
        x = t * self.sizes
        return float((self.counts * (x + np.log1p(np.exp(-2 * x)) - np.log(2))).sum())

    def slopes(self, t: float) -> tuple[float, float]:
        """First and second derivative."""
        tanh = np.tanh(t * self.sizes)
        first = float((self.counts * self.sizes * tanh).sum())
        return first, float((self.counts * self.sizes**2 * (1 - tanh**2)).sum())


def _saddlepoint_tail(sizes: Floats, counts: Indices, least: float) -> float:
    """The chance of a sum of at least `least`, approximately."""
    from scipy.special import ndtr

    scale = float(np.sqrt((counts * sizes**2).sum()))
    cumulants = _Cumulants(sizes / scale, counts)
    total = float((counts * cumulants.sizes).sum())
    # On a lattice the sum's chance reaches half a step to both sides.
    x = least / scale - _lattice_step(cumulants.sizes)
    if x < 1e-4:
        return float(ndtr(-x))
    floor = float(2.0 ** -float(counts.sum()))
    if total - x < 2 * cumulants.sizes[0] * (1 - 1e-6):  # no other outcome is as large
        return floor
    t = _saddlepoint(cumulants, x)
    w = float(np.sqrt(max(2 * (t * x - cumulants.value(t)), 0.0)))
    u = t * float(np.sqrt(cumulants.slopes(t)[1]))
    if w < 1e-4 or u == 0:
        return float(ndtr(-x))
    density = float(np.exp(-w * w / 2) / np.sqrt(2 * np.pi))
    return float(min(0.5, max(ndtr(-w) + density * (1 / u - 1 / w), floor)))


def _saddlepoint(cumulants: _Cumulants, x: float) -> float:
    """Where the first derivative is x, by Newton's method."""
    t = x
    for _ in range(100):
        first, second = cumulants.slopes(t)
        last, t = t, max(t / 2, min(t + (x - first) / max(second, _TINY), 2 * t + 1))
        if abs(t - last) <= 1e-12 * t:
            break
    return t


def _lattice_step(sizes: Floats) -> float:
    """Half the distance between neighbouring sums if all sizes are multiples of one; else 0."""
    unit = float(sizes[0])
    multiples = sizes / unit
    if multiples[-1] > 1e4 or not np.allclose(multiples, np.round(multiples), rtol=1e-6, atol=0):
        return 0.0
    return unit
