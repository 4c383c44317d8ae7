"""Needle and passkey texts, generated after the recipe of LongEmbed (arXiv:2404.12096).

A needle is one invented fact in a haystack of speeches; a passkey is one invented number in a
haystack of repeated filler. The invented facts are ours, so that no model can have read them.
Lengths are counted in tokens of XLM-RoBERTa, special tokens included: a document of split
`test_N` has at most N tokens, and at least 95 % of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

from tasks.starter.files import Row
from tasks.starter.sources.common import fraction, in_hash_order
from tasks.starter.sources.needles import NAMES, NEEDLES
from tasks.starter.sources.speeches import sentences, speeches
from tasks.starter.sources.tokens import TokenCounter

LENGTHS = (256, 512, 1024, 2048, 4096, 8192)
"""Tokens; the names of the splits are those of LongEmbed: test_256 and so on."""
MIN_SHARE = 0.95
FILLER = (
    "The grass is green.",
    "The sky is blue.",
    "The sun is yellow.",
    "Here we go.",
    "There and back again.",
)


def synthetic_needle(cache: Path) -> list[Row]:
    """Return rows `split, query, document`: each fact once a length, in speeches of its own."""
    count = TokenCounter(cache)
    texts = speeches(cache)
    names = iter(in_hash_order(texts, salt="needle"))
    rows: list[Row] = []
    for length in LENGTHS:
        for fact, question in NEEDLES:
            haystack = _following(texts, names)
            document = _hidden(fact, haystack, length, count, seed=f"needle {length} {fact}")
            rows.append({"split": f"test_{length}", "query": question, "document": document})
    return rows


def synthetic_passkey(cache: Path) -> list[Row]:
    """Return rows `split, query, document`: each person with another passkey for each length."""
    count = TokenCounter(cache)
    rows: list[Row] = []
    for length in LENGTHS:
        for name in NAMES:
            seed = f"passkey {length} {name}"
            key = 10_000 + int(fraction(seed) * 90_000)
            fact = f"{name}'s passkey is {key}. Remember it. {key} is the passkey for {name}."
            document = _hidden(fact, cycle(FILLER), length, count, seed)
            query = f"What is the passkey for {name}?"
            rows.append({"split": f"test_{length}", "query": query, "document": document})
    return rows


def _following(texts: dict[str, str], names: Iterator[str]) -> Iterator[str]:
    """Yield sentences of the next unused speeches, without their salutations."""
    for name in names:
        yield from sentences(texts[name])[3:]


def _hidden(fact: str, haystack: Iterator[str], length: int, count: TokenCounter, seed: str) -> str:
    """Put `fact` between two sentences of a haystack cut to `length` tokens."""
    chosen: list[str] = []
    total = count(fact)
    while total < MIN_SHARE * length:
        sentence = next(haystack)
        # Counted apart, and without the two special tokens, sentences sum up to the whole.
        tokens = count(sentence) - 2
        if total + tokens <= length:
            chosen.append(sentence)
            total += tokens
    place = int(fraction(seed) * (len(chosen) + 1))
    document = " ".join([*chosen[:place], fact, *chosen[place:]])
    assert MIN_SHARE * length <= count(document) <= length, (count(document), length)
    return document
