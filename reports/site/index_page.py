"""The first page: every leaderboard, with filters, pictures and the list of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from reports.grid import MISSING, spaced, visible
from reports.plots import Picture
from reports.site.filters import filter_form
from reports.site.frame import render_page
from reports.site.markup import Data, Head, Table, link, name, render_table, text
from reports.site.models_table import models_table
from reports.site.pictures import figures
from reports.site.rows import BoardRows, percent, whole
from reports.site.scripts import script_call

__all__ = ["render_index", "scores_script"]


def render_index(boards: Sequence[BoardRows], pictures: Mapping[str, Sequence[Picture]]) -> str:
    """The page.

    Args:
        boards: The boards, at least one.
        pictures: Pictures of each board, by suite.
    """
    names = ", ".join(rows.board.suite for rows in boards)
    title = f"Leaderboard: {names}" if len(boards) == 1 else f"Leaderboards: {names}"
    parts = [f"<h1>{text(title)}</h1>"]
    if len(boards) > 1:
        links = "".join(f"<li>{link('#' + r.slug, r.board.suite)}</li>" for r in boards)
        parts.append(f'<nav aria-label="Suites"><ul class="inline">{links}</ul></nav>')
    for number, rows in enumerate(boards):
        shown = pictures.get(rows.board.suite, ())
        parts.append(_board_section(rows, shown, main=number == 0, alone=len(boards) == 1))
    return render_page(title, "\n".join(parts), root="")


def scores_script(rows: BoardRows) -> str:
    """All tasks × models as a script, for the columns of single tasks."""
    tasks = [
        {"name": task.name, "type": task.type, "shown": spaced(task.name)}
        for task in rows.board.tasks
    ]
    by_row = [row.scores for row in rows.rows] + [row.scores for row in rows.board.published]
    scores = [[_rounded(of.get(task.name)) for task in rows.board.tasks] for of in by_row]
    return script_call("siteScores", tasks, scores)


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 6)


def _board_section(rows: BoardRows, pictures: Sequence[Picture], *, main: bool, alone: bool) -> str:
    board = rows.board
    table = models_table(rows, main=main)
    heading = "" if alone else f"<h2>{text(board.suite)}</h2>"
    level = "h2" if alone else "h3"
    plots = f"<{level}>Pictures</{level}>{figures(pictures, rows.slug, '')}" if pictures else ""
    return f"""<section id="{rows.slug}" aria-label="{escape(visible(board.suite))}">
{heading}
<p class="lead">{_said(rows)} Scores × 100, higher is better; – is not measured.</p>
{filter_form(rows)}
<p class="count" role="status" data-count-for="{rows.slug}-models" data-unit="models"></p>
{render_table(table)}
{_notes(rows)}
{plots}
<{level}>Tasks</{level}>
<p class="lead">{len(rows.measured_tasks())} of {len(board.tasks)} tasks were measured.</p>
<div class="below">{render_table(_tasks_table(rows))}</div>
</section>"""


def _said(rows: BoardRows) -> str:
    board = rows.board
    counts = [(len(rows.rows), "measured entry", "measured entries")]
    if board.published:
        counts.append((len(board.published), "published row", "published rows"))
    said = " and ".join(f"{n} {one if n == 1 else many}" for n, one, many in counts)
    tasks = "task" if len(board.tasks) == 1 else "tasks"
    types = "type" if len(board.types) == 1 else "types"
    return f"{said} on {len(board.tasks)} {tasks} of {len(board.types)} {types}."


def _notes(rows: BoardRows) -> str:
    notes = [
        "Mean by task is over all tasks, mean by type over the means of the types; both need every "
        "task. Bytes are those of one stored vector.",
        *rows.board.ranking.notes,
    ]
    if rows.board.published:
        notes.append("Published rows are what others say of a model; they take no rank.")
    notes.append("The address keeps sort, filters and columns: copy it to share what you see.")
    shown = "".join(f"<p>{text(note)}</p>" for note in notes)
    lacking = [
        f"<li>{name(row.label)}: {text('; '.join(row.notes))}</li>"
        for row in rows.board.published
        if row.notes
    ]
    if lacking:
        shown += (
            "<details><summary>What to know of the published rows</summary>"
            f"<ul>{''.join(lacking)}</ul></details>"
        )
    return f'<div class="notes">{shown}</div>'


def _tasks_table(rows: BoardRows) -> Table:
    heads = [
        Head("task", "Task", numeric=False),
        Head("type", "Type", numeric=False),
        Head("metric", "Metric", numeric=False),
        Head("examples", "Examples"),
        Head("models", "Models"),
        Head("score", "Best score"),
        Head("best", "Best model", numeric=False),
    ]
    body = []
    for task in rows.board.tasks:
        ranked = rows.ranked[task.name]
        shown, best = name(task.name), None
        if ranked:
            shown = link(f"tasks/{rows.task_slugs[task.name]}.html", task.name)
            best = ranked[0][1]
        body.append(
            [
                Data(shown, task.name),
                Data(text(spaced(task.type)), task.type),
                Data(text(task.metric or MISSING), task.metric),
                whole(task.examples),
                whole(len(ranked)),
                percent(best.scores[task.name] if best else None),
                Data(link(f"models/{best.slug}.html", best.entry.label), best.entry.label)
                if best
                else Data(MISSING),
            ]
        )
    return Table(f"{rows.slug}-tasks", f"Tasks of {rows.board.suite}", heads, body)
