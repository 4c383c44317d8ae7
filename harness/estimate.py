"""How much a plan is to read, and how long that will take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.plan import Job, Plan
from results.record import Record
from results.store import RecordStore
from tasks.sizes import task_size

__all__ = ["Estimate", "TaskEstimate", "estimate"]

# Used until something was measured: a model's arithmetic is about two
# operations a weight and token, and two cores do about this many a second.
_CPU_OPERATIONS = 3e11
_VIEW_SECONDS = 1.0


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
        texts: Distinct texts among them, which are encoded; None likewise.
        tokens: Their estimated tokens, as far as the model reads them.
        seconds: Expected time; None likewise.
    """

    task: str
    type: str
    stored: int
    missing: int
    asked: int | None
    texts: int | None
    tokens: int | None
    seconds: float | None


@dataclass(frozen=True)
class Estimate:
    """A plan in numbers; sums over the tasks whose size is known.

    Attributes:
        tasks: Task by task.
        basis: Where the speed comes from, in words.
    """

    tasks: tuple[TaskEstimate, ...]
    basis: str

    @property
    def asked(self) -> int:
        """Texts that mteb hands over, repeats included."""
        return sum(task.asked or 0 for task in self.tasks)

    @property
    def texts(self) -> int:
        """Distinct texts, which are encoded."""
        return sum(task.texts or 0 for task in self.tasks)

    @property
    def tokens(self) -> int:
        """Tokens to read."""
        return sum(task.tokens or 0 for task in self.tasks)

    @property
    def seconds(self) -> float:
        """Expected time."""
        return sum(task.seconds or 0.0 for task in self.tasks)


@dataclass(frozen=True)
class Speed:
    """How quick a model is here.

    Attributes:
        tokens_per_second: While encoding; None for a model that reads for free.
        view_seconds: Time to score one view beside encoding.
        basis: Where this comes from, in words.
    """

    tokens_per_second: float | None
    view_seconds: float
    basis: str


def estimate(plan: Plan, store: RecordStore) -> Estimate:
    """Put a plan in numbers.

    The speed is that of the model's stored records, or else a rule of thumb
    for two CPU cores.
    """
    model = plan.run.source.name
    speed = _speed(plan, [record for record in store.records() if record.ref.model == model])
    names = dict.fromkeys(job.ref.task for job in plan.jobs)
    return Estimate(
        tasks=tuple(
            _estimate_task([job for job in plan.jobs if job.ref.task == name], plan, speed)
            for name in names
        ),
        basis=speed.basis,
    )


def _estimate_task(jobs: list[Job], plan: Plan, speed: Speed) -> TaskEstimate:
    task = jobs[0].task
    missing = sum(not job.stored for job in jobs)
    size = task_size(task)
    asked: int | None = None
    texts: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    if not missing:
        asked, texts, tokens, seconds = 0, 0, 0, 0.0
    elif size is not None:
        limit = plan.run.max_length
        asked, texts = size.asked, size.texts
        tokens = size.tokens if limit is None else min(size.tokens, size.texts * limit)
        reading = tokens / speed.tokens_per_second if speed.tokens_per_second else 0.0
        seconds = reading + missing * speed.view_seconds
    return TaskEstimate(
        task=task.metadata.name,
        type=task.metadata.type,
        stored=len(jobs) - missing,
        missing=missing,
        asked=asked,
        texts=texts,
        tokens=tokens,
        seconds=seconds,
    )


def _speed(plan: Plan, records: Iterable[Record]) -> Speed:
    costs = [record.provenance for record in records]
    encoding = [facts for facts in costs if facts.cost.encoded_texts and facts.text_count.tokens]
    read = sum(
        (facts.text_count.tokens or 0) - (facts.text_count.truncated_tokens or 0)
        for facts in encoding
    )
    seconds = sum(facts.cost.encode_seconds for facts in encoding)
    if costs and seconds > 0:
        scoring = sum(facts.cost.total_seconds - facts.cost.encode_seconds for facts in costs)
        basis = f"from {len(costs)} stored records of this model"
        return Speed(read / seconds, scoring / len(costs), basis)
    parameters = plan.run.source.parameters
    if parameters is None:
        return Speed(None, _VIEW_SECONDS, "from a rule of thumb: one second a task")
    basis = "from a rule of thumb for two CPU cores"
    return Speed(_CPU_OPERATIONS / (2 * parameters), _VIEW_SECONDS, basis)
