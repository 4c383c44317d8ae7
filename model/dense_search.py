"""Exact dense retrieval in mteb, over corpora of any size.

A corpus is read in shards: each is encoded, scored against all queries, and let go of. What is
held is a shard's vectors and each query's best documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from model.backend import spread
from model.chunking import WHOLE
from model.errors import ModelError
from model.mteb_encoder import MtebEncoder
from model.pair_scores import pair_scores
from model.top_k import DOCUMENT_BLOCK, ExactSearch, OpenSearch, Search, keep_best
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
_LENGTHS_AT_A_TIME = 1024


class DenseMtebEncoder(MtebEncoder):
    """mteb's encoder and search protocols in one.

    The model's similarity is computed in float32, whatever the model computes in. A document's
    score does not depend on the shard that it is in. Bits are searched as bits: see
    `model.top_k.unit`.

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
            ModelError: If a candidate is not in the corpus, or not all documents were searched.
        """
        identifiers = queries["id"][:]
        vectors, rows, _ = self._distinct(queries, "query", kwargs)
        if top_ranked is None:
            found = self._search_all(identifiers, vectors[rows], top_k, kwargs)
        else:
            candidates = [list(dict.fromkeys(top_ranked.get(name, ()))) for name in identifiers]
            asked = np.repeat(rows, [len(names) for names in candidates])
            scores = self._rank(identifiers, candidates, vectors, asked, kwargs)
            with self._timed():
                found = _best_of_each(identifiers, candidates, scores, top_k)
        return answer_all(found, identifiers)

    def _search_all(
        self,
        identifiers: list[str],
        queries: npt.NDArray[Any],
        top_k: int,
        options: Mapping[str, Any],
    ) -> RetrievalOutputType:
        rescore = self.view.rescore
        search = self._start(queries, min(len(self._corpus), top_k * (rescore or 1)))
        seen = 0
        for rows in self._shards(np.arange(len(self._corpus))):
            vectors, counts = self._documents(rows, options)
            seen += len(vectors) if counts is None else len(counts)
            with self._timed():
                search.add(vectors, counts)
        self._check_complete(seen, len(self._corpus), options)
        with self._timed():
            scores, places = search.best()
            if rescore is not None:
                scores, places = keep_best(scores, places, top_k)
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
        queries: npt.NDArray[Any],
        asked: npt.NDArray[np.int64],
        options: Mapping[str, Any],
    ) -> npt.NDArray[np.float32]:
        """Score all queries' candidates; only documents that are candidates are encoded."""
        with self._timed():
            places = self._places(identifiers, candidates)
            wanted = np.zeros(len(self._corpus), dtype=np.bool_)
            wanted[places] = True
            kept = np.flatnonzero(wanted)
            columns = (np.cumsum(wanted) - 1)[places]
            # Not empty: a pair that is left out must not look like one that was scored.
            scores = np.full(len(asked), np.nan, dtype=np.float32)
        device = "cpu" if self.open_search is not None else self.backend.device
        first = 0
        for rows in self._shards(kept):
            vectors, counts = self._documents(rows, options)
            with self._timed():
                inside = (columns >= first) & (columns < first + len(rows))
                here = slice(None) if inside.all() else np.flatnonzero(inside)
                scores[here] = pair_scores(
                    queries,
                    vectors,
                    asked[here],
                    columns[here] - first,
                    device,
                    counts,
                    self.similarity_name,
                )
            first += len(rows)
        self._check_complete(int(np.isfinite(scores).sum()), len(scores), options)
        return scores

    @staticmethod
    def _check_complete(found: int, expected: int, options: Mapping[str, Any]) -> None:
        """Refuse a search over part of what it should be over, as where a shard was lost."""
        if found != expected:
            raise ModelError(
                f"task {options['task_metadata'].name}: {found} of {expected} documents "
                "were searched"
            )

    def _places(self, identifiers: list[str], candidates: list[list[str]]) -> npt.NDArray[np.int64]:
        """Each candidate's place in the corpus, shape (candidates,)."""
        place = {name: row for row, name in enumerate(self._corpus["id"][:])}
        try:
            found = [place[name] for names in candidates for name in names]
        except KeyError as error:
            missing = error.args[0]
            query = next(
                q for q, names in zip(identifiers, candidates, strict=True) if missing in names
            )
            raise ModelError(
                f"query {query!r}: candidate {missing!r} is not in the corpus"
            ) from None
        return np.array(found, dtype=np.int64)

    def _shards(self, rows: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
        """Rows of the corpus in pieces whose vectors fit into memory."""
        width = self.backend.width or 1024
        if self.chunking != WHOLE:
            yield from self._chunked_shards(rows, _SHARD_BYTES // (4 * width))
            return
        size = max(1, _SHARD_BYTES // (4 * width * DOCUMENT_BLOCK)) * DOCUMENT_BLOCK
        for start in range(0, len(rows), size):
            yield rows[start : start + size]

    def _chunked_shards(
        self, rows: npt.NDArray[np.int64], most_chunks: int
    ) -> Iterator[npt.NDArray[np.int64]]:
        """The same for documents that are cut, by what their lengths let expect."""
        most = max(1, most_chunks) * self.chunking.least_characters
        waiting: list[int] = []
        characters = 0
        for start in range(0, len(rows), _LENGTHS_AT_A_TIME):
            part = rows[start : start + _LENGTHS_AT_A_TIME]
            texts = _texts(self._corpus.select(part), _document_side())
            for row, text in zip(part.tolist(), texts, strict=True):
                if waiting and characters + len(text) > most:
                    yield np.array(waiting)
                    waiting, characters = [], 0
                waiting.append(row)
                characters += len(text)
        if waiting:
            yield np.array(waiting)

    def _start(self, queries: npt.NDArray[Any], top_k: int) -> Search:
        if self.open_search is not None:
            return self.open_search(queries, top_k, self.similarity_name)
        return ExactSearch(queries, top_k, self.backend.device, self.similarity_name)

    def _documents(
        self, rows: npt.NDArray[np.int64], options: Mapping[str, Any]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64] | None]:
        """Vectors of some rows of the corpus, as of `_distinct`, and how many each has if cut."""
        vectors, places, counts = self._distinct(self._corpus.select(rows), "document", options)
        if counts is None:
            return vectors[places], None
        starts = np.cumsum(counts) - counts
        return vectors[spread(starts[places], counts[places])], counts[places]

    def _distinct(
        self, rows: Any, side: str, options: Mapping[str, Any]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64], npt.NDArray[np.int64] | None]:
        """Vectors of the different texts among some rows, and which is each row's.

        Vectors are of shape (n, dimension of the view), float32. Of a binary view they are bits,
        bool, but for queries that are to be rescored. The last is how many vectors each text has.
        """
        from mteb.types import PromptType

        prompt_type = PromptType(side)
        texts = _texts(rows, prompt_type)
        encoded, places = self.read(
            texts, options["task_metadata"], options["hf_split"], prompt_type
        )
        return self._view_of(encoded.vectors, prompt_type), places, encoded.counts

    def _view_of(self, vectors: npt.NDArray[np.float32], side: PromptType) -> npt.NDArray[Any]:
        if not self.view.is_binary:
            return self.view.read(vectors, self.calibration, self.unit)
        if self.view.rescore is not None and side.value == "query":
            return self.view.read_float(vectors, self.unit)
        return self.view.bits(vectors, self.unit)

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


def _document_side() -> PromptType:
    from mteb.types import PromptType

    return PromptType.document


def _best_of_each(
    identifiers: list[str],
    candidates: list[list[str]],
    scores: npt.NDArray[np.float32],
    top_k: int,
) -> dict[str, dict[str, float]]:
    """Each query's best candidates with their scores; of equal ones those that came first."""
    found = {}
    values = scores.tolist()
    start = 0
    for name, documents in zip(identifiers, candidates, strict=True):
        own = values[start : start + len(documents)]
        start += len(documents)
        if len(documents) <= top_k:
            found[name] = dict(zip(documents, own, strict=True))
        else:
            order = np.argsort(-np.array(own), kind="stable")[:top_k].tolist()
            found[name] = {documents[row]: own[row] for row in order}
    return found
