"""Write all reports of some records into a folder."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reports.html import render_html
from reports.leaderboard import Leaderboard, make_leaderboards
from reports.markdown import render_markdown
from reports.plots import plot_dimensions
from reports.tables import all_grids
from reports.tables_csv import leaderboard_csv, scores_csv
from results.atomic import write_atomic
from results.record import Record

__all__ = ["WrittenReports", "write_reports"]


@dataclass(frozen=True)
class WrittenReports:
    """What was written.

    Attributes:
        leaderboards: One for each suite.
        paths: Every file, in the order in which a reader would open them.
    """

    leaderboards: tuple[Leaderboard, ...]
    paths: tuple[Path, ...]


def write_reports(records: Iterable[Record], folder: Path) -> WrittenReports:
    """Write leaderboard and plots; a second suite gets a folder of its own name.

    Args:
        records: Records of any models and suites.
        folder: Where the files go.

    Raises:
        ReportError: If there are no records, or they cannot be compared.
        OSError: If the folder cannot be written.
    """
    boards = make_leaderboards(records)
    paths: list[Path] = []
    for board in boards:
        name = "".join(letter if letter.isalnum() else "-" for letter in board.suite)
        paths += _write_board(board, folder if len(boards) == 1 else folder / name)
    return WrittenReports(boards, tuple(paths))


def _write_board(board: Leaderboard, folder: Path) -> list[Path]:
    title = f"Leaderboard: {board.suite}"
    grids = all_grids(board)
    picture = plot_dimensions(board)
    files: dict[str, str | bytes] = {
        "leaderboard.md": render_markdown(
            title, grids, [("dimensions.png", picture.description)] if picture else []
        ),
        "leaderboard.html": render_html(
            title, grids, [(picture.svg, picture.description)] if picture else []
        ),
        "leaderboard.csv": leaderboard_csv(board),
        "scores.csv": scores_csv(board),
    }
    if picture:
        files |= {"dimensions.png": picture.png, "dimensions.svg": picture.svg}
    else:  # an earlier plot would not belong to these tables
        for name in ("dimensions.png", "dimensions.svg"):
            (folder / name).unlink(missing_ok=True)
    for name, content in files.items():
        write_atomic(folder / name, content)
    return [folder / name for name in files]
