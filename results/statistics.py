"""Whether one model is better than another on the same examples.

Two models are compared example by example: an interval for their difference by the paired
bootstrap (percentiles), and a p-value by a paired permutation test (Efron and Tibshirani, An
Introduction to the Bootstrap, 1993, chapters 13 and 15). Every number is the same for the same
seed, whatever the number of threads: nothing here goes through BLAS.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "PairedDifference",
    "StatisticsError",
    "align",
    "holm",
    "paired_difference",
    "paired_metric_difference",
    "paired_resample",
    "paired_swap_test",
]

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]

_INTERVAL = (0.025, 0.975)
_CHUNK = 2**20
"""Random numbers held at a time."""

_SAME = 1e-10
"""Two differences closer than this share of the scores are one, summed in another order."""


class StatisticsError(ValueError):
    """These scores cannot be compared; the message says why."""


@dataclass(frozen=True)
class PairedDifference:
    """How much the first model's score is above the second's.

    Attributes:
        mean: First minus second: the mean over the examples, or the difference of the metrics.
        low: Lower end of the 95 % bootstrap interval.
        high: Its upper end.
        p: Two-sided p-value of the paired permutation test: the chance of a difference as large,
            were it chance which model gave which output. Never 0.
        n: Number of examples.
    """

    mean: float
    low: float
    high: float
    p: float
    n: int


def align(a: Mapping[str, float], b: Mapping[str, float]) -> tuple[tuple[str, ...], Floats, Floats]:
    """Bring the scores of two models into one order.

    Args:
        a: The first model's score by example id.
        b: The second's.

    Returns:
        The ids, sorted, and for each of them both scores: two float64 arrays of shape (n,).

    Raises:
        StatisticsError: If an example was scored for one of them only.
    """
    for said, ids in (("second", a.keys() - b.keys()), ("first", b.keys() - a.keys())):
        if ids:
            some = ", ".join(map(repr, sorted(ids)[:3]))
            raise StatisticsError(
                f"{len(ids)} of {len(a.keys() | b.keys())} examples have no score of the {said} "
                f"model, such as {some}; only scores of the same examples are compared"
            )
    order = tuple(sorted(a))
    return (
        order,
        np.array([a[name] for name in order], dtype=np.float64),
        np.array([b[name] for name in order], dtype=np.float64),
    )


def paired_difference(
    a: Floats, b: Floats, *, seed: int = 0, resamples: int = 10_000
) -> PairedDifference:
    """Compare two models whose scores are means over examples.

    The order of the examples does not matter. Equal differences are drawn together, as multinomial
    or binomial counts, which has the same distribution. The p-value is exact where there are no
    more than `resamples` outcomes (for accuracies this is McNemar's exact test), and otherwise
    (1 + hits) / (1 + resamples), which is never 0 (Phipson and Smyth, 2010).

    Args:
        a: The first model's score of each example, shape (n,).
        b: The second's, in the same order.
        seed: Decides every draw.
        resamples: Draws of the bootstrap, and of the permutation test.

    Raises:
        StatisticsError: If the shapes differ, a score is not finite, or n is below 2.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise StatisticsError(f"scores of shapes {a.shape} and {b.shape}; both must be (n,)")
    for scores in (a, b):
        if not np.isfinite(scores).all():
            where = int(np.flatnonzero(~np.isfinite(scores))[0])
            raise StatisticsError(f"the score of example {where} is {scores[where]}")
    _check(len(a), resamples)
    for_interval, for_test = np.random.default_rng(seed).spawn(2)
    values, counts = np.unique(a - b, return_counts=True)
    low, high = np.quantile(_bootstrap(values, counts, resamples, for_interval), _INTERVAL)
    return PairedDifference(
        mean=fsum(a - b) / len(a),
        low=float(low),
        high=float(high),
        p=_sign_flip(a - b, resamples, for_test),
        n=len(a),
    )


def _check(n: int, resamples: int) -> None:
    if n < 2:
        raise StatisticsError(f"{n} examples; a comparison needs at least 2")
    if resamples < 1:
        raise StatisticsError(f"resamples {resamples}; there must be at least 1")


def _bootstrap(values: Floats, counts: Indices, resamples: int, rng: np.random.Generator) -> Floats:
    """Means of resamples, shape (resamples,), of `values` that stand `counts` times each."""
    n = int(counts.sum())
    means = []
    # A multinomial count costs as much as ten drawn indices.
    if 10 * len(values) < n:
        for rows in _chunks(resamples, len(values)):
            drawn = rng.multinomial(n, counts / n, size=rows)
            means.append(np.einsum("ij,j->i", drawn, values) / n)
    else:
        examples = np.repeat(values, counts)
        buffer = np.empty((max(1, _CHUNK // n), n))  # kept: new memory costs as much as filling it
        for rows in _chunks(resamples, n):
            drawn = rng.integers(0, n, size=(rows, n))
            means.append(examples.take(drawn, out=buffer[:rows], mode="clip").mean(axis=1))
    return np.concatenate(means)


def _sign_flip(differences: Floats, resamples: int, rng: np.random.Generator) -> float:
    """Two-sided p-value of the mean, were the sign of each difference a coin toss."""
    # The sign of a zero changes nothing, and of equal sizes only the number of minus signs counts.
    sizes, counts = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    total = float(np.einsum("i,i->", sizes, counts))
    least = abs(fsum(differences)) - _SAME * total
    outcomes = np.log2(counts + 1).sum()  # as a logarithm: their number has n digits
    if outcomes <= np.log2(resamples) + _SAME:
        sums, chances = _all_sums(sizes, counts)
        p = fsum(chances[np.abs(sums) >= least])
        return min(max(p, np.finfo(np.float64).tiny), 1.0)
    hits = 0
    m = int(counts.sum())
    if 10 * len(sizes) < m:
        for rows in _chunks(resamples, len(sizes)):
            minus = np.einsum("ij,j->i", rng.binomial(counts, 0.5, size=(rows, len(sizes))), sizes)
            hits += int(np.count_nonzero(np.abs(total - 2 * minus) >= least))
    else:
        examples = np.repeat(sizes, counts)
        for rows in _chunks(resamples, m):
            bits = np.frombuffer(rng.bytes(rows * -(-m // 8)), dtype=np.uint8).reshape(rows, -1)
            minus = np.einsum("ij,j->i", np.unpackbits(bits, axis=1, count=m), examples)
            hits += int(np.count_nonzero(np.abs(total - 2 * minus) >= least))
    return (1 + hits) / (1 + resamples)


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


def _chunks(resamples: int, width: int) -> Iterator[int]:
    """Numbers of resamples to draw at a time, each of `width` random numbers."""
    rows = max(1, _CHUNK // width)
    for start in range(0, resamples, rows):
        yield min(rows, resamples - start)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjust p-values for their number by Holm's step-down method (Holm 1979).

    Rejecting those up to 0.05 keeps the chance of any false rejection at 5 %.

    Args:
        p_values: One for each comparison.

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


def paired_metric_difference(
    a: NDArray[Any],
    b: NDArray[Any],
    metric: Callable[[Indices, NDArray[Any]], float],
    *,
    seed: int = 0,
    resamples: int = 10_000,
) -> PairedDifference:
    """Compare two models by a metric that is no mean over examples.

    Such are Spearman's correlation, F1 and average precision. The permutation test exchanges the
    two models' outputs example by example, so they must be on one scale: rank similarities of two
    models first (ranks leave Spearman's correlation as it is). Cluster labels are on none, for
    label 3 of one model is not label 3 of the other; for them take `paired_resample` alone.

    The order of the examples decides the draws: bring them into the order of their ids.

    Args:
        a: The first model's output for each example, shape (n, ...).
        b: The second's, in the same order and shape.
        metric: The score of the outputs, shape (k, ...), of the examples at k indices, which may
            repeat; the gold values are its own to know.
        seed: Decides every draw.
        resamples: Draws of the bootstrap, and of the permutation test.

    Raises:
        StatisticsError: If the shapes differ, n is below 2, or the metric is not finite.
    """
    if a.shape != b.shape or a.ndim == 0:
        raise StatisticsError(f"outputs of shapes {a.shape} and {b.shape}; both must be (n, ...)")
    n = len(a)
    everything = np.arange(n)

    def resampled(indices: Indices) -> tuple[float, float]:
        return metric(indices, a[indices]), metric(indices, b[indices])

    def swapped(mask: Mask) -> tuple[float, float]:
        mask = mask.reshape(-1, *[1] * (a.ndim - 1))
        first, second = np.where(mask, b, a), np.where(mask, a, b)
        return metric(everything, first), metric(everything, second)

    low, high = paired_resample(n, resampled, seed=seed, resamples=resamples)
    p = paired_swap_test(n, swapped, seed=seed, resamples=resamples)
    return PairedDifference(_difference(resampled(everything)), low, high, p, n)


def paired_resample(
    n: int,
    statistic: Callable[[Indices], tuple[float, float]],
    *,
    seed: int = 0,
    resamples: int = 10_000,
) -> tuple[float, float]:
    """The 95 % bootstrap interval of the difference between two models' metrics.

    Args:
        n: Number of examples.
        statistic: Both models' scores on the examples at some indices, int64 of shape (n,), with
            repeats.
        seed: Decides every draw.
        resamples: How many times to ask it.

    Returns:
        The lower and the upper end.

    Raises:
        StatisticsError: If n is below 2, or a score is not finite, as that of a resample without a
            single positive example: there are too few examples for an interval.
    """
    _check(n, resamples)
    rng = np.random.default_rng(seed).spawn(2)[0]
    drawn = [_difference(statistic(rng.integers(0, n, size=n))) for _ in range(resamples)]
    low, high = np.quantile(drawn, _INTERVAL)
    return float(low), float(high)


def paired_swap_test(
    n: int,
    statistic: Callable[[Mask], tuple[float, float]],
    *,
    seed: int = 0,
    resamples: int = 10_000,
) -> float:
    """Two-sided p-value of the difference between two models' metrics.

    Args:
        n: Number of examples.
        statistic: Both models' scores after they exchanged their outputs for the examples where a
            mask, bool of shape (n,), is true.
        seed: Decides every draw.
        resamples: How many times to ask it. Where there are no more exchanges than that, each is
            made once, and the p-value is exact; else it is (1 + hits) / (1 + resamples).

    Raises:
        StatisticsError: If n is below 2, or a score is not finite.
    """
    _check(n, resamples)
    scores = statistic(np.zeros(n, dtype=np.bool_))
    least = abs(_difference(scores)) - _SAME * max(map(abs, scores))
    exact = 2**n <= resamples
    hits = sum(
        abs(_difference(statistic(mask))) >= least
        for mask in (_all_masks(n) if exact else _some_masks(n, resamples, seed))
    )
    return hits / 2**n if exact else (1 + hits) / (1 + resamples)


def _all_masks(n: int) -> Iterator[Mask]:
    for number in range(2**n):
        yield (number >> np.arange(n) & 1).astype(np.bool_)


def _some_masks(n: int, masks: int, seed: int) -> Iterator[Mask]:
    rng = np.random.default_rng(seed).spawn(2)[1]
    for _ in range(masks):
        yield rng.integers(0, 2, size=n, dtype=np.bool_)


def _difference(scores: tuple[float, float]) -> float:
    first, second = scores
    if not (isfinite(first) and isfinite(second)):
        raise StatisticsError(
            f"the metric is {first} and {second} for a draw of the examples; are there too few?"
        )
    return first - second
