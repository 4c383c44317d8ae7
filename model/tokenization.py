"""Texts to token ids without padding, straight on the Rust tokenizer.

Ids are those of a fast Hugging Face tokenizer called with `truncation=True`
and the same `max_length`, but what was cut off is counted too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from model.errors import ModelError

__all__ = ["PlacedTokens", "TextTokenizer", "TokenizedTexts"]

_FILE = "tokenizer.json"

_SLICE_TEXTS = 1024
_SLICE_CHARACTERS = 1 << 20
"""The Rust side holds 64 bytes a token (measured; more while at work) until its ids are taken, so
texts go to it in slices, which still are large enough to keep 16 threads busy."""

_PROBES = ("a", "b c", "1 2 3")
"""Texts of different tokens, to tell a post-processor's own tokens from a text's."""


@dataclass(frozen=True, eq=False)
class TokenizedTexts:
    """Texts as one row of tokens.

    Attributes:
        ids: The texts' tokens one after another, special tokens included,
            truncated, shape (tokens,), int32.
        lengths: Tokens of each text in `ids`, shape (texts,), int64.
        full_lengths: Tokens of each text before truncation, special tokens
            included, shape (texts,), int64.
    """

    ids: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int64]
    full_lengths: npt.NDArray[np.int64]

    @cached_property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Where each text starts in `ids`, and where the last ends, shape (texts + 1,), int64."""
        offsets = np.zeros(len(self.lengths) + 1, dtype=np.int64)
        np.cumsum(self.lengths, out=offsets[1:])
        return offsets

    def ids_of(self, index: int) -> npt.NDArray[np.int32]:
        """The tokens of one text, shape (lengths[index],), int32; a view of `ids`."""
        start = self.offsets[:-1][index]
        return self.ids[start : start + self.lengths[index]]

    def select(self, indices: npt.NDArray[np.int64] | Sequence[int]) -> TokenizedTexts:
        """Some of the texts, in the order given.

        Args:
            indices: Places of the texts, shape (n,); a text may be named more than once.
        """
        rows = np.asarray(indices, dtype=np.int64)
        lengths = self.lengths[rows]
        # Within a text all tokens move equally far, so only the texts' moves are worked out.
        moves = self.offsets[:-1][rows] - (np.cumsum(lengths) - lengths)
        places = np.arange(lengths.sum()) + np.repeat(moves, lengths)
        return TokenizedTexts(self.ids[places], lengths, self.full_lengths[rows])

    @classmethod
    def concatenate(cls, parts: Sequence[TokenizedTexts]) -> TokenizedTexts:
        """The texts of all parts, in order."""
        if len(parts) == 1:
            return parts[0]
        none = np.zeros(0, dtype=np.int64)
        return cls(
            ids=np.concatenate([none.astype(np.int32), *(part.ids for part in parts)]),
            lengths=np.concatenate([none, *(part.lengths for part in parts)]),
            full_lengths=np.concatenate([none, *(part.full_lengths for part in parts)]),
        )


@dataclass(frozen=True, eq=False)
class PlacedTokens:
    """A text's own tokens, to its end and without special tokens, and where they stand in it.

    Attributes:
        ids: Shape (tokens,), int32.
        places: Each token's first character and the one after its last, shape
            (tokens, 2), int64. Whether a space before a word belongs to it is
            up to the tokenizer; tokens of one character have the same place.
    """

    ids: npt.NDArray[np.int32]
    places: npt.NDArray[np.int64]


class TextTokenizer:
    """Turns texts into token ids, at most `max_length` a text.

    Texts are spread over the threads of the Rust side (`RAYON_NUM_THREADS`),
    except under `TOKENIZERS_PARALLELISM=false`; Python may go on meanwhile.
    """

    def __init__(self, tokenizer: Tokenizer, max_length: int) -> None:
        """Take over a tokenizer.

        Args:
            tokenizer: The tokenizer. Its own truncation and padding are
                switched off for good.
            max_length: Tokens kept of each text, special tokens included. The
                text's end is what is cut off.

        Raises:
            ModelError: If special tokens would leave no room for text, or the
                tokenizer does more than put them before and after the text.
        """
        # A tokenizer.json carries the settings of whatever call it was saved after.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        prefix, suffix = _special_tokens(tokenizer)
        special = len(prefix) + len(suffix)
        if max_length <= special:
            raise ModelError(
                f"max_length {max_length} leaves no room for text beside the tokenizer's "
                f"{special} special tokens; allowed: {special + 1} or more"
            )
        self._tokenizer = tokenizer
        self._max_length = max_length
        self._prefix = prefix
        self._suffix = suffix

    @classmethod
    def from_folder(cls, folder: Path, max_length: int) -> TextTokenizer:
        """Read the tokenizer of a model folder.

        Args:
            folder: Holds a tokenizer.json.
            max_length: Tokens kept of each text, special tokens included.

        Raises:
            ModelError: If there is no tokenizer.json, or it cannot be read or used.
        """
        path = folder / _FILE
        if not path.is_file():
            raise ModelError(f"model folder {folder} has no {_FILE}")
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # The Rust side raises nothing more specific.
            raise ModelError(f"{path} is not a tokenizer ({error})") from error
        return cls(tokenizer, max_length)

    @property
    def max_length(self) -> int:
        """Tokens kept of each text at most, special tokens included."""
        return self._max_length

    @property
    def special_tokens(self) -> int:
        """Number of special tokens put around each text."""
        return len(self._prefix) + len(self._suffix)

    @property
    def prefix(self) -> tuple[int, ...]:
        """Ids of the special tokens before each text."""
        return tuple(self._prefix)

    @property
    def suffix(self) -> tuple[int, ...]:
        """Ids of the special tokens after each text."""
        return tuple(self._suffix)

    @property
    def backend(self) -> Tokenizer:
        """The tokenizer itself, which neither truncates nor pads."""
        return self._tokenizer

    def place(self, texts: Sequence[str]) -> Iterator[PlacedTokens]:
        """Turn texts into tokens that know their places, one text after another.

        Raises:
            ModelError: As of `tokenize`.
        """
        for piece in _slices(texts):
            for encoding in _encode(self._tokenizer, piece, places=True):
                count = len(encoding)
                places = np.fromiter(chain.from_iterable(encoding.offsets), np.int64, 2 * count)
                ids = np.fromiter(encoding.ids, np.int32, count)
                yield PlacedTokens(ids, places.reshape(count, 2))

    def tokenize(self, texts: Sequence[str]) -> TokenizedTexts:
        """Turn texts into token ids.

        A text is read to its end, however long, because its tokens are counted.

        Raises:
            ModelError: If the tokenizer cannot read a text, such as one that
                is no valid Unicode.
        """
        return TokenizedTexts.concatenate([self._tokenize(piece) for piece in _slices(texts)])

    def _tokenize(self, texts: list[str]) -> TokenizedTexts:
        encodings = _encode(self._tokenizer, texts)
        full_lengths = np.fromiter(map(len, encodings), np.int64, len(encodings))
        full_lengths += self.special_tokens
        lengths = np.minimum(full_lengths, self._max_length)
        room = self._max_length - self.special_tokens
        # Making the lists is two thirds or more of the cost of the next lines, and there is no
        # other way to the ids. Truncating on the Rust side would make a new encoding of the rest.
        parts = (
            part
            for encoding in encodings
            for part in (self._prefix, encoding.ids[:room], self._suffix)
        )
        ids = np.fromiter(chain.from_iterable(parts), np.int32, int(lengths.sum()))
        return TokenizedTexts(ids, lengths, full_lengths)


def _encode(tokenizer: Tokenizer, texts: list[str], *, places: bool = False) -> list[Encoding]:
    """Encode texts whole, without special tokens; the fast way does not know their places."""
    encode = tokenizer.encode_batch if places else tokenizer.encode_batch_fast
    try:
        return encode(texts, add_special_tokens=False)
    except Exception as error:  # The Rust side raises nothing more specific.
        raise ModelError(f"the tokenizer cannot read the texts ({error})") from error


def _slices(texts: Sequence[str]) -> Iterator[list[str]]:
    piece: list[str] = []
    characters = 0
    for text in texts:
        piece.append(text)
        characters += len(text)
        if len(piece) >= _SLICE_TEXTS or characters >= _SLICE_CHARACTERS:
            yield piece
            piece, characters = [], 0
    if piece:
        yield piece


def _special_tokens(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """The special tokens before and after every text.

    They are tried out instead of read from the post-processor's settings, of
    which there are several kinds.

    Raises:
        ModelError: If the post-processor does more than add such tokens.
    """
    found: list[tuple[list[int], list[int]]] = []
    for probe, text in _probes(tokenizer):
        whole = tokenizer.encode(probe)
        start = (*whole.special_tokens_mask, 0).index(0)
        end = start + len(text)
        around = whole.ids[:start], whole.ids[end:]
        if whole.ids[start:end] != text or (found and around != found[0]):
            raise ModelError(
                "the tokenizer's post-processor does more than put special tokens before and "
                f"after a text: it makes {whole.ids} of {text}"
            )
        found.append(around)
    if not found:
        raise ModelError(f"the tokenizer finds no tokens in any of {', '.join(_PROBES)}")
    return found[0]


def _probes(tokenizer: Tokenizer) -> list[tuple[str, list[int]]]:
    """Texts and their tokens as they are before the post-processor."""
    # A post-processor may drop or repeat the text even where no special tokens are asked for.
    processor = tokenizer.post_processor
    tokenizer.post_processor = None
    try:
        encodings = _encode(tokenizer, list(_PROBES))
    finally:
        tokenizer.post_processor = processor
    # A vocabulary of other scripts may know none of a probe, which then tells nothing.
    return [
        (probe, encoding.ids)
        for probe, encoding in zip(_PROBES, encodings, strict=True)
        if encoding.ids
    ]
