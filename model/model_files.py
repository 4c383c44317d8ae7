"""The files of a model folder that decide its vectors, found without loading it.

A sentence-transformers folder consists of modules, each with a folder that
modules.json names: the root, a subfolder, a hidden one, or a symbolic link. A
Router's modules have folders of their own below it. Weights are read from
safetensors files alone; a module whose weights are in another format is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from model.checkpoint import ADAPTERS, find_layout
from model.checkpoint_native import adapter_folder
from model.errors import ModelError

__all__ = [
    "HARMLESS",
    "Part",
    "deciding_files",
    "find_parts",
    "parse_json",
    "read_bytes",
    "read_json",
]

HARMLESS = ("README.md", "model.safetensors.index.json")
"""Files that loading opens and that do not decide vectors: the model card, read for its metadata,
and the list of which file holds a tensor. (Tensors are covered, wherever they are.)"""

_DECIDING = (".json", ".txt", ".model", ".jinja", ".tiktoken", ".bpe", ".vocab")
"""Endings of files that configure a module or its tokenizer."""

_PICKLED = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_TRANSFORMERS = ("Transformer", "MLMTransformer", "CLIPModel")
"""Modules that transformers loads, and that have weights in any case."""

_WEIGHTED = (
    *("Dense", "LayerNorm", "LSTM", "CNN", "WeightedLayerPooling"),
    *("StaticEmbedding", "WordEmbeddings"),
)
"""Modules of sentence-transformers' own that have weights in any case."""

_ROUTERS = ("Router", "Asym")

_ARGUMENTS = tuple(
    f"{of}_{kind}"
    for of in ("model", "tokenizer", "processor", "config")
    for kind in ("args", "kwargs")
)
"""Where a module's settings hold arguments for transformers, by old and new names."""

_OTHER_FILES = frozenset(
    {
        *("variant", "subfolder", "revision", "code_revision", "gguf_file", "state_dict"),
        *("adapter_kwargs", "adapter_name", "use_safetensors", "weights_only", "config"),
    }
)
"""Arguments of transformers that decide which files are read."""


@dataclass(frozen=True)
class Part:
    """A module and its folder.

    Attributes:
        path: The folder as modules.json has it, relative to the model's.
        folder: Where that is.
        weights: Its safetensors files.
        transformer: Whether transformers loads it, and its tokenizer with it.
    """

    path: str
    folder: Path
    weights: tuple[Path, ...]
    transformer: bool


def find_parts(folder: Path) -> tuple[Part, ...]:
    """The modules of a model folder, in order.

    Raises:
        ModelError: If a module's weights are missing, are in a format that can run
            code, or lie outside the folder; or if a file does not say what it must.
    """
    layout = find_layout(folder)
    if layout is not None:
        parts = [Part("", folder, _model_weights(folder), transformer=True)]
        if layout == "native":
            parts.extend(_adapter_parts(folder))
        return tuple(parts)
    if not (folder / "modules.json").exists():
        return (Part("", folder, _model_weights(folder), transformer=True),)
    _check_kind(folder / "config_sentence_transformers.json")
    found = [
        part
        for place, module in enumerate(read_json(folder / "modules.json", list))
        for part in _module_parts(folder, module, f"{folder / 'modules.json'}: module {place}")
    ]
    if not any(part.weights for part in found):
        _refuse_pickles(folder)
        raise ModelError(f"model folder {folder} has no weights (no *.safetensors file)")
    return tuple(found)


def deciding_files(folder: Path) -> Iterator[Path]:
    """Files of one module's folder that configure it or its tokenizer, in order of their names."""
    # A module without settings, such as Normalize, may have no folder.
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix in _DECIDING and path.name != _INDEX and path.is_file():
            yield path
    yield from sorted(
        path for path in folder.glob("additional_chat_templates/*.jinja") if path.is_file()
    )


def read_json(path: Path, kind: type = dict) -> Any:
    """The content of a JSON file; `kind()` where there is none.

    Raises:
        ModelError: If it is not JSON, or does not hold a `kind`.
    """
    if path.is_dir():
        raise ModelError(f"{path} is a folder; expected a JSON file")
    return parse_json(path, read_bytes(path), kind) if path.is_file() else kind()


def read_bytes(path: Path) -> bytes:
    """A file's content.

    Raises:
        ModelError: If it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error


def parse_json(path: Path, raw: bytes, kind: type = dict) -> Any:
    """The content of a JSON file that was read; errors as of `read_json`."""
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not JSON ({error})") from error
    if not isinstance(content, kind):
        raise ModelError(f"{path} should hold a JSON {'object' if kind is dict else 'list'}")
    return content


def _module_parts(folder: Path, module: Any, where: str) -> Iterator[Part]:
    if not isinstance(module, dict):
        raise ModelError(f"{where} is not a JSON object")
    path, kind = module.get("path", ""), str(module.get("type")).rsplit(".", 1)[-1]
    yield from _part(folder, path, kind, where)


def _part(folder: Path, path: Any, kind: str, where: str) -> Iterator[Part]:
    if not isinstance(path, str):
        raise ModelError(f"{where}: path is {path!r}; expected a folder's name")
    steps = PurePosixPath(path)
    if steps.is_absolute() or ".." in steps.parts or "\\" in path:
        raise ModelError(f"{where}: path {path!r} leads out of the model's folder")
    here = folder / steps
    if kind in _ROUTERS:
        yield Part(path, here, (), transformer=False)
        config = read_json(here / "router_config.json") or read_json(here / "config.json")
        types = config.get("types")
        for name, type_name in types.items() if isinstance(types, dict) else ():
            below = (steps / name).as_posix()
            inner = str(type_name).rsplit(".", 1)[-1]
            yield from _part(folder, below, inner, f"{here}: {name}")
        return
    if kind == "Dense":
        _check_activation(here / "config.json")
    transformer = kind in _TRANSFORMERS
    if transformer:
        _check_arguments(here)
    weights = _model_weights(here) if transformer else _module_weights(here, kind)
    yield Part(path, here, weights, transformer=transformer)


def _check_kind(path: Path) -> None:
    """Refuse what sentence-transformers would turn into another model without its modules."""
    kind = read_json(path).get("model_type")
    if kind not in (None, "SentenceTransformer"):
        raise ModelError(f"{path}: the model is a {kind!r}; allowed: 'SentenceTransformer'")


def _check_activation(path: Path) -> None:
    """Refuse a function that sentence-transformers would silently replace by Tanh."""
    name = read_json(path).get("activation_function", "torch.")
    if not isinstance(name, str) or not name.startswith("torch."):
        raise ModelError(
            f"{path} asks for the activation function {name!r}, code of its own, which jina-eval "
            "never runs; allowed: modules of torch.nn"
        )


def _check_arguments(folder: Path) -> None:
    """Refuse settings with which transformers would read other files than the usual ones."""
    for path in sorted(folder.glob("sentence_*_config.json")):
        config = read_json(path)
        names = {
            name
            for key in _ARGUMENTS
            if isinstance(arguments := config.get(key), dict)
            for name in arguments
            if name in _OTHER_FILES or name.endswith(("_file", "_path", "_dir", "_folder"))
        }
        if config.get("tokenizer_name_or_path") is not None:
            names.add("tokenizer_name_or_path")
        if names:
            raise ModelError(
                f"{path} sets {min(names)!r}, with which other files would be read than those of "
                "the folder; remove it"
            )


def _model_weights(folder: Path) -> tuple[Path, ...]:
    """The files that transformers reads a model's weights from."""
    adapter = read_json(folder / "adapter_config.json")
    if adapter:
        raise ModelError(
            f"{folder / 'adapter_config.json'}: the weights are an adapter of "
            f"{adapter.get('base_model_name_or_path')!r}, which is not in the folder; merge both "
            "and save the model"
        )
    named = read_json(folder / "config.json").get("transformers_weights")
    if named is not None:
        return _named_weights(folder, [named], folder / "config.json")
    if (folder / _WEIGHTS).is_file():
        return (folder / _WEIGHTS,)
    index = folder / _INDEX
    if index.is_file():
        shards = read_json(index).get("weight_map")
        if not isinstance(shards, dict) or not shards:
            raise ModelError(f"{index} is no index of safetensors files (no weight_map)")
        return _named_weights(folder, list(shards.values()), index)
    _refuse_pickles(folder)
    raise ModelError(f"model folder {folder} has no weights (no {_WEIGHTS} file)")


def _named_weights(folder: Path, names: list[Any], where: Path) -> tuple[Path, ...]:
    """Files beside the one that names them; nothing outside the folder is read."""
    for name in names:
        plain = isinstance(name, str) and Path(name).name == name
        if not plain or not name.endswith(".safetensors"):
            raise ModelError(f"{where} names {name!r} as weights; expected a *.safetensors file")
        if not (folder / name).is_file():
            raise ModelError(f"{folder / name} is missing, which {where.name} names")
    return tuple(folder / name for name in sorted(set(names)))


def _module_weights(folder: Path, kind: str) -> tuple[Path, ...]:
    """The file that sentence-transformers reads a module's weights from, if it has any."""
    if (folder / _WEIGHTS).is_file():
        return (folder / _WEIGHTS,)
    _refuse_pickles(folder)
    if kind in _WEIGHTED:
        raise ModelError(
            f"model folder {folder} has no weights (no {_WEIGHTS} file, other formats are not read)"
        )
    return ()


def _refuse_pickles(folder: Path) -> None:
    if not folder.is_dir():
        return
    pickled = sorted(path.name for path in folder.iterdir() if path.suffix in _PICKLED)
    if pickled:
        raise ModelError(
            f"model folder {folder} has weights only as {pickled[0]}, which can run code when "
            "loaded; jina-eval reads safetensors only"
        )


def _adapter_parts(folder: Path) -> Iterator[Part]:
    """The PEFT folders of jina-embeddings-v3-hf; a missing one is named when it is loaded."""
    for name in ADAPTERS:
        path = adapter_folder(name)
        weights = folder / path / "adapter_model.safetensors"
        if weights.is_file():
            yield Part(path, folder / path, (weights,), transformer=False)
