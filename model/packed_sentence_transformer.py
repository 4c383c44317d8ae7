"""What of a sentence-transformers model the packed path needs, if it can serve it at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from model.packed_model import reads_packed
from model.pooling import POOLINGS, Pooling

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["PackedParts", "fast_tokenizer", "packed_parts"]


@dataclass(frozen=True)
class PackedParts:
    """A sentence-transformers model, taken apart.

    Attributes:
        encoder: Its transformers encoder.
        tokenizer: A tokenizer of its own, so that settings do not leak.
        pooling: How token vectors become a vector.
        finish: Its modules after pooling: (texts, width) to (texts, dimension), float32.
        max_length: Longest input in tokens.
    """

    encoder: PreTrainedModel
    tokenizer: Tokenizer
    pooling: Pooling
    finish: Callable[[torch.Tensor], torch.Tensor]
    max_length: int


def packed_parts(model: SentenceTransformer) -> PackedParts | str:
    """Take a model apart; or say what keeps it from being served packed."""
    kinds = [type(module).__name__ for module in model]
    if kinds[:2] != ["Transformer", "Pooling"] or set(kinds[2:]) - {"Dense", "Normalize"}:
        return f"its modules are {', '.join(kinds)}"
    transformer, pooling, *rest = model
    encoder = getattr(transformer, "auto_model", None)
    tokenizer = fast_tokenizer(model)
    if encoder is None or tokenizer is None or model.max_seq_length is None:
        return "it has no encoder, no fast tokenizer or no maximum length"
    if getattr(model.tokenizer, "truncation_side", "right") != "right":
        return "its tokenizer cuts long texts at the beginning"
    mode = _pooling_mode(pooling)
    if mode not in POOLINGS or not getattr(pooling, "include_prompt", True):
        return f"its pooling is {mode}, or leaves the prompt out"
    if reason := reads_packed(encoder):
        return reason
    dtype = encoder.dtype if "Dense" in kinds else torch.float32

    def finish(vectors: torch.Tensor) -> torch.Tensor:
        features = {"sentence_embedding": vectors.to(dtype)}
        for module in rest:
            features = module(features)
        return features["sentence_embedding"].float()

    return PackedParts(
        encoder=cast("PreTrainedModel", encoder),
        tokenizer=tokenizer,
        pooling=cast(Pooling, mode),
        finish=finish,
        max_length=int(model.max_seq_length),
    )


def fast_tokenizer(model: SentenceTransformer) -> Tokenizer | None:
    """A model's tokenizer, a copy, so that settings do not leak; None if it has no fast one."""
    wrapper = getattr(model, "tokenizer", None)
    tokenizer = getattr(wrapper, "backend_tokenizer", wrapper)
    if not isinstance(tokenizer, Tokenizer):
        return None
    copy = Tokenizer.from_str(tokenizer.to_str())
    # Whether a literal `<s>` is split like any other text; tokenizer.json does not hold it.
    copy.encode_special_tokens = bool(getattr(wrapper, "split_special_tokens", False))
    return copy


def _pooling_mode(pooling: Any) -> str:
    mode = getattr(pooling, "pooling_mode", None)
    if mode is None:  # as sentence-transformers before 6.1 has it
        mode = pooling.get_pooling_mode_str()
    return str(mode)
