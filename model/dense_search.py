"""Exact dense retrieval in mteb, over corpora of any size.

A corpus is read in shards: each is encoded, scored against all queries, and let go of. What is
held is a shard's vectors and each query's best documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from model.errors import ModelError
from model.mteb_encoder import MtebEncoder
from model.top_k import DOCUMENT_BLOCK, ExactSearch, OpenSearch, Search
from model.unanswered import answer_all

if TYPE_CHECKING:
    import numpy.typing as npt
    from mteb.types import (
        CorpusDatasetType,
        PromptType,
        QueryDatasetType,
        RetrievalOutputType,
        TopRankedDocumentsType,
    )

__all__ = ["DenseMtebEncoder"]

_SHARD_BYTES = 200_000_000
_PAIR_BYTES = 50_000_000


class DenseMtebEncoder(MtebEncoder):
    """mteb's encoder and search protocols in one.

    Similarity is the cosine in float32, whatever the model computes in. A document's score does
    not depend on the shard that it is in.

    Attributes:
        open_search: Where documents are searched; None for here, on the model's device.
    """

    open_search: OpenSearch | None = None

    _corpus: CorpusDatasetType

    def index(self, corpus: CorpusDatasetType, **kwargs: Any) -> None:
        """Take the documents of a retrieval task; arguments as in mteb's SearchProtocol.

        Raises:
            ModelError: If there are none.
        """
        if not len(corpus):
            raise ModelError(f"task {kwargs['task_metadata'].name}: the corpus is empty")
        self._corpus = corpus

    def search(
        self,
        queries: QueryDatasetType,
        *,
        top_k: int,
        top_ranked: TopRankedDocumentsType | None = None,
        **kwargs: Any,
    ) -> RetrievalOutputType:
        """Find documents for queries; arguments as in mteb's SearchProtocol.

        Raises:
            ModelError: If a candidate is not in the corpus.
        """
        identifiers = queries["id"][:]
        vectors = self._vectors(queries, "query", kwargs)
        if top_ranked is None:
            found = self._search_all(identifiers, vectors, top_k, kwargs)
        else:
            candidates = [list(dict.fromkeys(top_ranked.get(name, ()))) for name in identifiers]
            found = self._rank(identifiers, candidates, vectors, top_k, kwargs)
        return answer_all(found, identifiers)

    def _search_all(
        self,
        identifiers: list[str],
        queries: npt.NDArray[np.float32],
        top_k: int,
        options: Mapping[str, Any],
    ) -> RetrievalOutputType:
        search = self._start(queries, top_k)
        for rows in self._shards(len(self._corpus)):
            vectors = self._vectors(self._corpus.select(rows), "document", options)
            with self._timed():
                search.add(vectors)
        with self._timed():
            scores, places = search.best()
            kept, columns = np.unique(places, return_inverse=True)
            names = self._corpus.select(kept)["id"][:]
            columns = columns.reshape(places.shape)
            return {
                name: dict(zip([names[column] for column in row], values, strict=True))
                for name, row, values in zip(identifiers, columns, scores.tolist(), strict=True)
            }

    def _rank(
        self,
        identifiers: list[str],
        candidates: list[list[str]],
        queries: npt.NDArray[np.float32],
        top_k: int,
        options: Mapping[str, Any],
    ) -> RetrievalOutputType:
        """Score each query's candidates; only documents that are candidates are encoded."""
        asked, places = self._places(identifiers, candidates)
        kept, columns = np.unique(places, return_inverse=True)
        scores = np.empty(len(asked), dtype=np.float32)
        wanted = self._unit(queries)
        for rows in self._shards(len(kept)):
            vectors = self._vectors(self._corpus.select(kept[rows]), "document", options)
            with self._timed():
                here = np.flatnonzero((columns >= rows.start) & (columns < rows.stop))
                shard = self._unit(vectors)
                for part in _pieces(here, vectors.shape[1]):
                    left = wanted[torch.from_numpy(asked[part])]
                    right = shard[torch.from_numpy(columns[part] - rows.start)]
                    scores[part] = (left * right).sum(dim=1).cpu().numpy()
        found = {}
        start = 0
        for name, documents in zip(identifiers, candidates, strict=True):
            own = scores[start : start + len(documents)]
            start += len(documents)
            order = np.argsort(-own, kind="stable")[:top_k]
            found[name] = {documents[row]: float(own[row]) for row in order}
        return found

    def _places(
        self, identifiers: list[str], candidates: list[list[str]]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Each candidate's query and its place in the corpus, both of shape (candidates,)."""
        wanted = {name for documents in candidates for name in documents}
        place = {name: row for row, name in enumerate(self._corpus["id"][:]) if name in wanted}
        for query, documents in zip(identifiers, candidates, strict=True):
            for name in documents:
                if name not in place:
                    raise ModelError(f"query {query!r}: candidate {name!r} is not in the corpus")
        counts = [len(documents) for documents in candidates]
        asked = np.repeat(np.arange(len(identifiers)), counts)
        places = np.array([place[name] for names in candidates for name in names], dtype=np.int64)
        return asked, places

    def _shards(self, count: int) -> Iterator[range]:
        width = self.backend.width or 1024
        size = max(1, _SHARD_BYTES // (4 * width * DOCUMENT_BLOCK)) * DOCUMENT_BLOCK
        for start in range(0, count, size):
            yield range(start, min(count, start + size))

    def _start(self, queries: npt.NDArray[np.float32], top_k: int) -> Search:
        if self.open_search is not None:
            return self.open_search(queries, top_k)
        return ExactSearch(queries, top_k, self.backend.device)

    def _unit(self, vectors: npt.NDArray[np.float32]) -> torch.Tensor:
        """Vectors of unit length; on the model's device if that is here."""
        device = "cpu" if self.open_search is not None else self.backend.device
        return torch.nn.functional.normalize(torch.from_numpy(vectors).to(device), dim=1)

    def _vectors(self, rows: Any, side: str, options: Mapping[str, Any]) -> npt.NDArray[np.float32]:
        """Vectors of some rows, shape (rows, dimension of the view)."""
        from mteb.types import PromptType

        prompt_type = PromptType(side)
        return self.encode(
            [{"text": _texts(rows, prompt_type)}],
            task_metadata=options["task_metadata"],
            hf_split=options["hf_split"],
            hf_subset=options["hf_subset"],
            prompt_type=prompt_type,
        )

    @contextmanager
    def _timed(self) -> Iterator[None]:
        started = self.clock()
        yield
        self.usage.search_seconds += self.clock() - started


def _texts(rows: Any, side: PromptType) -> list[str]:
    """The texts as mteb's data loaders make them, without their detour over files."""
    from mteb._create_dataloaders import _corpus_to_dict, _retrieval_texts
    from mteb.types import PromptType

    if side == PromptType.query:
        return _retrieval_texts(rows, side)[:]
    names = [name for name in ("id", "title", "text") if name in rows.column_names]
    columns = rows.select_columns(names).to_dict()
    documents = zip(*(columns[name] for name in names), strict=True)
    return [_corpus_to_dict(dict(zip(names, row, strict=True)))["text"] for row in documents]


def _pieces(rows: npt.NDArray[np.int64], width: int) -> Iterator[npt.NDArray[np.int64]]:
    size = max(1, _PAIR_BYTES // (8 * width))
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
