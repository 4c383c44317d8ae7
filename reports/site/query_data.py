"""Single queries as a script for a task's page."""

from __future__ import annotations

from typing import Any

from reports.site.markup import readable
from reports.site.queries import Hit, Query, QueryTable, Side
from reports.site.scripts import script_call

__all__ = ["queries_script"]


def queries_script(table: QueryTable) -> str:
    """The queries; each text stands in it once, however many models found it."""
    texts = _Texts()
    data = {
        "labels": [readable(label) for label in table.labels],
        "leftOut": table.left_out,
        "lacking": [[readable(label), readable(why)] for label, why in table.lacking],
        "queries": [_query(query, texts) for query in table.queries],
    }
    return script_call("siteQueries", data | {"texts": texts.all})


class _Texts:
    """Texts by number."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, text: str | None) -> int | None:
        if text is None:
            return None
        if text not in self._numbers:
            self._numbers[text] = len(self.all)
            self.all.append(readable(text))
        return self._numbers[text]


def _query(query: Query, texts: _Texts) -> dict[str, Any]:
    gold = query.gold
    return {
        "id": readable(query.id),
        "split": readable(query.split),
        "subset": readable(query.subset),
        "text": texts.number(query.text),
        "gold": readable(gold) if isinstance(gold, str) else [_hit(hit, texts) for hit in gold],
        "sides": [_side(side, texts) for side in query.sides],
        "reason": query.reason,
    }


def _side(side: Side, texts: _Texts) -> dict[str, Any]:
    return {
        "score": side.score,
        "hits": [_hit(hit, texts) for hit in side.hits],
        "prediction": None if side.prediction is None else readable(side.prediction),
        "missed": [readable(one) for one in side.missed],
        "lacking": None if side.lacking is None else readable(side.lacking),
    }


def _hit(hit: Hit, texts: _Texts) -> list[Any]:
    return [readable(hit.id), hit.score, int(hit.relevant), texts.number(hit.text)]
