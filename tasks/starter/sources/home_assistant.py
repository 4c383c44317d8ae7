"""home-assistant-intents: sentences to a smart home, labelled with the intent they express."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tasks.starter.files import Row
from tasks.starter.packages import Package, unpacked
from tasks.starter.sources.common import in_hash_order, squash

INTENTS = Package(
    "pip",
    "home-assistant-intents",
    "2026.10.27",
    "256eb1e4fc6e6f4943d0ba4e089c9639d74d0e9d62ccddeb7148bc168de55e40",
)
FILES = {
    "en": "en",
    "ar": "ar",
    "de": "de",
    "el": "el",
    "es": "es",
    "fr": "fr",
    "he": "he",
    "hi": "hi",
    "ko": "ko",
    "ru": "ru",
    "th": "th",
    "zh": "zh-CN",
}
"""Language to the file of the package: nine scripts."""
TRAIN, TEST = 6, 10
"""Texts of each label in each split; a label with fewer texts is left out."""
DRAWS = 40
"""Sentences drawn from each template."""
MIN_LENGTH = 4
MAX_DEPTH = 12
_BRACKETS = {"(": ")", "[": "]", "<": ">"}


class _UnusableTemplateError(ValueError):
    """A template with a slot, a free word order, or a rule that does not exist."""


def home_assistant_intents(cache: Path) -> list[Row]:
    """Return rows `lang, split, label, text`; a text that two intents share is dropped."""
    folder = unpacked(INTENTS, cache) / "home_assistant_intents/data"
    rows: list[Row] = []
    for lang, file in FILES.items():
        texts = _sentences(lang, json.loads((folder / f"{file}.json").read_text("utf-8")))
        shared = Counter(text.casefold() for found in texts.values() for text in found)
        for label, found in sorted(texts.items()):
            own = in_hash_order(text for text in found if shared[text.casefold()] == 1)
            for place, text in enumerate(own[: TRAIN + TEST] if len(own) >= TRAIN + TEST else []):
                split = "train" if place < TRAIN else "test"
                rows.append({"lang": lang, "split": split, "label": label, "text": text})
    return rows


def _sentences(lang: str, data: Mapping[str, dict]) -> dict[str, set[str]]:  # type: ignore[type-arg]
    """Draw sentences without slots from the templates of each intent."""
    texts: dict[str, set[str]] = {}
    for intent, content in data["intents"].items():
        generator = random.Random(f"{lang} {intent}")  # noqa: S311 - no secret is drawn
        found = set()
        for block in content["data"]:
            rules = {**data["expansion_rules"], **block.get("expansion_rules", {})}
            for template in block["sentences"]:
                found |= _drawn(template, rules, generator)
        texts[intent] = found
    return texts


def _drawn(template: str, rules: Mapping[str, str], generator: random.Random) -> set[str]:
    drawn = set()
    for _ in range(DRAWS):
        try:
            text = squash(_expand(template, rules, generator))
        except _UnusableTemplateError:
            continue  # Another draw may leave the slot out, where it is optional.
        if len(text) >= MIN_LENGTH and ";" not in text:
            drawn.add(text)
    return drawn


def _expand(
    template: str, rules: Mapping[str, str], generator: random.Random, depth: int = 0
) -> str:
    """Draw one sentence: (a|b) is a choice, [a] optional, <a> a rule, {a} a slot."""
    if depth > MAX_DEPTH or "{" in _outside_brackets(template):
        raise _UnusableTemplateError(template)
    out, place = "", 0
    while place < len(template):
        character = template[place]
        if character in _BRACKETS:
            end = _closing(template, place)
            inner = template[place + 1 : end]
            if character == "<":
                inner = _rule(inner, rules)
            if character != "[" or generator.random() < 0.5:
                choices = _alternatives(inner)
                choice = choices[int(generator.random() * len(choices))]
                out += _expand(choice, rules, generator, depth + 1)
            place = end
        elif character == "\\":
            place += 1
            out += template[place : place + 1]
        else:
            out += character
        place += 1
    return out


def _rule(name: str, rules: Mapping[str, str]) -> str:
    if name not in rules:
        raise _UnusableTemplateError(name)
    return rules[name]


def _closing(template: str, start: int) -> int:
    opening, closing = template[start], _BRACKETS[template[start]]
    depth = 0
    for place in range(start, len(template)):
        depth += (template[place] == opening) - (template[place] == closing)
        if depth == 0:
            return place
    raise _UnusableTemplateError(template)


def _alternatives(text: str) -> list[str]:
    """Split at the bars that stand in no bracket."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([{<") - (character in ")]}>")
        if character == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _outside_brackets(template: str) -> str:
    previous = None
    while previous != template:
        previous, template = template, re.sub(r"[(\[<][^()\[\]<>]*[)\]>]", "", template)
    return template
