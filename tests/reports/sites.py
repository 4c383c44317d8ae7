"""Sites out of thin air, with texts that would break a careless page."""

from dataclasses import replace
from pathlib import Path

import pytest

import reports.site.write
from reports.leaderboard import make_leaderboards
from reports.plots import Picture
from reports.published_rows import PublishedRow
from reports.site import write_site
from reports.site.queries import Hit, Query, QueryTable, Side
from tests.reports.factories import SUITE, make_run

__all__ = ["HOSTILE_TEXTS", "PICTURE", "SCRIPT", "boards_of", "make_records", "make_site"]

SCRIPT = "<script>alert(1)</script>"
HOSTILE_TEXTS = (
    f"{SCRIPT} in a text",
    '"><img src=x onerror=alert(1)>',
    "turned \u202egnp.exe around",
    "half a pair \ud83d and a nul \x00 and a bell \x07",
    "lines\u2028and\u2029paragraphs <!-- </style> ]]>",
    "javascript:alert(1)",
    "{{constructor.constructor('alert(1)')()}} &lt;b&gt; \\u003c",
    "كيف تقول \u200f«مرحبا»؟",
)
HOSTILE_NAMES = (
    "org/<script>alert(1)<script>",
    "org/javascript:alert(1)",
    "org/",
    'org/"><img src=x onerror=alert(1)>',
    "org/turned \u202egnp.exe",
    "org/nul \x00 name",
)
PICTURE = Picture(
    "dimensions",
    "Score against dimension",
    b"\x89PNG\r\n\x1a\n",
    '<svg xmlns="http://www.w3.org/2000/svg" width="400" height="200">'
    '<rect width="400" height="200" fill="#fff"/></svg>',
    'A rectangle "drawn" for tests.',
)


def make_records(*, names=(), suite=SUITE):
    """Two complete models, one that lacks a task, one without width, and some by name."""
    dims = (64, 32)

    def run(model, top, tasks=tuple(suite), **options):
        scores = {
            (task, dim): top - 0.05 * i - 1 / (10 * dim)
            for i, task in enumerate(tasks)
            for dim in dims
        }
        return make_run(scores, model=model, suite=suite, **options)

    records = [
        *run("org/alpha", 0.7),
        *run("org/beta-large", 0.9),
        *run("org/gamma", 0.8, tasks=tuple(suite)[:-1]),
        *make_run(
            {(task, None): 0.4 for task in suite}, model="org/lexical", width=None, suite=suite
        ),
    ]
    for number, name in enumerate(names):
        records += run(name, 0.6 - 0.01 * number)
    return records


def boards_of(records, *, published=True):
    """Leaderboards, with a row that somebody published."""
    boards = make_leaderboards(records)
    if not published:
        return boards
    row = PublishedRow(
        label="delta (paper)",
        model="org/delta",
        source="A paper",
        mean_task=0.77,
        mean_type=None,
        types={"Retrieval": 0.5},
        scores={"SearchA": 0.66},
        tasks=3,
        notes=("lacks Sort",),
    )
    return tuple(replace(board, published=(row,)) for board in boards)


def query_table(board, task, examples, texts):
    """Planted queries of a search; of another task predictions in words."""
    labels = tuple(entry.label for entry in board.entries)[:3]
    search = task.startswith("Search")

    def side(label, number, place):
        hits = tuple(
            Hit(f"d{rank}", 0.9 - rank / 10, rank == number % 3, HOSTILE_TEXTS[rank])
            for rank in range(len(HOSTILE_TEXTS))
        )
        score = None if number == 7 else ((number * (place + 2)) % 5) / 5
        if search:
            return Side(label, score, hits, None, missed=("d99",))
        return Side(label, None, (), f"said {SCRIPT}")

    queries = tuple(
        Query(
            id=f"q{number} {HOSTILE_TEXTS[number % 8][:12]}",
            split="test",
            subset="default" if number % 2 else "other",
            text=HOSTILE_TEXTS[number % 8] if number < 70 else None,
            gold=(Hit("d1", None, True, HOSTILE_TEXTS[1]),) if search else f"gold {SCRIPT}",
            sides=tuple(side(label, number, place) for place, label in enumerate(labels)),
            reason="sample",
        )
        for number in range(75)
    )
    return QueryTable(task, labels, queries, 12, (("gamma", "measured before"),))


def make_site(folder: Path, boards) -> tuple[Path, ...]:
    """The site with planted queries and pictures that take no time to draw."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reports.site.write, "query_pages", query_table)
        patch.setattr(reports.site.write, "model_pictures", lambda board, entry: (PICTURE,))
        patch.setattr(reports.site.write, "task_pictures", lambda board, task: (PICTURE,))
        pictures = {board.suite: (PICTURE,) for board in boards}
        return write_site(boards, folder, pictures=pictures, examples=lambda record: None)
