"""sentence-transformers on the same weights and texts, at several batch sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from harness.bench_measure import (
    PEER_32,
    PEER_BATCH,
    PEER_BEST,
    BenchResult,
    Vectors,
    Work,
    model_operations,
    note_cosines,
    time_once,
)

if TYPE_CHECKING:
    from model.source import ModelSource
    from model.tokenization import TokenizedTexts

__all__ = ["load_peer", "measure_peer"]

_BATCHES = {"short": (64, 128, 256, 512), "real": (64, 128, 256, 512), "long": (1, 2, 4, 8)}
_CPU_BATCHES = (8, 16, 64)
_TRIAL = 0.15


def measure_peer(
    source: ModelSource,
    mixes: Mapping[str, Sequence[str]],
    ours: Mapping[str, tuple[TokenizedTexts, Vectors]],
    result: BenchResult,
    device: torch.device,
    say: Callable[[str], None],
) -> None:
    """Measure sentence-transformers at its best batch size, and at mteb's.

    Args:
        source: The model.
        mixes: Texts by mix.
        ours: Their tokens, and the vectors that we made of them.
        result: Takes the measurements.
        device: Where it runs.
        say: Told what is being done.
    """
    peer = load_peer(source, result.precision, device)
    for mix, texts in mixes.items():
        tokens, vectors = ours[mix]
        work = Work(mix, tokens, model_operations(peer[0].auto_model, tokens), result, device)
        batches = _BATCHES[mix] if device.type == "cuda" else _CPU_BATCHES
        count = 2 * max(batches) if mix == "long" else max(64, int(_TRIAL * len(texts)))
        trial = texts[:count]
        times = {}
        for batch in batches if mix == "long" else (PEER_BATCH, *batches):
            say(f"sentence-transformers, {mix}, batch {batch}")
            try:
                _encode(peer, trial[: 2 * batch], batch)
                times[batch] = time_once(partial(_encode, peer, trial, batch), device)
            except torch.OutOfMemoryError:
                say(f"sentence-transformers, {mix}, batch {batch}: out of memory")
                torch.cuda.empty_cache()
        best = min(times, key=lambda batch: times[batch])
        result.facts[f"{mix}, sentence-transformers' best batch"] = best
        say(f"sentence-transformers, {mix}, batch {best}, all texts")
        found = work.measure(PEER_BEST, partial(_encode, peer, texts, best), repeats=1)
        note_cosines(f"{mix}, ours against sentence-transformers", vectors, found, result)
        if best == PEER_BATCH:
            result.add(replace(result.measurements[-1], method=PEER_32))
        elif mix != "long":
            say(f"sentence-transformers, {mix}, batch {PEER_BATCH}, all texts")
            work.measure(PEER_32, partial(_encode, peer, texts, PEER_BATCH), repeats=1)


def _encode(peer: Any, texts: Sequence[str], batch: int) -> Vectors:
    vectors = peer.encode(
        list(texts), batch_size=batch, normalize_embeddings=True, show_progress_bar=False
    )
    return np.asarray(vectors, dtype=np.float32)


def load_peer(source: ModelSource, precision: str, device: torch.device) -> Any:
    """The same weights as sentence-transformers runs them, its defaults otherwise."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import (  # type: ignore[import-not-found,unused-ignore]
        Pooling,
        Transformer,
    )

    options = {"dtype": getattr(torch, "bfloat16" if precision == "float8" else precision)}
    if source.kind != "jina-embeddings-v3":
        return SentenceTransformer(str(source.folder), device=str(device), model_kwargs=options)
    transformer = Transformer(
        str(source.folder), max_seq_length=source.max_length, model_args=options
    )
    return SentenceTransformer(
        modules=[transformer, Pooling(source.width, "mean")], device=str(device)
    )
