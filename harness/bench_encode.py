"""`jina-eval bench encode`: how quick encoding is, beside sentence-transformers and the hardware.

All methods run in one process on the same weights and texts. Rates count the
tokens that the model reads; a share of the matmul rate counts the operations
of the encoder's matrix products (`model_operations`).
"""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from tokenizers import Tokenizer

from harness.bench_measure import (
    ENCODER,
    END_TO_END,
    FLOAT8,
    BenchResult,
    Vectors,
    Work,
    matmul_rate,
    model_operations,
    note_cosines,
    wait,
)
from harness.bench_peer import measure_peer
from harness.bench_texts import MIXES, make_texts
from harness.errors import RunError
from model.backends import check_settings, load_backend
from model.backends.jina_v3 import JinaV3Backend
from model.backends.sentence_transformers import SentenceTransformersBackend
from model.device import choose_device
from model.float8 import check_float8
from model.random_checkpoint import find_xlmr_tokenizer, write_random_checkpoint
from model.routing import Route
from model.source import ModelSource, resolve_model

if TYPE_CHECKING:
    from model.tokenization import TokenizedTexts

__all__ = ["BenchRequest", "bench_encode", "bench_model", "device_name"]

PackedBackend = JinaV3Backend | SentenceTransformersBackend

_TEXTS = {
    "cuda": {"short": 12_000, "long": 64, "real": 4_000},
    "cpu": {"short": 300, "long": 4, "real": 600},
}
"""Texts of each mix at scale 1: some seconds of work."""


@dataclass(frozen=True)
class BenchRequest:
    """What to measure.

    Attributes:
        model: A model as in a run spec; None for random weights of full size.
        device: As in a run spec.
        precision: As in a run spec.
        mixes: Names from `MIXES`.
        scale: Factor of the number of texts; 1 is some seconds of work a mix.
        attention: As in a run spec.
        token_budget: As in a run spec.
        peers: Whether sentence-transformers is measured too.
        float8: Whether 8-bit linear layers are measured too.
    """

    model: str | None = None
    device: str = "auto"
    precision: str | None = None
    mixes: tuple[str, ...] = tuple(MIXES)
    scale: float = 1.0
    attention: str = "auto"
    token_budget: int | None = None
    peers: bool = True
    float8: bool = False


def bench_encode(
    request: BenchRequest,
    say: Callable[[str], None],
    changed: Callable[[BenchResult], None] | None = None,
) -> BenchResult:
    """Measure.

    Args:
        request: What to measure.
        say: Told what is being done.
        changed: Told of every measurement as soon as it is there.

    Raises:
        ValueError: If model, device or kernel are not here.
    """
    device = choose_device(request.device)
    for mix in request.mixes:
        if mix not in MIXES:
            raise RunError(f"unknown mix {mix!r}; allowed: {', '.join(MIXES)}")
    precision = request.precision or ("bfloat16" if device.type == "cuda" else "float32")
    if request.float8:
        check_float8(device)
    with bench_model(request.model, device, say) as source:
        if request.float8:
            check_settings(source, precision="float8")
        say(f"loading {source.name} in {precision} on {device}")
        backend = _load(source, request, precision)
        encoder = backend.encoder
        assert encoder is not None
        result = BenchResult(
            model=source.name,
            device=device_name(device),
            precision=precision,
            attention=str(backend.attention),
            fused_gelu=backend.fused_gelu,
            token_budget=encoder.token_budget,
            matmul_rate=float("nan"),
            versions=_versions(),
            changed=changed,
        )
        mixes = {mix: _texts(mix, request, source, device, backend) for mix in request.mixes}
        say("warming up")
        for texts in mixes.values():
            backend.encode(texts[: max(2, len(texts) // 20)], Route(), _nobody)
        result.matmul_rate = matmul_rate(device, precision)
        kept = {}
        for mix, texts in mixes.items():
            say(f"{mix}: {len(texts):,} texts")
            kept[mix] = _measure_ours(backend, mix, texts, result, device)
        if isinstance(backend, JinaV3Backend):
            _measure_switch(backend, result, device)
        if request.float8:
            say("float8")
            _measure_float8(source, request, kept, result, device)
        if request.peers:
            del backend, encoder
            measure_peer(source, mixes, kept, result, device, say)
    return result


@contextmanager
def bench_model(
    name: str | None, device: torch.device, say: Callable[[str], None]
) -> Iterator[ModelSource]:
    """The model of a name, or one of full size with random weights for as long as it is used."""
    if name is not None:
        source = resolve_model(name)
        if source.kind == "lexical":
            raise RunError("model 'lexical' has no encoder to measure")
        yield source
        return
    tokenizer = find_xlmr_tokenizer()
    with tempfile.TemporaryDirectory() as folder:
        say("drawing random weights of full size")
        path = write_random_checkpoint(Path(folder) / "random-weights", tokenizer, device=device)
        yield resolve_model(str(path))


def _load(source: ModelSource, request: BenchRequest, precision: str) -> PackedBackend:
    backend = load_backend(
        source,
        device=request.device,
        precision=precision,
        attention=request.attention,
        token_budget=request.token_budget,
    )
    assert isinstance(backend, JinaV3Backend | SentenceTransformersBackend)
    if backend.encoder is None:
        raise RunError(f"{source.name} cannot read packed input; there is nothing to compare")
    return backend


def _texts(
    mix: str,
    request: BenchRequest,
    source: ModelSource,
    device: torch.device,
    backend: PackedBackend,
) -> list[str]:
    assert source.folder is not None
    count = max(2, round(request.scale * _TEXTS.get(device.type, _TEXTS["cpu"])[mix]))
    tokenizer = Tokenizer.from_file(str(source.folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return make_texts(mix, count, tokenizer, backend.max_length or source.max_length or 512)


def _measure_ours(
    backend: PackedBackend,
    mix: str,
    texts: Sequence[str],
    result: BenchResult,
    device: torch.device,
) -> tuple[TokenizedTexts, Vectors]:
    encoder = backend.encoder
    assert encoder is not None
    tokens = encoder.tokenizer.tokenize(texts)
    work = Work(mix, tokens, model_operations(_encoder_of(backend), tokens), result, device)
    vectors = work.measure(ENCODER, lambda: encoder.encode_tokens(tokens))
    work.measure(END_TO_END, lambda: backend.encode(texts, Route(), _nobody).vectors)
    return tokens, vectors


def _measure_switch(backend: JinaV3Backend, result: BenchResult, device: torch.device) -> None:
    times = []
    for adapter in (*backend.adapters, None, *backend.adapters, None):
        wait(device)
        started = time.perf_counter()
        backend.activate(adapter)
        wait(device)
        times.append(time.perf_counter() - started)
    result.facts["adapter switch, ms"] = 1000 * float(np.median(times))


def _measure_float8(
    source: ModelSource,
    request: BenchRequest,
    kept: dict[str, tuple[TokenizedTexts, Vectors]],
    result: BenchResult,
    device: torch.device,
) -> None:
    backend = _load(source, request, "float8")
    encoder = backend.encoder
    assert encoder is not None
    for mix, (tokens, vectors) in kept.items():
        work = Work(mix, tokens, model_operations(_encoder_of(backend), tokens), result, device)
        encoder.encode_tokens(tokens.select(np.arange(min(200, len(tokens.lengths)))))
        found = work.measure(FLOAT8, partial(encoder.encode_tokens, tokens))
        note_cosines(f"{mix}, float8 against {result.precision}", found, vectors, result)


def device_name(device: torch.device) -> str:
    """What to call a device in a report."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"


def _versions() -> dict[str, str]:
    import sentence_transformers
    import transformers

    return {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "sentence-transformers": sentence_transformers.__version__,
    }


def _nobody(_: int) -> None:
    """Progress that nobody watches."""


def _encoder_of(backend: PackedBackend) -> Any:
    """A backend's transformers encoder."""
    if isinstance(backend, JinaV3Backend):
        return backend.model
    return cast(Any, backend.model[0]).auto_model
