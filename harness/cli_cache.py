"""`jina-eval cache`: what it holds, whether it is sound, and how to make it smaller."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

__all__ = ["cache"]

cache = App(name="cache", help="Vectors that were made once and are kept on disk.")

Folder = Annotated[Path | None, Parameter(name="--folder")]


@cache.command
def info(*, folder: Folder = None) -> int:
    """Say what the cache holds: models, routes, texts, bytes, when last used.

    Examples:
        jina-eval cache info

    Parameters
    ----------
    folder
        The cache; JINA_EVAL_CACHE or the user's own if left out.
    """
    from harness.cache_commands import info_command

    return info_command(folder)


@cache.command
def verify(*, folder: Folder = None, repair: bool = False) -> int:
    """Read every byte and compare it with its checksum. Exit code 2 if anything is damaged.

    Examples:
        jina-eval cache verify
        jina-eval cache verify --repair

    Parameters
    ----------
    folder
        The cache; JINA_EVAL_CACHE or the user's own if left out.
    repair
        Delete what is damaged. (Runs do so by themselves when they meet it.)
    """
    from harness.cache_commands import verify_command

    return verify_command(folder, repair=repair)


@cache.command
def prune(
    *,
    folder: Folder = None,
    max_size: str | None = None,
    older_than: float | None = None,
    model: Annotated[str | None, Parameter(name=["--model", "-m"])] = None,
    everything: Annotated[bool, Parameter(name="--all")] = False,
) -> int:
    """Delete vectors, those first that were not used for longest.

    Examples:
        jina-eval cache prune --max-size 5GB
        jina-eval cache prune --older-than 30
        jina-eval cache prune --all --model sentence-transformers/all-MiniLM-L6-v2

    Parameters
    ----------
    folder
        The cache; JINA_EVAL_CACHE or the user's own if left out.
    max_size
        Leave no more than this, such as 5GB.
    older_than
        Delete what was not used for so many days.
    model
        Only vectors of this model, by the name that `cache info` shows.
    everything
        Delete all of them.
    """
    from harness.cache_commands import PruneRequest, prune_command

    return prune_command(PruneRequest(folder, max_size, older_than, model, everything))
