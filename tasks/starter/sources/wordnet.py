"""WordNet: definitions of nouns, labelled with the lexicographer file they stand in."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from tasks.starter.files import Row
from tasks.starter.packages import Package, unpacked
from tasks.starter.sources.common import sample

WORDNET = Package(
    "apt",
    "wordnet-base",
    "1:3.0-37",
    "61060d960f9ada8fa120872312eccd3ecebfbab8c4579e4f5a74e1cf67620752",
)
SUPERSENSES = {
    4: "act",
    5: "animal",
    6: "artifact",
    7: "attribute",
    8: "body",
    9: "cognition",
    10: "communication",
    11: "event",
    12: "feeling",
    13: "food",
    14: "group",
    15: "location",
    18: "person",
    19: "phenomenon",
    20: "plant",
    21: "possession",
    22: "process",
    26: "state",
    27: "substance",
    28: "time",
}
"""Number of a lexicographer file to its name; the small and the mixed files are left out."""
MIN_LENGTH = 30
"""Shorter definitions (characters) are mere synonyms."""
TRAIN, TEST = 20, 40
"""Texts of each label in each split."""


def wordnet_supersenses(cache: Path) -> list[Row]:
    """Return rows `split, label, text`; a definition used by several synsets is dropped."""
    labels: dict[str, list[str]] = defaultdict(list)
    data = unpacked(WORDNET, cache) / "usr/share/wordnet/data.noun"
    for line in data.read_text(encoding="latin-1").splitlines():
        if line.startswith("  "):
            continue  # The licence stands at the head of the file.
        synset, _, gloss = line.partition(" | ")
        number = int(synset.split(" ")[1])
        definition = gloss.split(";")[0].strip()
        if number in SUPERSENSES and len(definition) > MIN_LENGTH:
            labels[definition].append(SUPERSENSES[number])
    rows: list[Row] = []
    for label in SUPERSENSES.values():
        own = [text for text, found in labels.items() if found == [label]]
        texts = sample(own, TRAIN + TEST, key=str)
        for place, text in enumerate(texts):
            split = "train" if place < TRAIN else "test"
            rows.append({"split": split, "label": label, "text": text})
    return rows
