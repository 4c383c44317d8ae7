"""All pictures of a board, of one of its tasks, of one of its models."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from reports.leaderboard import Entry, Leaderboard
from reports.plots.adapters import plot_adapters
from reports.plots.chunk_sizes import plot_chunk_sizes
from reports.plots.dimensions import plot_dimensions
from reports.plots.languages import plot_languages
from reports.plots.lengths import plot_lengths
from reports.plots.parameters import plot_parameters
from reports.plots.picture import Picture
from reports.plots.scope import of_model, of_task
from reports.plots.speed import plot_speed
from reports.plots.stored_bytes import plot_bytes

__all__ = ["board_pictures", "model_pictures", "task_pictures"]

_Plot = Callable[[Leaderboard], Picture | None]

_OF_BOARD: tuple[_Plot, ...] = (
    plot_dimensions,
    plot_bytes,
    plot_parameters,
    plot_speed,
    plot_lengths,
    plot_chunk_sizes,
    plot_adapters,
    plot_languages,
)
_OF_TASK: tuple[_Plot, ...] = (plot_dimensions, plot_lengths, plot_chunk_sizes, plot_languages)
_OF_MODEL: tuple[_Plot, ...] = (
    plot_dimensions,
    plot_bytes,
    plot_lengths,
    plot_chunk_sizes,
    plot_adapters,
    plot_languages,
)


def board_pictures(board: Leaderboard) -> tuple[Picture, ...]:
    """All pictures for which the board has records."""
    return _pictures(_OF_BOARD, board)


def task_pictures(board: Leaderboard, task: str) -> tuple[Picture, ...]:
    """The pictures of one task, by its name; none if the board has no such task."""
    narrowed = of_task(board, task)
    return _pictures(_OF_TASK, narrowed) if narrowed.entries else ()


def model_pictures(board: Leaderboard, entry: Entry) -> tuple[Picture, ...]:
    """The pictures of one entry, beside those of its model's other routings and chunkings."""
    return _pictures(_OF_MODEL, of_model(board, entry))


def _pictures(plots: Iterable[_Plot], board: Leaderboard) -> tuple[Picture, ...]:
    return tuple(picture for plot in plots if (picture := plot(board)) is not None)
