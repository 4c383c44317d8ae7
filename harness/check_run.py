"""What the gate judges: records measured by the code as it is now, or records of a run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.console import ProgressDisplay, make_console
from harness.errors import RunError
from harness.executors.pool import WorkerPool
from harness.output import Output
from harness.plan import Plan, ResolvedRun, make_plan
from harness.run import execute
from harness.spec import RunSpec
from results.errors import NoExamplesError
from results.example_checks import check_examples
from results.gate.reference import Place, place_of
from results.record import Record, RecordRef
from results.store import RecordStore

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Measured", "measure", "planned_places", "read_runs", "with_cache"]


@dataclass(frozen=True)
class Measured:
    """Records of one run.

    Attributes:
        records: What was measured.
        refused: By task, why it gave no score.
        stores: Where the records are.
    """

    records: tuple[Record, ...]
    refused: Mapping[str, str]
    stores: tuple[RecordStore, ...]

    def examples(self, record: Record) -> pd.DataFrame:
        """A record's examples.

        Raises:
            RecordError: If it has none, or they are damaged.
        """
        holders = [
            one for one in self.stores if (one.folder(record.ref) / record.ref.task).is_dir()
        ]
        return holders[0].examples(record.ref)


def with_cache(spec: RunSpec, folder: Path) -> RunSpec:
    """The run spec with a cache of vectors of its own.

    Vectors in the user's cache were made by code of any age: what is judged must not come out of
    it.
    """
    return spec if spec.cache == "off" else spec.model_copy(update={"cache": str(folder)})


def measure(run: ResolvedRun, folder: Path, *, overwrite: bool, quiet: bool) -> Measured:
    """Measure what the folder lacks.

    Raises:
        ValueError: If the model cannot be loaded, the folder not be written, or a record that is
            there already is damaged.
    """
    output = Output(folder)
    with output.locked():
        plan = make_plan(run, output.store, overwrite=overwrite)
        with (
            WorkerPool() as pool,
            ProgressDisplay(make_console(stderr=True), quiet=quiet) as display,
        ):
            outcome = execute(plan, output, display, pool)
    refs = [job.ref for job in plan.jobs]
    there = set(output.store.references())
    records = tuple(_read(output.store, ref) for ref in refs if ref in there)
    return Measured(records, outcome.refused, (output.store,))


def _read(store: RecordStore, ref: RecordRef) -> Record:
    """A record whose examples, where it has any, can be its own.

    Raises:
        RecordError: If it or its examples are damaged.
    """
    record = store.read(ref)
    with suppress(NoExamplesError):  # the policy may do without
        check_examples(record, store.examples(ref))
    return record


def drop_vectors(folder: Path) -> None:
    """Delete a gate's own cache of vectors, which no other run reads."""
    shutil.rmtree(folder, ignore_errors=True)


def planned_places(run: ResolvedRun) -> frozenset[Place]:
    """The places of the records that a run would make."""
    return frozenset(
        Place(job.ref.task, str(job.view), str(job.chunking)) for job in _plan(run).jobs
    )


def _plan(run: ResolvedRun) -> Plan:
    """The plan of a run of which nothing is stored."""
    return make_plan(run, RecordStore(Path("nowhere")))


def read_runs(run: ResolvedRun, folders: Sequence[Path]) -> Measured:
    """The stored records of a run spec, whatever code made them.

    Raises:
        RunError: If there are none, or several of one task and view.
        RecordError: If one of them, or its examples, are damaged.
    """
    stores = tuple(Output(folder).store for folder in folders)
    wanted = {job.ref for job in _plan(run).jobs}
    found: dict[Place, Record] = {}
    for store in stores:
        for ref in store.references():
            if ref not in wanted:
                continue
            record = _read(store, ref)
            if found.setdefault(place_of(record), record).provenance.key != record.provenance.key:
                raise RunError(
                    f"{ref} was measured under several settings in "
                    f"{', '.join(map(str, folders))}; name one run with --from"
                )
    if not found:
        raise RunError(
            f"no records of {run.source.name} ({run.source.revision}) under routing "
            f"{run.routing.name!r} in {', '.join(map(str, folders))}"
        )
    return Measured(tuple(found.values()), {}, stores)
