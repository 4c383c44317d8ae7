"""How two vectors are compared, by sentence-transformers' names."""

from __future__ import annotations

from typing import Literal, get_args

from model.errors import ModelError

__all__ = ["COSINE", "SIMILARITIES", "Similarity", "parse_similarity"]

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
