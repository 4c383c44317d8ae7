"""The tensors of jina-embeddings-v3 by their names in both layouts.

Source of the names: the original file's own (492 tensors), and transformers'
conversion_mapping.py for jina_embeddings_v3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import JinaEmbeddingsV3Config

__all__ = ["POOLER", "Matrix", "Norm", "matrices", "norms"]

POOLER = "pooler.dense"
"""A layer that is in the files and that mean pooling has no use for."""


@dataclass(frozen=True)
class Matrix:
    """A linear layer or an embedding: what adapters change.

    Attributes:
        original: Module name in the original layout.
        native: Module names in transformers, which share the rows evenly.
        rows: Outputs of a linear layer, or entries of an embedding.
        columns: Inputs of a linear layer, or width of an embedding.
        embedding: Whether it is an embedding, which has no bias.
    """

    original: str
    native: tuple[str, ...]
    rows: int
    columns: int
    embedding: bool = False


@dataclass(frozen=True)
class Norm:
    """A layer norm, which adapters leave alone; names as in `Matrix`."""

    original: str
    native: str


def matrices(config: JinaEmbeddingsV3Config) -> list[Matrix]:
    """Every linear layer and embedding, the pooler's included."""
    width, inner = config.hidden_size, config.intermediate_size
    words, types = "embeddings.word_embeddings", "embeddings.token_type_embeddings"
    found = [
        Matrix(words, (words,), config.vocab_size, width, embedding=True),
        Matrix(types, (types,), config.type_vocab_size, width, embedding=True),
        Matrix(POOLER, (POOLER,), width, width),
    ]
    for layer in range(config.num_hidden_layers):
        theirs, ours = f"encoder.layers.{layer}", f"layers.{layer}"
        projections = tuple(f"{ours}.self_attn.{name}_proj" for name in "qkv")
        found += [
            Matrix(f"{theirs}.mixer.Wqkv", projections, 3 * width, width),
            Matrix(f"{theirs}.mixer.out_proj", (f"{ours}.self_attn.o_proj",), width, width),
            Matrix(f"{theirs}.mlp.fc1", (f"{ours}.mlp.fc1",), inner, width),
            Matrix(f"{theirs}.mlp.fc2", (f"{ours}.mlp.fc2",), width, inner),
        ]
    return found


def norms(config: JinaEmbeddingsV3Config) -> list[Norm]:
    """Every layer norm."""
    found = [Norm("emb_ln", "embeddings.LayerNorm")]
    for layer in range(config.num_hidden_layers):
        theirs, ours = f"encoder.layers.{layer}", f"layers.{layer}"
        found += [
            Norm(f"{theirs}.norm1", f"{ours}.post_attention_layernorm"),
            Norm(f"{theirs}.norm2", f"{ours}.post_mlp_layernorm"),
        ]
    return found
