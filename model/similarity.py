"""How two vectors are compared, by sentence-transformers' names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from model.errors import ModelError

if TYPE_CHECKING:
    import torch

__all__ = ["COSINE", "SIMILARITIES", "Similarity", "distances", "parse_similarity"]

Similarity = Literal["cosine", "dot", "euclidean", "manhattan"]
"""Cosine, dot product, and the distances with their sign turned: the larger, the more alike."""

SIMILARITIES: tuple[Similarity, ...] = get_args(Similarity)

COSINE: Similarity = "cosine"


def parse_similarity(name: object, where: str) -> Similarity:
    """The similarity of this name.

    Args:
        name: As in `similarity_fn_name` of config_sentence_transformers.json.
        where: What states it, as an error names it.

    Raises:
        ModelError: If it is none of those that compare two vectors.
    """
    for similarity in SIMILARITIES:
        if name == similarity:
            return similarity
    raise ModelError(f"{where} states the similarity {name!r}; allowed: {', '.join(SIMILARITIES)}")


def distances(left: torch.Tensor, right: torch.Tensor, similarity: Similarity) -> torch.Tensor:
    """Distances of all pairs, as `torch.cdist` defines them.

    Each is computed from its own two vectors alone: not through a product of matrices, whose
    rounding would hide small distances between long vectors.

    Args:
        left: Shape (n, width), float32.
        right: Shape (m, width), float32.
        similarity: "euclidean" or "manhattan".

    Returns:
        Shape (n, m), float32.
    """
    import torch

    order = 2.0 if similarity == "euclidean" else 1.0
    return torch.cdist(left, right, p=order, compute_mode="donot_use_mm_for_euclid_dist")
