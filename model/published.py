"""What a model's configuration states beside its architecture: prompts and similarity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.errors import ModelError
from model.registry import RegistryEntry
from model.similarity import COSINE, Similarity, parse_similarity

__all__ = ["PublishedSettings", "published_settings"]

_DOCUMENTS = ("passage", "corpus")


@dataclass(frozen=True)
class PublishedSettings:
    """Settings of a sentence-transformers model.

    Attributes:
        prompts: Prompts by name; without any text, empty.
        default_prompt: Name of the prompt for inputs that no other prompt fits.
        similarity: How two vectors are compared: as the configuration says, or mteb's registry.
    """

    prompts: Mapping[str, str]
    default_prompt: str | None
    similarity: Similarity


def published_settings(
    config: Mapping[str, Any], path: Path, entry: RegistryEntry | None, name: str
) -> PublishedSettings:
    """Read `config_sentence_transformers.json`.

    Args:
        config: Its content; empty where there is no such file.
        path: The file, as an error names it.
        entry: What mteb's registry says of the model.
        name: The model's name.

    Raises:
        ModelError: If a value is of another type than it should be, or the similarity is none of
            two vectors.
    """
    default = config.get("default_prompt_name")
    if default is not None and not isinstance(default, str):
        raise ModelError(f"{path}: default_prompt_name is {default!r}; expected a name")
    return PublishedSettings(
        prompts=_prompts(config.get("prompts"), path),
        default_prompt=default,
        similarity=_similarity(config.get("similarity_fn_name"), path, entry, name),
    )


def _prompts(stated: Any, path: Path) -> dict[str, str]:
    if stated is None:
        return {}
    if not isinstance(stated, dict):
        raise ModelError(f"{path}: prompts is {stated!r}; expected a table of names and texts")
    wrong = [key for key, text in stated.items() if not isinstance(text, str | None)]
    if wrong:
        raise ModelError(f"{path}: prompt {wrong[0]!r} is {stated[wrong[0]]!r}; expected a text")
    prompts = {key: text or "" for key, text in stated.items()}
    if not any(prompts.values()):
        return {}
    # sentence-transformers writes an empty prompt "document" whenever it saves a model, also
    # beside one that is named otherwise.
    if not prompts.get("document") and any(prompts.get(key) for key in _DOCUMENTS):
        prompts.pop("document", None)
    return prompts


def _similarity(stated: object, path: Path, entry: RegistryEntry | None, name: str) -> Similarity:
    if stated is not None:
        return parse_similarity(stated, str(path))
    if entry is not None and entry.similarity is not None:
        return parse_similarity(entry.similarity, f"mteb's registry entry of {name}")
    return COSINE
