"""`jina-eval check --update`: make a reference, or make it anew, and say why."""

from __future__ import annotations

import datetime
import statistics
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from rich.text import Text

from harness.check import (
    CheckRequest,
    check_folder,
    check_spec,
    gate_policy,
    judge,
    reference_spec,
)
from harness.check_run import Measured, drop_vectors, measure, read_runs, with_cache
from harness.console import make_console
from harness.errors import RunError
from harness.plan import ResolvedRun, make_plan, resolve_run
from harness.spec import RunSpec
from reports.gate import gate_grids
from reports.terminal import render_grid
from results.gate.policy import read_policy
from results.gate.reference import POLICY, GateReference, Place, Update, place_of

if TYPE_CHECKING:
    import pandas as pd

    from results.gate.reference import Cost

__all__ = ["update_command"]

_KEPT = (
    "model",
    "revision",
    "suite",
    "tasks",
    "types",
    "languages",
    "max_texts",
    "chunkings",
    "routing",
    "precision",
    "max_length",
)
"""Keys of the run spec that decide scores, beside views and seed."""


def update_command(request: CheckRequest, reason: str | None, seeds: int) -> int:
    """Measure, and write the reference. Returns the exit code.

    Args:
        request: What to measure.
        reason: Why the reference changes; it is stored.
        seeds: Over how many seeds the spread is measured; 1 for none.

    Raises:
        RunError: If there is no reason, or a score is missing.
    """
    if not (reason or "").strip():
        raise RunError("--update changes what is called good: say why with --reason 'TEXT'")
    if seeds < 1:
        raise RunError(f"seeds {seeds}: expected 1 or more")
    there = GateReference.exists(request.reference)
    before = GateReference.read(request.reference) if there else None
    if before is not None:  # a mistake in it shows before anything is measured
        read_policy(request.policy or request.reference / POLICY)
    spec, _ = check_spec(request, {} if before is None else reference_spec(before))
    folder = check_folder(request.output, spec)
    run = resolve_run(spec)
    if request.runs:
        measured = read_runs(run, request.runs)
    else:
        run = resolve_run(with_cache(spec, folder / "vectors"))
        measured = measure(run, folder, overwrite=request.overwrite, quiet=request.quiet)
    _check_complete(run, measured)
    spread = _spread(run, measured, folder, seeds, quiet=request.quiet) if seeds > 1 else {}
    cost = _cost(request, run, before)
    drop_vectors(folder / "vectors")
    after = _reference(spec, run, measured, before, str(reason).strip(), spread, seeds, cost)
    if before is not None:
        _show_change(before, after, measured, request)
    try:
        after.write(request.reference)
    except OSError as error:
        raise RunError(
            f"reference {request.reference} cannot be written: {error.strerror or error}"
        ) from error
    make_console().print(
        f"{request.reference}: {len(after.records)} records of {run.source.name}", soft_wrap=True
    )
    return 0


def _check_complete(run: ResolvedRun, measured: Measured) -> None:
    planned = make_plan(run, measured.stores[0]).jobs
    there = {place_of(record) for record in measured.records}
    for job in planned:
        place = Place(job.ref.task, str(job.view), str(job.chunking))
        if place not in there:
            reason = measured.refused.get(place.task, "it was not measured")
            raise RunError(f"no reference was written: {place} has no score: {reason}")


def _spread(
    run: ResolvedRun, measured: Measured, folder: Path, seeds: int, *, quiet: bool
) -> dict[str, float]:
    """By task, the standard deviation of its score over seeds: the largest over views.

    The first other seed is measured on all tasks; the rest on those whose score it moved.
    """
    views = [run.views[0], run.views[-1]]
    wanted = {str(view) for view in views}
    scores: dict[Place, list[float]] = {
        place_of(record): [record.provenance.score]
        for record in measured.records
        if record.provenance.view in wanted
    }
    tasks = tuple(dict.fromkeys(place.task for place in scores))
    moved = tasks
    for number in range(1, seeds):
        if not moved:
            break
        update: dict[str, Any] = {
            "seed": (run.spec.seed + number) % 2**32,
            "views": tuple(map(str, views)),
            "tasks": moved,
        }
        other = resolve_run(run.spec.model_copy(update=update))
        found = measure(other, folder / f"seed-{other.spec.seed}", overwrite=False, quiet=quiet)
        if found.refused:
            task, reason = next(iter(found.refused.items()))
            raise RunError(f"no reference was written: seed {other.spec.seed}: {task}: {reason}")
        for record in found.records:
            scores[place_of(record)].append(record.provenance.score)
        moved = tuple(task for task in moved if _varies(scores, task))
    return {
        task: max(
            statistics.stdev(known) if len(known) > 1 else 0.0
            for place, known in scores.items()
            if place.task == task
        )
        for task in tasks
    }


def _varies(scores: dict[Place, list[float]], task: str) -> bool:
    return any(len(set(known)) > 1 for place, known in scores.items() if place.task == task)


def _cost(request: CheckRequest, run: ResolvedRun, before: GateReference | None) -> Cost | None:
    if not request.speed:
        return None if before is None else before.cost
    from harness.check_cost import measure_cost

    return measure_cost(run, quiet=request.quiet)


def _reference(
    spec: RunSpec,
    run: ResolvedRun,
    measured: Measured,
    before: GateReference | None,
    reason: str,
    spread: dict[str, float],
    seeds: int,
    cost: Cost | None,
) -> GateReference:
    by_place = {place_of(record): record for record in measured.records}
    widest = [one for one in measured.records if one.provenance.view == str(run.views[0])]
    update = Update(
        date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        reason=reason,
        model=run.source.name,
        revision=run.source.revision,
        git_commit=measured.records[0].provenance.environment.git_commit,
        mean_task=round(fmean(record.provenance.score for record in widest), 6),
    )
    given = spec.given()
    run_spec = {name: given[name] for name in _KEPT if name in given}
    run_spec["views"] = [str(view) for view in run.views]
    run_spec["seed"] = spec.seed
    run_spec["precision"] = run.precision

    def table(place: Place) -> pd.DataFrame:
        return measured.examples(by_place[place])

    return GateReference(
        run_spec=run_spec,
        seed=spec.seed,
        records=tuple(measured.records),
        spread=spread,
        spread_seeds=seeds if spread else 0,
        cost=cost,
        history=(*(before.history if before is not None else ()), update),
        tables=table,
    )


def _show_change(
    before: GateReference, after: GateReference, measured: Measured, request: CheckRequest
) -> None:
    """What the gate would have said of the new reference."""
    policy = gate_policy(request, before, after)
    outcome = judge(before, policy, measured, before.places, after.history[-1].model)
    console = make_console()
    if not request.quiet:
        for grid in gate_grids(outcome):
            console.print(render_grid(grid))
            console.print()
    console.print(Text(f"Held against the reference before it: {outcome.sentence}"), soft_wrap=True)
