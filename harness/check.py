"""`jina-eval check`: is this model, with this code, as good as the reference?

The exit code says it: 0 as good or better, 1 a regression or another failure, 2 could not be
judged.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from harness.check_run import Measured, drop_vectors, measure, planned_places, read_runs, with_cache
from harness.code_version import code_version
from harness.console import make_console
from harness.errors import RunError
from harness.first_line import warn
from harness.output import default_output
from harness.plan import ResolvedRun, resolve_run
from harness.spec import DEFAULT_MODELS, RunSpec, given_values, load_specs
from reports.gate import gate_grids, gate_junit, gate_markdown
from reports.terminal import render_grid
from results.atomic import write_atomic
from results.gate.judge import judge_records
from results.gate.outcome import GateOutcome, judge_cost
from results.gate.policy import Policy, read_policy
from results.gate.reference import POLICY, GateReference, Place

if TYPE_CHECKING:
    from results.gate.reference import Cost

__all__ = [
    "COMMITTED",
    "CheckRequest",
    "check_command",
    "check_folder",
    "check_spec",
    "gate_policy",
    "judge",
    "reference_spec",
]

COMMITTED = Path(__file__).parent.parent / "results" / "reference" / "starter-minilm"
"""The reference that comes with this project: the starter suite on the default model."""

_CHECKS = Path("runs") / "check"
_NARROWING = ("tasks", "types", "views", "chunkings", "max_texts")
"""Keys of the run spec that leave out some of the reference's records, if they are given."""


@dataclass(frozen=True)
class CheckRequest:
    """What to judge.

    Attributes:
        spec_file: A TOML file with keys of the run spec; None for none.
        flags: Keys of the run spec given one by one; None for those that were not.
        reference: Folder of the reference.
        policy: Policy file; None for the reference's own.
        runs: Output folders whose stored records are judged; empty to measure now.
        output: Folder below which what is measured goes.
        junit: JUnit XML to write beside the one in the output; None for none.
        markdown: Likewise.
        speed: Whether speed and memory are measured.
        overwrite: Measure anew what the same code measured before.
        quiet: Show errors and the outcome only.
    """

    spec_file: Path | None
    flags: Mapping[str, Any]
    reference: Path
    policy: Path | None = None
    runs: tuple[Path, ...] = ()
    output: Path | None = None
    junit: Path | None = None
    markdown: Path | None = None
    speed: bool = False
    overwrite: bool = False
    quiet: bool = False


def check_command(request: CheckRequest) -> int:
    """Judge, print and write. Returns the exit code: never 0 unless everything was judged."""
    reference = GateReference.read(request.reference)
    policy = gate_policy(request, reference)
    spec, given = check_spec(request, reference_spec(reference))
    run = resolve_run(spec)
    warn(run)
    places = _places(reference, run, given)
    folder = check_folder(request.output, spec)
    if request.runs:
        measured = read_runs(run, request.runs)
    else:
        run = resolve_run(with_cache(spec, folder / "vectors"))
        measured = measure(run, folder, overwrite=request.overwrite, quiet=request.quiet)
        drop_vectors(folder / "vectors")
    cost = _cost(request, policy, run)
    outcome = judge(reference, policy, measured, places, run.source.name, cost)
    _show(outcome, request)
    _write(outcome, request, folder)
    return outcome.exit_code


def gate_policy(request: CheckRequest, *references: GateReference) -> Policy:
    """The policy that is named, or the reference's own.

    Raises:
        PolicyError: If it cannot be read, or names a task or type that no reference has.
    """
    known: dict[str, set[str]] = {"tasks": set(), "types": set()}
    for reference in references:
        for record in reference.records:
            task = record.provenance.task
            suite = record.provenance.suite_tasks
            known["tasks"] |= {task.name, *suite}
            known["types"] |= {task.type, *suite.values()}
    return read_policy(request.policy or request.reference / POLICY, known)


def check_spec(request: CheckRequest, base: Mapping[str, Any]) -> tuple[RunSpec, frozenset[str]]:
    """The run spec to measure, and which of its keys were given anew.

    Args:
        request: What file and flags say.
        base: The reference's run spec.

    Raises:
        SpecError: If the run spec is not as it must be.
        RunError: If it names several models.
    """
    given = given_values(request.spec_file, request.flags)
    # Another model has other revisions.
    kept = {name: base[name] for name in base if name != "revision" or "model" not in given}
    specs = load_specs(None, {"model": DEFAULT_MODELS[0], **kept, **given})
    if len(specs) > 1:
        raise RunError("check judges one model; name it with --model")
    return specs[0], frozenset(given)


def reference_spec(reference: GateReference) -> Mapping[str, Any]:
    """The reference's run spec, with the precision of its records where it names none.

    So it stays the same measurement on a machine where "auto" means something else.
    """
    measured_in = reference.records[0].provenance.identity.precision
    return {"precision": measured_in, **reference.run_spec}


def check_folder(output: Path | None, spec: RunSpec) -> Path:
    """Where the records go: a folder for each state of the code, so that no other's are used."""
    name = default_output([spec]).name
    return (output or _CHECKS) / f"{name}-{code_version()}"


def _places(reference: GateReference, run: ResolvedRun, given: frozenset[str]) -> tuple[Place, ...]:
    """What is to be judged: the whole reference, or what flags narrow it to."""
    everything = reference.places
    if not given & frozenset(_NARROWING):
        return everything
    planned = planned_places(run)
    places = tuple(place for place in everything if place in planned)
    if not places:
        views = ", ".join(dict.fromkeys(place.view for place in everything))
        raise RunError(f"nothing of the reference is to be judged; its views are {views}")
    return places


def judge(
    reference: GateReference,
    policy: Policy,
    measured: Measured,
    places: Sequence[Place],
    model: str,
    cost: Cost | None = None,
) -> GateOutcome:
    """Hold what was measured against the reference."""
    judgements, means = judge_records(
        reference,
        measured.records,
        policy,
        measured.examples,
        places=places,
        refused=measured.refused,
    )
    fingerprints = {
        record.provenance.identity.fingerprint for record in (*reference.records, *measured.records)
    }
    return GateOutcome(
        model=model,
        reference=reference.records[0].provenance.model.name,
        same_weights=len(fingerprints) == 1,
        judgements=judgements,
        means=means,
        costs=judge_cost(policy, reference.cost, cost),
        left_out=len(reference.records) - len(judgements),
    )


def _cost(request: CheckRequest, policy: Policy, run: ResolvedRun) -> Cost | None:
    if not request.speed and policy.speed is None and policy.memory is None:
        return None
    if request.runs:  # measured elsewhere, or at another time
        return None
    from harness.check_cost import measure_cost

    return measure_cost(run, quiet=request.quiet)


def _show(outcome: GateOutcome, request: CheckRequest) -> None:
    console = make_console()
    if not request.quiet:
        for grid in gate_grids(outcome):
            console.print(render_grid(grid))
            console.print()
    style = {0: "bold green", 1: "bold red"}.get(outcome.exit_code, "bold yellow")
    console.print(Text(outcome.sentence, style=style), soft_wrap=True)


def _write(outcome: GateOutcome, request: CheckRequest, folder: Path) -> None:
    """The outcome as files; on GitHub also where a job's summary is made of."""
    markdown, junit = gate_markdown(outcome), gate_junit(outcome)
    targets: list[tuple[Path | None, str | bytes]] = [
        (folder / "check.md", markdown),
        (folder / "junit.xml", junit),
        (request.markdown, markdown),
        (request.junit, junit),
    ]
    for path, content in targets:
        if path is None:
            continue
        try:
            write_atomic(path, content)
        except OSError as error:
            raise RunError(f"{path} cannot be written: {error.strerror or error}") from error
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        try:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(markdown + "\n")
        except OSError as error:
            raise RunError(
                f"GITHUB_STEP_SUMMARY {summary} cannot be written: {error.strerror or error}"
            ) from error
    if not request.quiet:
        make_console().print(str(folder / "check.md"), soft_wrap=True)
