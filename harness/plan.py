"""What a run spec means here and now: the model found, views made concrete, jobs listed.

A job is one task in one view. Planning loads neither the model nor the data.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.errors import RunError
from harness.prompt_facts import prompt_facts
from harness.run_cache import open_cache
from harness.spec import RunSpec
from model.backends import check_settings
from model.chunking import WHOLE, Chunking
from model.precision import PRECISIONS, resolve_precision
from model.routing import Routing, make_routing
from model.source import ModelSource, resolve_model
from model.views import View, expand_views
from results.provenance import Identity, PromptFacts, RouteFacts
from results.record import RecordRef
from results.store import RecordStore
from tasks.filters import filter_tasks
from tasks.fresh import DEFAULT_SEED, task_parts
from tasks.suites import Suite, get_suite

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask
    from mteb.types import PromptType

__all__ = ["Job", "Plan", "ResolvedRun", "make_plan", "resolve_run", "route_of_part"]


@dataclass(frozen=True)
class ResolvedRun:
    """A run spec with every choice made.

    Attributes:
        spec: The run spec as given.
        source: The model that was found.
        precision: Number format of the model's arithmetic, never "auto".
        routing: Decides adapter and prompt.
        views: Concrete views, widest first.
        chunkings: How documents of searches become vectors.
        suite: The suite.
        suite_tasks: All the suite's tasks, name to type.
        tasks: The tasks to run; never evaluated themselves.
    """

    spec: RunSpec
    source: ModelSource
    precision: str
    routing: Routing
    views: tuple[View, ...]
    chunkings: tuple[Chunking, ...]
    suite: Suite
    suite_tasks: Mapping[str, str]
    tasks: tuple[AbsTask, ...]

    @property
    def max_length(self) -> int | None:
        """Longest input in tokens; None for no limit, or the model's own unstated one."""
        return self.spec.max_length or self.source.max_length

    def settings(self) -> dict[str, Any]:
        """How the model is run: arguments of `model.backends.load_backend`."""
        settings = {**self.spec.settings(), "precision": self.precision}
        known = self.source.registry.max_length if self.source.registry is not None else None
        if self.spec.max_length is None and known == self.source.max_length:
            # Where the model's files state no limit, nothing else would set it.
            settings["max_length"] = known
        return settings

    @cached_property
    def prompts(self) -> PromptFacts:
        """Where the prompts come from."""
        return prompt_facts(self.spec, self.source, self.routing)

    @cached_property
    def as_dict(self) -> dict[str, Any]:
        """The resolved run spec as JSON data: what is printed and stored."""
        return {
            "model": self.source.name,
            "revision": self.source.revision,
            "suite": self.suite.name,
            "tasks": [task.metadata.name for task in self.tasks],
            "views": [str(view) for view in self.views],
            "chunkings": [str(chunking) for chunking in self.chunkings],
            "routing": self.routing.name,
            "precision": self.precision,
            "max_length": self.max_length,
            "seed": self.spec.seed,
        }

    def experiment(self, view: View, chunking: Chunking = WHOLE) -> dict[str, Any]:
        """The settings that are not the model's defaults, for mteb's experiment folders."""
        settings: dict[str, Any] = {}
        if view.by_route:
            settings["embed_dim"] = "route"
        elif view.dim != self.source.width:
            settings["embed_dim"] = view.dim
        if view.precision != "float32":
            settings["output_dtype"] = view.precision
        if view.rescore is not None:
            settings["rescore"] = view.rescore
        if chunking != WHOLE:
            settings["chunking"] = str(chunking).replace(":", "-").replace("=", "-")
        if self.routing.name != self.source.default_routing:
            settings["routing"] = self.routing.name
        if self.precision != PRECISIONS[0]:
            settings["precision"] = self.precision
        if self.max_length != self.source.max_length:
            settings["max_length"] = self.max_length
        if self.spec.seed != DEFAULT_SEED:
            settings["seed"] = self.spec.seed
        return settings

    def view_of(self, task: AbsTask, view: View) -> View:
        """What a view is for one task: `dim=route` gets the dimension of the task's route.

        Raises:
            RunError: If the model's vectors are not as wide as the route says.
        """
        if not view.by_route:
            return view
        dim, width = self.routing.dim(task_parts(task)[0].metadata), self.source.width
        if dim is not None and (width is None or dim > width):
            raise RunError(
                f"task {task.metadata.name}: routing {self.routing.name!r} reads {dim} dimensions, "
                f"but vectors of {self.source.name} have {width or 'no fixed number'}"
            )
        return replace(view, dim=dim or width)

    def chunkings_of(self, task: AbsTask) -> tuple[Chunking, ...]:
        """The chunkings that concern a task: only searches have documents to cut."""
        if all(map(is_search, task_parts(task))):
            return self.chunkings
        return tuple(chunking for chunking in self.chunkings if chunking == WHOLE)

    def identity(self, task: AbsTask, view: View, chunking: Chunking = WHOLE) -> Identity:
        """Everything that decides the score of one job."""
        dataset, dataset_revision = _data(task)
        return Identity(
            model=self.source.name,
            revision=self.source.revision,
            fingerprint=self.source.fingerprint,
            backend=self.source.kind,
            task=task.metadata.name,
            dataset=dataset,
            dataset_revision=dataset_revision,
            splits={split: tuple(task.hf_subsets) for split in task.eval_splits},
            view=str(view),
            dim=view.dim if view.by_route else None,
            chunking=str(chunking),
            similarity=self.source.similarity,
            routes=self.routes(task),
            precision=self.precision,
            max_length=self.max_length,
            seed=self.spec.seed,
            mteb_version=importlib.metadata.version("mteb"),
        )

    def routes(self, task: AbsTask) -> Mapping[str, RouteFacts]:
        """Adapter and prompt of each side of a task.

        Where the parts of an aggregate task differ on a side, that of each part: see
        `route_of_part`.

        Raises:
            ModelError: If the routing has no row for the task.
        """
        sides: dict[str, dict[str, RouteFacts]] = {}
        for part in task_parts(task):
            for side in prompt_types(part):
                route = self.routing.route(part.metadata, side)
                found = RouteFacts(adapter=route.adapter, prompt=route.prompt)
                name = "" if side is None else str(side.value)
                sides.setdefault(name, {})[part.metadata.name] = found
        facts: dict[str, RouteFacts] = {}
        for name, by_part in sides.items():
            first, *others = by_part.values()
            if all(found == first for found in others):
                facts[name] = first
            else:
                facts |= {route_of_part(part, name): found for part, found in by_part.items()}
        return facts


@dataclass(frozen=True)
class Job:
    """One task in one view.

    Attributes:
        task: The task to evaluate a fresh copy of.
        view: What is read of each vector.
        chunking: How its documents become vectors.
        ref: Where its record belongs.
        identity: Everything that decides its score.
        stored: Whether its record is there already.
    """

    task: AbsTask
    view: View
    chunking: Chunking
    ref: RecordRef
    identity: Identity
    stored: bool


@dataclass(frozen=True)
class Plan:
    """The jobs of one run, task by task, widest view first."""

    run: ResolvedRun
    jobs: tuple[Job, ...]

    @property
    def missing(self) -> tuple[Job, ...]:
        """The jobs that are still to be done."""
        return tuple(job for job in self.jobs if not job.stored)

    def missing_by_task(self) -> dict[str, tuple[Job, ...]]:
        """The jobs still to be done, by task name."""
        names = dict.fromkeys(job.ref.task for job in self.missing)
        return {name: tuple(job for job in self.missing if job.ref.task == name) for name in names}


def resolve_run(spec: RunSpec) -> ResolvedRun:
    """Make every choice that the run spec leaves open.

    Raises:
        ValueError: If suite, task, model, routing or view does not exist or
            does not go together; the message names it and what is allowed.
    """
    suite = get_suite(spec.suite)
    source = resolve_model(spec.model, spec.revision)
    routing = make_routing(spec.routing or source.default_routing, source.prompts)
    if not spec.views and routing.has_dims:
        views: tuple[View, ...] = (View(by_route=True),)
    else:
        views = expand_views(spec.views, source.width)
    if any(view.by_route for view in views) and not routing.has_dims:
        raise RunError(f"view 'dim=route': routing {routing.name!r} states no dimensions")
    for view in views:
        view.check_similarity(source.similarity)
    check_settings(source, **spec.settings())
    open_cache(spec)
    all_tasks = suite.tasks(spec.seed)
    run = ResolvedRun(
        spec=spec,
        source=source,
        precision=resolve_precision(source, spec.precision, spec.device),
        routing=routing,
        views=views,
        chunkings=_chunkings(spec, source),
        suite=suite,
        suite_tasks={task.metadata.name: task.metadata.type for task in all_tasks},
        tasks=filter_tasks(suite, spec.task_filter(), spec.seed),
    )
    if not any(map(run.chunkings_of, run.tasks)):
        asked = ", ".join(spec.chunkings)
        raise RunError(
            f"chunking {asked}: only documents of searches are cut, and {suite.name} has none here"
        )
    return run


def _chunkings(spec: RunSpec, source: ModelSource) -> tuple[Chunking, ...]:
    chunkings = tuple(dict.fromkeys(map(Chunking.parse, spec.chunkings))) or (WHOLE,)
    for chunking in chunkings:
        if chunking != WHOLE and source.kind == "lexical":
            raise RunError(f"chunking '{chunking}': model 'lexical' finds whole documents only")
        chunking.check_fits(spec.max_length or source.max_length)
    return chunkings


def make_plan(run: ResolvedRun, store: RecordStore, *, overwrite: bool = False) -> Plan:
    """List the jobs of a run and find which are stored already.

    Args:
        run: The resolved run spec.
        store: Where its records go.
        overwrite: Treat stored records as missing.

    Raises:
        RecordError: If a stored record is corrupt, or was measured otherwise.
    """
    from model.mteb_encoder import model_meta

    jobs = []
    experiments = {
        (chunking, view): model_meta(run.source, run.experiment(view, chunking)).experiment_name
        for chunking in run.chunkings
        for view in run.views
    }
    for task in run.tasks:
        for chunking, view in itertools.product(run.chunkings_of(task), run.views):
            ref = RecordRef(
                model=run.source.name,
                revision=run.source.revision,
                experiment=experiments[chunking, view],
                task=task.metadata.name,
            )
            reads = run.view_of(task, view)
            identity = run.identity(task, reads, chunking)
            stored = not overwrite and store.find(ref, identity) is not None
            jobs.append(Job(task, reads, chunking, ref, identity, stored))
    return Plan(run=run, jobs=tuple(jobs))


def _data(task: AbsTask) -> tuple[str, str]:
    """Name and revision of a task's data; of an aggregate's, a hash over its parts'."""
    if not task.is_aggregate:
        return str(task.metadata.dataset["path"]), str(task.metadata.dataset["revision"])
    parts = [
        f"{part.metadata.dataset['path']} {part.metadata.dataset['revision']}\n"
        for part in task_parts(task)
    ]
    digest = hashlib.sha256("".join(parts).encode()).hexdigest()
    return f"the {len(parts)} parts of {task.metadata.name}", digest[:40]


def route_of_part(part: str, side: str) -> str:
    """What a route is called that only one part of an aggregate task has, as "PART/query"."""
    return f"{part}/{side}"


def is_search(task: AbsTask) -> bool:
    """Whether a task finds or ranks documents."""
    from mteb.abstasks.retrieval import AbsTaskRetrieval

    return isinstance(task, AbsTaskRetrieval)


def prompt_types(task: AbsTask) -> tuple[PromptType | None, ...]:
    """The prompt types under which mteb hands a task's texts to an encoder."""
    from mteb.types import PromptType

    if is_search(task):
        return (PromptType.query, PromptType.document)
    sides = (getattr(task, "input1_prompt_type", None), getattr(task, "input2_prompt_type", None))
    return tuple(dict.fromkeys(sides))
