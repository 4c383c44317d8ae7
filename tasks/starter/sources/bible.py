"""Two English and one Spanish translation of the Bible, aligned by verse."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from tasks.starter.files import Row
from tasks.starter.packages import Package, PackageError, unpacked
from tasks.starter.sources.common import LexicalIndex, sample, squash

TRANSLATIONS = {
    "web": Package(
        "apt",
        "sword-text-web",
        "426.0-1",
        "930b23670b352f0829a306501de4bebb5e654a2df02cde2cbe86b802177868e1",
    ),
    "kjv": Package(
        "apt",
        "sword-text-kjv",
        "14.3-1",
        "9f463f28ce665f6f528fc723179722bced880a4c5485f7a41bf742838315de57",
    ),
    "es": Package(
        "apt",
        "sword-text-sparv",
        "2.60-1",
        "5c87f9b2bc97457e8a872f5bae7ea7ce59cb3de1dcee73e4d4740451863694cf",
    ),
}
BOOKS = (
    "Genesis", "Psalms", "Proverbs", "Ecclesiastes", "Isaiah", "Matthew", "Mark", "Luke", "John",
    "Acts", "Romans", "Hebrews", "James",
)  # fmt: skip
VERSES = 500
MIN_LENGTH, MAX_LENGTH = 20, 400
"""Characters of a verse in each of the translations."""


def bible_verses(cache: Path) -> list[Row]:
    """Return rows `id, web, kjv, es, other`: a verse thrice, and a verse that is not it.

    `other` is the verse of the same chapter in the King James version that is lexically nearest
    to the World English text of this verse.
    """
    chapters: dict[str, list[Row]] = defaultdict(list)
    for row in _verses(cache):
        chapters[row["id"].rsplit(":", 1)[0]].append(row)
    rows = [row for chapter in chapters.values() for row in _with_other(chapter)]
    return sample(_unambiguous(rows), VERSES, key=lambda row: str(row["id"]))


def _verses(cache: Path) -> list[Row]:
    bibles = {name: _open(package, cache) for name, package in TRANSLATIONS.items()}
    structure = bibles["web"].get_structure()
    rows: list[Row] = []
    for name in BOOKS:
        _, book = structure.find_book(name)
        for chapter, last in enumerate(book.chapter_lengths, 1):
            for verse in range(1, last + 1):
                texts = {key: _text(bible, name, chapter, verse) for key, bible in bibles.items()}
                if all(MIN_LENGTH < len(text) < MAX_LENGTH for text in texts.values()):
                    rows.append({"id": f"{name} {chapter}:{verse}", **texts})
    return rows


def _open(package: Package, cache: Path) -> Any:
    try:
        from pysword.modules import SwordModules
    except ImportError as error:
        raise PackageError("the build needs pysword: pip install pysword==0.2.8") from error
    modules = SwordModules(str(unpacked(package, cache) / "usr/share/sword"))
    (name,) = modules.parse_modules()
    return modules.get_bible_from_module(name)


def _text(bible: Any, book: str, chapter: int, verse: int) -> str:
    """Return a verse, or nothing where this translation does not have it."""
    try:
        raw = bible.get(books=[book], chapters=[chapter], verses=[verse], clean=True)
    except (IndexError, ValueError):
        return ""
    return squash(re.sub(r"<[^>]+>|\[|\]", "", raw))


def _with_other(chapter: list[Row]) -> list[Row]:
    index = LexicalIndex([row["kjv"] for row in chapter])
    rows = []
    for place, row in enumerate(chapter):
        others = [i for i in index.nearest(row["web"], 2) if i != place]
        if others:
            rows.append({**row, "other": chapter[others[0]]["kjv"]})
    return rows


def _unambiguous(rows: list[Row]) -> list[Row]:
    """Drop verses that some translation has twice, and those that both English ones word alike."""
    kept = rows
    for field in ("web", "kjv", "es"):
        count: dict[str, int] = defaultdict(int)
        for row in rows:
            count[row[field]] += 1
        kept = [row for row in kept if count[row[field]] == 1]
    return [row for row in kept if row["web"] not in (row["kjv"], row["other"])]
