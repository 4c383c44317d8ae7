"""Validate the paired test on real records and print Markdown tables.

    python -m tools.statistics runs/starter --draws 10000

The folder holds records of at least two models, better three in several views, on the starter
suite. Every number follows from the records and one seed.

False alarms (share of p below 0.05 where there is no difference):
    exchange  two real models exchange the outputs of whole units at random
    noise     one real model, disturbed twice: its similarities, its best documents, its labels,
              its clusters
Coverage and power: units of a real pair are drawn with replacement, so that the true difference is
known; power is on a third of the units, beside Student's t-test on the units.
Agreement: pairs of records with p between 0.005 and 0.2, beside a permutation test of the metric.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from harness.output import Output
from results.record import Record
from results.stats.contributions import example_places
from results.stats.units import Design, Sample, sample_of
from tools.statistics.outputs import Outputs, read_outputs
from tools.statistics.simulate import (
    agreement,
    coverage,
    exchange_alarms,
    family_alarms,
    noise_alarms,
    p_value,
)

SEED = 20_260_101
MOST_OUTCOMES = 1_000


def _read(folder: Path) -> dict[str, dict[str, tuple[Record, pd.DataFrame]]]:
    """By task, then by model and view."""
    store = Output(folder).store
    found: dict[str, dict[str, tuple[Record, pd.DataFrame]]] = {}
    for record in store.records():
        facts = record.provenance
        if facts.identity.chunking == "none":
            name = f"{facts.model.name.rsplit('/', 1)[-1]} {facts.view}"
            table = store.examples(record.ref)
            order, _, _ = example_places(table)
            ordered = table.iloc[order].reset_index(drop=True)
            found.setdefault(facts.task.name, {})[name] = record, ordered
    return dict(sorted(found.items()))


def _rng(*names: str) -> np.random.Generator:
    return np.random.default_rng([SEED, zlib.crc32("/".join(names).encode())])


def _chosen(outputs: dict[str, Outputs]) -> tuple[str, str]:
    """The two models that are nearest, so that a difference could go unnoticed."""
    wide = [name for name in outputs if name.endswith(("dim=384", "dim=full", "dim=128"))]
    means = {name: float(outputs[name].contributions().mean()) for name in wide}
    return min(combinations(wide, 2), key=lambda pair: abs(means[pair[0]] - means[pair[1]]))


def _alarms(task: str, kind: str, outputs: dict[str, Outputs], sample: Sample, draws: int) -> str:
    first, second = _chosen(outputs)
    a, b = outputs[first], outputs[second]
    units = Design([sample], [1.0]).units
    cells = []
    for p_values in (
        exchange_alarms(a, b, sample, draws, _rng(task, "exchange")),
        noise_alarms(a, sample, draws, _rng(task, "noise")),
    ):
        outcomes = len(np.unique(np.round(p_values, 9)))
        few = "" if outcomes > MOST_OUTCOMES else f" ({outcomes} outcomes)"
        cells.append(f"{100 * float((p_values < 0.05).mean()):.1f} %{few}")
    return f"| {kind} | {task} | {units} | {' | '.join(cells)} |"


def _coverage(task: str, kind: str, outputs: dict[str, Outputs], sample: Sample, draws: int) -> str:
    first, second = _chosen(outputs)
    a, b = outputs[first], outputs[second]
    whole = coverage(a, b, sample, draws, 1.0, _rng(task, "coverage"))
    third = coverage(a, b, sample, draws, 1 / 3, _rng(task, "power"))
    return (
        f"| {kind} | {task} | {100 * whole.covered:.1f} % | {100 * third.covered:.1f} % "
        f"| {100 * min(whole.agreed, third.agreed):.1f} % "
        f"| {100 * third.power:.1f} % | {100 * third.power_t:.1f} % |"
    )


def _agreement(
    task: str, outputs: dict[str, Outputs], sample: Sample, draws: int
) -> Iterator[tuple[float, float]]:
    """Our p-value and that of a permutation test, of pairs near the border."""
    design = Design([sample], [1.0])
    values = {name: one.contributions() for name, one in outputs.items()}
    for a, b in combinations(outputs, 2):
        ours = p_value(design, values[a] - values[b])
        if 0.005 < ours < 0.2:
            yield ours, agreement(outputs[a], outputs[b], sample, draws, _rng(task, a, b))


def main() -> int:
    """Run all simulations."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--tasks", default="")
    parser.add_argument("--only", choices=("alarms", "family", "coverage", "agreement"))
    given = parser.parse_args()
    tables: dict[str, list[str]] = {"alarms": [], "coverage": [], "agreement": []}
    pairs: list[tuple[float, float]] = []
    family: list[tuple[Outputs, Sample, str]] = []
    for task, records in _read(given.folder).items():
        if given.tasks and task not in given.tasks.split(","):
            continue
        started = time.monotonic()
        kind = next(iter(records.values()))[0].provenance.task.type
        sample = sample_of(*next(iter(records.values())))
        outputs = {name: read_outputs(*one) for name, one in records.items()}
        family.append((outputs[_chosen(outputs)[0]], sample, kind))
        has_web = (Design([sample], [1.0]).labels < 0).any()
        if given.only in (None, "alarms"):
            tables["alarms"].append(_alarms(task, kind, outputs, sample, given.draws))
        if given.only in (None, "coverage"):
            tables["coverage"].append(_coverage(task, kind, outputs, sample, given.draws // 5))
        # Pairs of documents cannot be exchanged document by document, nor clusters at all.
        if given.only in (None, "agreement") and not has_web and kind != "Clustering":
            pairs += _agreement(task, outputs, sample, given.draws)
        sys.stderr.write(f"{task} {time.monotonic() - started:.0f} s\n")
    for name, rows in tables.items():
        sys.stdout.write("".join(f"{row}\n" for row in rows) + (f"<!-- {name} -->\n"))
    if given.only in (None, "family"):
        models, samples, types = zip(*family, strict=True)
        rate = family_alarms(models, samples, types, given.draws // 5, _rng("family"))
        sys.stdout.write(f"anything found where nothing is: {100 * rate:.1f} %\n")
    same = sum((a < 0.05) == (b < 0.05) for a, b in pairs)
    sys.stdout.write(f"{same} of {len(pairs)} pairs with the same verdict\n")
    for ours, other in pairs:
        if (ours < 0.05) != (other < 0.05):
            sys.stdout.write(f"  {ours:.4f} against {other:.4f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
