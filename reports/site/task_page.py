"""A page for each task: all models' scores, by view and by part, and its single queries."""

from __future__ import annotations

from collections.abc import Sequence

from reports.grid import MISSING, spaced
from reports.leaderboard import TaskColumn
from reports.plots import Picture
from reports.published_rows import PublishedRow
from reports.site.frame import render_page
from reports.site.markup import Data, Head, Table, facts_list, link, name, render_table, text
from reports.site.model_page import cut_share, subset_scores
from reports.site.pictures import figures
from reports.site.provenance import short_hash
from reports.site.rows import BoardRows, Row, percent, whole
from results.record import Record

__all__ = ["render_task"]

# A page of a task with hundreds of subsets stays light; a model's page has all of its parts.
_MOST_CELLS = 4000


def render_task(
    rows: BoardRows, task: TaskColumn, pictures: Sequence[Picture], *, queries: bool
) -> str:
    """The page.

    Args:
        rows: The board.
        task: A task that some entry was measured on.
        pictures: Its pictures.
        queries: Whether there are single queries to look at.
    """
    ranked = rows.ranked[task.name]
    record = ranked[0][1].records[task.name]
    slug = rows.task_slugs[task.name]
    parts = [
        f"<h1>{text(task.name)}</h1>",
        _facts(task, record),
        "<h2>Scores</h2>",
        render_table(_scores_table(rows, task)),
    ]
    views = _views_table(task, [row for _, row in ranked])
    if len(views.heads) > 2:
        parts += ["<h2>By dimension and precision</h2>", render_table(views)]
    if pictures:
        parts += ["<h2>Pictures</h2>", figures(pictures, f"task-{slug}", "../")]
    parts += _parts_section(task, [row for _, row in ranked])
    if queries:
        parts.append(_queries_section(slug))
    trail = [(f"../index.html#{rows.slug}", f"Leaderboard: {rows.board.suite}")]
    return render_page(
        f"{task.name} of {rows.board.suite}",
        "\n".join(parts),
        root="../",
        trail=trail,
        scripts=["queries.js"] if queries else [],
    )


def _facts(task: TaskColumn, record: Record) -> str:
    facts = record.provenance.task
    subsets = {subset for names in facts.splits.values() for subset in names}
    languages = ", ".join(facts.languages[:12])
    more = len(facts.languages) - 12
    return facts_list(
        [
            ("Type", text(spaced(task.type))),
            ("Metric", f"<code>{text(facts.main_score)}</code>"),
            ("Examples", MISSING if task.examples is None else f"{task.examples:,}"),
            ("Languages", text(languages) + (f" and {more} more" if more > 0 else "")),
            ("Splits", text(", ".join(facts.splits))),
            ("Subsets", str(len(subsets)) if len(subsets) > 1 else ""),
            ("Dataset", name(facts.dataset)),
            ("Revision", short_hash(facts.dataset_revision)),
            ("Content hash", short_hash(facts.content_hash)),
        ]
    )


def _scores_table(rows: BoardRows, task: TaskColumn) -> Table:
    """What was measured, best first, then what others published."""
    ranked = rows.ranked[task.name]
    heads = [
        Head("model", "Model", numeric=False),
        Head("rank", "Rank", low=True),
        Head("score", "Score"),
        Head("behind", "To the best", help="Difference to the best score"),
        Head("scored", "Scored", help="Examples scored"),
        Head("cut", "Texts cut", help="Share of distinct texts longer than the model reads"),
        Head("adapter", "Adapter", numeric=False),
    ]
    top = ranked[0][1].scores[task.name]
    body = []
    for place, row in ranked:
        score, record = row.scores[task.name], row.records[task.name]
        covered = record.provenance.coverage
        routes = record.provenance.identity.routes.values()
        adapters = " / ".join(dict.fromkeys(route.adapter or "" for route in routes))
        body.append(
            [
                Data(link(f"../models/{row.slug}.html", row.entry.label), row.entry.label),
                Data(str(place), place),
                percent(score, best=place == 1 and len(ranked) > 1),
                _behind(score, top),
                whole(covered.n_scored),
                cut_share(record),
                Data(text(adapters or MISSING), adapters or None),
            ]
        )
    for published in rows.board.published:
        if task.name in published.scores:
            body.append(_published_cells(published, task.name, top))
    return Table("scores", f"Models on {task.name}", heads, body, sorted_by="score", main=True)


def _behind(score: float, top: float) -> Data:
    """A score's difference to the best that was measured."""
    gap = round(100 * score, 2) - round(100 * top, 2)
    return Data("best" if gap == 0 else f"{gap:+.2f}".replace("-", "−"), gap)


def _published_cells(row: PublishedRow, task: str, top: float) -> list[Data]:
    return [
        Data(f'{name(row.label)} <span class="badge">published</span>', row.label),
        Data(MISSING),
        percent(row.scores[task]),
        _behind(row.scores[task], top),
        *[Data(MISSING)] * 3,
    ]


def _views_table(task: TaskColumn, rows: Sequence[Row]) -> Table:
    """Models × views, of the models that were read in several."""
    several = [row for row in rows if len(row.entry.views) > 1]
    views = dict.fromkeys(view for row in several for view in row.entry.views)
    body = [
        [
            Data(link(f"../models/{row.slug}.html", row.entry.label), row.entry.label),
            *(percent(row.entry.score(view, task.name)) for view in views),
        ]
        for row in several
    ]
    heads = [Head("model", "Model", numeric=False), *(Head(f"view-{v}", v) for v in views)]
    return Table("views", f"{task.name} by dimension and precision", heads, body)


def _parts_section(task: TaskColumn, rows: Sequence[Row]) -> list[str]:
    """Splits and subsets × models, best models first; nothing if the task has one part."""
    by_row = [subset_scores(row.records[task.name]) for row in rows]
    places = dict.fromkeys(part[:3] for found in by_row for part in found)
    if len(places) < 2:
        return []
    most = max(2, _MOST_CELLS // len(places))
    scores = [
        {(split, subset): score for split, subset, _, score in found} for found in by_row[:most]
    ]
    body = []
    for split, subset, languages in places:
        found = [one.get((split, subset)) for one in scores]
        best = max((round(score, 4) for score in found if score is not None), default=None)
        body.append(
            [
                Data(text(split), split),
                Data(text(subset), subset),
                Data(text(languages or MISSING), languages or None),
                *(
                    percent(
                        score,
                        best=len(found) > 1 and score is not None and round(score, 4) == best,
                    )
                    for score in found
                ),
            ]
        )
    heads = [
        Head("split", "Split", numeric=False),
        Head("subset", "Subset", numeric=False),
        Head("languages", "Languages", numeric=False),
        *(Head(f"model-{row.slug}", row.entry.label) for row in rows[:most]),
    ]
    note = ""
    if len(rows) > most:
        note = (
            f'<p class="notes">The {most} best of {len(rows)} models; '
            "a model's own page has all its parts.</p>"
        )
    table = Table("parts", f"{task.name} by split and subset", heads, body)
    return ["<h2>By split and subset</h2>", render_table(table), note]


def _queries_section(slug: str) -> str:
    return f"""<section id="queries" aria-labelledby="queries-title"
data-src="../queries/{slug}.js">
<h2 id="queries-title">Single examples</h2>
<p>What two models made of the same examples, side by side.</p>
<noscript><p>This part of the page needs scripts.</p></noscript>
<p><button type="button" id="load-queries">Show single examples</button></p>
</section>"""
