"""Routes: the adapter and prompt that a task's texts receive.

A routing profile maps (task, prompt type) to a route. Profiles by name:

    paper         what the jina-embeddings-v3 paper did, task by task
    compact       the same in the smallest dimension that keeps 99 % of the score
    mteb          the adapters and prompts that mteb's own wrapper would choose for the model
    adapter=NAME  one adapter, with its prompt, for everything
    none          no adapter and no prompt at all
    FILE.toml     a user's own table, see `model.routing_table`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from model.errors import ModelError
from model.routing_table import Row, Side, Table, built_in_tables, read_table

if TYPE_CHECKING:
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.types import PromptType

__all__ = [
    "PROFILES",
    "MtebPrompts",
    "NoPrompts",
    "PromptConfiguration",
    "Route",
    "Routing",
    "TableRouting",
    "make_routing",
]

PROFILES = ("paper", "compact", "mteb", "none")
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
    """The prompts and adapters a model was published with.

    Attributes:
        prompts: Name to text; for a model with adapters, adapter to text.
        adapters: Names of the adapters; empty for a model without any.
        default: Name of the prompt for inputs that no other prompt fits.
        two_towers: Whether queries and documents go through different
            sub-networks (sentence-transformers' Router module).
    """

    prompts: Mapping[str, str] = field(default_factory=dict)
    adapters: tuple[str, ...] = ()
    default: str | None = None
    two_towers: bool = False

    def tower(self, prompt_type: PromptType | None) -> str | None:
        """Name of the sub-network for one side; None for a model with only one."""
        if not self.two_towers or prompt_type is None:
            return None
        return str(prompt_type.value)


_SIDE_PROMPTS = {"query": ("query",), "document": ("document", "passage", "corpus")}
"""Prompt names that sentence-transformers' encode_query / encode_document fall back to."""


@dataclass(frozen=True)
class MtebPrompts(_AllDimensions):
    """Chooses prompts as mteb's SentenceTransformerEncoderWrapper does."""

    configuration: PromptConfiguration
    name: str = "mteb"

    def route(self, task: TaskMetadata, prompt_type: PromptType | None) -> Route:
        """The route by mteb's order: task and side, task, type and side, type, side, default."""
        from mteb.models.abs_encoder import get_prompt_name

        prompts = self.configuration.prompts
        names = [get_prompt_name(dict(prompts), task, prompt_type)]
        if prompt_type is not None:
            names.extend(_SIDE_PROMPTS[prompt_type.value])
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
    elif profile == "mteb" and not configuration.adapters:
        return MtebPrompts(configuration)
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
