"""Where a run's prompts come from, what mteb's registry says beside, and what to warn of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from results.provenance import PromptFacts, RegistryFacts

if TYPE_CHECKING:
    from harness.spec import RunSpec
    from model.routing import Routing
    from model.source import ModelSource

__all__ = ["describe_prompts", "prompt_facts", "registry_facts"]

_FAMILIES = re.compile(
    r"(?:^|[-_/.])(?:e5|bge(?!-m3)|instructor|nomic-embed|(?:snowflake-)?arctic-embed|gte-qwen\d?"
    r"|qwen3-embedding|stella|mxbai-embed|embeddinggemma|ruri|frida|uae|kalm|sfr-embedding)"
    r"(?:$|[-_.\d])",
    re.IGNORECASE,
)
"""Families of models whose makers state prompts. As fine-tuned copies, mteb does not know them."""

_SHOWN = 40
"""Characters that are shown of a prompt."""


def prompt_facts(spec: RunSpec, source: ModelSource, routing: Routing) -> PromptFacts:
    """Where the prompts of a run come from."""
    configuration = source.prompts
    stated = {} if configuration.adapters else _texts(configuration.prompts)
    known = _texts(configuration.registry or {})
    if source.kind == "lexical":
        return PromptFacts(origin="none")
    origin: Literal["run spec", "configuration", "registry", "none"]
    if routing.name == "registry":
        origin = "registry"
    elif routing.name == "mteb" and not configuration.adapters:
        origin = configuration.origin
    else:
        origin = "run spec" if spec.routing is not None else "configuration"
    facts = PromptFacts(
        origin=origin,
        configuration=stated,
        registry=known,
        instructions=configuration.instructions_of is not None,
    )
    return facts.model_copy(update={"warning": _warning(facts, source)})


def registry_facts(source: ModelSource) -> RegistryFacts | None:
    """What mteb's registry says of a model; None where it says nothing."""
    entry = source.registry
    if entry is None:
        return None
    return RegistryFacts(
        mteb_version=entry.mteb_version,
        revision=entry.revision,
        loader=entry.loader,
        similarity=entry.similarity,
        max_length=entry.max_length,
        notes=tuple(_notes(source)),
    )


def describe_prompts(facts: PromptFacts) -> str:
    """Where the prompts come from, in a few words."""
    known = "instructions of each task" if facts.instructions else _show(facts.registry)
    if facts.origin == "none":
        return "no prompts"
    if facts.origin == "run spec":
        return "prompts of the run spec"
    if facts.origin == "registry":
        said = f"prompts of mteb's registry ({known})"
        if facts.differ:
            said += f", not those of the model's configuration ({_show(facts.configuration)})"
        return said
    if not facts.configuration:
        return "prompts of the model"
    said = f"prompts of the model's configuration ({_show(facts.configuration)})"
    if facts.differ:
        said += f"; mteb's registry has others ({known}): --routing registry takes those"
    return said


def _warning(facts: PromptFacts, source: ModelSource) -> str | None:
    """What cannot be missed: a model of the hub that needs prompts and gets none."""
    entry = source.registry
    if facts.origin != "none" or source.revision.startswith("sha256-"):
        return None
    if entry is not None and entry.needs_prompts:
        how = f" through {entry.loader}, which is not reproduced" if entry.own_loader else ""
        known = f"mteb's registry says that it needs prompts or instructions{how}"
    elif entry is None and _FAMILIES.search(source.name):
        known = "models of this family need prompts, and mteb's registry does not know this one"
    else:
        return None
    return (
        f"{source.name} runs without any prompt: {known}. Its scores may be far too low; state "
        "the prompts in a routing file (--routing FILE.toml), or --routing none if there are none"
    )


def _notes(source: ModelSource) -> Iterator[str]:
    """What mteb does with the model that a run does not do."""
    entry = source.registry
    if entry is None:
        return
    if entry.own_loader:
        yield f"mteb runs it through {entry.loader}, whose own processing is not reproduced"
    if entry.remote_code:
        yield "mteb runs code of its checkpoint, which jina-eval never does"
    if entry.revision is not None and entry.revision != source.revision:
        yield f"mteb's entry is for revision {entry.revision[:12]}, this is {source.revision[:12]}"
    if entry.similarity is not None and entry.similarity != source.similarity:
        yield f"mteb states the similarity {entry.similarity}, its configuration another"
    if entry.max_length is not None and entry.max_length != source.max_length:
        yield f"mteb cuts its texts at {entry.max_length} tokens, its files at {source.max_length}"
    if entry.not_applied:
        yield f"arguments of mteb's loader that are not applied: {', '.join(entry.not_applied)}"


def _texts(prompts: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in prompts.items() if text}


def _show(prompts: Mapping[str, str]) -> str:
    """A few prompts by their names, short enough for one line."""
    first = [
        f"{name} {(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…')!r}"
        for name, text in list(prompts.items())[:2]
    ]
    more = len(prompts) - len(first)
    return ", ".join([*first, f"{more} more"] if more else first)
