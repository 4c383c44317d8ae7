"""Routes: the adapter and prompt that a task's texts receive.

A routing profile maps (task, prompt type) to a route. Profiles by name:

    mteb   the prompts that mteb's own wrapper would choose for the model
    none   no prompt at all
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from model.errors import ModelError

if TYPE_CHECKING:
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.types import PromptType

__all__ = ["PROFILES", "NoPrompts", "PromptConfiguration", "Route", "Routing", "make_routing"]

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
    """The prompts a sentence-transformers model was published with.

    Attributes:
        prompts: Name to text.
        default: Name of the prompt for inputs that no other prompt fits.
        two_towers: Whether queries and documents go through different
            sub-networks (sentence-transformers' Router module).
    """

    prompts: Mapping[str, str] = field(default_factory=dict)
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


@dataclass(frozen=True)
class NoPrompts:
    """Gives no text a prompt."""

    configuration: PromptConfiguration = field(default_factory=PromptConfiguration)
    name: str = "none"

    def route(self, task: TaskMetadata, prompt_type: PromptType | None) -> Route:
        """The same for all: no prompt (a model with two towers still uses both)."""
        return Route(adapter=self.configuration.tower(prompt_type))


def make_routing(profile: str, configuration: PromptConfiguration) -> Routing:
    """The routing profile of this name for a model with these prompts.

    Raises:
        ModelError: If there is no such profile.
    """
    if profile == "mteb":
        return MtebPrompts(configuration)
    if profile == "none":
        return NoPrompts(configuration)
    raise ModelError(f"unknown routing {profile!r}; allowed: {', '.join(PROFILES)}")
