"""What the gate came to, for terminal, Markdown and JUnit."""

from __future__ import annotations

import xml.etree.ElementTree as ET  # only written here, never parsed
from collections.abc import Sequence

from reports.grid import MISSING, Cell, Column, Grid, visible
from reports.markdown import render_markdown
from results.gate.judge import FAILURES, Judgement, MeanJudgement, Status
from results.gate.outcome import CostJudgement, GateOutcome
from results.gate.reference import Place

__all__ = ["gate_grids", "gate_junit", "gate_markdown"]

_TITLE = "Regression gate"
_ORDER: Sequence[Status] = (*FAILURES, "not judged", "lower, allowed", "better", "equal")
_MOST_ROWS = 40
_MOST_CAUSES = 4


def gate_grids(outcome: GateOutcome) -> tuple[Grid, ...]:
    """Tables: means, records that are not equal, and costs where they were judged."""
    grids = [_means_grid(outcome), _records_grid(outcome)]
    if outcome.costs:
        grids.append(_costs_grid(outcome.costs))
    return tuple(grid for grid in grids if grid.rows)


def gate_markdown(outcome: GateOutcome) -> str:
    """All tables with the outcome as a sentence above them."""
    model, reference = (_code(name) for name in (outcome.model, outcome.reference))
    weights = "the same weights" if outcome.same_weights else "other weights"
    said = f"{_plain(outcome.sentence)} {model} held against {reference}, {weights}."
    grids = gate_grids(outcome)
    if not grids:
        return f"# {_TITLE}\n\n{said}\n"
    heading, _, rest = render_markdown(_TITLE, grids, []).partition("\n")
    return f"{heading}\n\n{said}\n{rest}"


def gate_junit(outcome: GateOutcome) -> bytes:
    """JUnit XML: a test suite for each view and chunking, a case for each task and mean.

    Regressions and the like (`FAILURES`) are failures, what could not be judged is an error.
    """
    root = ET.Element("testsuites", name="jina-eval check")
    groups: dict[str, list[Judgement | MeanJudgement | CostJudgement]] = {}
    for judgement in outcome.judgements:
        groups.setdefault(_setting(judgement.place), []).append(judgement)
    for mean in outcome.means:
        groups.setdefault(_setting(mean), []).append(mean)
    if outcome.costs:
        groups["cost"] = list(outcome.costs)
    for name, members in groups.items():
        statuses = [one.status for one in members]
        suite = ET.SubElement(
            root,
            "testsuite",
            name=_plain(name),
            tests=str(len(members)),
            failures=str(sum(status in FAILURES for status in statuses)),
            errors=str(statuses.count("not judged")),
        )
        for one in members:
            _add_case(suite, name, one)
    ET.indent(root)
    content: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _add_case(suite: ET.Element, name: str, one: Judgement | MeanJudgement | CostJudgement) -> None:
    if isinstance(one, Judgement):
        title = one.place.task
    elif isinstance(one, MeanJudgement):
        title = f"mean over {one.over}"
    else:
        title = one.what
    case = ET.SubElement(suite, "testcase", classname=_plain(name), name=_plain(title))
    said = _plain(_numbers(one))
    causes = [_plain(cause) for cause in getattr(one, "causes", ())]
    if one.status == "not judged" or one.status in FAILURES:
        kind = "error" if one.status == "not judged" else "failure"
        element = ET.SubElement(case, kind, message=said, type=one.status)
        element.text = "\n".join(causes)
    else:
        ET.SubElement(case, "system-out").text = "\n".join([said, *causes])


def _numbers(one: Judgement | MeanJudgement | CostJudgement) -> str:
    """A judgement as a line."""
    if isinstance(one, CostJudgement):
        parts = [f"{one.status}: {_ratio(one.was)} × before, {_ratio(one.now)} × now"]
        if one.bound is not None:
            parts.append(f"bound {_ratio(one.bound)}")
    else:
        now = MISSING if one.now is None else f"{100 * one.now:.2f}"
        parts = [f"{one.status}: {100 * one.was:.2f}, now {now}"]
        if one.allowed is not None:
            parts.append(f"{one.allowed:.2f} points may be lost")
    if isinstance(one, Judgement) and one.p is not None:
        parts.append(f"p {_p(one.p)}")
    if one.reason:
        parts.append(one.reason)
    return "; ".join(parts)


def _setting(place: Place | MeanJudgement) -> str:
    return place.view if place.chunking == "none" else f"{place.view}, {place.chunking}"


def _means_grid(outcome: GateOutcome) -> Grid:
    columns = (
        Column("View", numeric=False),
        Column("Mean over", numeric=False),
        *(Column(name) for name in ("Tasks", "Was", "Now", "Points", "Allowed")),
        Column("Is", numeric=False),
    )
    rows = []
    for one in outcome.means:
        rows.append(
            (
                Cell(_setting(one)),
                Cell(one.over),
                Cell(str(one.tasks)),
                Cell(f"{100 * one.was:.2f}"),
                Cell(f"{100 * one.now:.2f}"),
                Cell(_signed(one.points)),
                Cell(f"{one.allowed:.2f}"),
                Cell(_verdict(one.status, one.reason), best=one.status in FAILURES),
            )
        )
    return Grid("Means", columns, tuple(rows), ("Scores × 100.",), keys=2)


def _records_grid(outcome: GateOutcome) -> Grid:
    columns = (
        Column("Task", numeric=False),
        Column("View", numeric=False),
        *(Column(name) for name in ("Was", "Now", "Points", "Allowed", "p")),
        Column("Is", numeric=False),
    )
    differing = [one for one in outcome.judgements if one.status != "equal" or one.causes]
    differing.sort(key=lambda one: (_ORDER.index(one.status), one.points or 0.0, one.place))
    rows = tuple(_record_row(one) for one in differing[:_MOST_ROWS])
    notes = []
    if len(differing) > len(rows):
        notes.append(f"{len(differing) - len(rows)} more are in the JUnit file.")
    equal = outcome.statuses["equal"]
    if equal:
        notes.append(f"Equal: {equal} of {len(outcome.judgements)} records.")
    moved = (one for one in differing if one.status != "equal")
    if outcome.same_weights and any(one.points not in (None, 0.0) for one in moved):
        notes.append("The weights are the reference's: code or machine changed these scores.")
    return Grid("Records that differ", columns, rows, (*notes, *_cause_notes(differing)), keys=2)


def _record_row(one: Judgement) -> tuple[Cell, ...]:
    return (
        Cell(one.place.task),
        Cell(_setting(one.place)),
        Cell(f"{100 * one.was:.2f}"),
        Cell(MISSING if one.now is None else f"{100 * one.now:.2f}"),
        Cell(MISSING if one.points is None else _signed(one.points)),
        Cell(MISSING if one.allowed is None else f"{one.allowed:.2f}"),
        Cell(MISSING if one.p is None else _p(one.p)),
        Cell(_verdict(one.status, one.reason), best=one.status in FAILURES),
    )


def _cause_notes(differing: Sequence[Judgement]) -> list[str]:
    """What differs beside the scores, each fact once with how many records it is true of."""
    counts: dict[str, int] = {}
    for one in differing:
        for cause in one.causes:
            counts[cause] = counts.get(cause, 0) + 1
    often = sorted(counts.items(), key=lambda item: -item[1])
    notes = [
        f"Also different in {count} of these: {cause}." for cause, count in often[:_MOST_CAUSES]
    ]
    if len(often) > _MOST_CAUSES:
        notes.append(f"{len(often) - _MOST_CAUSES} more differences are in the JUnit file.")
    return notes


def _costs_grid(costs: Sequence[CostJudgement]) -> Grid:
    columns = (
        Column("Cost", numeric=False),
        *(Column(name) for name in ("Was", "Now", "Bound")),
        Column("Is", numeric=False),
    )
    rows = tuple(
        (
            Cell(one.what),
            *(Cell(_ratio(value)) for value in (one.was, one.now, one.bound)),
            Cell(_verdict(one.status, one.reason), best=one.status in FAILURES),
        )
        for one in costs
    )
    notes = ("As multiples of sentence-transformers' on the same weights, in the same run.",)
    return Grid("Cost", columns, rows, notes)


def _code(text: str) -> str:
    """A name in Markdown, whatever letters it has."""
    return f"`{_plain(text).replace('`', '')}`"


def _verdict(status: Status, reason: str) -> str:
    return f"{status}: {reason}" if reason else status


def _signed(points: float) -> str:
    text = f"{points:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text


def _ratio(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2f}"


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def _plain(text: str) -> str:
    return visible(text)
