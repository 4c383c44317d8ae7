"""A page for each entry of a board: its scores, views, pictures and where they come from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from reports.grid import MISSING, spaced
from reports.plots import Picture
from reports.site.frame import render_page
from reports.site.markup import Data, Head, Table, facts_list, link, name, render_table, text
from reports.site.models_table import millions
from reports.site.pictures import figures
from reports.site.provenance import provenance_section
from reports.site.rows import BoardRows, Row, bytes_of, figure, percent, whole
from results.record import Record

__all__ = ["render_model"]


def render_model(rows: BoardRows, row: Row, pictures: Sequence[Picture]) -> str:
    """The page.

    Args:
        rows: The board.
        row: The entry.
        pictures: Its pictures.
    """
    label = row.entry.label
    parts = [
        f"<h1>{text(label)}</h1>",
        _summary(rows, row),
        _facts(row),
        "<h2>By task type</h2>",
        render_table(_types_table(rows, row)),
    ]
    if len(row.entry.views) > 1:
        parts += ["<h2>By dimension and precision</h2>", render_table(_views_table(rows, row))]
    parts += ["<h2>By task</h2>", render_table(_tasks_table(rows, row)), _missing(rows, row)]
    if pictures:
        parts += ["<h2>Pictures</h2>", figures(pictures, f"model-{row.slug}", "../")]
    splits = _splits_table(rows, row)
    if splits.rows:
        parts += ["<h2>By split and subset</h2>", render_table(splits)]
    parts.append(provenance_section(row))
    trail = [(f"../index.html#{rows.slug}", f"Leaderboard: {rows.board.suite}")]
    return render_page(f"{label} on {rows.board.suite}", "\n".join(parts), root="../", trail=trail)


def _summary(rows: BoardRows, row: Row) -> str:
    total = len(rows.board.tasks)
    tiles = [
        ("Mean by task", percent(row.mean_task).html),
        ("Mean by type", percent(row.mean_type).html),
        ("Rank", MISSING if row.rank is None else f"{row.rank} of {rows.complete}"),
        ("Borda rank", MISSING if row.borda is None else f"{row.borda} of {rows.complete}"),
        ("Tasks", f"{len(row.scores)} of {total}"),
    ]
    shown = "".join(
        f"<div><dt>{title}</dt><dd>{value}</dd></div>" for title, value in tiles if value != MISSING
    )
    return f'<dl class="tiles">{shown}</dl>'


def _facts(row: Row) -> str:
    entry = row.entry
    provenance = entry.some_record.provenance
    model, identity = provenance.model, provenance.identity
    limit = "none" if model.max_length is None else f"{model.max_length:,} tokens"
    cut = entry.truncated_share
    return facts_list(
        [
            ("Model", name(model.name)),
            ("Revision", f"<code>{text(model.revision)}</code>"),
            ("Parameters", millions(model.parameters).html),
            ("Vector", f"{model.embedding_dim:,} dimensions" if model.embedding_dim else MISSING),
            ("View shown", f"<code>{text(row.view)}</code>"),
            ("Bytes per vector", bytes_of(entry, row.view).html),
            ("Reads at most", limit),
            ("Texts cut", MISSING if cut is None else f"{100 * cut:.1f} %"),
            ("Texts/s", whole(entry.texts_per_second).html),
            ("Routing", text(str(provenance.run_spec.get("routing") or MISSING))),
            ("Chunking", text(identity.chunking)),
            ("Precision", text(identity.precision)),
        ]
    )


def _types_table(rows: BoardRows, row: Row) -> Table:
    board = rows.board
    heads = [
        Head("type", "Type", numeric=False),
        Head("tasks", "Tasks"),
        Head("mean", "Mean"),
        Head("best", "Best of all"),
        Head("behind", "Difference"),
    ]
    body = []
    for kind in board.types:
        names = board.tasks_of(kind)
        done = sum(task in row.scores for task in names)
        mean = row.by_type[kind]
        best = rows.best_by_type[kind]
        body.append(
            [
                Data(text(spaced(kind)), kind),
                Data(f"{done} of {len(names)}", done),
                percent(mean),
                percent(best),
                _behind(mean, best),
            ]
        )
    return Table("types", f"{row.entry.label} by task type", heads, body)


def _behind(score: float | None, best: float | None) -> Data:
    if score is None or best is None:
        return Data(MISSING)
    gap = round(100 * score, 2) - round(100 * best, 2)
    return Data("best" if gap == 0 else f"−{abs(gap):.2f}", gap)


def _views_table(rows: BoardRows, row: Row) -> Table:
    board, entry = rows.board, row.entry
    heads = [
        Head("view", "View", numeric=False),
        Head("dim", "Dimensions"),
        Head("bytes", "Bytes per vector"),
        Head("mean-task", "Mean by task"),
        Head("kept", "Kept", help="Share of the widest view's mean"),
        *(Head(f"type-{kind}", spaced(kind)) for kind in board.types),
    ]
    body = []
    for view in entry.views:
        mean = board.mean_task(entry, view)
        kept = mean / row.mean_task if mean is not None and row.mean_task else None
        body.append(
            [
                Data(f"<code>{text(view)}</code>", view),
                figure(entry.dim(view), entry.dim_range(view) or ""),
                bytes_of(entry, view),
                percent(mean),
                figure(kept, f"{100 * (kept or 0):.1f} %"),
                *(percent(board.type_mean(entry, view, kind)) for kind in board.types),
            ]
        )
    return Table("views", f"{entry.label} by dimension and precision", heads, body)


def _tasks_table(rows: BoardRows, row: Row) -> Table:
    heads = [
        Head("task", "Task", numeric=False),
        Head("type", "Type", numeric=False),
        Head("metric", "Metric", numeric=False),
        Head("score", "Score"),
        Head("rank", "Rank", low=True),
        Head("behind", "To the best", help="Difference to the best score"),
        Head("scored", "Scored", help="Examples scored, of those expected"),
        Head("cut", "Texts cut", help="Share of distinct texts longer than the model reads"),
    ]
    body = []
    for task in rows.board.tasks:
        if task.name not in row.scores:
            continue
        ranked = rows.ranked[task.name]
        place = next(place for place, other in ranked if other is row)
        record = row.records[task.name]
        covered = record.provenance.coverage
        body.append(
            [
                Data(link(f"../tasks/{rows.task_slugs[task.name]}.html", task.name), task.name),
                Data(text(spaced(task.type)), task.type),
                Data(text(task.metric or MISSING), task.metric),
                percent(row.scores[task.name]),
                Data(f"{place} of {len(ranked)}", place),
                _behind(row.scores[task.name], ranked[0][1].scores[task.name]),
                Data(_covered(covered.n_scored, covered.n_expected), covered.n_scored),
                cut_share(record),
            ]
        )
    return Table("tasks", f"{row.entry.label} by task", heads, body)


def _covered(scored: int, expected: int) -> str:
    return f"{scored:,}" if scored == expected else f"{scored:,} of {expected:,}"


def cut_share(record: Record) -> Data:
    """Share of distinct texts that were cut."""
    count = record.provenance.text_count
    if count.truncated_texts is None or not count.distinct_texts:
        return Data(MISSING)
    cut = count.truncated_texts / count.distinct_texts
    return Data(f"{100 * cut:.1f} %", cut)


def _missing(rows: BoardRows, row: Row) -> str:
    missing = [task.name for task in rows.board.tasks if task.name not in row.scores]
    if not missing:
        return ""
    names = "".join(f"<li>{name(task)}</li>" for task in missing)
    return (
        f'<section id="missing"><h3>Not measured: {len(missing)} of {len(rows.board.tasks)} tasks'
        f'</h3><ul class="inline">{names}</ul></section>'
    )


def subset_scores(record: Record) -> list[tuple[str, str, str, float | None]]:
    """Split, subset, languages and main score of each part of a task."""
    parts = []
    scores: Mapping[str, Sequence[Mapping[str, Any]]] = record.task_result["scores"]
    for split, subsets in scores.items():
        for found in subsets:
            score = found.get("main_score")
            languages = ", ".join(str(one) for one in found.get("languages") or ())
            subset = str(found.get("hf_subset", "default"))
            known = score is not None and math.isfinite(score)
            parts.append((split, subset, languages, score if known else None))
    return parts


def _splits_table(rows: BoardRows, row: Row) -> Table:
    heads = [
        Head("task", "Task", numeric=False),
        Head("split", "Split", numeric=False),
        Head("subset", "Subset", numeric=False),
        Head("languages", "Languages", numeric=False),
        Head("score", "Score"),
    ]
    body = []
    for task in rows.board.tasks:
        record = row.records.get(task.name)
        parts = subset_scores(record) if record else []
        for split, subset, languages, score in parts if len(parts) > 1 else ():
            body.append(
                [
                    Data(link(f"../tasks/{rows.task_slugs[task.name]}.html", task.name), task.name),
                    Data(text(split), split),
                    Data(text(subset), subset),
                    Data(text(languages or MISSING), languages or None),
                    percent(score),
                ]
            )
    caption = f"{row.entry.label} by split and subset"
    return Table("splits", caption, heads, body)
