"""Packing: texts of any length put one after another into batches without padding.

A batch is bounded by its number of tokens (the token budget), which is what
its memory and time depend on, not by its number of texts.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from model.attention.interface import Segment
from model.tokenization import TokenizedTexts

__all__ = ["PackedBatch", "pack", "plan_batches"]


@dataclass(frozen=True)
class PackedBatch:
    """Some texts as one row of tokens, on the model's device.

    Attributes:
        ids: Token ids, shape (tokens,), int64.
        cumulative: Cumulative lengths, shape (texts + 1,), int32.
        lengths: Tokens of each text, on the host, shape (texts,), int64.
    """

    ids: torch.Tensor
    cumulative: torch.Tensor
    lengths: npt.NDArray[np.int64]

    @property
    def tokens(self) -> int:
        """Number of tokens."""
        return int(self.ids.shape[0])

    @property
    def texts(self) -> int:
        """Number of texts."""
        return len(self.lengths)

    @property
    def longest(self) -> int:
        """Tokens of the longest text."""
        return int(self.lengths.max())

    def text_of_token(self) -> torch.Tensor:
        """Which text each token belongs to, shape (tokens,), int64."""
        counts = self.cumulative.diff()
        texts = torch.arange(self.texts, device=self.ids.device)
        # The size is given, or the device would have to be waited for.
        return torch.repeat_interleave(texts, counts, output_size=self.tokens)

    def positions(self, owner: torch.Tensor) -> torch.Tensor:
        """Place of each token within its text from 0, shape (tokens,), int64.

        Args:
            owner: From `text_of_token`.
        """
        places = torch.arange(self.tokens, device=self.ids.device)
        return places - self.cumulative[owner]

    def positions_without(self, padding: int, owner: torch.Tensor) -> torch.Tensor:
        """Positions as RoBERTa counts them, shape (tokens,), int64.

        Tokens of a text are numbered from `padding + 1`. A padding token has the
        position `padding` and is not counted, also where a text contains it
        literally. Source: `create_position_ids_from_input_ids` of transformers'
        `RobertaEmbeddings`.

        Args:
            padding: Id of the padding token.
            owner: From `text_of_token`.
        """
        counted = self.ids.ne(padding).long()
        ends = torch.cumsum(counted, dim=0)
        # Counted tokens before each text, of which the first has none before it.
        before = nn.functional.pad(ends, (1, 0))[self.cumulative[owner].long()]
        return (ends - before) * counted + padding

    def segments(self) -> tuple[Segment, ...]:
        """Runs of neighbouring texts of equal length."""
        changes = np.flatnonzero(np.diff(self.lengths)) + 1
        bounds = [0, *changes.tolist(), self.texts]
        starts = np.concatenate([[0], np.cumsum(self.lengths)])
        return tuple(
            (int(starts[first]), last - first, int(self.lengths[first]))
            for first, last in itertools.pairwise(bounds)
        )


def plan_batches(lengths: npt.NDArray[np.int64], budget: int) -> list[slice]:
    """Cut a row of texts into batches of at most `budget` tokens.

    Args:
        lengths: Tokens of each text, shape (texts,).
        budget: Tokens a batch; a longer text is a batch of its own.

    Returns:
        Slices of the row, in order, which together cover it.
    """
    ends = np.cumsum(lengths)
    batches = []
    first = 0
    while first < len(lengths):
        before = ends[first - 1] if first else 0
        last = int(np.searchsorted(ends, before + budget, side="right"))
        last = max(last, first + 1)
        batches.append(slice(first, last))
        first = last
    return batches


def pack(texts: TokenizedTexts, device: torch.device) -> PackedBatch:
    """Bring tokenized texts to the device as one batch, without waiting for it."""
    cumulative = np.zeros(len(texts.lengths) + 1, dtype=np.int32)
    np.cumsum(texts.lengths, out=cumulative[1:])
    return PackedBatch(
        ids=_send(texts.ids, device).long(),
        cumulative=_send(cumulative, device),
        lengths=texts.lengths,
    )


def _send(array: npt.NDArray[np.int32], device: torch.device) -> torch.Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if device.type != "cuda":
        return tensor.to(device)
    # Only pinned memory is copied while the host goes on.
    return tensor.pin_memory().to(device, non_blocking=True)
