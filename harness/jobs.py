"""Do the jobs of one task: load the data once, then evaluate a fresh copy in each view."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.calibration import TaskCalibration, calibrate
from harness.costs import TaskCosts
from harness.environment import describe_environment
from harness.errors import EvaluationError
from harness.evaluation import Evaluation, evaluate_task, task_result_data
from harness.example_texts import TextCollector
from harness.example_units import ExampleUnits
from harness.executors.parcel import Desk
from harness.plan import Job, ResolvedRun, route_of_part
from harness.prompt_facts import registry_facts
from model.backends import load_backend
from model.chunking import Chunking
from model.dense_search import DenseMtebEncoder
from model.mteb_encoder import MtebEncoder, model_meta
from model.task_vectors import TaskVectors
from model.usage import TextTally, Usage
from results.provenance import (
    SCHEMA_VERSION,
    CalibrationFacts,
    Cost,
    Environment,
    ModelFacts,
    Provenance,
    RouteFacts,
    TaskFacts,
    TextCount,
)
from results.record import Record
from tasks.fresh import fresh_task
from tasks.identifiers import check_identifiers
from tasks.loading import load_fresh
from tasks.texts import content_hash, expected_examples, retrieval_parts, task_texts

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

    from model.backend import Backend

__all__ = ["CACHE_BYTES", "LoadedTask", "TaskParcel"]

CACHE_BYTES = 2 * 1024**3
"""Vectors of one task that are kept in memory from view to view."""


@dataclass(frozen=True)
class LoadedTask:
    """A task with its data, from which fresh copies are made.

    Attributes:
        task: Loaded, never evaluated.
        content_hash: SHA-256 over its texts and labels.
        expected: Examples to be scored by (split, subset).
    """

    task: AbsTask
    content_hash: str
    expected: dict[tuple[str, str], int]

    @classmethod
    def of(cls, task: AbsTask) -> LoadedTask:
        """Look at a task's data once.

        Raises:
            ValueError: If two rows have one id, or the task's type is not known.
        """
        check_identifiers(task)
        expected = {
            (split, subset): count
            for split, subsets in expected_examples(task).items()
            for subset, count in subsets.items()
        }
        return cls(task=task, content_hash=content_hash(task), expected=expected)

    def copy(self, seed: int) -> AbsTask:
        """A copy that nobody has evaluated, with mteb's global random state set anew.

        mteb seeds Python's, numpy's and torch's global generators whenever a
        task is made, and some evaluators draw from those: each copy must find
        them as a task that was just made would.
        """
        fresh_task(self.task, seed)
        # What a search is over is large, and mteb only reads it: the copies share it.
        shared = {id(part): part for part in retrieval_parts(self.task)}
        return copy.deepcopy(self.task, shared)


@dataclass(frozen=True)
class TaskParcel:
    """The jobs of one task as a `harness.executors.parcel.Parcel`.

    Attributes:
        run: The run spec they belong to.
        jobs: Jobs of the same task.
        environment: Where the model is; None for where the work is done.
    """

    run: ResolvedRun
    jobs: tuple[Job, ...]
    environment: Environment | None = None

    def work(self, desk: Desk) -> Iterator[tuple[int, Record]]:
        """Do the jobs; gives each one's number with its record as soon as it is there.

        Raises:
            ValueError: If data, vectors or scores are not what they must be.
        """
        backend = desk.backend
        if backend is None:
            backend = load_backend(self.run.source, **self.run.settings())
        environment = self.environment or describe_environment(backend)
        runner = TaskRunner(self.run, backend, environment, desk)
        yield from enumerate(runner.records(self.jobs))


@dataclass(frozen=True)
class _TaskBench:
    """What the jobs of one task share.

    Attributes:
        jobs: All of them.
        loaded: The task with its data.
        vectors: Vectors at hand.
        calibrations: Of 8-bit views, by chunking, as soon as one needs them.
        texts: Collects the texts of their examples; None if none are kept.
        units: Finds what their examples share.
        costs: Attributes what the model does to their records.
    """

    jobs: tuple[Job, ...]
    loaded: LoadedTask
    vectors: TaskVectors
    calibrations: dict[Chunking, TaskCalibration]
    texts: TextCollector | None
    units: ExampleUnits
    costs: TaskCosts


class TaskRunner:
    """Runs jobs of one run spec with one loaded model."""

    def __init__(
        self, run: ResolvedRun, backend: Backend, environment: Environment, desk: Desk
    ) -> None:
        """Bind the model to the run.

        Args:
            run: The resolved run spec.
            backend: Its model, loaded.
            environment: Where the model is.
            desk: Where the work is done.
        """
        self._run = run
        self._backend = backend
        self._environment = environment
        self._desk = desk

    def records(self, jobs: tuple[Job, ...]) -> Iterator[Record]:
        """Do the jobs of one task, one after the other.

        Raises:
            ValueError: If data, vectors or scores are not what they must be.
        """
        loaded = self._load(jobs[0].task)
        if self._run.source.kind == "lexical":
            self._backend.prepare([item.text for item in task_texts(loaded.task)])
        # Also for a single view: what is encoded together must not depend on how many
        # views are still missing, or a resumed run would differ in the last bits.
        texts = TextCollector(loaded.task) if self._run.spec.texts else None
        units = ExampleUnits(loaded.task)
        bench = _TaskBench(jobs, loaded, TaskVectors(CACHE_BYTES), {}, texts, units, TaskCosts())
        for job in jobs:
            yield self._do(job, bench)

    def _load(self, template: AbsTask) -> LoadedTask:
        return LoadedTask.of(load_fresh(template, self._run.spec.seed, self._desk.fetching))

    def _do(self, job: Job, bench: _TaskBench) -> Record:
        started = self._desk.clock()
        encoder = self._encoder(job, bench)
        calibration = self._calibrate(job, encoder, bench)
        evaluation = evaluate_task(
            bench.loaded.copy(self._run.spec.seed),
            encoder,
            bench.loaded.expected,
            batch_size=self._run.spec.batch_size,
            processes=self._desk.processes,
        )
        self._check_routes(job, encoder.usage)
        seconds = self._desk.clock() - started
        cost = bench.costs.of(encoder.usage, seconds, len(bench.jobs) - 1)
        provenance = self._provenance(job, bench.loaded, evaluation, encoder.usage, cost)
        return Record(
            ref=job.ref,
            task_result=task_result_data(evaluation.task_result),
            provenance=provenance.model_copy(update={"calibration": calibration}),
            examples=bench.units.add(evaluation.examples),
            texts=None if bench.texts is None else bench.texts.new_texts(evaluation.examples),
        )

    def _encoder(self, job: Job, bench: _TaskBench) -> MtebEncoder:
        kind: type[MtebEncoder] = DenseMtebEncoder
        if self._run.source.kind == "lexical":
            from model.lexical_search import LexicalMtebEncoder

            kind = LexicalMtebEncoder
        encoder = kind(
            self._backend,
            self._run.routing,
            model_meta(self._run.source, self._run.experiment(job.view, job.chunking)),
            view=job.view,
            vectors=bench.vectors,
            chunking=job.chunking,
            chunkings=tuple(dict.fromkeys(other.chunking for other in bench.jobs)),
            similarity=self._run.source.similarity,
            unit=self._run.source.truncates_to_unit,
            progress=self._desk.progress,
            clock=self._desk.clock,
        )
        if isinstance(encoder, DenseMtebEncoder):
            encoder.open_search = self._desk.open_search
        return encoder

    def _calibrate(
        self, job: Job, encoder: MtebEncoder, bench: _TaskBench
    ) -> CalibrationFacts | None:
        """Give the encoder the calibration that its view needs, fitted once for all views."""
        if not job.view.needs_calibration:
            return None
        if job.chunking not in bench.calibrations:
            dims = {
                other.view.dim or encoder.backend.width or 0
                for other in bench.jobs
                if other.view.needs_calibration
            }
            reader = self._encoder(job, bench)
            bench.calibrations[job.chunking] = calibrate(bench.loaded.task, reader, dims)
            encoder.usage.used.update(reader.usage.used)
            encoder.usage.made.update(reader.usage.made)
        found = bench.calibrations[job.chunking]
        dim = job.view.dim or encoder.backend.width or 0
        encoder.calibration = found.by_dim[dim]
        return found.facts(dim)

    def _check_routes(self, job: Job, usage: Usage) -> None:
        """What was used must be what was planned: it is part of the record's identity."""
        planned = job.identity.routes
        read = set()
        for (task, side), route in usage.task_routes.items():
            used = RouteFacts(adapter=route.adapter, prompt=route.prompt)
            place = side if side in planned else route_of_part(task, side)
            read.add(place)
            if planned.get(place) != used:
                raise EvaluationError(
                    f"task {job.ref.task}: mteb asked for side {side!r} with route {used}, "
                    f"planned were {dict(planned)}"
                )
        unread = planned.keys() - read
        # The lexical baseline searches words, not vectors.
        if unread and self._run.source.kind != "lexical":
            raise EvaluationError(
                f"task {job.ref.task}: no text of side {min(unread)!r} was encoded; "
                f"encoded were {sorted(read)}"
            )

    def _provenance(
        self, job: Job, loaded: LoadedTask, evaluation: Evaluation, usage: Usage, cost: Cost
    ) -> Provenance:
        run, identity, metadata = self._run, job.identity, job.task.metadata
        width = run.source.width if run.source.width is not None else self._backend.width
        return Provenance(
            schema_version=SCHEMA_VERSION,
            identity=identity,
            key=identity.key(),
            suite=run.suite.name,
            suite_tasks=run.suite_tasks,
            run_spec_given=run.spec.shareable(),
            run_spec=run.as_dict,
            task=TaskFacts(
                name=metadata.name,
                type=metadata.type,
                main_score=metadata.main_score,
                languages=tuple(metadata.languages),
                dataset=identity.dataset,
                dataset_revision=identity.dataset_revision,
                splits=identity.splits,
                content_hash=loaded.content_hash,
            ),
            model=ModelFacts(
                name=run.source.name,
                revision=run.source.revision,
                fingerprint=run.source.fingerprint,
                backend=run.source.kind,
                parameters=run.source.parameters,
                embedding_dim=width,
                max_length=self._backend.max_length,
            ),
            view=str(job.view),
            dim=job.view.dim if job.view.dim is not None else width,
            score=evaluation.score,
            coverage=evaluation.coverage,
            text_count=_text_count(usage.total),
            text_count_by_split=_by_split(usage),
            prompts=run.prompts,
            registry=registry_facts(run.source),
            environment=self._environment,
            cost=cost,
        )


def _text_count(tally: TextTally) -> TextCount:
    return TextCount(
        texts=tally.texts,
        distinct_texts=tally.distinct_texts,
        tokens=tally.tokens,
        truncated_texts=tally.truncated_texts,
        truncated_tokens=tally.truncated_tokens,
    )


def _by_split(usage: Usage) -> dict[str, TextCount]:
    """Only where there are several splits, as the lengths of a task on long documents."""
    if len(usage.by_split) < 2:
        return {}
    return {split: _text_count(tally) for split, tally in usage.by_split.items()}
