"""Run several models one after the other; a broken one costs the others nothing."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from harness.errors import StorageError, is_user_error, one_line
from harness.executors.pool import WorkerPool
from harness.output import Output
from harness.plan import Plan, ResolvedRun, resolve_run
from harness.run import Outcome
from harness.spec import RunSpec
from model.errors import BrokenModelError
from results.atomic import write_atomic

__all__ = ["ModelFailures", "resolve_runs", "run_models"]


@dataclass
class ModelFailures:
    """Models that could not be run.

    Attributes:
        reasons: Why, a line each.
        crashed: Whether one of them met an unexpected error.
    """

    reasons: list[str] = field(default_factory=list)
    crashed: bool = False


def resolve_runs(specs: Sequence[RunSpec], failures: ModelFailures) -> list[ResolvedRun]:
    """Find the models; one whose files cannot be used is left out if there are others.

    Args:
        specs: What to run.
        failures: Takes up the models that are left out.

    Raises:
        ValueError: If a run spec is wrong, or no model is left.
    """
    runs = []
    broken = []
    for spec in specs:
        try:
            runs.append(resolve_run(spec))
        except BrokenModelError as error:
            broken.append(one_line(error))
    if broken and not runs:
        raise BrokenModelError("; ".join(broken))
    failures.reasons.extend(broken)
    return runs


def run_models(
    plans: Sequence[Plan],
    output: Output,
    run: Callable[[Plan, WorkerPool], Outcome],
    failures: ModelFailures,
) -> list[Outcome]:
    """Run each plan.

    Args:
        plans: What to run.
        output: Where tracebacks of unexpected errors go.
        run: Runs one of them.
        failures: Takes up the models that could not be run.

    Returns:
        What the others came to.

    Raises:
        StorageError: If a record cannot be written: nothing could be kept of the others either.
    """
    outcomes = []
    with ExitStack() as stack:
        pool = stack.enter_context(WorkerPool())
        for plan in plans:
            try:
                outcomes.append(run(plan, pool))
            except StorageError:
                raise
            except Exception as error:  # the other models can still be measured
                failures.reasons.append(_reason(error, plan, output, failures))
                # Its processes may still be at work for the model that failed.
                stack.pop_all().close()
                pool = stack.enter_context(WorkerPool())
    return outcomes


def _reason(error: Exception, plan: Plan, output: Output, failures: ModelFailures) -> str:
    """Why a model could not be run; an unexpected error's traceback is kept in a file."""
    name = plan.run.source.name
    if is_user_error(error):
        reason = one_line(error)
        return reason if name in reason else f"model {name}: {reason}"
    failures.crashed = True
    reason = f"model {name}: unexpected {type(error).__name__}: {one_line(error)[:200]}"
    path = output.failures / f"model-{re.sub(r'[^A-Za-z0-9.-]+', '-', name)[:80]}.txt"
    with suppress(OSError):
        write_atomic(path, "".join(traceback.format_exception(error)))
        reason += f" (details in {path})"
    return reason
