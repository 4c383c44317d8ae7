"""jinaai/jina-embeddings-v3-hf: transformers' own layout, with PEFT adapters in subfolders.

transformers writes the base under the original's module names, without the
prefix `roberta.` and with q, k and v in one `Wqkv`; files with its own module
names are read as well. An adapter's folder is its name with underscores.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jina_eval.core.errors import ReadError
from jina_eval.core.reading import read_json
from model.checkpoint_names import POOLER, Matrix, matrices, norms
from model.checkpoint_tensors import Tensors
from model.errors import ModelError
from model.low_rank import LowRankUpdate

if TYPE_CHECKING:
    import torch
    from transformers import JinaEmbeddingsV3Config

__all__ = ["adapter_folder", "read_native"]

_PREFIX = "base_model.model."

_NOT_DONE = (
    "use_rslora",
    "use_dora",
    "use_qalora",
    "use_bdlora",
    "fan_in_fan_out",
    "lora_bias",
    "alpha_pattern",
    "rank_pattern",
    "layer_replication",
    "modules_to_save",
    "trainable_token_indices",
    "target_parameters",
    "alora_invocation_tokens",
    "kasa_config",
    "monteclora_config",
    "arrow_config",
)
"""Settings of PEFT's LoRA that change what it computes; jina-embeddings-v3 uses none of them."""

_CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Beginnings of `init_lora_weights` with which PEFT changes the base as it loads an adapter."""


def adapter_folder(name: str) -> str:
    """The subfolder of an adapter."""
    return name.replace(".", "_").replace("-", "_")


def read_native(
    folder: Path, config: JinaEmbeddingsV3Config, adapters: tuple[str, ...]
) -> tuple[dict[str, torch.Tensor], dict[str, dict[str, LowRankUpdate]]]:
    """Weights and adapters by native parameter names.

    Args:
        folder: The checkpoint.
        config: Its configuration.
        adapters: Names of the adapters that must be there.

    Raises:
        ModelError: If a tensor is missing, misshapen or left over, or an
            adapter asks for what is not done here.
    """
    weights, pooler = _read_base(folder, config)
    updates = {
        name: _read_adapter(folder / adapter_folder(name), config, pooler=pooler)
        for name in adapters
    }
    return weights, updates


def _read_base(
    folder: Path, config: JinaEmbeddingsV3Config
) -> tuple[dict[str, torch.Tensor], bool]:
    tensors = Tensors.of_model(folder)
    # Present where the file was saved with the head for masked language modelling.
    tensors.drop("lm_head.")
    prefix = "roberta." if "roberta.embeddings.word_embeddings.weight" in tensors else ""
    pooler = f"{prefix}{POOLER}.weight" in tensors
    weights: dict[str, torch.Tensor] = {}
    for norm in norms(config):
        for part in ("weight", "bias"):
            own = f"{prefix}{norm.native}.{part}"
            name = own if own in tensors else f"{prefix}{norm.original}.{part}"
            weights[f"{norm.native}.{part}"] = tensors.take(name, config.hidden_size)
    for matrix in matrices(config):
        if matrix.original != POOLER or pooler:
            _take_matrix(matrix, tensors, prefix, weights)
    tensors.finish()
    return {name: weight for name, weight in weights.items() if POOLER not in name}, pooler


def _take_matrix(
    matrix: Matrix, tensors: Tensors, prefix: str, weights: dict[str, torch.Tensor]
) -> None:
    parts = ("weight",) if matrix.embedding else ("weight", "bias")
    step = matrix.rows // len(matrix.native)
    own = f"{prefix}{matrix.native[0]}.weight" in tensors
    for part in parts:
        tail = (matrix.columns,) if part == "weight" else ()
        if own:
            for native in matrix.native:
                weights[f"{native}.{part}"] = tensors.take(f"{prefix}{native}.{part}", step, *tail)
            continue
        whole = tensors.take(f"{prefix}{matrix.original}.{part}", matrix.rows, *tail)
        for place, native in enumerate(matrix.native):
            weights[f"{native}.{part}"] = whole[place * step : (place + 1) * step]


def _read_adapter(
    folder: Path, config: JinaEmbeddingsV3Config, *, pooler: bool
) -> dict[str, LowRankUpdate]:
    if not folder.is_dir():
        raise ModelError(f"adapter folder {folder} is missing")
    settings = _read_settings(folder / "adapter_config.json")
    rank = settings["r"]
    scale = settings["lora_alpha"] / rank
    tensors = Tensors.of_file(folder / "adapter_model.safetensors")
    updates: dict[str, LowRankUpdate] = {}
    for matrix in matrices(config):
        if matrix.original == POOLER and not pooler:
            continue
        rows = matrix.rows // len(matrix.native)
        for native in matrix.native:
            name = f"{_PREFIX}{native}.lora_"
            if matrix.embedding:
                # PEFT stores an embedding's factors the other way round.
                left = tensors.take(f"{name}embedding_A", rank, rows).T
                right = tensors.take(f"{name}embedding_B", matrix.columns, rank).T
            else:
                right = tensors.take(f"{name}A.weight", rank, matrix.columns)
                left = tensors.take(f"{name}B.weight", rows, rank)
            if matrix.original != POOLER:
                updates[f"{native}.weight"] = LowRankUpdate(left, right, scale)
    tensors.finish()
    return updates


def _read_settings(path: Path) -> Mapping[str, Any]:
    """An adapter's settings, after making sure that they ask for plain LoRA."""
    try:
        settings: dict[str, Any] = read_json(path, dict)
    except ReadError as error:
        raise ModelError(str(error)) from error
    if settings.get("peft_type") != "LORA":
        raise ModelError(f"{path}: peft_type is not 'LORA'")
    for key in _NOT_DONE:
        if settings.get(key):
            raise ModelError(f"{path}: {key} is {settings[key]!r}, which jina-eval does not do")
    start = settings.get("init_lora_weights")
    if isinstance(start, str) and start.lower().startswith(_CHANGES_BASE):
        raise ModelError(f"{path}: init_lora_weights is {start!r}, which jina-eval does not do")
    if settings.get("bias", "none") != "none":
        raise ModelError(f"{path}: bias is {settings['bias']!r}; allowed: 'none'")
    for key in ("r", "lora_alpha"):
        value = settings.get(key)
        if not isinstance(value, int | float) or not 0 < value < math.inf:
            raise ModelError(f"{path}: {key} is {value!r}; expected a number above 0")
    return settings
