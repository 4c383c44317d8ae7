"""Simulated pairs of models: how often the test finds a difference, and whether it is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import numpy.typing as npt
from scipy.stats import ttest_1samp

from results.stats.multiple import LEVEL, holm
from results.stats.paired import paired_difference
from results.stats.sign_flip import flip_p_value
from results.stats.units import Design, Sample
from tools.statistics.outputs import Outputs

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

__all__ = [
    "Rates",
    "agreement",
    "coverage",
    "exchange_alarms",
    "family_alarms",
    "noise_alarms",
    "unit_labels",
]


@dataclass(frozen=True)
class Rates:
    """What came out of many draws; shares between 0 and 1.

    Attributes:
        covered: Of 95 % intervals with the true difference in them.
        agreed: Of intervals that leave out 0 exactly if the test is significant.
        power: Of significant tests.
        power_t: Of significant t-tests on the units.
    """

    covered: float
    agreed: float
    power: float
    power_t: float


def p_value(design: Design, difference: Floats) -> float:
    """The test's p-value of contributions to a difference."""
    found = design.reduce(0, difference)
    residuals, shares = design.flips(found)
    return flip_p_value(residuals + shares * found.mean)


def unit_labels(sample: Sample) -> Indices:
    """The cluster of each example; pairs of documents that form a web are of their first."""
    design = Design([sample], [1.0])
    labels = design.labels.copy()
    free = labels < 0
    if free.any():
        first = np.full(len(labels), -1)
        first[sample.rows[::-1]] = np.unique(sample.keys, return_inverse=True)[1][::-1]
        labels[free] = labels.max() + 1 + first[free]
    return np.unique(labels, return_inverse=True)[1]


def exchange_alarms(
    a: Outputs, b: Outputs, sample: Sample, draws: int, rng: np.random.Generator
) -> Floats:
    """P-values where two models exchange the outputs of whole units, shape (draws,)."""
    design, labels = Design([sample], [1.0]), unit_labels(sample)
    a, b = a.comparable(), b.comparable()
    found = np.empty(draws)
    for draw in range(draws):
        mask = rng.integers(0, 2, labels.max() + 1, dtype=np.bool_)[labels]
        first, second = a.exchanged(b, mask)
        found[draw] = p_value(design, first.contributions() - second.contributions())
    return found


def noise_alarms(a: Outputs, sample: Sample, draws: int, rng: np.random.Generator) -> Floats:
    """P-values where one model is disturbed twice, shape (draws,)."""
    design = Design([sample], [1.0])
    found = np.empty(draws)
    for draw in range(draws):
        first, second = (a.disturbed(rng, sample).contributions() for _ in range(2))
        found[draw] = p_value(design, first - second)
    return found


def coverage(
    a: Outputs, b: Outputs, sample: Sample, draws: int, share: float, rng: np.random.Generator
) -> Rates:
    """Draw units with replacement, whose whole has a known difference.

    Args:
        a: A model.
        b: Another.
        sample: The task's examples.
        draws: How often.
        share: How many units are drawn, of those there are.
        rng: Where chance comes from.
    """
    labels = unit_labels(sample)
    truth = _mean(a.contributions() - b.contributions(), a.groups)
    members = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    outcomes = []
    for _ in range(draws):
        chosen = rng.integers(0, len(members), max(8, round(share * len(members))))
        rows = np.concatenate([members[one] for one in chosen])
        keys = np.repeat(np.arange(len(chosen)), [len(members[one]) for one in chosen])
        _, groups = np.unique(a.groups[rows], return_inverse=True)
        first, second = (_with_groups(one.drawn(rows), groups) for one in (a, b))
        own = Sample("", groups, np.arange(len(rows)), keys.astype(np.uint64))
        difference = first.contributions() - second.contributions()
        design = Design([own], [1.0])
        found = paired_difference(design, design.reduce(0, difference), len(rows))
        residuals, shares = design.flips(design.reduce(0, difference))
        t_test = ttest_1samp(residuals + shares * found.mean, 0).pvalue
        outcomes.append(
            (
                found.low <= truth <= found.high,
                (found.low <= 0 <= found.high) == (found.p >= 0.05),
                found.p < 0.05,
                bool(t_test < 0.05),
            )
        )
    return Rates(*np.mean(outcomes, axis=0).tolist())


def _with_groups(outputs: Outputs, groups: Indices) -> Outputs:
    """The same outputs in groups of other numbers."""
    return Outputs(outputs.kind, outputs.values, outputs.golds, groups, outputs.metric)


def family_alarms(
    models: Sequence[Outputs],
    samples: Sequence[Sample],
    types: Sequence[str],
    draws: int,
    rng: np.random.Generator,
) -> float:
    """Share of draws in which anything is found where nothing is, after the correction.

    All tasks, the types of several tasks and both means are one family, as in `compare`.

    Args:
        models: One model's outputs by task.
        samples: The tasks' examples.
        types: Their types.
        draws: How often each model is disturbed twice.
        rng: Where chance comes from.
    """
    count, kinds = len(samples), list(dict.fromkeys(types))
    weights = [[float(one == task) for one in range(count)] for task in range(count)]
    several = [kind for kind in kinds if types.count(kind) > 1]
    weights += [[(one == kind) / types.count(kind) for one in types] for kind in several]
    weights.append([1 / count] * count)
    weights.append([1 / (len(kinds) * types.count(one)) for one in types])
    places = [[task for task, weight in enumerate(row) if weight] for row in weights]
    designs = [
        Design([samples[task] for task in here], [row[task] for task in here])
        for here, row in zip(places, weights, strict=True)
    ]
    alarms = 0
    for _ in range(draws):
        found = [
            one.disturbed(rng, sample).contributions() - one.disturbed(rng, sample).contributions()
            for one, sample in zip(models, samples, strict=True)
        ]
        p_values = []
        for design, here in zip(designs, places, strict=True):
            parts = [design.reduce(number, found[task]) for number, task in enumerate(here)]
            total = reduce(add, parts)
            residuals, shares = design.flips(total)
            p_values.append(flip_p_value(residuals + shares * total.mean))
        alarms += min(holm(p_values)) < LEVEL
    return alarms / draws


def agreement(
    a: Outputs, b: Outputs, sample: Sample, draws: int, rng: np.random.Generator
) -> float:
    """The p-value of a permutation test: the metric itself, whole units exchanged."""
    labels = unit_labels(sample)
    a, b = a.comparable(), b.comparable()
    least = abs(_mean(a.contributions(), a.groups) - _mean(b.contributions(), b.groups)) - 1e-12
    hits = 0
    for _ in range(draws):
        mask = rng.integers(0, 2, labels.max() + 1, dtype=np.bool_)[labels]
        first, second = a.exchanged(b, mask)
        moved = _mean(first.contributions(), a.groups) - _mean(second.contributions(), a.groups)
        hits += abs(moved) >= least
    return (1 + hits) / (1 + draws)


def _mean(values: Floats, groups: Indices) -> float:
    return float((np.bincount(groups, values) / np.bincount(groups)).mean())
