"""The lexical baseline: what can be had without any embedding model.

TF-IDF vectors where a task compares or classifies texts. Retrieval and
reranking go through BM25 instead, see `model.lexical_search`.
"""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from model.backend import Encoded, Progress
from model.chunking import Chunking, ChunkingError
from model.errors import ModelError
from model.routing import Route

__all__ = ["LexicalBackend", "terms"]

MAX_TERMS = 2048
"""Most frequent terms of a task that get a coordinate of their own."""

# Scripts that write no spaces between words: Thai, Lao, Myanmar, Khmer, kana, Han.
_NO_SPACES = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_RUN = re.compile(rf"[{_NO_SPACES}]+|[^\W{_NO_SPACES}]+")
_IS_UNSPACED = re.compile(f"[{_NO_SPACES}]")


def terms(text: str) -> list[str]:
    """Words, and pairs of neighbouring characters in scripts without spaces."""
    found: list[str] = []
    for run in _RUN.findall(unicodedata.normalize("NFKC", text).lower()):
        if _IS_UNSPACED.match(run) and len(run) > 1:
            found.extend(run[i : i + 2] for i in range(len(run) - 1))
        else:
            found.append(run)
    return found


class LexicalBackend:
    """Texts to TF-IDF vectors, fitted on the unlabelled texts of one task at a time."""

    def __init__(self) -> None:
        """Make a backend that has seen no texts yet."""
        self._vectorizer: TfidfVectorizer | None = None

    @property
    def width(self) -> int | None:
        """Not fixed: each task has its own terms."""
        return None

    @property
    def max_length(self) -> int | None:
        """No limit."""
        return None

    @property
    def device(self) -> str:
        """Always the CPU."""
        return "cpu"

    @property
    def precision(self) -> str:
        """Always float32."""
        return "float32"

    @property
    def attention(self) -> str | None:
        """There is none."""
        return None

    @property
    def compiled(self) -> bool:
        """There is nothing to compile."""
        return False

    @property
    def fused_gelu(self) -> bool:
        """There is nothing to fuse."""
        return False

    def prepare(self, texts: Sequence[str]) -> None:
        """Learn the terms of a task and how rare each is."""
        vectorizer = TfidfVectorizer(
            analyzer=terms, max_features=MAX_TERMS, sublinear_tf=True, dtype=np.float32
        )
        # Sorted, so that ties between equally frequent terms fall the same way every time.
        self._vectorizer = vectorizer.fit(sorted(set(texts)))

    def encode(self, texts: Sequence[str], route: Route, progress: Progress) -> Encoded:
        """Encode texts; the route does not matter.

        A text without any known term gets a one in a coordinate of its own,
        so that no vector is zero.
        """
        if self._vectorizer is None:
            raise ModelError("model 'lexical' must see a task's texts before it encodes them")
        known = self._vectorizer.transform(texts).toarray()
        unknown = (~known.any(axis=1)).astype(np.float32)
        progress(len(texts))
        return Encoded(vectors=np.concatenate([unknown[:, None], known], axis=1))

    def check_chunking(self, chunking: Chunking, prompt: str = "") -> None:
        """Refuse all but none: there are no tokens to cut by."""
        if chunking.mode != "none":
            raise ChunkingError(
                f"chunking '{chunking}': model 'lexical' has no tokens to cut by; allowed: none"
            )

    def encode_chunks(
        self, texts: Sequence[str], route: Route, chunkings: Sequence[Chunking], progress: Progress
    ) -> tuple[Encoded, ...]:
        """Refuse: there are no chunks."""
        for chunking in chunkings:
            self.check_chunking(chunking)
        raise ChunkingError("model 'lexical' makes one vector a document; allowed chunking: none")
