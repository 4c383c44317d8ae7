"""jinaai/jina-embeddings-v3 as it was published first: adapters as parametrisations.

Every linear layer and embedding is stored as `parametrizations.weight.original`
with the factors of all adapters stacked in `lora_A` and `lora_B`. As in the
published code (modeling_lora.py), with scale = lora_alpha / lora_rank:

    linear      W' = W + scale * B[t] @ A[t]   A [adapters, rank, in],      B [adapters, out, rank]
    embedding   E' = E + scale * A[t] @ B[t]   A [adapters, entries, rank], B [adapters, rank, dim]
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.checkpoint_names import POOLER, Matrix, matrices, norms
from model.checkpoint_tensors import Tensors
from model.errors import ModelError
from model.low_rank import LowRankUpdate

if TYPE_CHECKING:
    import torch
    from transformers import JinaEmbeddingsV3Config

__all__ = ["original_config", "read_original"]

_KEYS = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_hidden_layers": "num_hidden_layers",
    "num_attention_heads": "num_attention_heads",
    "intermediate_size": "intermediate_size",
    "max_position_embeddings": "max_position_embeddings",
    "layer_norm_eps": "layer_norm_eps",
    "pad_token_id": "pad_token_id",
    "bos_token_id": "bos_token_id",
    "eos_token_id": "eos_token_id",
}
_DEFAULTS = {"vocab_size": 250002, "type_vocab_size": 1, "rotary_emb_base": 20000.0}
_ONLY = {"position_embedding_type": "rotary", "hidden_act": "gelu", "emb_pooler": None}
_REQUIRED = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")


def original_config(raw: Mapping[str, Any], where: Path) -> JinaEmbeddingsV3Config:
    """The native configuration of an original config.json.

    Raises:
        ModelError: If a key is missing or not of its kind, or asks for what
            the native architecture does not do.
    """
    from transformers import JinaEmbeddingsV3Config

    for key, allowed in _ONLY.items():
        if raw.get(key, allowed) != allowed:
            raise ModelError(f"{where}: {key} is {raw[key]!r}; allowed: {allowed!r}")
    missing = [key for key in (*_REQUIRED, "lora_rank", "lora_alpha") if key not in raw]
    if missing:
        raise ModelError(f"{where}: key {missing[0]!r} is missing")
    for key in ("lora_rank", "lora_alpha"):
        if not isinstance(raw[key], int | float) or not 0 < raw[key] < math.inf:
            raise ModelError(f"{where}: {key} is {raw[key]!r}; expected a number above 0")
    values = {**_DEFAULTS, **raw}
    base = values["rotary_emb_base"]
    if not isinstance(base, int | float) or not 0 < base < math.inf:
        raise ModelError(f"{where}: rotary_emb_base is {base!r}; expected a number above 0")
    try:
        return JinaEmbeddingsV3Config(
            **{ours: values[theirs] for theirs, ours in _KEYS.items() if theirs in values},
            type_vocab_size=values["type_vocab_size"],
            rope_parameters={"rope_type": "default", "rope_theta": float(base)},
        )
    except Exception as error:  # its checks raise errors of their own kinds
        raise ModelError(f"{where}: {' '.join(str(error).split())}") from error


def read_original(
    folder: Path, config: JinaEmbeddingsV3Config, raw: Mapping[str, Any], adapters: tuple[str, ...]
) -> tuple[dict[str, torch.Tensor], dict[str, dict[str, LowRankUpdate]]]:
    """Weights and adapters by native parameter names.

    Args:
        folder: The checkpoint.
        config: From `original_config`.
        raw: Its config.json.
        adapters: Names of the adapters in the order of the file.

    Raises:
        ModelError: If a tensor is missing, misshapen or left over.
    """
    tensors = Tensors.of_model(folder)
    scale = raw["lora_alpha"] / raw["lora_rank"]
    weights: dict[str, torch.Tensor] = {}
    updates: dict[str, dict[str, LowRankUpdate]] = {name: {} for name in adapters}
    for norm in norms(config):
        for part in ("weight", "bias"):
            weights[f"{norm.native}.{part}"] = tensors.take(
                f"roberta.{norm.original}.{part}", config.hidden_size
            )
    for matrix in matrices(config):
        _take(matrix, tensors, weights, updates, (raw["lora_rank"], scale))
    tensors.finish()
    return weights, updates


def _take(
    matrix: Matrix,
    tensors: Tensors,
    weights: dict[str, torch.Tensor],
    updates: dict[str, dict[str, LowRankUpdate]],
    low_rank: tuple[int, float],
) -> None:
    """Take a matrix with its bias and all adapters' changes of it."""
    rank, scale = low_rank
    count, rows, columns = len(updates), matrix.rows, matrix.columns
    prefix = f"roberta.{matrix.original}"
    whole = tensors.take(f"{prefix}.parametrizations.weight.original", rows, columns)
    factors = f"{prefix}.parametrizations.weight.0.lora_"
    if matrix.embedding:
        left = tensors.take(f"{factors}A", count, rows, rank)
        right = tensors.take(f"{factors}B", count, rank, columns)
    else:
        right = tensors.take(f"{factors}A", count, rank, columns)
        left = tensors.take(f"{factors}B", count, rows, rank)
    bias = None if matrix.embedding else tensors.take(f"{prefix}.bias", rows)
    if matrix.original == POOLER:
        return
    step = rows // len(matrix.native)
    for place, native in enumerate(matrix.native):
        here = slice(place * step, (place + 1) * step)
        weights[f"{native}.weight"] = whole[here]
        if bias is not None:
            weights[f"{native}.bias"] = bias[here]
        for index, update in enumerate(updates.values()):
            update[f"{native}.weight"] = LowRankUpdate(left[index, here], right[index], scale)
