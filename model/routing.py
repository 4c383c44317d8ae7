"""Routes: the adapter and prompt that a task's texts receive.

A routing profile maps (task, prompt type) to a route. Profiles by name:

    mteb   the adapters and prompts that mteb's own wrapper would choose for the model
    none   no adapter and no prompt at all
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from model.errors import ModelError

if TYPE_CHECKING:
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.types import PromptType

__all__ = [
    "PROFILES",
    "MtebAdapters",
    "MtebPrompts",
    "NoPrompts",
    "PromptConfiguration",
    "Route",
    "Routing",
    "make_routing",
]

PROFILES = ("mteb", "none")
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
class MtebPrompts:
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


_ADAPTERS_BY_TYPE = {
    "Retrieval": ("retrieval.query", "retrieval.passage"),
    "Clustering": "separation",
    "Reranking": "separation",
    "Classification": "classification",
    "MultilabelClassification": "classification",
    "PairClassification": "classification",
    "STS": "text-matching",
    "BitextMining": "text-matching",
    "Summarization": "text-matching",
}
"""Adapter by task type, for Retrieval by side: the `model_prompts` of mteb's metadata of
jina-embeddings-v3 (mteb 2.26, models/model_implementations/jina_models.py)."""


@dataclass(frozen=True)
class MtebAdapters:
    """Chooses adapters as mteb's wrapper of jina-embeddings-v3 does, each with its prompt."""

    configuration: PromptConfiguration
    name: str = "mteb"

    def route(self, task: TaskMetadata, prompt_type: PromptType | None) -> Route:
        """The route by task type and side.

        Raises:
            ModelError: If the task's type has no adapter.
        """
        adapter = _ADAPTERS_BY_TYPE.get(task.type)
        if isinstance(adapter, tuple):
            query, passage = adapter
            adapter = query if prompt_type is not None and prompt_type.value == "query" else passage
        if adapter is None or adapter not in self.configuration.adapters:
            raise ModelError(
                f"task {task.name}: routing 'mteb' has no adapter for task type {task.type!r}; "
                f"allowed: {', '.join(_ADAPTERS_BY_TYPE)}, or routing 'none'"
            )
        return Route(adapter=adapter, prompt=self.configuration.prompts.get(adapter, ""))


@dataclass(frozen=True)
class NoPrompts:
    """Gives no text an adapter or a prompt."""

    configuration: PromptConfiguration = field(default_factory=PromptConfiguration)
    name: str = "none"

    def route(self, task: TaskMetadata, prompt_type: PromptType | None) -> Route:
        """The same for all: no adapter, no prompt (a model with two towers still uses both)."""
        return Route(adapter=self.configuration.tower(prompt_type))


def make_routing(profile: str, configuration: PromptConfiguration) -> Routing:
    """The routing profile of this name for a model with these prompts.

    Raises:
        ModelError: If there is no such profile.
    """
    if profile == "mteb":
        return MtebAdapters(configuration) if configuration.adapters else MtebPrompts(configuration)
    if profile == "none":
        return NoPrompts(configuration)
    raise ModelError(f"unknown routing {profile!r}; allowed: {', '.join(PROFILES)}")
