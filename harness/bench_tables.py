"""What `jina-eval bench` prints and writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from harness.bench_encode import BenchRequest, bench_encode
from harness.bench_measure import (
    ENCODER,
    END_TO_END,
    PEER_32,
    PEER_BEST,
    BenchResult,
    Measurement,
)
from harness.bench_texts import MIXES
from harness.console import make_console
from harness.errors import RunError
from reports.grid import MISSING, Cell, Column, Grid
from reports.terminal import render_grid
from results.atomic import write_atomic

__all__ = ["bench_encode_command", "encode_grid", "write_figures"]

_GIB = 1024**3


def bench_encode_command(request: BenchRequest, output: Path | None, *, quiet: bool) -> int:
    """Measure, print, and write the figures if asked to. Returns the exit code."""
    progress = make_console(stderr=True)

    def say(line: str) -> None:
        if not quiet:
            progress.print(line, soft_wrap=True)

    def changed(result: BenchResult) -> None:
        last = result.measurements[-1]
        say(f"{last.mix}, {last.method}: {last.rate / 1000:.1f} ktok/s")
        write_figures(output, result.as_dict())

    result = bench_encode(request, say, changed)
    write_figures(output, result.as_dict())
    console: Console = make_console()
    console.print(render_grid(encode_grid(result)))
    for name, value in result.facts.items():
        console.print(f"{name}: {value:.6g}", soft_wrap=True)
    return 0


def write_figures(output: Path | None, figures: Mapping[str, Any]) -> None:
    """Write figures as JSON if asked to; after each one, so that a failure costs no earlier one.

    Raises:
        RunError: If the file cannot be written.
    """
    if output is None:
        return
    try:
        write_atomic(output, json.dumps(figures, indent=2) + "\n")
    except OSError as error:
        raise RunError(f"output {output}: {error.strerror or error}") from error


def encode_grid(result: BenchResult) -> Grid:
    """The measurements as a table."""
    columns = (
        Column("Texts", numeric=False),
        Column("Method", numeric=False),
        *(Column(title) for title in ("ktok/s", "Texts/s", "% of matmul", "÷ ST best")),
        *(Column(title) for title in ("÷ ST 32", "÷ encoder", "Peak GiB")),
    )
    rows = [
        (
            Cell(one.mix),
            Cell(one.method),
            Cell(f"{one.rate / 1000:.1f}"),
            Cell(f"{one.texts / one.seconds:.1f}"),
            Cell(f"{100 * one.matmul_share:.1f}"),
            _ratio(one, result.find(PEER_BEST, one.mix)),
            _ratio(one, result.find(PEER_32, one.mix)),
            _ratio(one, result.find(ENCODER, one.mix) if one.method == END_TO_END else None),
            Cell(MISSING if one.peak_bytes is None else f"{one.peak_bytes / _GIB:.1f}"),
        )
        for one in sorted(result.measurements, key=lambda one: list(MIXES).index(one.mix))
    ]
    fused = "; linear layers fused with GELU" if result.fused_gelu else ""
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    notes = (
        f"{result.precision}; attention: {result.attention}{fused}; "
        f"{result.token_budget:,} tokens a batch; "
        f"matmul: {result.matmul_rate / 1e12:.3g} TFLOP/s; ST: sentence-transformers.",
        f"{versions}.",
    )
    return Grid(f"{result.model} on {result.device}", columns, tuple(rows), notes)


def _ratio(one: Measurement, other: Measurement | None) -> Cell:
    if other is None or other is one:
        return Cell(MISSING)
    return Cell(f"{one.rate / other.rate:.2f}")
