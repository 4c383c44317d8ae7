"""The lexical baseline in mteb: BM25 finds documents, TF-IDF does the rest."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

from mteb.models.model_implementations.bm25 import BM25Search

from model.mteb_encoder import MtebEncoder
from model.unanswered import answer_all

if TYPE_CHECKING:
    from mteb.types import (
        CorpusDatasetType,
        QueryDatasetType,
        RetrievalOutputType,
        TopRankedDocumentsType,
    )

__all__ = ["LexicalMtebEncoder"]


class LexicalMtebEncoder(MtebEncoder):
    """mteb's encoder and search protocols in one.

    BM25 is mteb's own (bm25s with stop words and stemmer by language).
    """

    _bm25: BM25Search
    _corpus_size: int

    def index(self, corpus: CorpusDatasetType, **kwargs: Any) -> None:
        """Index the documents of a retrieval task; arguments as in mteb's SearchProtocol."""
        self._bm25 = BM25Search()
        self._corpus_size = len(corpus)
        with _no_bars():
            self._bm25.index(corpus, **kwargs)

    def search(
        self,
        queries: QueryDatasetType,
        *,
        top_k: int,
        top_ranked: TopRankedDocumentsType | None = None,
        **kwargs: Any,
    ) -> RetrievalOutputType:
        """Find documents for queries; arguments as in mteb's SearchProtocol."""
        # mteb's BM25 reranks by searching first and filtering after, so that
        # candidates below the cut would be lost: search everything then.
        depth = self._corpus_size if top_ranked is not None else top_k
        with _no_bars():
            found = self._bm25.search(queries, top_k=depth, top_ranked=top_ranked, **kwargs)
        return answer_all(found, list(queries["id"]))


def _no_bars() -> contextlib.AbstractContextManager[object]:
    """bm25s draws its bars whatever it is told through mteb: let it draw them nowhere."""
    return contextlib.redirect_stderr(io.StringIO())
