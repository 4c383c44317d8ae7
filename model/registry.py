"""What mteb's model registry knows of a model: prompts, similarity, how its own loader runs it.

The registry comes with mteb, whose import takes seconds. What an entry says is therefore kept in a
small file for each model and version of mteb, so that only the first use of a model imports mteb.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.cache.limits import models_folder

if TYPE_CHECKING:
    from mteb.models.model_meta import ModelMeta

__all__ = ["RegistryEntry", "entry_from_meta", "registry_entry"]

_FORMAT = 1
"""Of the kept files."""

_APPLIED = ("model_prompts", "prompts_dict", "instruction_template", "max_seq_length")
"""Arguments of mteb's loaders that are taken over."""

_HARMLESS = ("apply_instruction_to_passages", "prompt_priority", "model_kwargs", "device")
"""Arguments that are taken over with the instructions, or decide neither prompts nor vectors
beyond the number format, which the run spec has a key for."""

_FALSY: tuple[object, ...] = ("", None, False, {}, [])


@dataclass(frozen=True)
class RegistryEntry:
    """An entry of mteb's registry, as far as it decides scores.

    Attributes:
        mteb_version: Version of mteb that the registry came with.
        revision: Commit that it pins the model to.
        loader: Name of the class or function that loads the model in mteb.
        own_loader: Whether that loader encodes in a way of its own, which is not reproduced.
        prompts: Prompts by the names that mteb looks for (task, task type, side, or both joined by
            a hyphen); None where it has none that are texts.
        instructions: Whether the loader builds a prompt for each task from an instruction.
        needs_prompts: Whether mteb states prompts or instructions of the model in any form.
        similarity: By mteb's name, such as "cosine"; None where it states none.
        max_length: Longest input in tokens that the loader sets; None where it sets none.
        remote_code: Whether the loader runs code of the checkpoint.
        not_applied: Other arguments of the loader, as "name=value".
    """

    mteb_version: str
    revision: str | None
    loader: str
    own_loader: bool = False
    prompts: Mapping[str, str] | None = None
    instructions: bool = False
    needs_prompts: bool = False
    similarity: str | None = None
    max_length: int | None = None
    remote_code: bool = False
    not_applied: tuple[str, ...] = field(default=())


def registry_entry(name: str) -> RegistryEntry | None:
    """The entry of a model of the hub; None if mteb does not know it.

    Args:
        name: "organisation/model".
    """
    version = importlib.metadata.version("mteb")
    path = models_folder() / f"mteb-{version}" / f"{name.replace('/', '__')}.json"
    kept = _read(path)
    if kept is not None:
        found = kept["entry"]
        return None if found is None else RegistryEntry(**found)
    entry = _look_up(name, version)
    _keep(path, {"format": _FORMAT, "entry": None if entry is None else asdict(entry)})
    return entry


def _look_up(name: str, version: str) -> RegistryEntry | None:
    import mteb

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of models that were renamed
        try:
            meta = mteb.get_model_meta(name)
        except KeyError:
            return None
    return entry_from_meta(meta, version)


def entry_from_meta(meta: ModelMeta, version: str) -> RegistryEntry:
    """What an entry of the registry says.

    Args:
        meta: The entry.
        version: Version of mteb.
    """
    options = dict(meta.loader_kwargs or {})
    plain, instructing = _kind_of_loader(meta.loader)
    prompts = _texts(options.get("model_prompts")) if plain else None
    max_length = options.get("max_seq_length")
    similarity = meta.similarity_fn_name
    return RegistryEntry(
        mteb_version=version,
        revision=meta.revision,
        loader=getattr(meta.loader, "__name__", "none"),
        own_loader=not (plain or instructing),
        prompts=prompts,
        instructions=instructing,
        needs_prompts=bool(
            meta.use_instructions
            or any(options.get(key) for key in ("model_prompts", "prompts_dict"))
            or options.get("instruction_template")
        ),
        similarity=None if similarity is None else str(getattr(similarity, "value", similarity)),
        max_length=max_length if isinstance(max_length, int) else None,
        remote_code=bool(options.get("trust_remote_code")),
        not_applied=tuple(
            f"{key}={value!r}"
            for key, value in sorted(options.items())
            if key not in (*_APPLIED, *_HARMLESS, "trust_remote_code")
            and (key == "include_prompt" or value not in _FALSY)
        ),
    )


def _kind_of_loader(loader: Any) -> tuple[bool, bool]:
    """Whether a loader encodes as mteb's plain wrapper does, or as its instructing one."""
    from mteb.models.instruct_wrapper import InstructSentenceTransformerModel
    from mteb.models.sentence_transformer_wrapper import (
        SentenceTransformerEncoderWrapper,
        sentence_transformers_loader,
    )

    encode = getattr(loader, "encode", None)
    plain = encode is SentenceTransformerEncoderWrapper.encode
    return (
        plain or loader is sentence_transformers_loader,
        encode is InstructSentenceTransformerModel.encode,
    )


def _texts(prompts: Any) -> dict[str, str] | None:
    if not isinstance(prompts, Mapping) or not any(prompts.values()):
        return None
    return {str(getattr(name, "value", name)): text for name, text in prompts.items()}


def _read(path: Path) -> dict[str, Any] | None:
    """A kept file; None if there is none, or not of this format."""
    try:
        content = json.loads(path.read_bytes())
        if content["format"] != _FORMAT:
            return None
        if content["entry"] is not None:
            content["entry"]["not_applied"] = tuple(content["entry"]["not_applied"])
            RegistryEntry(**content["entry"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return dict(content)


def _keep(path: Path, content: Mapping[str, Any]) -> None:
    """Keep an entry for the next time; a folder that cannot be written only costs time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".entry-")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file)
        Path(name).replace(path)
    except OSError:
        return
