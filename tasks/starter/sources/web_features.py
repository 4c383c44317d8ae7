"""web-features: descriptions of features of the web platform, labelled with their groups."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tasks.starter.files import Row
from tasks.starter.packages import Package, unpacked
from tasks.starter.sources.common import sample, without_repeats

WEB_FEATURES = Package(
    "npm",
    "web-features",
    "3.40.0",
    "271a7251094af04293563e434ae9a2171a596230e856b32ac216fa73f6a61429",
)
MIN_USES = 24
"""A label of fewer texts leaves too few for one of the splits."""
TRAIN_SHARE = 0.5


def web_features(cache: Path) -> list[Row]:
    """Return rows `split, id, text, labels`: a group implies the groups above it."""
    data = json.loads(
        (unpacked(WEB_FEATURES, cache) / "package/data.json").read_text(encoding="utf-8")
    )
    rows: list[Row] = []
    for name, feature in data["features"].items():
        # Other kinds are redirects from moved or split features.
        if feature["kind"] == "feature" and feature.get("group"):
            labels = _with_ancestors(feature["group"], data["groups"])
            rows.append({"id": name, "text": feature["description"], "labels": labels})
    rows = without_repeats(rows, ("text",))
    uses = Counter(label for row in rows for label in row["labels"])
    kept = {label for label, number in uses.items() if number >= MIN_USES}
    for label in sorted(kept):
        above = data["groups"][label].get("parent")
        if above and uses[above] - uses[label] < MIN_USES:
            kept.discard(label)  # The two all but coincide.
    for row in rows:
        row["labels"] = [label for label in row["labels"] if label in kept]
    rows = sample([row for row in rows if row["labels"]], len(rows), key=lambda row: row["id"])
    return [
        {"split": "train" if place < TRAIN_SHARE * len(rows) else "test", **row}
        for place, row in enumerate(rows)
    ]


def _with_ancestors(groups: list[str] | str, known: dict[str, Any]) -> list[str]:
    found: set[str] = set()
    for group in [groups] if isinstance(groups, str) else groups:
        above: str | None = group
        while above:
            found.add(above)
            above = known[above].get("parent")
    return sorted(found)
