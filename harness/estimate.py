"""How much a plan is to read, and how long that will take."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.plan import Job, Plan
from harness.plan_metadata import Density, metadata_reading
from harness.plan_speed import Speed, speed_of
from harness.plan_texts import LocalTexts, PlannedTexts, Reading
from harness.reading import Reader, RoughReader, TokenReader
from harness.run import largest_first, worker_count
from harness.run_cache import open_cache
from results.store import RecordStore

__all__ = ["Estimate", "TaskEstimate", "estimate"]


@dataclass(frozen=True)
class TaskEstimate:
    """One task of a plan.

    Attributes:
        task: Its name.
        type: Its type.
        stored: Records stored.
        missing: Records to measure.
        asked: Texts that mteb hands over, repeats included; None where the
            task's size is not known.
        texts: Texts among them that go through the model, each once per route,
            and documents once per chunking; cached ones do not. None likewise.
        tokens: Tokens that the model reads of them; None for a model without
            any, too.
        seconds: Expected time; None likewise.
        counted: Whether the task's own texts were counted. Otherwise its
            descriptive statistics are the basis, and nothing is known of what
            is cached.
    """

    task: str
    type: str
    stored: int
    missing: int
    asked: int | None = None
    texts: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    counted: bool = True


@dataclass(frozen=True)
class Estimate:
    """A plan in numbers; sums over the tasks whose size is known.

    Attributes:
        tasks: Task by task.
        basis: Where the speed comes from, in words.
        guessed_tokens: Whether there is no tokenizer to count with before the model is loaded, so
            that four characters are taken for a token.
    """

    tasks: tuple[TaskEstimate, ...]
    basis: str
    guessed_tokens: bool = False

    @property
    def asked(self) -> int:
        """Texts that mteb hands over, repeats included."""
        return sum(task.asked or 0 for task in self.tasks)

    @property
    def texts(self) -> int:
        """Texts that go through the model."""
        return sum(task.texts or 0 for task in self.tasks)

    @property
    def tokens(self) -> int | None:
        """Tokens to read; None if they are known of no task."""
        known = [task.tokens for task in self.tasks if task.tokens is not None]
        return sum(known) if known else None

    @property
    def seconds(self) -> float:
        """Expected time."""
        return sum(task.seconds or 0.0 for task in self.tasks)


def estimate(plan: Plan, store: RecordStore, local: LocalTexts | None = None) -> Estimate:
    """Put a plan in numbers.

    Tokens are counted with the model's tokenizer on the tasks' texts where these are on this
    machine, and estimated from the tasks' descriptive statistics elsewhere. The speed is that of
    the model's stored records on this machine, or else a rule of thumb for two CPU cores.

    Args:
        plan: The plan.
        store: Where its records go.
        local: Texts of tasks, shared by the plans of several models.
    """
    run = plan.run
    reader: TokenReader | None = Reader.of(run.source, run.max_length)
    if reader is None and run.source.kind != "lexical":
        reader = RoughReader(run.max_length)
    facts = [record.provenance for record in store.records()]
    embeddings = 0 if reader is None else reader.vocabulary * (run.source.width or 0)
    speed = speed_of(run, facts, embeddings)
    planned = PlannedTexts(run, reader, open_cache(run.spec), local or LocalTexts())
    density: Density | None = None
    missing = plan.missing_by_task()
    found: dict[str, TaskEstimate] = {}
    # As a run does them: texts of several tasks are encoded for the first of these.
    workers = worker_count(run.spec.workers, len(missing))
    for name in largest_first(missing) if workers else missing:
        jobs = missing[name]
        reading = planned.read(jobs)
        counted = reading is not None
        if reading is None:
            density = density or Density(reader)
            reading = metadata_reading(run, jobs, reader, density)
        found[name] = replace(_of(jobs, reading, speed), counted=counted)
    names = dict.fromkeys(job.ref.task for job in plan.jobs)
    rows = tuple(_row(name, plan, found) for name in names)
    return Estimate(rows, speed.basis, guessed_tokens=isinstance(reader, RoughReader))


def _of(jobs: tuple[Job, ...], reading: Reading | None, speed: Speed) -> TaskEstimate:
    metadata = jobs[0].task.metadata
    start = TaskEstimate(metadata.name, metadata.type, stored=0, missing=len(jobs))
    if reading is None:
        return start
    encoding = speed.encode_seconds(reading.tokens or {})
    scoring = len(jobs) * speed.score_seconds(metadata.name, metadata.type)
    return replace(
        start,
        asked=reading.asked,
        texts=reading.texts,
        tokens=None if reading.tokens is None else sum(reading.tokens.values()),
        seconds=encoding + scoring,
    )


def _row(name: str, plan: Plan, found: dict[str, TaskEstimate]) -> TaskEstimate:
    jobs = [job for job in plan.jobs if job.ref.task == name]
    stored = sum(job.stored for job in jobs)
    if name in found:
        return replace(found[name], stored=stored)
    kind = jobs[0].task.metadata.type
    return TaskEstimate(name, kind, stored, 0, asked=0, texts=0, tokens=0, seconds=0.0)
