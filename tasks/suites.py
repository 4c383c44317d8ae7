"""Suites: named lists of tasks, each of which is one mteb benchmark, or several joined.

A suite is a row of the table below. Any benchmark of mteb is a suite under its own name, too, and
so is any of its tasks; `A+B` is the tasks of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.errors import JoinError, UnknownNameError
from tasks.fresh import DEFAULT_SEED, fresh_task

if TYPE_CHECKING:
    from mteb import Benchmark
    from mteb.abstasks import AbsTask

STARTER = "starter"
_STARTER_BENCHMARK = "jina-eval(starter)"


@dataclass(frozen=True, slots=True)
class Suite:
    """A named list of tasks.

    Attributes:
        name: what a user types.
        title: what a report prints.
        description: what the tasks measure, and what they cannot.
        benchmark_names: the names of the mteb benchmarks that hold the tasks, or of tasks.
    """

    name: str
    title: str
    description: str
    benchmark_names: tuple[str, ...]

    def templates(self) -> tuple[AbsTask, ...]:
        """Return mteb's own task objects, which are shared, so do not evaluate them.

        Raises:
            JoinError: two benchmarks have a task of one name with different subsets or splits.
        """
        found: dict[str, AbsTask] = {}
        for name in self.benchmark_names:
            for task in _tasks(name):
                known = found.setdefault(task.metadata.name, task)
                if _scope(known) != _scope(task):
                    raise JoinError(self.name, task.metadata.name)
        return tuple(found.values())

    def tasks(self, seed: int = DEFAULT_SEED) -> tuple[AbsTask, ...]:
        """Return fresh, unloaded task objects, in the order of the benchmarks.

        Args:
            seed: seed of each object's random states.
        """
        return tuple(fresh_task(task, seed) for task in self.templates())


def _tasks(name: str) -> Sequence[AbsTask]:
    """The tasks of a benchmark, or the task, of this name."""
    if name == _STARTER_BENCHMARK:
        from tasks.starter.suite import BENCHMARK

        return tuple(BENCHMARK.tasks)
    import mteb

    if name in _benchmarks():
        return tuple(mteb.get_benchmark(name).tasks)
    return (mteb.get_task(name),)


def _benchmarks() -> dict[str, Benchmark]:
    import mteb

    return {benchmark.name: benchmark for benchmark in mteb.get_benchmarks()}


def _scope(task: AbsTask) -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(task.hf_subsets), frozenset(task.eval_splits)


_SUITES = (
    Suite(
        name=STARTER,
        title="jina-eval starter",
        description=(
            "Small tasks of eight types in 30 languages over data in this package: it runs offline "
            "in minutes and tells broken from working, not good from best. Summarization has no "
            "task, since no source with honest ratings may be redistributed."
        ),
        benchmark_names=(_STARTER_BENCHMARK,),
    ),
    Suite(
        name="english",
        title="MTEB English v2",
        description="The English benchmark of MTEB, version 2: 41 tasks of 7 types.",
        benchmark_names=("MTEB(eng, v2)",),
    ),
    Suite(
        name="english-v1",
        title="MTEB English v1",
        description="The first English benchmark of MTEB: 56 tasks of 7 types.",
        benchmark_names=("MTEB(eng, v1)",),
    ),
    Suite(
        name="multilingual",
        title="MTEB Multilingual v2",
        description="The multilingual benchmark of MTEB, version 2: 131 tasks of 9 types.",
        benchmark_names=("MTEB(Multilingual, v2)",),
    ),
    Suite(
        name="multilingual-v1",
        title="MTEB Multilingual v1",
        description="The first multilingual benchmark of MTEB: 132 tasks of 9 types.",
        benchmark_names=("MTEB(Multilingual, v1)",),
    ),
    Suite(
        name="long-context",
        title="LongEmbed",
        description="Retrieval in documents of 256 to 32,768 tokens: 6 English tasks.",
        benchmark_names=("LongEmbed",),
    ),
)


def suite_names() -> tuple[str, ...]:
    """Return the names of our suites; `get_suite` accepts mteb's names as well."""
    return tuple(suite.name for suite in _SUITES)


def get_suite(name: str) -> Suite:
    """Return the suite called `name`.

    Args:
        name: one of `suite_names()`, the own name of a benchmark or a task of mteb, or several
            joined by `+`.

    Raises:
        UnknownNameError: neither a suite nor anything of mteb has that name.
    """
    parts = [part.strip() for part in name.split("+")]
    if len(parts) == 1:
        return _get_one(name)
    suites = tuple({suite.name: suite for suite in map(_get_one, parts)}.values())
    return Suite(
        name="+".join(suite.name for suite in suites),
        title=" + ".join(suite.title for suite in suites),
        description=" ".join(f"{suite.title}: {suite.description}" for suite in suites),
        benchmark_names=tuple(name for suite in suites for name in suite.benchmark_names),
    )


def _get_one(name: str) -> Suite:
    for suite in _SUITES:
        if name == suite.name or (name,) == suite.benchmark_names:
            return suite
    benchmarks = _benchmarks()
    if name in benchmarks:
        benchmark = benchmarks[name]
        return Suite(
            name=name,
            title=benchmark.display_name or name,
            description=" ".join((benchmark.description or "").split()),
            benchmark_names=(name,),
        )
    import mteb

    try:
        metadata = mteb.get_task(name).metadata
    except KeyError:
        known = [*suite_names(), *sorted(benchmarks)]
        raise UnknownNameError("suite", name, known) from None
    description = " ".join((metadata.description or "").split())
    return Suite(name=name, title=name, description=description, benchmark_names=(name,))


def select_tasks(
    suite: Suite, names: Sequence[str], seed: int = DEFAULT_SEED
) -> tuple[AbsTask, ...]:
    """Return fresh objects of the named tasks of a suite, in the order of the suite.

    Args:
        suite: the suite to select from.
        names: task names; a repeated name counts once.
        seed: seed of each object's random states.

    Raises:
        UnknownNameError: a name is not a task of the suite.
        ValueError: `names` is empty, or a single string.
    """
    if isinstance(names, str) or not names:
        raise ValueError(f"task names must be a non-empty list, not {names!r}")
    shared = {task.metadata.name: task for task in suite.templates()}
    _refuse_unknown(names, shared, suite.name)
    return tuple(fresh_task(task, seed) for name, task in shared.items() if name in set(names))


def _refuse_unknown(names: Iterable[str], allowed: Iterable[str], suite: str) -> None:
    known = list(allowed)
    for name in names:
        if name not in known:
            raise UnknownNameError(f"task of suite {suite!r}", name, known)
