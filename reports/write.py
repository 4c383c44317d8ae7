"""Write all reports of some records into a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.html import render_html
from reports.latex import render_latex
from reports.leaderboard import Leaderboard, make_leaderboards
from reports.markdown import render_markdown
from reports.noise import Examples, rank_by_noise
from reports.plots import Picture, board_pictures
from reports.published_rows import with_published
from reports.tables import all_grids, dimensions_grid, facts_grid, published_grid, scores_grid
from reports.tables_csv import leaderboard_csv, scores_csv
from results.atomic import write_atomic
from results.record import Record

if TYPE_CHECKING:
    from reports.grid import Grid
    from results.published.references import Reference

__all__ = ["WrittenReports", "write_reports"]

_SITE = "site"
_WRITTEN = "written.txt"
"""Names what a report consists of, so that the next one can take away what it has no more."""

_FORMERLY = ("dimensions.png", "dimensions.svg")
"""Files of reports from before that was written down."""


@dataclass(frozen=True)
class WrittenReports:
    """What was written.

    Attributes:
        leaderboards: One for each suite.
        paths: The files to open, in the order in which a reader would; of a site its first page.
    """

    leaderboards: tuple[Leaderboard, ...]
    paths: tuple[Path, ...]


def write_reports(
    records: Iterable[Record],
    folder: Path,
    *,
    examples: Examples | None = None,
    texts: Callable[[str, str], Any] | None = None,
    published: Sequence[Reference] = (),
    site: bool = True,
) -> WrittenReports:
    """Write leaderboards, plots and a site; a second suite gets a folder of its own name.

    What an earlier report wrote there, and this one does not, is removed; other files stay.

    Args:
        records: Records of any models and suites.
        folder: Where the files go.
        examples: Gives a record's per-example scores; None for neither ties nor single queries.
        texts: Gives the texts of a task's examples by task and content hash; None for ids alone.
        published: Scores beside those that are kept here, see `reports.published_rows`.
        site: Whether there is a site.

    Raises:
        ReportError: If there are no records, or they cannot be compared.
        OSError: If the folder cannot be written.
    """
    boards = tuple(
        with_published(replace(board, ranking=rank_by_noise(board, examples)), published)
        for board in make_leaderboards(records)
    )
    pictures = {board.suite: board_pictures(board) for board in boards}
    paths: list[Path] = []
    for board in boards:
        name = "".join(letter if letter.isalnum() else "-" for letter in board.suite)
        place = folder if len(boards) == 1 else folder / name
        paths += _write_board(board, pictures[board.suite], place)
    written = list(paths)
    if site:
        from reports.site import write_site

        pages = write_site(
            boards, folder / _SITE, pictures=pictures, examples=examples, texts=texts
        )
        paths.append(pages[0])
        written += pages
    _forget_others(folder, written)
    return WrittenReports(boards, tuple(paths))


def _write_board(board: Leaderboard, pictures: Sequence[Picture], folder: Path) -> list[Path]:
    title = f"Leaderboard: {board.suite}"
    grids = all_grids(board)
    files: dict[str, str | bytes] = {
        "leaderboard.md": render_markdown(
            title, grids, [(f"{one.name}.png", one.description) for one in pictures]
        ),
        "leaderboard.html": render_html(
            title, grids, [(one.svg, one.description) for one in pictures]
        ),
        "leaderboard.tex": render_latex(board.suite, _for_papers(board)),
        "leaderboard.csv": leaderboard_csv(board),
        "scores.csv": scores_csv(board),
    }
    for picture in pictures:
        files |= {f"{picture.name}.png": picture.png, f"{picture.name}.svg": picture.svg}
    for name, content in files.items():
        write_atomic(folder / name, content)
    return [folder / name for name in files]


def _for_papers(board: Leaderboard) -> list[Grid]:
    """Tables that fit on a page."""
    grids: list[Grid | None] = [scores_grid(board), facts_grid(board)]
    if any(len(entry.views) > 1 for entry in board.entries):
        grids.append(dimensions_grid(board))
    return [grid for grid in (*grids, published_grid(board)) if grid is not None]


def _forget_others(folder: Path, written: Iterable[Path]) -> None:
    """Remove what earlier reports wrote down as theirs, and write down what is there now."""
    now = {path.relative_to(folder).as_posix(): path for path in written}
    for name in _earlier(folder):
        path = folder / name
        # Whatever the list says, nothing outside of the folder is touched.
        inside = path.resolve().is_relative_to(folder.resolve())
        if name not in now and inside and path.is_file():
            path.unlink(missing_ok=True)
            _remove_empty(path.parent, folder)
    write_atomic(folder / _WRITTEN, "".join(f"{name}\n" for name in sorted(now)))


def _earlier(folder: Path) -> Mapping[str, None]:
    """Names of the files of an earlier report."""
    try:
        lines = (folder / _WRITTEN).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return dict.fromkeys(_FORMERLY)
    return dict.fromkeys(line for line in lines if line)


def _remove_empty(path: Path, folder: Path) -> None:
    """Remove a folder inside of another, and those around it, as far as they are empty."""
    while path != folder and path.is_dir() and not any(path.iterdir()):
        path.rmdir()
        path = path.parent
