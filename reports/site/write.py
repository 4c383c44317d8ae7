"""Write the site: a folder of pages that opens from disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reports.errors import ReportError
from reports.leaderboard import Leaderboard
from reports.plots import Picture, model_pictures, task_pictures
from reports.site.index_page import render_index, scores_script
from reports.site.model_page import render_model
from reports.site.pictures import picture_files
from reports.site.queries import query_pages
from reports.site.query_data import queries_script
from reports.site.rows import BoardRows, board_rows
from reports.site.scripts import asset_files
from reports.site.slugs import slugs
from reports.site.task_page import render_task
from results.atomic import write_atomic
from results.record import Record

if TYPE_CHECKING:
    import pandas as pd

    from results.texts import ExampleTexts

__all__ = ["write_site"]

# Folders of pages that come and go with the records; what is left of earlier ones is removed.
_FOLDERS = {
    "models": ".html",
    "tasks": ".html",
    "scores": ".js",
    "queries": ".js",
    "pictures": ".svg .png",
}

Files = Iterator[tuple[str, str | bytes]]


def write_site(
    boards: Sequence[Leaderboard],
    folder: Path,
    *,
    pictures: Mapping[str, Sequence[Picture]],
    examples: Callable[[Record], pd.DataFrame] | None = None,
    texts: Callable[[str, str], ExampleTexts] | None = None,
) -> tuple[Path, ...]:
    """Write the site; pages of an earlier one that no record stands behind any more are removed.

    Args:
        boards: One leaderboard for each suite.
        folder: Where the site goes; it holds nothing else.
        pictures: Pictures of each board, by suite.
        examples: Reads a record's examples, see `results.store.RecordStore.examples`; None for a
            site without single queries.
        texts: Reads the texts of a task's examples by task and content hash; None for ids alone.

    Returns:
        Every file, `index.html` first.

    Raises:
        ReportError: If there are no boards.
        OSError: If the folder cannot be written.
    """
    if not boards:
        raise ReportError("no site to write: there are no leaderboards")
    written = []
    # One file at a time: hundreds of pages need not be in memory at once.
    for name, content in _files(_board_rows(boards), pictures, examples, texts):
        write_atomic(folder / name, content)
        written.append(folder / name)
    _remove_others(folder, written)
    return tuple(written)


def _board_rows(boards: Sequence[Leaderboard]) -> tuple[BoardRows, ...]:
    """With a file stem for each page; stems of a lone board need not name it."""
    suites = slugs(board.suite for board in boards)

    def stems(names: Mapping[tuple[str, str], str]) -> dict[tuple[str, str], str]:
        full = {
            place: name if len(boards) == 1 else f"{suites[place[0]]}-{name}"
            for place, name in names.items()
        }
        found = slugs(full.values())
        return {place: found[name] for place, name in full.items()}

    models = stems({(b.suite, e.label): e.label for b in boards for e in b.entries})
    tasks = stems({(b.suite, t.name): t.name for b in boards for t in b.tasks})
    return tuple(
        board_rows(
            board,
            suites[board.suite],
            {entry.label: models[board.suite, entry.label] for entry in board.entries},
            {task.name: tasks[board.suite, task.name] for task in board.tasks},
        )
        for board in boards
    )


def _files(
    boards: Sequence[BoardRows],
    pictures: Mapping[str, Sequence[Picture]],
    examples: Callable[[Record], pd.DataFrame] | None,
    texts: Callable[[str, str], ExampleTexts] | None,
) -> Files:
    yield "index.html", render_index(boards, pictures)
    for name, content in asset_files().items():
        yield f"assets/{name}", content
    for rows in boards:
        yield f"scores/{rows.slug}.js", scores_script(rows)
        yield from picture_files(pictures.get(rows.board.suite, ()), rows.slug).items()
        yield from _model_files(rows)
        yield from _task_files(rows, examples, texts)


def _model_files(rows: BoardRows) -> Files:
    for row in rows.rows:
        shown = model_pictures(rows.board, row.entry)
        yield from picture_files(shown, f"model-{row.slug}").items()
        yield f"models/{row.slug}.html", render_model(rows, row, shown)


def _task_files(
    rows: BoardRows,
    examples: Callable[[Record], pd.DataFrame] | None,
    texts: Callable[[str, str], ExampleTexts] | None,
) -> Files:
    for task in rows.measured_tasks():
        slug = rows.task_slugs[task.name]
        shown = task_pictures(rows.board, task.name)
        table = query_pages(rows.board, task.name, examples, texts) if examples else None
        yield from picture_files(shown, f"task-{slug}").items()
        if table is not None:
            yield f"queries/{slug}.js", queries_script(table)
        yield f"tasks/{slug}.html", render_task(rows, task, shown, queries=table is not None)


def _remove_others(folder: Path, written: Sequence[Path]) -> None:
    """Files of an earlier site that this one does not have."""
    kept = set(written)
    for name, endings in _FOLDERS.items():
        for path in sorted((folder / name).glob("*")):
            if path.suffix in endings.split() and path not in kept:
                path.unlink()
