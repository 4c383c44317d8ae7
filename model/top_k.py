"""The best documents of each query, found block by block: exact, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from model.packing import plan_batches
from model.similarity import COSINE, Similarity, distances

__all__ = [
    "DOCUMENT_BLOCK",
    "QUERY_BLOCK",
    "ExactSearch",
    "OpenSearch",
    "Search",
    "TopK",
    "best_chunks",
    "float32_products",
    "keep_best",
    "length",
    "products",
    "unit",
]

DOCUMENT_BLOCK = 8192
"""Documents that are scored at a time. Blocks begin at multiples of it whatever the shards are,
and the last is filled up with zeros, so that a score never depends on how a corpus is cut."""

QUERY_BLOCK = 2048
"""Queries that are scored at a time."""


class Search(Protocol):
    """A search that goes on while documents come in."""

    def add(self, documents: npt.NDArray[Any], counts: npt.NDArray[np.int64] | None = None) -> None:
        """Score the next documents, shape (documents, width); numbers or bits, see `unit`.

        With `counts`, shape (documents,), a document has so many rows, and the best one counts.
        """
        ...

    def best(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Scores and places of each query's best documents, in no particular order."""
        ...


class OpenSearch(Protocol):
    """Starts a search; arguments as of `ExactSearch`."""

    def __call__(
        self, queries: npt.NDArray[Any], k: int, similarity: Similarity = COSINE, /
    ) -> Search:
        """Start without documents."""
        ...


class ExactSearch:
    """Searches by a similarity in float32, on a device.

    Vectors are numbers or bits, see `unit`. Where queries are numbers and documents bits, those
    documents are kept whose bits are nearest to the queries' bits, with the scores of the numbers.
    """

    def __init__(
        self, queries: npt.NDArray[Any], k: int, device: str, similarity: Similarity = COSINE
    ) -> None:
        """Start without documents.

        Args:
            queries: Shape (queries, width), float32 or bool.
            k: How many documents are kept of each query.
            device: Where to search, such as "cpu" or "cuda:0".
            similarity: How vectors are compared; bits by "cosine" or "dot" only.
        """
        self._similarity = similarity
        self._queries = queries
        self._k = k
        self._device = device
        self._length = 1.0
        self._top: TopK | None = None

    def add(self, documents: npt.NDArray[Any], counts: npt.NDArray[np.int64] | None = None) -> None:
        """Score the next documents.

        Args:
            documents: Shape (documents, width), float32, or bool for all of a corpus; their
                number as for `TopK.add`.
            counts: Rows of each document, of which the best one counts, shape (documents,); None
                for one each.
        """
        if self._top is None:
            self._length = length(self._queries, documents)
            self._top = self._start(documents.dtype == np.bool_)
        with float32_products():
            if counts is None:
                self._top.add(self._there(documents))
            else:
                self._top.add_chunked(self._there(documents), counts)

    def best(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Scores and places of each query's best documents, shape (queries, kept)."""
        top = self._top or self._start(bits=False)
        scores, places = top.best()
        return np.divide(scores.numpy(), self._length, dtype=np.float32), places.numpy()

    def _start(self, bits: bool) -> TopK:
        queries = self._there(self._queries)
        if bits and self._queries.dtype != np.bool_:
            by_bits = self._there(self._queries > 0)
            return TopK(by_bits, self._k, rescoring=queries, similarity=self._similarity)
        return TopK(queries, self._k, similarity=self._similarity)

    def _there(self, vectors: npt.NDArray[Any]) -> torch.Tensor:
        return unit(vectors, self._device, self._similarity)


def unit(vectors: npt.NDArray[Any], device: str, similarity: Similarity = COSINE) -> torch.Tensor:
    """Vectors as `products` compares them; its results, divided by `length`, are the scores.

    Args:
        vectors: Shape (n, width). float32: numbers; bool: bits, which stand for 1 and -1.
        device: Where to have them.
        similarity: How they are to be compared.

    Returns:
        Shape (n, width), float32. Numbers come with unit length for cosines, else as they are.
        Bits come as 1 and -1, so that their products are whole numbers: equal Hamming distances
        have equal scores, bit for bit.
    """
    there = torch.from_numpy(vectors).to(device)
    if there.dtype == torch.bool:
        return there.float().mul_(2).sub_(1)
    return torch.nn.functional.normalize(there, dim=1) if similarity == COSINE else there


def length(queries: npt.NDArray[Any], documents: npt.NDArray[Any]) -> float:
    """What products of `unit` vectors are divided by: sqrt(width) for each side of bits."""
    sides = (queries.dtype == np.bool_) + (documents.dtype == np.bool_)
    return float(queries.shape[1] ** (sides / 2))


def keep_best(
    scores: npt.NDArray[np.float32], places: npt.NDArray[np.int64], k: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """The k best documents of each query; of equal scores those with the earlier places.

    All are of shape (queries, documents); the documents are in no particular order.
    """
    columns = _top(torch.from_numpy(scores), k, torch.from_numpy(places)).numpy()
    return np.take_along_axis(scores, columns, axis=1), np.take_along_axis(places, columns, axis=1)


@contextmanager
def float32_products() -> Iterator[None]:
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

    def __init__(
        self,
        queries: torch.Tensor,
        k: int,
        rescoring: torch.Tensor | None = None,
        similarity: Similarity = COSINE,
    ) -> None:
        """Start without documents.

        Args:
            queries: Shape (queries, width), float32, on the device to use; for cosines, of unit
                length.
            k: How many documents are kept of each query.
            rescoring: What the queries are in the scores that `best` gives, where it is something
                else than what they are in choosing documents; as `queries`.
            similarity: How vectors are compared; see `products`.
        """
        self._similarity = similarity
        self._queries = queries
        self._rescoring = rescoring
        self._k = k
        scores = torch.empty(len(queries), 0, device=queries.device)
        places = torch.empty(len(queries), 0, dtype=torch.int64, device=queries.device)
        self._kept = [scores, places] if rescoring is None else [scores, places, scores]
        self._seen = 0

    def add(self, documents: torch.Tensor) -> None:
        """Score the next documents of the corpus.

        Args:
            documents: Shape (documents, width), float32, of unit length as the queries. Their
                number is a multiple of `DOCUMENT_BLOCK`, but for the last ones of a corpus.

        Raises:
            ValueError: If documents come after a block that was not full.
        """
        if self._seen % DOCUMENT_BLOCK:
            raise ValueError(f"{self._seen} documents before these are no whole number of blocks")
        for start in range(0, len(documents), DOCUMENT_BLOCK):
            self._take(documents[start : start + DOCUMENT_BLOCK], None)

    def add_chunked(self, chunks: torch.Tensor, counts: npt.NDArray[np.int64]) -> None:
        """Score the next documents, each by the best of its chunks.

        Args:
            chunks: Shape (sum of counts, width), otherwise as the documents of `add`.
            counts: Chunks of each document, shape (documents,).
        """
        bounds = np.concatenate([[0], np.cumsum(counts)])
        for documents in plan_batches(counts, DOCUMENT_BLOCK):
            block = chunks[bounds[documents.start] : bounds[documents.stop]]
            self._take(block, counts[documents])

    def _take(self, block: torch.Tensor, counts: npt.NDArray[np.int64] | None) -> None:
        parts = [self._merge(rows, block, counts) for rows in _cut(len(self._queries))]
        self._kept = [torch.cat(part) for part in zip(*parts, strict=True)]
        self._seen += len(block) if counts is None else len(counts)

    def best(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The best documents so far, in no particular order.

        Returns:
            Scores, float32, and places in the corpus, int64, both of shape
            (queries, min(k, documents)), on the CPU.
        """
        return self._kept[-1 if self._rescoring is not None else 0].cpu(), self._kept[1].cpu()

    def _merge(
        self, rows: slice, block: torch.Tensor, counts: npt.NDArray[np.int64] | None
    ) -> list[torch.Tensor]:
        """What is kept of some queries' earlier documents and those of a block."""
        scores = _score(self._queries[rows], block, counts, self._similarity)
        columns = _top(scores, self._k)
        new = [scores.gather(1, columns), columns + self._seen]
        if self._rescoring is not None:
            own = _score(self._rescoring[rows], block, counts, self._similarity)
            new.append(own.gather(1, columns))
        both = [torch.cat([old[rows], more], 1) for old, more in zip(self._kept, new, strict=True)]
        columns = _top(both[0], self._k, both[1])
        return [values.gather(1, columns) for values in both]


def _score(
    queries: torch.Tensor,
    rows: torch.Tensor,
    counts: npt.NDArray[np.int64] | None,
    similarity: Similarity,
) -> torch.Tensor:
    scores = products(queries, rows, similarity)
    return scores if counts is None else best_chunks(scores, counts)


def products(
    queries: torch.Tensor, rows: torch.Tensor, similarity: Similarity = COSINE
) -> torch.Tensor:
    """Products of queries and rows, or distances with their sign turned, shape (queries, rows).

    Products are made in blocks of one size: however many rows there are, the same kernel
    multiplies the same shapes. Distances are made pair by pair.
    """
    if similarity in ("euclidean", "manhattan"):
        return -distances(queries, rows, similarity)
    parts = []
    for start in range(0, len(rows), DOCUMENT_BLOCK):
        block = rows[start : start + DOCUMENT_BLOCK]
        missing = DOCUMENT_BLOCK - len(block)
        whole = torch.nn.functional.pad(block, (0, 0, 0, missing)) if missing else block
        parts.append((queries @ whole.T)[:, : len(block)])
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def best_chunks(scores: torch.Tensor, counts: npt.NDArray[np.int64]) -> torch.Tensor:
    """The best of each document's chunks.

    Args:
        scores: Shape (queries, sum of counts).
        counts: Chunks of each document, at least one, shape (documents,).

    Returns:
        Shape (queries, documents).
    """
    owner = torch.from_numpy(np.repeat(np.arange(len(counts)), counts)).to(scores.device)
    best = scores.new_full((len(scores), len(counts)), float("-inf"))
    return best.scatter_reduce_(1, owner.expand_as(scores), scores, "amax")


def _top(scores: torch.Tensor, k: int, places: torch.Tensor | None = None) -> torch.Tensor:
    """Columns of each row's k best scores; of equal ones those with the earlier places."""
    k = min(k, scores.shape[1])
    best, columns = scores.topk(k, dim=1, sorted=False)
    # Which of several equal scores topk takes at the edge is not defined.
    edge = best.amin(dim=1, keepdim=True)
    unsure = ((scores == edge).sum(dim=1) > (best == edge).sum(dim=1)).nonzero()[:, 0]
    if not len(unsure):
        return columns
    scores, edge = scores[unsure], edge[unsure]
    if places is None:
        columns[unsure] = _earliest(scores, edge, k)
    else:
        by_place = places[unsure].argsort(dim=1)
        found = _earliest(scores.gather(1, by_place), edge, k)
        columns[unsure] = by_place.gather(1, found)
    return columns


def _earliest(scores: torch.Tensor, edge: torch.Tensor, k: int) -> torch.Tensor:
    """Columns of the scores above each row's edge, and of the first ones at it, k in all."""
    above, level = scores > edge, scores == edge
    room = k - above.sum(dim=1, keepdim=True)
    # Bits have few different scores, so that nearly every row comes here: no sorting.
    taken = above | (level & (level.cumsum(dim=1, dtype=torch.int32) <= room))
    return taken.nonzero()[:, 1].view(len(scores), k)


def _cut(count: int) -> Iterator[slice]:
    for start in range(0, count, QUERY_BLOCK):
        yield slice(start, start + QUERY_BLOCK)
