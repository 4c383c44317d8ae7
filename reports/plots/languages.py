"""Score by language, grouped by family and script."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from reports.leaderboard import Entry, Leaderboard
from reports.plots.language_table import Language, language_of
from reports.plots.picture import Picture
from reports.plots.scope import name_of
from reports.plots.style import (
    GREY,
    INK,
    WIDTH,
    Look,
    axes_at,
    calm,
    drawing,
    legible,
    looks_of,
    notes_height,
    picture,
    sheet,
    shortened,
    write_notes,
)
from results.record import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["language_scores", "plot_languages"]

_FEWEST = 4
"""Languages that a task must have to be drawn."""

_MOST_TASKS = 3
_MOST_ENTRIES = 5
_MOST_LANGUAGES = 64
"""Of more, a row is a family in one script, and each language a dot."""

_MOST_FAMILIES = 40

_ROW = 0.135
"""Height of a row in inches."""

_PIVOT = "eng"
"""Of a pair of languages, it is the other one that is measured."""


@dataclass(frozen=True)
class _Row:
    """A row of the plot, or the heading of the rows that follow.

    Attributes:
        title: What stands left of it.
        languages: Codes of its languages; none for a heading.
        marked: Whether its language is among the best supported.
    """

    title: str
    languages: tuple[str, ...] = ()
    marked: bool = False


def plot_languages(board: Leaderboard) -> Picture | None:
    """Score by language: a column for each of the tasks with most languages.

    Of a pair of languages one of which is English, the other one is measured.

    Returns:
        None if no task was measured in at least four languages.
    """
    entries = board.entries[:_MOST_ENTRIES]
    looks = looks_of(board)
    scores = {
        column.name: {entry.label: _scores(entry, column.name) for entry in entries}
        for column in board.tasks
    }
    covered = {
        task: {code for by_language in found.values() for code in by_language}
        for task, found in scores.items()
    }
    many = sorted(
        (task for task, codes in covered.items() if len(codes) >= _FEWEST),
        key=lambda task: -len(covered[task]),
    )
    if not many:
        return None
    tasks = many[:_MOST_TASKS]
    rows = _rows({code for task in tasks for code in covered[task]})
    drawn = [e for e in entries if any(scores[task][e.label] for task in tasks)]
    title = f"Score by language: {name_of(board)}"
    notes = _notes(rows, many[_MOST_TASKS:], len(board.entries) - len(entries))
    with drawing():
        key_rows = -(-len(drawn) // 3)
        top = 0.75 + 0.15 * key_rows
        height = top + 0.15 + _ROW * len(rows) + 0.45 + notes_height(notes)
        figure = sheet(height, title, "Score × 100, by family and script. Widest view of a model.")
        left = 0.15 + 0.062 * max(len(row.title) for row in rows)
        wide = (WIDTH - left + 0.02) / len(tasks)
        for number, task in enumerate(tasks):
            axis = axes_at(figure, left + number * wide, top, wide - 0.22, _ROW * len(rows))
            _draw(axis, rows, [(looks[e.label], scores[task][e.label]) for e in drawn])
            axis.set_title(shortened(task, int(wide / 0.067)), loc="left", size=7.5)
            axis.set_xlabel("score × 100")
            if number:
                axis.tick_params(labelleft=False)
            else:
                _name_rows(axis, rows)
        _draw_key(figure, height, [(looks[e.label], shortened(e.label, 40)) for e in drawn])
        write_notes(figure, notes)
        return picture("languages", title, figure, _description(board, drawn, tasks, scores, notes))


def language_scores(record: Record) -> dict[str, float]:
    """Score of each language that a record tells apart, by code; mean over splits and subsets.

    Of a subset in several languages the score counts for each but English.
    """
    found: dict[str, list[float]] = {}
    for subsets in record.task_result["scores"].values():
        for subset in subsets:
            score = subset.get("main_score")
            if score is None or not math.isfinite(score):
                continue
            codes = list(dict.fromkeys(subset.get("languages") or ()))
            others = [code for code in codes if code.split("-")[0] != _PIVOT]
            for code in others or codes[:1]:
                found.setdefault(code, []).append(score)
    return {code: fmean(scores) for code, scores in found.items()}


def _scores(entry: Entry, task: str) -> dict[str, float]:
    record = entry.records.get((entry.main_view, task))
    return {} if record is None else language_scores(record)


def _rows(codes: set[str]) -> list[_Row]:
    """Rows by family and script, the families with most languages first."""
    groups: dict[tuple[str, str], list[Language]] = {}
    for code in sorted(codes):
        language = language_of(code)
        groups.setdefault((language.family, language.script), []).append(language)
    families: dict[str, int] = {}
    for (family, _), languages in groups.items():
        families[family] = families.get(family, 0) + len(languages)
    order = sorted(groups, key=lambda key: (-families[key[0]], key[0], -len(groups[key]), key[1]))
    named = [(f"{family}, {script or 'no script'}", groups[family, script])
             for family, script in order]  # fmt: skip
    if len(codes) > _MOST_LANGUAGES:
        return _family_rows(named)
    alone = [(name, languages) for name, languages in named if len(languages) == 1]
    rows = []
    for name, languages in named:
        if len(languages) > 1:
            rows.append(_Row(name))
            rows += [_language_row(one) for one in sorted(languages, key=lambda one: one.name)]
    if alone:
        rows.append(_Row("one language each"))
        rows += [_language_row(languages[0], f" ({name})") for name, languages in alone]
    return rows


def _language_row(language: Language, more: str = "") -> _Row:
    return _Row(f"{language.name}{more}", (language.code,), language.is_best_supported)


def _family_rows(named: Sequence[tuple[str, Sequence[Language]]]) -> list[_Row]:
    """A row for each of the families with most languages, and one for all others."""
    by_size = sorted(named, key=lambda group: -len(group[1]))
    shown = {name for name, _ in by_size[:_MOST_FAMILIES]}
    rows = [
        _Row(f"{name} ({len(languages)})", tuple(language.code for language in languages))
        for name, languages in named
        if name in shown
    ]
    rest = [one.code for name, languages in named if name not in shown for one in languages]
    return [*rows, _Row(f"all others ({len(rest)})", tuple(rest))] if rest else rows


def _draw(
    axis: Axes, rows: Sequence[_Row], drawn: Sequence[tuple[Look, Mapping[str, float]]]
) -> None:
    for place, row in enumerate(rows):
        single = len(row.languages) == 1
        if not row.languages:
            continue
        if place % 2:
            axis.axhspan(place - 0.5, place + 0.5, color="#f6f8fa", zorder=0, linewidth=0)
        for number, (look, scores) in enumerate(drawn):
            # Dots of a family lie in layers, one for each model.
            shift = 0.0 if single else 0.6 * ((number + 0.5) / len(drawn) - 0.5)
            for marked in (False, True):
                values = [
                    100 * scores[code]
                    for code in row.languages
                    if code in scores and language_of(code).is_best_supported == marked
                ]
                if not values:
                    continue
                stands_out = marked and not single
                axis.plot(
                    values,
                    [place + shift] * len(values),
                    color=INK if stands_out else look.colour,
                    marker=look.marker,
                    markersize=3.8 if single or marked else 2.4,
                    markerfacecolor=look.colour if number % 2 == 0 else "white",
                    markeredgewidth=0.8 if single or marked else 0.5,
                    linestyle="none",
                    zorder=4 - number / 10 + stands_out,
                    clip_on=False,
                )
    calm(axis, grid="x")
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlim(0, 100)
    axis.spines["left"].set_visible(False)
    axis.tick_params(axis="y", length=0)
    axis.set_yticks([])


def _name_rows(axis: Axes, rows: Sequence[_Row]) -> None:
    for place, row in enumerate(rows):
        heading = not row.languages
        axis.annotate(
            legible(f"{row.title} ★" if row.marked else row.title),
            (0, place),
            xycoords=("axes fraction", "data"),
            xytext=(-5, 0),
            textcoords="offset points",
            ha="right",
            va="center_baseline",
            size=6.5,
            weight="bold" if heading else "normal",
            color=INK if heading or row.marked else GREY,
            annotation_clip=False,
        )


def _draw_key(figure: Figure, height: float, drawn: Sequence[tuple[Look, str]]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [],
            [],
            color=look.colour,
            marker=look.marker,
            markerfacecolor=look.colour if number % 2 == 0 else "white",
            markersize=4,
            linestyle="none",
            label=name,
        )
        for number, (look, name) in enumerate(drawn)
    ]
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.005, 1 - 0.43 / height),
        ncols=min(3, len(handles)),
        frameon=False,
        fontsize=7,
        handletextpad=0.2,
        columnspacing=1.2,
        borderpad=0.2,
    )


def _notes(rows: Sequence[_Row], other_tasks: Sequence[str], other_entries: int) -> list[str]:
    notes = []
    best = "the 30 languages that jina-embeddings-v3's makers name as its best"
    if any(row.marked for row in rows):
        notes.append(f"★ among {best}.")
    if any(len(row.languages) > 1 for row in rows):
        notes.append(
            "A row is a family in one script, with its number of languages, each of which is a "
            f"mark; large with a dark edge: among {best}."
        )
    if other_tasks:
        names = ", ".join(other_tasks[:8]) + (" …" if len(other_tasks) > 8 else "")
        notes.append(f"More tasks in several languages: {names}.")
    if other_entries > 0:
        notes.append(f"Rows of the leaderboard that are not drawn: {other_entries}.")
    return notes


def _description(
    board: Leaderboard,
    drawn: Sequence[Entry],
    tasks: Sequence[str],
    scores: Mapping[str, Mapping[str, Mapping[str, float]]],
    notes: Sequence[str],
) -> str:
    parts = [f"Score by language on the suite {board.suite}."]
    for task in tasks:
        for entry in drawn:
            found = scores[task][entry.label]
            if not found:
                continue
            best, worst = max(found, key=found.__getitem__), min(found, key=found.__getitem__)
            marked = [s for code, s in found.items() if language_of(code).is_best_supported]
            text = (
                f"{task}, {entry.label}: {len(found)} languages, best "
                f"{language_of(best).name} ({100 * found[best]:.1f}), worst "
                f"{language_of(worst).name} ({100 * found[worst]:.1f})"
            )
            if marked:
                text += f", mean of the {len(marked)} marked {100 * fmean(marked):.1f}"
            parts.append(f"{text}.")
    return " ".join([*parts, *notes])
