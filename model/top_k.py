"""The best documents of each query, found block by block: exact, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

__all__ = ["DOCUMENT_BLOCK", "ExactSearch", "OpenSearch", "Search", "TopK"]

DOCUMENT_BLOCK = 8192
"""Documents that are scored at a time. Blocks begin at multiples of it whatever the shards are,
and the last is filled up with zeros, so that a score never depends on how a corpus is cut."""

_QUERY_BLOCK = 2048


class Search(Protocol):
    """A search that goes on while documents come in."""

    def add(self, documents: npt.NDArray[np.float32]) -> None:
        """Score the next documents, shape (documents, width)."""
        ...

    def best(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Scores and places of each query's best documents, in no particular order."""
        ...


OpenSearch = Callable[[npt.NDArray[np.float32], int], Search]
"""Starts a search: the queries' vectors, shape (queries, width), and how many documents to keep."""


class ExactSearch:
    """Searches by the cosine in float32, on a device."""

    def __init__(self, queries: npt.NDArray[np.float32], k: int, device: str) -> None:
        """Start without documents.

        Args:
            queries: Shape (queries, width), float32.
            k: How many documents are kept of each query.
            device: Where to search, such as "cpu" or "cuda:0".
        """
        self._device = device
        self._top = TopK(self._unit(queries), k)

    def add(self, documents: npt.NDArray[np.float32]) -> None:
        """Score the next documents, shape (documents, width); their number as for `TopK.add`."""
        with _float32_products():
            self._top.add(self._unit(documents))

    def best(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Scores and places of each query's best documents, shape (queries, kept)."""
        scores, places = self._top.best()
        return scores.numpy(), places.numpy()

    def _unit(self, vectors: npt.NDArray[np.float32]) -> torch.Tensor:
        return torch.nn.functional.normalize(torch.from_numpy(vectors).to(self._device), dim=1)


@contextmanager
def _float32_products() -> Iterator[None]:
    """No shorter formats in products, whatever the process allows them elsewhere."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


class TopK:
    """Keeps the k best documents of each query while documents come in.

    Of documents with exactly equal scores the earlier ones are kept.
    """

    def __init__(self, queries: torch.Tensor, k: int) -> None:
        """Start without documents.

        Args:
            queries: Shape (queries, width), float32, of unit length, on the device to use.
            k: How many documents are kept of each query.
        """
        self._queries = queries
        self._k = k
        device = queries.device
        self._scores = torch.empty(len(queries), 0, device=device)
        self._places = torch.empty(len(queries), 0, dtype=torch.int64, device=device)
        self._seen = 0

    def add(self, documents: torch.Tensor) -> None:
        """Score the next documents of the corpus.

        Args:
            documents: Shape (documents, width), float32, of unit length. Their number is a
                multiple of `DOCUMENT_BLOCK`, but for the last ones of a corpus.

        Raises:
            ValueError: If documents come after a block that was not full.
        """
        if self._seen % DOCUMENT_BLOCK:
            raise ValueError(f"{self._seen} documents before these are no whole number of blocks")
        for start in range(0, len(documents), DOCUMENT_BLOCK):
            block = documents[start : start + DOCUMENT_BLOCK]
            count = len(block)
            if count < DOCUMENT_BLOCK:
                block = torch.nn.functional.pad(block, (0, 0, 0, DOCUMENT_BLOCK - count))
            parts = [
                self._merge(rows, (self._queries[rows] @ block.T)[:, :count])
                for rows in _cut(len(self._queries))
            ]
            self._scores = torch.cat([scores for scores, _ in parts])
            self._places = torch.cat([places for _, places in parts])
            self._seen += count

    def best(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The best documents so far, in no particular order.

        Returns:
            Scores, float32, and places in the corpus, int64, both of shape
            (queries, min(k, documents)), on the CPU.
        """
        return self._scores.cpu(), self._places.cpu()

    def _merge(self, rows: slice, scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The best of some queries' earlier documents and a block."""
        columns = _top(scores, self._k)
        scores = torch.cat([self._scores[rows], scores.gather(1, columns)], dim=1)
        places = torch.cat([self._places[rows], columns + self._seen], dim=1)
        columns = _top(scores, self._k, places)
        return scores.gather(1, columns), places.gather(1, columns)


def _top(scores: torch.Tensor, k: int, places: torch.Tensor | None = None) -> torch.Tensor:
    """Columns of each row's k best scores; of equal ones those with the earlier places."""
    k = min(k, scores.shape[1])
    best, columns = scores.topk(k, dim=1, sorted=False)
    # Which of several equal scores topk takes at the edge is not defined.
    edge = best.amin(dim=1, keepdim=True)
    unsure = (scores == edge).sum(dim=1) > (best == edge).sum(dim=1)
    for row in unsure.nonzero()[:, 0].tolist():
        by_place = torch.arange(scores.shape[1], device=scores.device)
        if places is not None:
            by_place = places[row].argsort()
        ranked = scores[row][by_place].argsort(descending=True, stable=True)
        columns[row] = by_place[ranked[:k]]
    return columns


def _cut(count: int) -> Iterator[slice]:
    for start in range(0, count, _QUERY_BLOCK):
        yield slice(start, start + _QUERY_BLOCK)
