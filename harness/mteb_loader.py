"""What mteb's own loader of a model's name would do, and where a record departs from that.

Published results stand under a model's name, and a reader takes them for what
`mteb.get_model(NAME)` would measure. A record that was measured otherwise needs a name that says
so: mteb's experiment folders, which are named after settings such as `routing_paper`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from results.provenance import RouteFacts
from results.record import Record

if TYPE_CHECKING:
    from mteb.models import ModelMeta

__all__ = ["departures", "registry_entry"]

_PLAIN_ROUTING = "mteb"
_OF_THE_MODEL = frozenset({"routing", "precision", "max_length"})
"""Settings of how a model is run. All others are of how its vectors are read, or of the task."""

_TOWERS = (None, "query", "document")
"""Sub-networks that sentence-transformers chooses by itself, where a model has two."""

_INSTRUCTIONS = frozenset(
    {
        "instruction_template",
        "apply_instruction_to_passages",
        "prompts_dict",
        "max_seq_length",
        "model_kwargs",
        "trust_remote_code",
    }
)
"""Arguments of mteb's instruction loader that a route, a precision and a length can express."""

_Routes = Callable[[Any, Any], RouteFacts]
"""The route of a side of a task: metadata and prompt type to adapter and prompt."""


def registry_entry(name: str) -> ModelMeta | None:
    """What mteb's registry holds about a model; None for a model that it does not list."""
    from mteb.models.model_implementations import MODEL_REGISTRY

    return MODEL_REGISTRY.get(name)


def departures(record: Record, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """Settings under which a record differs from what mteb's loader of its model measures.

    A model that mteb does not list is loaded by sentence-transformers with its own prompts.

    Args:
        record: The record.
        settings: Its settings that are not the model's defaults, by their names in
            mteb's experiment folders.

    Returns:
        Empty if mteb's loader would measure the same; None for a record of a reduced view,
        of chunks or of another seed, which is no result of the model as such.
    """
    if not set(settings) <= _OF_THE_MODEL:
        return None
    facts = record.provenance
    meta = registry_entry(record.ref.model)
    arguments = {} if meta is None else meta.loader_kwargs
    found: dict[str, Any] = {}
    routing = facts.run_spec.get("routing") or settings.get("routing") or "unknown"
    try:
        route = _routes(meta)
    except _UnknownLoaderError:
        found["loader"] = facts.identity.backend
        if routing != _PLAIN_ROUTING:
            found["routing"] = routing
    else:
        found.update(_other_routes(record, str(routing), route))
    precision = _precision(arguments)
    if precision is None and "precision" not in facts.run_spec_given:
        # Neither the run nor the loader asks for one: both take what suits weights and device.
        settings = {name: value for name, value in settings.items() if name != "precision"}
    return {
        **found,
        **_other(settings, "precision", facts.identity.precision, precision),
        **_other(settings, "max_length", facts.identity.max_length, _max_length(arguments)),
    }


class _UnknownLoaderError(Exception):
    """Mteb loads a model by code whose effect on the vectors is not known here."""


def _other_routes(record: Record, routing: str, route: _Routes | None) -> dict[str, str]:
    """How a record's routes are called if they are not the loader's; empty if they are."""
    from mteb.types import PromptType

    used = record.provenance.identity.routes
    if routing != _PLAIN_ROUTING:
        return {"routing": routing}
    if route is None:  # the model's own prompts, as this routing has them
        plain = all(each.adapter in _TOWERS for each in used.values())
        return {} if plain else {"routing": routing}
    task = _metadata(record)
    for side, each in used.items():
        expected = route(task, PromptType(side) if side else None)
        tower = expected.adapter is None and each.adapter in _TOWERS
        if each.adapter != expected.adapter and not tower:
            return {"routing": routing}
        if each.prompt != expected.prompt:
            any_prompt = any(each.prompt for each in used.values())
            return {"prompts": "own" if any_prompt else "none"}
    return {}


def _routes(meta: ModelMeta | None) -> _Routes | None:
    """How a loader routes; None for the prompts that the model itself was published with.

    Raises:
        _UnknownLoaderError: If that is not known here.
    """
    from mteb.models.instruct_wrapper import InstructSentenceTransformerModel
    from mteb.models.model_implementations.jina_models import JinaWrapper
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper

    if meta is None:
        return None
    loader: object = meta.loader
    prompts = dict(meta.loader_kwargs.get("model_prompts") or {})
    if loader is JinaWrapper:
        return _adapter_routes(prompts, JinaWrapper.jina_task_to_prompt)
    if loader is SentenceTransformerEncoderWrapper:
        return _prompt_routes(prompts) if prompts else None
    expressible = set(meta.loader_kwargs) <= _INSTRUCTIONS
    if loader is InstructSentenceTransformerModel and expressible:
        return _instruction_routes(meta.loader_kwargs)
    raise _UnknownLoaderError


def _adapter_routes(adapters: dict[str, str], prompts: Mapping[str, str]) -> _Routes:
    from mteb.models.abs_encoder import get_prompt_name

    def route(task: Any, side: Any) -> RouteFacts:
        adapter = adapters.get(get_prompt_name(adapters, task, side) or "")
        return RouteFacts(adapter=adapter, prompt=prompts.get(adapter or "", ""))

    return route


def _prompt_routes(prompts: dict[str, str]) -> _Routes:
    from mteb.models.abs_encoder import get_prompt_name

    def route(task: Any, side: Any) -> RouteFacts:
        name = get_prompt_name(prompts, task, side)
        return RouteFacts(adapter=None, prompt=prompts.get(name or "", ""))

    return route


def _instruction_routes(arguments: Mapping[str, Any]) -> _Routes:
    from mteb.models.instruct_wrapper import InstructSentenceTransformerModel
    from mteb.types import PromptType

    class Loader(InstructSentenceTransformerModel):
        """mteb's way of choosing an instruction, without the model."""

        def __init__(self) -> None:
            self.instruction_template = arguments.get("instruction_template")
            self.prompts_dict = arguments.get("prompts_dict")

    loader = Loader()
    on_documents = arguments.get("apply_instruction_to_passages", True)

    def route(task: Any, side: Any) -> RouteFacts:
        if side == PromptType.document and not on_documents:
            return RouteFacts(adapter=None, prompt="")
        prompt = loader.get_task_instruction(task, side)
        return RouteFacts(adapter=None, prompt=prompt or "")

    return route


def _metadata(record: Record) -> Any:
    """The task's metadata as far as prompts are chosen by it."""
    from mteb.get_tasks import _TASKS_REGISTRY

    task = record.provenance.task
    if task.name in _TASKS_REGISTRY:
        return _TASKS_REGISTRY[task.name].metadata
    return SimpleNamespace(name=task.name, type=task.type, prompt=None)


def _precision(arguments: Mapping[str, Any]) -> str | None:
    """The number format that a loader asks for; None where it takes the default."""
    options = {**arguments, **arguments.get("model_kwargs", {})}
    stated = options.get("dtype", options.get("torch_dtype"))
    name = str(getattr(stated, "value", stated)).removeprefix("torch.")
    return None if name in ("None", "auto") else name


def _max_length(arguments: Mapping[str, Any]) -> int | None:
    """The longest input that a loader asks for, in tokens; None for the model's own limit."""
    stated = arguments.get("max_seq_length")
    return None if stated is None else int(stated)


def _other(settings: Mapping[str, Any], name: str, used: Any, stated: Any) -> dict[str, Any]:
    """A setting that is not the loader's: not the one that it states, or not the default."""
    departs = name in settings if stated is None else used != stated
    return {name: used} if departs else {}
