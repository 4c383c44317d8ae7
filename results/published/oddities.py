"""What is known to be odd about some published figures: `oddities.csv`, kept by hand."""

import csv
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

__all__ = ["known_oddities"]

_TABLE = Path(__file__).with_name("oddities.csv")


@dataclass(frozen=True)
class _Oddity:
    """One row; all but the text are patterns, and empty ones fit everything."""

    model: str
    type: str
    task: str
    source: str
    text: str

    def concerns(self, model: str, kind: str, task: str, source: str) -> bool:
        places = (
            (self.model, model),
            (self.type, kind),
            (self.task, task),
            (self.source, source),
        )
        return all(not pattern or fnmatchcase(name, pattern) for pattern, name in places)


def known_oddities(model: str, task_type: str, task: str, source: str) -> tuple[str, ...]:
    """What to know about a figure before a difference is called a bug, a sentence each.

    Args:
        model: Name of the model as it was published.
        task_type: mteb's task type.
        task: mteb's task name.
        source: Where the figure stands, as in `PublishedFigure.source`.
    """
    return tuple(row.text for row in _rows() if row.concerns(model, task_type, task, source))


@lru_cache(maxsize=1)
def _rows() -> tuple[_Oddity, ...]:
    with _TABLE.open(encoding="utf-8", newline="") as file:
        return tuple(_Oddity(**row) for row in csv.DictReader(file, strict=True))
