"""Batches on the padded way: what a model returns is checked before it is put in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from model.errors import ModelError, ModelOutputError

__all__ = ["PaddedBatch", "RowsError", "encode_batch", "rows_checked"]


class RowsError(ValueError):
    """A model returned fewer or more vectors than it was given texts."""


@dataclass(frozen=True)
class PaddedBatch:
    """Some of the texts of a call.

    Attributes:
        model: Name of the model, for messages.
        texts: The batch's texts.
        first: Place of the first of them among all texts, longest first.
        of: Number of all texts.
        width: Width that every vector must have; None for any.
    """

    model: str
    texts: list[str]
    first: int
    of: int
    width: int | None

    def __str__(self) -> str:
        last = self.first + len(self.texts)
        start = self.texts[0][:40] + ("…" if len(self.texts[0]) > 40 else "")
        return (
            f"model {self.model}, batch of texts {self.first + 1} to {last} of {self.of} "
            f"(longest first, beginning with {start!r})"
        )


@contextmanager
def rows_checked(last: nn.Module) -> Iterator[None]:
    """Within, a module must return as many vectors as there are texts.

    sentence-transformers joins the vectors of its batches before it counts them: a row too many
    would give all texts after it the vectors of others.

    Args:
        last: The last module of a sentence-transformers model.

    Raises:
        RowsError: If there are fewer or more.
    """

    def check(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        features = inputs[0] if inputs and isinstance(inputs[0], Mapping) else {}
        made = output.get("sentence_embedding") if isinstance(output, Mapping) else None
        given = features.get("attention_mask", features.get("input_ids"))
        if made is not None and given is not None and len(made) != len(given):
            raise RowsError(f"{len(made)} vectors for {len(given)} texts")

    hook = last.register_forward_hook(check)
    try:
        yield
    finally:
        hook.remove()


def encode_batch(
    batch: PaddedBatch, encode: Callable[[list[str]], npt.NDArray[np.float32]]
) -> npt.NDArray[np.float32]:
    """Encode a batch, and make sure that it came back as one vector for each text.

    Rows that are missing here would give all further texts the vectors of others.

    Args:
        batch: The batch.
        encode: The library's way from texts to vectors.

    Returns:
        The vectors, shape (texts, width), float32.

    Raises:
        ModelOutputError: If the number of vectors or their width is wrong, or the library cannot
            put them together; the message names model and batch.
    """
    try:
        vectors = encode(batch.texts)
    except ModelError:
        raise
    except RowsError as error:
        raise ModelOutputError(f"{batch}: the model returned {error}") from error
    # What sentence-transformers' own stacking and sorting raises for rows that do not fit.
    except (RuntimeError, IndexError, ValueError) as error:
        said = " ".join(str(error).split())[:300]
        raise ModelOutputError(f"{batch}: {type(error).__name__}: {said}") from error
    count = len(batch.texts)
    width = batch.width if batch.width is not None or vectors.ndim != 2 else vectors.shape[1]
    if vectors.shape != (count, width):
        raise ModelOutputError(
            f"{batch}: the model returned shape {vectors.shape}, expected ({count}, {width})"
        )
    return vectors
