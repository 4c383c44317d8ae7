"""How long tasks take beside one another, as far as that can be told without their data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.sizes import task_size

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

__all__ = ["relative_effort"]

# In tokens that a GPU encodes meanwhile, from a replay of MTEB(eng, v2) on an H100.
_A_TEXT = 150
_A_TASK = {"Clustering": 3_000_000, "Classification": 1_000_000}


def relative_effort(task: AbsTask, evaluations: int = 1, max_length: int | None = None) -> int:
    """Time that a task takes, in no particular unit; 0 where its size is not known.

    Args:
        task: The task.
        evaluations: How often it is scored; it is encoded once.
        max_length: Tokens after which texts are cut; None if they are read to their end, as they
            are for chunks.
    """
    size = task_size(task)
    if size is None:
        return 0
    scoring = _A_TEXT * size.asked + _A_TASK.get(task.metadata.type, 0)
    tokens = size.tokens if max_length is None else min(size.tokens, size.texts * max_length)
    return tokens + evaluations * scoring
