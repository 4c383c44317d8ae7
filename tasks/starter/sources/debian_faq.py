"""Debian FAQ in ten languages: each question with its answer, aligned by section anchor."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from tasks.starter.files import Row
from tasks.starter.packages import Package, unpacked
from tasks.starter.sources.common import LexicalIndex, in_hash_order, squash, word_overlap

VERSION = "11.1"
SHA256 = {
    "en": "427426e0cfa6888622fc1d72631071cb4b5a1f86ccde722e7820bcef284de5d0",
    "de": "e9a8d8234f4b182660d521f80f50cea87f797b4541005a3d64fab7777766f6de",
    "fr": "e83cbcc28106fc35f6665a6b0c54c2bd66db481de409764ce35b715baca510df",
    "it": "6c3c79c386f3b393e5b87e7be6cc8230ff88975f176aa20d07d5bf68d5d95bf0",
    "ja": "7e2a2f200a963e41dead4dd8645e0dd6550e2eda4cd88041b8e880046ca924a2",
    "ko": "1e010227c0e7497b836e195beedcda60f3e9b8856f19f211cbbdc5e91b4a5d7a",
    "nl": "133abcbedaafd65baa8c258551c2c536e8b391426bc16b85b1af4bbe7403e624",
    "pt": "ec3c25671b78da0359611fb904976d5a62f4054953a97a3db0f42883b21d45ea",
    "ru": "aaaae7a409c5cf5f5b8c26991f6ef484297e0cd2dee74c8d675cfa6613bce541",
    "zh-cn": "3545356b1aa04d87e91dd15e8406210cf5b4f476662e597897bcb42234591758",
}
"""Archive of each language; the key is also the package's suffix, except for English."""

MIN_ANSWER = 40
"""Shorter answers (characters) are headings of subsections."""
MAX_ANSWER = 2500
"""Longer answers would be cut by most small models, and cost as much as ten others."""
MAX_OVERLAP = 0.5
"""A translation that shares more of its words with the English answer is taken for English."""
RERANKED = ("en", "de", "ja")
CANDIDATES = 20

_HEADING = re.compile(
    r'<h([23]) class="title">(?:<a id="([^"]+)"></a>)?(.*?)</h\1>', flags=re.DOTALL
)
_BREAKING_TAGS = frozenset({"p", "li", "pre", "br", "tr", "dt", "dd"})


class _Text(HTMLParser):
    """Collects the text of a piece of HTML, with spaces where a block begins."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BREAKING_TAGS:
            self.parts.append(" ")


def debian_faq(cache: Path) -> list[Row]:
    """Return rows `lang, id, question, answer, candidates`: sections all ten languages have.

    `candidates` names, in the languages of the reranking task, the sections whose answers are
    lexically nearest to the question, the section itself among them; elsewhere it is empty.
    """
    entries = {lang: _entries(_folder(lang, cache)) for lang in SHA256}
    complete = [
        anchor
        for anchor in entries["en"]
        if all(_is_usable(anchor, lang, entries) for lang in entries)
    ]
    kept = in_hash_order(_without_repeats(complete, entries))
    rows: list[Row] = []
    for lang, sections in entries.items():
        index = LexicalIndex([sections[anchor][1] for anchor in kept])
        for anchor in kept:
            question, answer = sections[anchor]
            row = {"lang": lang, "id": anchor, "question": question, "answer": answer}
            nearest = _candidates(anchor, question, kept, index)
            rows.append({**row, "candidates": nearest if lang in RERANKED else []})
    return rows


def _candidates(anchor: str, question: str, kept: list[str], index: LexicalIndex) -> list[str]:
    others = [kept[i] for i in index.nearest(question, len(kept)) if kept[i] != anchor]
    # Sorted, so that the place in the list does not give the answer away.
    return sorted([anchor, *others[: CANDIDATES - 1]])


def _folder(lang: str, cache: Path) -> Path:
    name = "debian-faq" if lang == "en" else f"debian-faq-{lang}"
    root = unpacked(Package("apt", name, VERSION, SHA256[lang]), cache)
    return root / "usr/share/doc/debian/FAQ" / ("" if lang == "en" else lang)


def _entries(folder: Path) -> dict[str, tuple[str, str]]:
    """Parse the pages of one language: anchor to (question, answer)."""
    entries = {}
    for page in sorted(folder.glob("*.*.html")):
        chapter = page.name.split(".")[0]
        body = page.read_text(encoding="utf-8").split('<div class="navfooter">')[0]
        parts = _HEADING.split(body)[1:]
        for anchor, title, content in zip(parts[1::4], parts[2::4], parts[3::4], strict=True):
            question = re.sub(r"^\d+(\.\d+)*\.?\s*", "", _text(title))
            answer = _text(content)
            # Anchors that begin with "idm" are made up anew for each language.
            if anchor and question and not anchor.startswith("idm"):
                entries[f"{chapter}#{anchor}"] = (question, answer)
    return entries


def _text(html: str) -> str:
    html = re.sub(r'<a href="#ftn[^>]*>.*?</a>', "", html, flags=re.DOTALL)
    parser = _Text()
    parser.feed(html.split('<div class="footnotes">')[0])
    return squash("".join(parser.parts))


def _is_usable(anchor: str, lang: str, entries: dict[str, dict[str, tuple[str, str]]]) -> bool:
    """Say whether a section exists in a language, with a real answer, and is translated."""
    if anchor not in entries[lang]:
        return False
    question, answer = entries[lang][anchor]
    if not MIN_ANSWER <= len(answer) <= MAX_ANSWER:
        return False
    english_question, english_answer = entries["en"][anchor]
    return lang == "en" or (
        question != english_question and word_overlap(answer, english_answer) <= MAX_OVERLAP
    )


def _without_repeats(
    anchors: list[str], entries: dict[str, dict[str, tuple[str, str]]]
) -> list[str]:
    """Drop sections whose question or answer repeats, in any language, that of an earlier one."""
    kept: list[str] = []
    seen: set[tuple[str, str]] = set()
    for anchor in anchors:
        texts = {(lang, text) for lang in entries for text in entries[lang][anchor]}
        if not texts & seen:
            kept.append(anchor)
        seen |= texts
    return kept
