"""Late chunking (arXiv 2409.04701): a document is encoded whole, and its chunks pooled from that.

As in jina-ai/late-chunking: the first chunk takes in the special tokens and the
prompt before it and the last one the special tokens after it, so that a single
chunk's vector is the document's own. A document longer than the model reads is
read in windows that overlap; of each but the first, as many tokens as overlap
are dropped. The tokens are found by their places in prompt and document read
as one text, not by counting the prompt's alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from model.backend import Encoded, Progress, spread
from model.chunking import Chunking
from model.encoder import PackedEncoder, Place, Portion
from model.errors import ModelError
from model.packed_model import PackedModel
from model.packing import PackedBatch
from model.splitting import Document, Spans, Splitter
from model.tokenization import TokenizedTexts
from model.windows import window_overlap, windows_over
from model.work import Pass, Work

__all__ = ["LateEncoder"]

_FINISH_ROWS = 4096

Integers = npt.NDArray[np.int64]


@dataclass(eq=False)
class _Group:
    """Documents that were tokenized together, and what has been read of their chunks.

    Chunks are numbered chunking after chunking, within each document after document.

    Attributes:
        rows: Their places among all texts, shape (documents,).
        tokens: Tokens of each, shape (documents,).
        windows: How many windows of each are still to be read, shape (documents,).
        counts: Chunks of each, shape (chunkings, documents).
        dropped: Tokens of each in no chunk, shape (chunkings, documents).
        sizes: Tokens of each chunk, shape (chunks,).
        sums: Sum of its tokens' vectors, shape (chunks, width), float32; None before the first.
    """

    rows: Integers
    tokens: Integers
    windows: Integers
    counts: Integers
    dropped: Integers
    sizes: Integers
    sums: torch.Tensor | None = None

    def add(self, chunks: Integers, sums: npt.NDArray[np.float32]) -> None:
        """Add what a window holds of some chunks; one may be named more than once."""
        if self.sums is None:
            self.sums = torch.zeros(len(self.sizes), sums.shape[1])
        self.sums.index_add_(0, torch.from_numpy(chunks), torch.from_numpy(sums))


@dataclass(frozen=True, eq=False)
class _Window:
    """What is to be made of a window's tokens.

    They are cut wherever a chunk of any chunking starts or ends, so that one
    pass over them serves all chunkings.

    Attributes:
        group: Where its document is.
        document: Which of the group's it is.
        lengths: Tokens of each piece, shape (pieces,).
        pieces: Pieces that belong to a chunk, once for each chunking, shape (n,).
        chunks: The chunk of each of those in the group, shape (n,).
    """

    group: _Group
    document: int
    lengths: Integers
    pieces: Integers
    chunks: Integers


@dataclass(eq=False)
class _Run:
    """One call's progress: groups that were read, and windows that wait for their batch."""

    progress: Progress
    groups: list[_Group] = field(default_factory=list)
    waiting: dict[int, _Window] = field(default_factory=dict)
    seen: int = 0
    tokens: int = 0

    def admit(self, group: _Group, windows: list[_Window], tokens: TokenizedTexts) -> Portion:
        """Note a group and the tokens that are read of it, and number its windows."""
        rows = np.arange(self.seen, self.seen + len(windows))
        self.seen += len(windows)
        self.tokens += len(tokens.ids)
        self.groups.append(group)
        self.waiting.update(zip(rows.tolist(), windows, strict=True))
        return Portion(rows, tokens)

    def place(self, rows: Integers, sums: npt.NDArray[np.float32]) -> None:
        """Take in the sums of a batch's pieces, shape (pieces, width)."""
        first = finished = 0
        for row in rows.tolist():
            window = self.waiting.pop(row)
            here = sums[first : first + len(window.lengths)]
            window.group.add(window.chunks, here[window.pieces])
            window.group.windows[window.document] -= 1
            finished += int(window.group.windows[window.document] == 0)
            first += len(window.lengths)
        if finished:
            self.progress(finished)


class LateEncoder:
    """Encodes documents whole and pools their chunks, for any number of chunkings at once."""

    def __init__(
        self,
        model: PackedModel,
        encoder: PackedEncoder,
        splitter: Splitter,
        *,
        overlap: int | None = None,
    ) -> None:
        """Bind a model to what cuts documents.

        Args:
            model: The model.
            encoder: The encoder that gives it its batches.
            splitter: Cuts documents along the tokens of the encoder's tokenizer.
            overlap: Tokens that neighbouring windows of a long document share;
                None for 256, or half of what the model reads if that is less.

        Raises:
            ModelError: If the model does not pool by mean, or a window would not be longer than
                the overlap.
        """
        if model.pooling != "mean":
            raise ModelError(
                f"late chunking needs mean pooling; this model pools by {model.pooling}"
            )
        limit = encoder.tokenizer.max_length
        if overlap is not None and not 0 <= overlap < limit:
            raise ModelError(f"overlap {overlap}: windows are {limit} tokens; allowed: 0 or more")
        self.overlap = window_overlap(limit) if overlap is None else overlap
        self._model = model
        self._encoder = encoder
        self._splitter = splitter

    def encode(
        self, texts: Sequence[str], prompt: str, chunkings: Sequence[Chunking], progress: Progress
    ) -> tuple[Encoded, ...]:
        """Vectors of each document's chunks, by each chunking.

        Args:
            texts: Documents without their prompt.
            prompt: What each is read behind.
            chunkings: How to pool; each document goes through the model once.
            progress: Told of documents that are done.

        Returns:
            One a chunking, with `counts`; `truncated` is how many tokens are in no chunk.

        Raises:
            ModelError: If not even one window fits into the device's memory.
        """
        run = _Run(progress)
        started = time.perf_counter()

        def read(rows: Integers) -> tuple[_Group, list[_Window], TokenizedTexts]:
            documents = self._splitter.read(prompt, [texts[row] for row in rows])
            return self._plan(rows, list(documents), chunkings)

        def portions() -> Iterator[Portion]:
            for planned in self._encoder.ahead(texts, read):
                yield run.admit(*planned)

        def step(rows: Integers, batch: PackedBatch) -> tuple[torch.Tensor, Place]:
            lengths = np.concatenate([run.waiting[row].lengths for row in rows.tolist()])
            hidden = self._model.hidden_states(batch).float()
            offsets = _send(np.cumsum([0, *lengths]), hidden.device)
            # Summed in order, not by index_add_, whose order on a GPU is a matter of chance.
            sums = torch.segment_reduce(hidden, "sum", offsets=offsets)
            return sums, partial(run.place, rows)

        self._encoder.run(portions(), step)
        found = self._collect(run.groups, len(texts), len(chunkings))
        # One pass serves all chunkings: each would have taken as long alone.
        one_pass = Pass(run.tokens, time.perf_counter() - started)
        return tuple(replace(each, work=(Work(len(texts), (one_pass,)),)) for each in found)

    def _plan(
        self, rows: Integers, documents: list[Document], chunkings: Sequence[Chunking]
    ) -> tuple[_Group, list[_Window], TokenizedTexts]:
        tokenizer = self._encoder.tokenizer
        prefix, suffix = (np.array(ids, np.int32) for ids in (tokenizer.prefix, tokenizer.suffix))
        split = [[self._splitter.split(each, one) for each in documents] for one in chunkings]
        spans = [
            [
                _extended(found, len(prefix) + each.prompt_tokens, len(suffix))
                for found, each in zip(of_one, documents, strict=True)
            ]
            for of_one in split
        ]
        whole = [np.concatenate([prefix, each.ids, suffix]) for each in documents]
        cuts = [windows_over(len(ids), tokenizer.max_length, self.overlap) for ids in whole]
        own = np.array([len(each.places) for each in documents])
        kept = [[int(np.diff(found).sum()) for found in of_one] for of_one in split]
        group = _Group(
            rows=rows,
            tokens=np.array([len(ids) for ids in whole]),
            windows=np.array([len(places) for places in cuts]),
            counts=np.array([[len(found) for found in of_one] for of_one in spans]),
            dropped=own - np.array(kept),
            sizes=np.concatenate([np.diff(found)[:, 0] for of_one in spans for found in of_one]),
        )
        before = (np.cumsum(group.counts) - group.counts.ravel()).reshape(group.counts.shape)
        windows = [
            _window(group, row, [of_one[row] for of_one in spans], before[:, row], *places)
            for row, cut in enumerate(cuts)
            for places in cut
        ]
        pieces = [
            ids[start:end] for ids, cut in zip(whole, cuts, strict=True) for start, _, end in cut
        ]
        lengths = np.array([len(piece) for piece in pieces])
        return group, windows, TokenizedTexts(np.concatenate(pieces), lengths, lengths)

    def _collect(self, groups: list[_Group], texts: int, chunkings: int) -> tuple[Encoded, ...]:
        tokens = np.zeros(texts, dtype=np.int64)
        counts, dropped = (np.zeros((chunkings, texts), dtype=np.int64) for _ in range(2))
        for group in groups:
            tokens[group.rows] = group.tokens
            counts[:, group.rows] = group.counts
            dropped[:, group.rows] = group.dropped
        starts = np.cumsum(counts, axis=1) - counts
        vectors: list[npt.NDArray[np.float32]] = []
        while groups:
            # One by one, so that sums go as vectors come.
            group = groups.pop()
            made = self._finished(group)
            if not vectors:
                shapes = [(int(total), made.shape[1]) for total in counts.sum(axis=1)]
                vectors = [np.empty(shape, dtype=np.float32) for shape in shapes]
            first = 0
            for own, start, count in zip(vectors, starts, group.counts, strict=True):
                places = spread(start[group.rows], count)
                own[places] = made[first : first + len(places)]
                first += len(places)
        vectors = vectors or [np.zeros((0, 0), dtype=np.float32)] * chunkings
        return tuple(
            Encoded(vectors=vectors[one], tokens=tokens, truncated=dropped[one], counts=counts[one])
            for one in range(chunkings)
        )

    @torch.inference_mode()
    def _finished(self, group: _Group) -> npt.NDArray[np.float32]:
        """Vectors of a group's chunks, shape (chunks, dimension), float32."""
        assert group.sums is not None
        means = group.sums / torch.from_numpy(group.sizes)[:, None]
        parts = [
            self._model.finish(means[first : first + _FINISH_ROWS].to(self._encoder.device)).cpu()
            for first in range(0, len(means), _FINISH_ROWS)
        ]
        vectors: npt.NDArray[np.float32] = torch.cat(parts).numpy()
        return vectors


def _extended(spans: Spans, before: int, after: int) -> Spans:
    """A document's chunks among all tokens of the input.

    As published: the first chunk starts with the input, and the last has as
    many tokens more as there are special tokens at the end. Where the splitter
    dropped the last token, that one comes in, and a special token stays out.
    """
    moved = spans + before
    moved[0, 0] = 0
    moved[-1, 1] += after
    return moved


def _window(
    group: _Group,
    document: int,
    spans: Sequence[Spans],
    before: Integers,
    start: int,
    kept: int,
    end: int,
) -> _Window:
    """What is to be made of a window.

    Args:
        group: The group.
        document: Which of its documents.
        spans: That document's chunks by each chunking, among all tokens of the input.
        before: Number of its first chunk by each chunking, shape (chunkings,).
        start: First token of the window.
        kept: First that is not dropped.
        end: The one after its last.
    """
    flat = [each.ravel() for each in spans]
    inside = [edges[(edges > kept) & (edges < end)] for edges in flat]
    cuts = np.unique(np.concatenate([[start, kept, end], *inside]))
    pieces, chunks = [], []
    for edges, first in zip(flat, before.tolist(), strict=True):
        # Edges are starts and ends by turns: a piece after a start is in a chunk.
        place = np.searchsorted(edges, cuts[:-1], side="right") - 1
        used = np.flatnonzero((place % 2 == 0) & (cuts[:-1] >= kept))
        pieces.append(used)
        chunks.append(first + place[used] // 2)
    return _Window(group, document, np.diff(cuts), np.concatenate(pieces), np.concatenate(chunks))


def _send(offsets: Integers, device: torch.device) -> torch.Tensor:
    tensor = torch.from_numpy(offsets)
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
