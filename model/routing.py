"""Routes: the adapter and prompt that a task's texts receive.

A routing profile maps (task, prompt type) to a route. Profiles by name:

    paper         what the jina-embeddings-v3 paper did, task by task
    compact       the same in the smallest dimension that keeps 99 % of the score
    mteb          the adapters and prompts that mteb's own wrapper would choose for the model
    registry      the prompts of mteb's registry, also where the model's configuration has others
    adapter=NAME  one adapter, with its prompt, for everything
    none          no adapter and no prompt at all
    FILE.toml     a user's own table, see `model.routing_table`
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Never, Protocol

from model.errors import ModelError
from model.routing_table import Row, Side, Table, built_in_tables, read_table

if TYPE_CHECKING:
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.types import PromptType

__all__ = [
    "PROFILES",
    "MtebInstructions",
    "MtebPrompts",
    "NoPrompts",
    "PromptConfiguration",
    "Route",
    "Routing",
    "TableRouting",
    "make_routing",
]

PROFILES = ("paper", "compact", "mteb", "registry", "none")
"""Names of the routing profiles."""


@dataclass(frozen=True, order=True)
class Route:
    """What a text is encoded with.

    Attributes:
        adapter: Name of the adapter or sub-network; None for the plain model.
        prompt: Text put before the input; empty for none.
    """

    adapter: str | None = None
    prompt: str = ""


class Routing(Protocol):
    """Decides the route of each side of a task."""

    @property
    def name(self) -> str:
        """The profile's name."""
        ...

    def route(self, task: TaskMetadata, prompt_type: PromptType | None) -> Route:
        """The route for one side (query, document, or None for the only one) of a task."""
        ...

    def dim(self, task: TaskMetadata) -> int | None:
        """How many leading coordinates are read of a task's vectors; None for all."""
        ...

    @property
    def has_dims(self) -> bool:
        """Whether there are tasks of which not all coordinates are read."""
        ...


class _AllDimensions:
    """What routings share that say nothing of dimensions."""

    has_dims = False

    def dim(self, task: TaskMetadata) -> int | None:
        """All coordinates."""
        return None


@dataclass(frozen=True)
class PromptConfiguration:
    """The prompts and adapters a model was published with, and those that mteb knows of it.

    Attributes:
        prompts: Name to text; for a model with adapters, adapter to text.
        adapters: Names of the adapters; empty for a model without any.
        default: Name of the prompt for inputs that no other prompt fits.
        two_towers: Whether queries and documents go through different
            sub-networks (sentence-transformers' Router module).
        registry: Prompts of mteb's registry, by the names that mteb looks for;
            None where it has none.
        instructions_of: Name of the model in mteb's registry whose entry makes
            a prompt of each task's instruction; None where it makes none.
    """

    prompts: Mapping[str, str] = field(default_factory=dict)
    adapters: tuple[str, ...] = ()
    default: str | None = None
    two_towers: bool = False
    registry: Mapping[str, str] | None = None
    instructions_of: str | None = None

    @property
    def origin(self) -> Literal["configuration", "registry", "none"]:
        """Where the prompts of the profile "mteb" come from: the model's own come first."""
        if any(self.prompts.values()) or self.adapters:
            return "configuration"
        return "registry" if self.registry or self.instructions_of else "none"

    def tower(self, prompt_type: PromptType | None) -> str | None:
        """Name of the sub-network for one side; None for a model with only one."""
        if not self.two_towers or prompt_type is None:
            return None
        return str(prompt_type.value)


_SIDE_PROMPTS = {"query": ("query",), "document": ("document", "passage", "corpus")}
"""Prompt names that sentence-transformers' encode_query / encode_document fall back to."""


@dataclass(frozen=True)
class MtebPrompts(_AllDimensions):
    """Chooses prompts as mteb's SentenceTransformerEncoderWrapper does.

    Of the configuration, only `prompts`, `default` and the sub-networks are read.
    """

    configuration: PromptConfiguration
    name: str = "mteb"

    def route(self, task: TaskMetadata, prompt_type: PromptType | None) -> Route:
        """The route by mteb's order: task and side, task, type and side, type, side.

        Where none of these has a prompt, the side's prompt is the one that sentence-transformers'
        encode_query or encode_document takes, and inputs without a side get the default prompt.
        """
        from mteb.models.abs_encoder import get_prompt_name

        prompts = self.configuration.prompts
        names = [get_prompt_name(dict(prompts), task, prompt_type)]
        if prompt_type is not None:
            names.extend(_SIDE_PROMPTS[prompt_type.value])
        else:
            names.append(self.configuration.default)
        chosen = next((name for name in names if name is not None and name in prompts), None)
        return Route(
            adapter=self.configuration.tower(prompt_type),
            prompt=prompts[chosen] if chosen is not None else "",
        )


@dataclass(frozen=True)
class TableRouting:
    """Chooses adapters and prompts by a table of task types and task names."""

    table: Table
    configuration: PromptConfiguration

    @property
    def name(self) -> str:
        """The table's name."""
        return self.table.name

    def route(self, task: TaskMetadata, prompt_type: PromptType | None) -> Route:
        """The route by task name or, where none fits, by task type.

        Raises:
            ModelError: If the table has no row for the task.
        """
        row = self._row(task)
        query = prompt_type is not None and prompt_type.value == "query"
        side = row.query if query else row.document
        adapter = side.adapter
        if adapter is None:
            adapter = self.configuration.tower(prompt_type)
        published = self.configuration.prompts.get(side.adapter or "", "")
        return Route(adapter=adapter, prompt=published if side.prompt is None else side.prompt)

    def dim(self, task: TaskMetadata) -> int | None:
        """The dimension by task name or, where none fits, by task type.

        Raises:
            ModelError: If the table has no row for the task.
        """
        self._row(task)
        return self.table.dim(task.name, task.type)

    @property
    def has_dims(self) -> bool:
        """Whether a row names a dimension."""
        return bool(self.table.dims())

    def _row(self, task: TaskMetadata) -> Row:
        row = self.table.find(task.name, task.type)
        if row is None:
            raise ModelError(
                f"task {task.name}: routing {self.name!r} has no row for task type {task.type!r}; "
                f"allowed: {', '.join(self.table.types)}"
            )
        return row


@dataclass(frozen=True)
class NoPrompts(_AllDimensions):
    """Gives no text an adapter or a prompt."""

    configuration: PromptConfiguration = field(default_factory=PromptConfiguration)
    name: str = "none"

    def route(self, task: TaskMetadata, prompt_type: PromptType | None) -> Route:
        """The same for all: no adapter, no prompt (a model with two towers still uses both)."""
        return Route(adapter=self.configuration.tower(prompt_type))


@dataclass(frozen=True)
class MtebInstructions(_AllDimensions):
    """Makes prompts of the tasks' instructions as mteb's InstructSentenceTransformerModel does.

    Attributes:
        configuration: For the sub-networks, and the default prompt of inputs without instruction.
        model: Name of the model in mteb's registry.
        name: The profile's name.
    """

    configuration: PromptConfiguration
    model: str
    name: str = "mteb"

    def route(self, task: TaskMetadata, prompt_type: PromptType | None) -> Route:
        """The route with the task's instruction, in the model's own template."""
        prompt = _instruction(self.model, task, prompt_type)
        if prompt is None:
            default = self.configuration.default
            prompt = self.configuration.prompts.get(default, "") if default else ""
        return Route(adapter=self.configuration.tower(prompt_type), prompt=prompt)


def _instruction(model: str, task: TaskMetadata, prompt_type: PromptType | None) -> str | None:
    """The prompt that mteb's instructing wrapper gives; None where it gives none.

    Source: `InstructSentenceTransformerModel.encode` of mteb 2.26.24.
    """
    import mteb
    from mteb.models.abs_encoder import AbsEncoder, PromptSource

    class Instructing(AbsEncoder):  # type: ignore[misc,unused-ignore]
        def encode(self, *args: object, **kwargs: object) -> Never:
            raise NotImplementedError

    options = mteb.get_model_meta(model).loader_kwargs or {}
    told = Instructing()
    told.instruction_template = options.get("instruction_template")
    told.prompts_dict = options.get("prompts_dict")
    if options.get("prompt_priority") is not None:
        told.prompt_priority = [PromptSource.from_str(one) for one in options["prompt_priority"]]
    passage = prompt_type is not None and prompt_type.value == "document"
    if passage and not options.get("apply_instruction_to_passages", True):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tasks without an instruction for a side
        return str(told.get_task_instruction(task, prompt_type))


def _mteb_routing(profile: str, configuration: PromptConfiguration) -> Routing:
    """The prompts that apply: the model's own, or those of mteb's registry."""
    if profile == "mteb" and configuration.origin != "registry":
        return MtebPrompts(configuration)
    if configuration.registry is not None:
        return MtebPrompts(replace(configuration, prompts=configuration.registry), profile)
    if configuration.instructions_of is not None:
        return MtebInstructions(configuration, configuration.instructions_of, profile)
    raise ModelError(f"routing {profile!r}: mteb's registry has no prompts for this model")


def make_routing(profile: str, configuration: PromptConfiguration) -> Routing:
    """The routing profile of this name for a model with these prompts.

    Args:
        profile: One of `PROFILES`, "adapter=NAME", or the path of a TOML file
            (see `model.routing_table`).
        configuration: The model's prompts and adapters.

    Raises:
        ModelError: If there is no such profile, or it names an adapter that
            the model has not got.
    """
    if profile == "none":
        return NoPrompts(configuration)
    if profile.endswith(".toml"):
        table = read_table(Path(profile))
    elif profile.startswith("adapter="):
        side = Side(adapter=profile.removeprefix("adapter="))
        table = Table(profile, types={}, tasks={"*": Row(query=side, document=side)})
    elif profile == "registry" or (profile == "mteb" and not configuration.adapters):
        return _mteb_routing(profile, configuration)
    elif profile in built_in_tables():
        table = built_in_tables()[profile]
    else:
        raise ModelError(
            f"unknown routing {profile!r}; allowed: {', '.join(PROFILES)}, adapter=NAME, "
            "or a .toml file"
        )
    missing = sorted(table.adapters() - set(configuration.adapters))
    if missing:
        has = ", ".join(configuration.adapters) or "none"
        raise ModelError(
            f"routing {profile!r} asks for adapter {missing[0]!r}; this model's adapters: {has}"
        )
    return TableRouting(table, configuration)
