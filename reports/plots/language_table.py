"""Names and families of languages, by the ISO 639-3 codes that mteb's tasks use."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

__all__ = ["BEST_SUPPORTED", "Language", "language_of"]

_TABLE = Path(__file__).with_name("languages.csv")
_SCRIPTS = {
    "Arab": "Arabic",
    "Armn": "Armenian",
    "Beng": "Bengali",
    "Cyrl": "Cyrillic",
    "Deva": "Devanagari",
    "Ethi": "Ethiopic",
    "Geor": "Georgian",
    "Grek": "Greek",
    "Gujr": "Gujarati",
    "Guru": "Gurmukhi",
    "Hang": "Hangul",
    "Hans": "Han, simplified",
    "Hant": "Han, traditional",
    "Hebr": "Hebrew",
    "Jpan": "Japanese",
    "Khmr": "Khmer",
    "Knda": "Kannada",
    "Laoo": "Lao",
    "Latn": "Latin",
    "Mlym": "Malayalam",
    "Mymr": "Burmese",
    "Orya": "Odia",
    "Sinh": "Sinhala",
    "Taml": "Tamil",
    "Telu": "Telugu",
    "Thai": "Thai",
    "Tibt": "Tibetan",
}
UNKNOWN = "family unknown"

_CODES = (
    "ara arb ben zho cmn dan nld eng fin fra kat deu ell hin ind ita jpn kor lav lvs nor nob nno "
    "pol por ron rus slk spa swe tha tur ukr urd vie"
)
BEST_SUPPORTED = frozenset(_CODES.split())
"""The 30 languages that the model card of jina-embeddings-v3 names as best supported; codes of a
language and of its standard form both stand for it."""


@dataclass(frozen=True)
class Language:
    """A language in one script.

    Attributes:
        code: As mteb writes it, such as "deu-Latn".
        name: In English; the code where it is not known.
        family: The branch within Indo-European, else the family.
        script: In English, or its ISO 15924 code; empty if not told.
    """

    code: str
    name: str
    family: str
    script: str

    @property
    def is_best_supported(self) -> bool:
        """Whether jina-embeddings-v3's makers name it among the 30."""
        return self.code.split("-")[0] in BEST_SUPPORTED


def language_of(code: str) -> Language:
    """The language of a code such as "deu-Latn"."""
    language, _, script = code.partition("-")
    name, family = _table().get(language, (language, UNKNOWN))
    return Language(code, name, family, _SCRIPTS.get(script, script))


@lru_cache(maxsize=1)
def _table() -> Mapping[str, tuple[str, str]]:
    with _TABLE.open(encoding="utf-8", newline="") as file:
        return {row["code"]: (row["name"], row["family"]) for row in csv.DictReader(file)}
