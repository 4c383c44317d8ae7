"""What an audit found, as a table to read and as data."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from jina_eval.core.display import csv_text
from reports.grid import MISSING, Cell, Column, Grid
from reports.markdown import render_markdown
from results.audit import Finding, Verdict, source_means
from results.published.references import PAPER, REPOSITORY

__all__ = ["audit_grid", "audit_text", "points", "short_source"]

_MOST_NAMES = 5

_COLUMNS = (
    Column("Task", numeric=False),
    Column("Source", numeric=False),
    Column("Metric", numeric=False),
    Column("Ours"),
    Column("Published"),
    Column("Difference"),
    Column("Verdict", numeric=False),
)
_SHORT = {
    f"{PAPER}v3 ": "paper, ",
    f"{REPOSITORY}@": "repository, ",
    f"{REPOSITORY}, ": "repository, ",
}


def audit_text(findings: Sequence[Finding], model: str, public: str, suffix: str) -> bytes:
    """A file of all findings.

    Args:
        findings: What was found.
        model: Name of the model in the records.
        public: Name under which its scores were published.
        suffix: Of the file: .md, .json or .csv.
    """
    if suffix == ".md":
        grid = audit_grid(findings, model, public, every=True)
        return render_markdown("Audit", [grid], []).encode()
    rows = [_row(finding, model, public) for finding in findings]
    if suffix == ".json":
        return (json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(_row(findings[0], model, public)))
    writer.writeheader()
    for row in rows:
        lists = {key: "; ".join(value) for key, value in row.items() if isinstance(value, list)}
        cells = (row | lists).items()
        writer.writerow({k: csv_text(cell) if isinstance(cell, str) else cell for k, cell in cells})
    return text.getvalue().replace("\r\n", "\n").encode()


def audit_grid(findings: Sequence[Finding], model: str, public: str, *, every: bool) -> Grid:
    """A row for each finding, what is to say about it below.

    Args:
        findings: What was found.
        model: Name of the model in the records.
        public: Name under which its scores were published.
        every: Whether published scores of tasks without a record have rows of their own.
    """
    shown = [f for f in findings if every or f.routing is not None or f.causes]
    title = f"{model}: ours and published"
    if public != model:
        title += f" as {public}"
    rows = tuple(
        (
            Cell(_name(finding)),
            Cell(short_source(finding.source) or MISSING),
            Cell(finding.metric or MISSING),
            points(finding.ours),
            points(finding.published),
            points(finding.difference, signed=True),
            Cell(finding.verdict, best=finding.verdict == "reproduced"),
        )
        for finding in shown
    )
    return Grid(title, _COLUMNS, rows, tuple(_notes(findings, shown)))


def short_source(source: str) -> str:
    """A source for where space is scarce."""
    for long, short in _SHORT.items():
        if source.startswith(long):
            return short + source.removeprefix(long)
    return source


def points(value: float | None, *, signed: bool = False) -> Cell:
    """A score times 100, or a difference of two, with two decimals."""
    if value is None:
        return Cell(MISSING)
    text = f"{round(value, 2) + 0.0:{'+' if signed else ''}.2f}"
    return Cell(text, value=value / 100)


def _name(finding: Finding) -> str:
    return f"{finding.task} ({finding.split})" if finding.split else finding.task


def _notes(findings: Sequence[Finding], shown: Sequence[Finding]) -> Iterator[str]:
    counts = Counter(finding.verdict for finding in findings)
    counted = [f"{name}: {counts[name]}" for name in get_args(Verdict) if counts[name]]
    yield f"{'; '.join(counted)}."
    for mean in source_means(findings):
        if len(mean.tasks) == 1:
            continue
        where = ", ".join(part for part in (short_source(mean.source), mean.benchmark) if part)
        yield (
            f"Mean over the same {len(mean.tasks)} tasks ({where}): ours {mean.ours:.2f}, "
            f"published {mean.published:.2f}{_missing(mean.missing)}."
        )
    limits = sorted({f"{f.limit:g}" for f in findings if f.limit is not None and f in shown})
    if limits:
        yield (
            f"Reproduced: within {' or '.join(limits)} points, "
            "the rounding of the published score included."
        )
    yield from (line for finding in shown if (line := _remark(finding)))


def _remark(finding: Finding) -> str:
    """Why a score may differ, and what else to know about it; empty for nothing."""
    notes = "; ".join(note for note in finding.notes if note not in finding.causes)
    causes = "; ".join(finding.causes)
    if finding.verdict == "differs":
        causes = f"likely causes: {causes}"
    said = ". Also: ".join(part for part in (causes, notes) if part)
    where = f" ({short_source(finding.source)})" if finding.source else ""
    return f"{_name(finding)}{where}: {said}" if said else ""


def _missing(tasks: Sequence[str]) -> str:
    if not tasks:
        return ""
    names = ", ".join(tasks[:_MOST_NAMES])
    more = f" and {len(tasks) - _MOST_NAMES} more" if len(tasks) > _MOST_NAMES else ""
    return f"; without {names}{more}"


def _row(finding: Finding, model: str, public: str) -> dict[str, Any]:
    """A finding as JSON data, unrounded."""
    return {
        "model": model,
        "published_as": public,
        "task": finding.task,
        "split": finding.split,
        "source": finding.source,
        "benchmarks": list(finding.benchmarks),
        "metric": finding.metric,
        "ours": finding.ours,
        "published": finding.published,
        "difference": finding.difference,
        "limit": finding.limit,
        "verdict": finding.verdict,
        "routing": finding.routing,
        "revision": finding.revision,
        "causes": list(finding.causes),
        "notes": list(finding.notes),
    }
