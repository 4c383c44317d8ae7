"""Texts to measure speed with: synthetic ones of known lengths, and real ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from harness.errors import RunError
from model.tokenization import TextTokenizer
from tasks.starter.files import checksums, read_rows

__all__ = ["MIXES", "make_texts", "one_token_words"]

MIXES = {
    "short": "log-normal lengths of about 140 tokens (6 to 512)",
    "long": "every text at the model's maximum length, 8192 tokens at most",
    "real": "the starter suite's own texts, 50 languages, in random order",
}
"""The mixes of texts, by name, in words."""

_MEAN_LOG, _SIGMA_LOG, _SHORTEST, _LONGEST = 4.6, 0.8, 6, 512
_LONG = 8192
_SHORTEST_TEXT = 20
_LEAST_WORDS = 100


def make_texts(mix: str, count: int, tokenizer: Tokenizer, max_length: int) -> list[str]:
    """Texts of a mix; the same ones every time.

    Args:
        mix: One of `MIXES`.
        count: How many; "real" may have fewer.
        tokenizer: The model's tokenizer, as whose tokens lengths are meant.
        max_length: The model's maximum length in tokens.
    """
    rng = np.random.default_rng(0)
    if mix == "real":
        texts = _real_texts()
        return [texts[row] for row in rng.permutation(len(texts))[:count]]
    if mix == "short":
        lengths = np.exp(rng.normal(_MEAN_LOG, _SIGMA_LOG, count)).astype(np.int64)
        lengths = lengths.clip(_SHORTEST, min(_LONGEST, max_length))
    elif mix == "long":
        lengths = np.full(count, min(_LONG, max_length))
    else:
        raise RunError(f"unknown mix {mix!r}; allowed: {', '.join(MIXES)}")
    special = TextTokenizer(Tokenizer.from_str(tokenizer.to_str()), max_length).special_tokens
    return _synthetic_texts(lengths - special, one_token_words(tokenizer), rng)


def _synthetic_texts(
    lengths: npt.NDArray[np.int64], words: Sequence[str], rng: np.random.Generator
) -> list[str]:
    return [
        " ".join(words[index] for index in rng.integers(len(words), size=length))
        for length in lengths
    ]


def one_token_words(tokenizer: Tokenizer) -> list[str]:
    """Words that are one token each, also in the middle of a text."""
    pieces = sorted(piece.removeprefix("▁") for piece in tokenizer.get_vocab())
    words = sorted({piece for piece in pieces if piece.isascii() and piece.isalpha()})
    words = [word for word in words if len(word) > 2 and word.islower()]
    # Beside a word that is sure to be one token, a word adds exactly one token or is left out.
    pairs = tokenizer.encode_batch_fast(
        [f"{word} {word}" for word in words], add_special_tokens=False
    )
    found = [word for word, pair in zip(words, pairs, strict=True) if len(pair) == 2]
    if len(found) < _LEAST_WORDS:
        raise RunError(f"the tokenizer has {len(found)} whole words; too few for synthetic texts")
    return found


def _real_texts() -> list[str]:
    """Every text of the starter suite's own data files."""
    texts: dict[str, None] = {}
    for name in sorted(checksums()):
        for row in read_rows(name):
            texts.update(dict.fromkeys(_strings(row)))
    return list(texts)


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        # Neither names nor labels; but some languages write without spaces.
        return [value] if " " in value.strip() or len(value) >= _SHORTEST_TEXT else []
    if isinstance(value, dict):
        return [text for item in value.values() for text in _strings(item)]
    if isinstance(value, list | tuple):
        return [text for item in value for text in _strings(item)]
    return []
