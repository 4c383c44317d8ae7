"""A jina-embeddings-v3 checkpoint, whichever of the two published layouts it is in.

`jinaai/jina-embeddings-v3` holds adapters as parametrisations of the weights
(`checkpoint_original`), `jinaai/jina-embeddings-v3-hf` as PEFT folders beside
transformers' own names (`checkpoint_native`). Only safetensors files are read,
and no code. Importing this loads no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jina_eval.core.errors import ReadError
from jina_eval.core.reading import read_json
from model.checkpoint_native import adapter_folder
from model.errors import ModelError
from model.low_rank import LowRankUpdate

if TYPE_CHECKING:
    import torch
    from transformers import JinaEmbeddingsV3Config

__all__ = [
    "ADAPTERS",
    "PROMPTS",
    "Checkpoint",
    "CheckpointFacts",
    "Layout",
    "find_layout",
    "read_checkpoint",
    "read_facts",
]

Layout = Literal["original", "native"]

PROMPTS: Mapping[str, str] = {
    "retrieval.query": "Represent the query for retrieving evidence documents: ",
    "retrieval.passage": "Represent the document for retrieval: ",
    "separation": "",
    "classification": "",
    "text-matching": "",
}
"""Adapters in the order of the original file, each with its prompt (its `task_instructions`)."""

ADAPTERS = tuple(PROMPTS)

_MODEL_TYPE = "jina_embeddings_v3"
# RoBERTa's kin keep two more positions than they have tokens.
_EXTRA_POSITIONS = 2


@dataclass(frozen=True)
class CheckpointFacts:
    """What is known of a checkpoint without reading its tensors.

    Attributes:
        width: Full width of its vectors.
        max_length: Longest input in tokens.
        prompts: Adapter to prompt.
    """

    width: int
    max_length: int
    prompts: Mapping[str, str]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's tensors under transformers' names.

    Attributes:
        config: The native configuration.
        weights: By parameter name of `JinaEmbeddingsV3Model(config,
            add_pooling_layer=False)`, in the number format they are stored in.
        adapters: Adapter to parameter name to its change.
    """

    config: JinaEmbeddingsV3Config
    weights: Mapping[str, torch.Tensor]
    adapters: Mapping[str, Mapping[str, LowRankUpdate]]


def find_layout(folder: Path) -> Layout | None:
    """The layout of a jina-embeddings-v3 checkpoint; None for anything else.

    A model of this architecture without any adapter, such as one that was
    trained further and saved by sentence-transformers, is anything else.
    """
    path = folder / "config.json"
    if not path.is_file():
        return None
    config = _read_json(path)
    if config.get("model_type") == _MODEL_TYPE:
        adapters = any((folder / adapter_folder(name)).is_dir() for name in ADAPTERS)
        return "native" if adapters else None
    # The original's configuration has no model_type, only the code it asks for, which is not run.
    code = config.get("auto_map")
    classes = code.values() if isinstance(code, dict) else ()
    asks = any("xlm-roberta-flash-implementation" in str(name) for name in classes)
    return "original" if asks and "lora_adaptations" in config else None


def read_facts(folder: Path, layout: Layout) -> CheckpointFacts:
    """Read what the configuration files say.

    Raises:
        ModelError: If a file does not say what it must.
    """
    path = folder / "config.json"
    config = _read_json(path)
    width, positions = (_number(config, key, path) for key in ("hidden_size", _POSITIONS))
    longest = positions - _EXTRA_POSITIONS
    tokenizer = folder / "tokenizer_config.json"
    if tokenizer.is_file():
        stated = _read_json(tokenizer).get("model_max_length")
        if isinstance(stated, int) and not isinstance(stated, bool) and 0 < stated < longest:
            longest = stated
    return CheckpointFacts(width, longest, _prompts(config, layout, path))


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint of either layout.

    Raises:
        ModelError: If it is none, or a tensor is missing, misshapen or
            unexpected; the message names it.
    """
    from transformers import JinaEmbeddingsV3Config

    from model.checkpoint_native import read_native
    from model.checkpoint_original import original_config, read_original

    layout = find_layout(folder)
    if layout is None:
        raise ModelError(f"model folder {folder} is no jina-embeddings-v3 checkpoint")
    path = folder / "config.json"
    raw = _read_json(path)
    adapters = tuple(_prompts(raw, layout, path))
    if layout == "original":
        config = original_config(raw, path)
        _check_heads(config, path)
        weights, updates = read_original(folder, config, raw, adapters)
    else:
        try:
            config = JinaEmbeddingsV3Config.from_pretrained(folder)
        except Exception as error:  # its checks raise errors of their own kinds
            raise ModelError(f"{path}: {' '.join(str(error).split())}") from error
        if config.hidden_act != "gelu":
            raise ModelError(f"{path}: hidden_act is {config.hidden_act!r}; allowed: 'gelu'")
        _check_heads(config, path)
        weights, updates = read_native(folder, config, adapters)
    return Checkpoint(config=config, weights=weights, adapters=updates)


_POSITIONS = "max_position_embeddings"


def _prompts(config: Mapping[str, Any], layout: Layout, path: Path) -> Mapping[str, str]:
    """Adapters in the order of the file, each with its prompt."""
    if layout == "native":
        return PROMPTS
    names = config.get("lora_adaptations")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ModelError(f"{path}: lora_adaptations is {names!r}; expected a list of names")
    stated = config.get("task_instructions")
    prompts = {**PROMPTS, **stated} if isinstance(stated, dict) else PROMPTS
    unknown = [name for name in names if name not in prompts]
    if unknown:
        raise ModelError(f"{path}: adapter {unknown[0]!r} has no prompt in task_instructions")
    for name in names:
        if not isinstance(prompts[name], str):
            raise ModelError(
                f"{path}: task_instructions of {name!r} is {prompts[name]!r}; expected a text"
            )
    return {name: prompts[name] for name in names}


def _check_heads(config: JinaEmbeddingsV3Config, path: Path) -> None:
    heads, width = config.num_attention_heads, config.hidden_size
    if heads < 1 or width % heads:
        raise ModelError(
            f"{path}: num_attention_heads is {heads}; expected a divisor of hidden_size {width}"
        )


def _number(config: Mapping[str, Any], key: str, path: Path) -> int:
    value = config.get(key)
    if type(value) is not int or value < 1:
        raise ModelError(f"{path}: {key} is {value!r}; expected a number above 0")
    return value


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return read_json(path, dict)
    except ReadError as error:
        raise ModelError(str(error)) from error
