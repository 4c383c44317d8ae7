"""Documents cut into chunks, along the tokens that the model's own tokenizer makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from model.chunking import Chunking
from model.errors import ModelError
from model.tokenization import PlacedTokens, TextTokenizer

if TYPE_CHECKING:
    from semantic_text_splitter import TextSplitter

__all__ = ["Document", "Spans", "Splitter"]

Spans = npt.NDArray[np.int64]
"""Chunks of a document: first token and the one after the last, shape (chunks, 2), int64, in
order, no token in two of them."""

_SENTENCE_ENDS = frozenset(".!?")


@dataclass(frozen=True, eq=False)
class Document:
    """A document and its tokens, without special tokens.

    Attributes:
        text: The document, without its prompt.
        prompt: What it is read behind.
        ids: Tokens of prompt and document, read as one text, shape (tokens,), int32.
        prompt_tokens: How many of them are the prompt's. One that holds
            characters of both is the document's.
        places: First character of each of the document's tokens in `text` and
            the one after its last, shape (tokens - prompt_tokens, 2), int64.
    """

    text: str
    prompt: str
    ids: npt.NDArray[np.int32]
    prompt_tokens: int
    places: npt.NDArray[np.int64]

    def chunk_texts(self, spans: Spans) -> list[str]:
        """The document's own text from each chunk's first character to its last.

        The published code decodes the chunk's tokens instead, which changes
        text: case, accents, rare characters and the space around marks.
        """
        if not len(self.places):
            return [self.text]
        first, last = self.places[spans[:, 0], 0], self.places[spans[:, 1] - 1, 1]
        return [self.text[a:b] for a, b in zip(first.tolist(), last.tolist(), strict=True)]


class Splitter:
    """Cuts documents into chunks."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        """Take the tokenizer whose tokens are counted."""
        self.tokenizer = tokenizer
        self._semantic: dict[int, TextSplitter] = {}

    def check(self, chunking: Chunking) -> None:
        """Refuse what cannot be done here.

        Raises:
            ModelError: If the library for semantic chunks is not installed.
        """
        if chunking.unit == "semantic":
            _semantic_splitter()

    def read(self, prompt: str, texts: Sequence[str]) -> Iterator[Document]:
        """Tokenize documents behind their prompt, one after another.

        Raises:
            ModelError: If the tokenizer cannot read a text.
        """
        placed = self.tokenizer.place([prompt + text for text in texts])
        for text, tokens in zip(texts, placed, strict=True):
            yield _document(text, prompt, tokens)

    def split(self, document: Document, chunking: Chunking) -> Spans:
        """Cut a document's own tokens into chunks.

        "fixed" is so many tokens a chunk. "sentences" is the rule of
        jina-ai/late-chunking: a sentence ends with a token ".", "!" or "?"
        after which characters are left out before the next token's, or no
        token comes; what follows the last whole chunk is one too, unless it is
        a single token, which is dropped. "semantic" is as much as fits,
        cut at paragraphs, sentences or words, by semantic-text-splitter (the
        published code compares sentences' vectors instead). Its chunks hold no
        more tokens than asked for, as the document's and as a chunk's that is
        read alone behind the prompt; but a single token of the document, which
        may be two when read alone, is a chunk.

        A document that would get no chunk is one chunk.

        Raises:
            ModelError: If the library for semantic chunks is not installed.
        """
        count = len(document.places)
        assert chunking.size is not None
        if chunking.unit == "fixed":
            edges = [*range(0, count, chunking.size), count]
        elif chunking.unit == "sentences":
            edges = _sentence_edges(document, chunking.size)
        else:
            edges = self._semantic_edges(document, chunking.size)
        edges = edges if len(edges) > 1 else [0, count]
        return np.array([edges[:-1], edges[1:]], dtype=np.int64).T

    def _semantic_edges(self, document: Document, size: int) -> list[int]:
        """First tokens of semantic chunks, and the end.

        The library counts the tokens of its own pieces. Chunks hold whole tokens of the document,
        and one that is read alone has others at its ends: what is too long by either count is
        cut once more, where the library would cut it if fewer tokens were allowed.
        """
        text, places = document.text, document.places.tolist()
        first = [_first_letter(text, start, end) for start, end in places]
        # A token is in the chunk that its first letter is in.
        letters = np.maximum.accumulate(np.array(first, dtype=np.int64))
        edges = {0, len(letters)}
        waiting = [(0, len(letters), size)] if places else []
        while waiting:
            found = []
            for start, end, allowed in waiting:
                cuts = self._cuts(document, letters, start, end, allowed)
                found += [(*span, allowed) for span in pairwise([start, *cuts, end])]
            spans = np.array([span[:2] for span in found], dtype=np.int64)
            lengths = self._lengths(document, spans).tolist()
            edges.update(spans.ravel().tolist())
            waiting = [
                (start, end, max(0, allowed - (length - size)))
                for (start, end, allowed), length in zip(found, lengths, strict=True)
                if length > size and end - start > 1
            ]
        return sorted(edges)

    def _cuts(
        self, document: Document, letters: npt.NDArray[np.int64], start: int, end: int, allowed: int
    ) -> list[int]:
        """Where to cut some tokens of a document into pieces of so many; 0 halves them."""
        if allowed < 1:
            return [(start + end) // 2]
        if allowed not in self._semantic:
            make = _semantic_splitter().from_huggingface_tokenizer
            # Untrimmed, so that every character is in a chunk, and so every token.
            self._semantic[allowed] = make(self.tokenizer.backend, allowed, trim=False)
        text, places = document.text, document.places
        begin = int(places[start, 0]) if start else 0
        stop = int(places[end - 1, 1]) if end < len(places) else len(text)
        pieces = self._semantic[allowed].chunk_indices(text[begin:stop])
        cuts = np.searchsorted(letters, [begin + offset for offset, _ in pieces[1:]])
        # Of a piece of nothing but space, there may be no token.
        return sorted({cut for cut in cuts.tolist() if start < cut < end})

    def _lengths(self, document: Document, spans: Spans) -> npt.NDArray[np.int64]:
        """Tokens of chunks, shape (chunks,): the document's, or the chunk's alone if more."""
        prompt = document.prompt
        chunks = [prompt + chunk for chunk in document.chunk_texts(spans)]
        alone = [int((t.places[:, 1] > len(prompt)).sum()) for t in self.tokenizer.place(chunks)]
        return np.maximum(np.diff(spans)[:, 0], alone)


def _document(text: str, prompt: str, tokens: PlacedTokens) -> Document:
    own = tokens.places[:, 1] > len(prompt)
    first = int(own.argmax()) if own.any() else len(own)
    places = np.maximum(tokens.places[first:] - len(prompt), 0)
    return Document(text, prompt, tokens.ids, first, places)


def _sentence_edges(document: Document, size: int) -> list[int]:
    text, places = document.text, document.places.tolist()
    edges, sentences = [0], 0
    for token, (start, end) in enumerate(places, start=1):
        if text[start:end].strip() not in _SENTENCE_ENDS:
            continue
        # Some tokenizers count the space before a word as its own, others leave it out.
        if token == len(places) or _first_letter(text, *places[token]) > end:
            sentences += 1
            if sentences == size:
                edges.append(token)
                sentences = 0
    if len(places) - edges[-1] > 1:
        edges.append(len(places))
    return edges


def _first_letter(text: str, start: int, end: int) -> int:
    """Where a token's text starts without the space before it."""
    while start < end and text[start].isspace():
        start += 1
    return start


def _semantic_splitter() -> type[TextSplitter]:
    try:
        from semantic_text_splitter import TextSplitter
    except ImportError as error:
        raise ModelError(
            "semantic chunks need the package semantic-text-splitter, which is not installed; "
            "run: pip install 'jina-eval[chunking]'"
        ) from error
    return TextSplitter
