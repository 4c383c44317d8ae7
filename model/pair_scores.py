"""Similarities of chosen pairs of queries and documents, as reranking needs them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from model.similarity import COSINE, Similarity
from model.top_k import QUERY_BLOCK, best_chunks, float32_products, length, products, unit

__all__ = ["pair_scores", "paired"]

_PAIR_BYTES = 50_000_000

_ALL_PAIRS = 8
"""Where there are no more than so many times as many pairs as were asked for, all are computed: a
product of matrices is many times quicker than as many products of vectors."""


def pair_scores(
    queries: npt.NDArray[np.generic],
    documents: npt.NDArray[np.generic],
    asked: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int64],
    device: str,
    counts: npt.NDArray[np.int64] | None = None,
    similarity: Similarity = COSINE,
) -> npt.NDArray[np.float32]:
    """Score pairs; a document with several vectors by its best.

    Args:
        queries: Shape (queries, width), numbers or bits, see `model.top_k.unit`.
        documents: Shape (documents, width), likewise; with `counts` (their sum, width).
        asked: Query of each pair, shape (pairs,).
        columns: Document of each, shape (pairs,).
        device: Where to compute, such as "cpu" or "cuda:0".
        counts: Vectors of each document, shape (documents,); None for one each.
        similarity: How vectors are compared; bits by "cosine" or "dot" only.

    Returns:
        Shape (pairs,), float32.
    """
    left, right = (unit(vectors, device, similarity) for vectors in (queries, documents))
    used = np.unique(asked)
    with float32_products():
        if counts is not None or len(used) * len(right) <= _ALL_PAIRS * len(asked):
            scores = _from_all(left, right, asked, columns, counts, similarity)
        else:
            scores = _one_by_one(left, right, asked, columns, similarity)
    return scores / np.float32(length(queries, documents))


def _from_all(
    queries: torch.Tensor,
    documents: torch.Tensor,
    asked: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64] | None,
    similarity: Similarity,
) -> npt.NDArray[np.float32]:
    found = np.empty(len(asked), dtype=np.float32)
    order = np.argsort(asked, kind="stable")
    wanted, rows = np.unique(asked[order], return_inverse=True)
    for start in range(0, len(wanted), QUERY_BLOCK):
        first, last = np.searchsorted(rows, [start, start + QUERY_BLOCK])
        block = queries[torch.from_numpy(wanted[start : start + QUERY_BLOCK]).to(queries.device)]
        table = products(block, documents, similarity)
        if counts is not None:
            table = best_chunks(table, counts)
        here = order[first:last]
        places = torch.from_numpy(rows[first:last] - start), torch.from_numpy(columns[here])
        found[here] = table[tuple(place.to(table.device) for place in places)].cpu().numpy()
    return found


def _one_by_one(
    queries: torch.Tensor,
    documents: torch.Tensor,
    asked: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int64],
    similarity: Similarity,
) -> npt.NDArray[np.float32]:
    found = np.empty(len(asked), dtype=np.float32)
    for part in _pieces(len(asked), queries.shape[1]):
        left = queries[torch.from_numpy(asked[part]).to(queries.device)]
        right = documents[torch.from_numpy(columns[part]).to(documents.device)]
        found[part] = paired(left, right, similarity).cpu().numpy()
    return found


def paired(left: torch.Tensor, right: torch.Tensor, similarity: Similarity) -> torch.Tensor:
    """Products, or distances with their sign turned, row by row: both (n, width), result (n,)."""
    if similarity == "euclidean":
        return (left - right).square().sum(dim=1).sqrt().neg()
    if similarity == "manhattan":
        return -(left - right).abs().sum(dim=1)
    return (left * right).sum(dim=1)


def _pieces(count: int, width: int) -> Iterator[slice]:
    size = max(1, _PAIR_BYTES // (8 * width))
    for start in range(0, count, size):
        yield slice(start, start + size)
