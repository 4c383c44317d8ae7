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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tokenizers import Tokenizer

from harness.bench_texts import MIXES, make_texts
from harness.errors import RunError
from model.backends import load_backend
from model.backends.jina_v3 import JinaV3Backend
from model.backends.sentence_transformers import SentenceTransformersBackend
from model.device import choose_device
from model.packed_model import encoder_layers
from model.random_checkpoint import find_xlmr_tokenizer, write_random_checkpoint
from model.routing import Route
from model.source import ModelSource, resolve_model

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from model.tokenization import TokenizedTexts

__all__ = ["BenchRequest", "BenchResult", "Measurement", "bench_encode"]

PackedBackend = JinaV3Backend | SentenceTransformersBackend

_MATMUL_SIZE = {"cuda": 8192, "cpu": 2048, "mps": 4096}
_TEXTS = {
    "cuda": {"short": 16_000, "long": 128, "real": 100_000},
    "cpu": {"short": 300, "long": 2, "real": 600},
}
_PEER_BATCHES = {"short": (64, 128, 256, 512), "real": (64, 128, 256, 512), "long": (1, 2, 4, 8)}
_MTEB_BATCH = 32
_PEER_TRIAL = 0.15
_REPEATS = 3


@dataclass(frozen=True)
class BenchRequest:
    """What to measure.

    Attributes:
        model: A model as in a run spec; None for random weights of full size.
        device: As in a run spec.
        precision: As in a run spec.
        mixes: Names from `MIXES`.
        texts: Texts of each mix; None for what suits the device.
        attention: As in a run spec.
        token_budget: As in a run spec.
        peers: Whether sentence-transformers is measured too.
        float8: Whether 8-bit linear layers are measured too.
    """

    model: str | None = None
    device: str = "auto"
    precision: str | None = None
    mixes: tuple[str, ...] = tuple(MIXES)
    texts: int | None = None
    attention: str = "auto"
    token_budget: int | None = None
    peers: bool = True
    float8: bool = False


@dataclass(frozen=True)
class Measurement:
    """One method on one mix.

    Attributes:
        method: What was measured.
        mix: The texts.
        texts: How many.
        tokens: Tokens read.
        seconds: Best time of some repeats.
        matmul_share: Operations a second over the measured matmul rate.
        peak_bytes: Most device memory in use; None on a CPU.
    """

    method: str
    mix: str
    texts: int
    tokens: int
    seconds: float
    matmul_share: float
    peak_bytes: int | None

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds


@dataclass
class BenchResult:
    """All that was measured.

    Attributes:
        model: Name of the model.
        device: Name of the device.
        precision: Number format.
        attention: Kernels in use.
        token_budget: Tokens a batch.
        matmul_rate: Operations a second of a large square matrix product.
        versions: Of torch, transformers and sentence-transformers.
        measurements: Method by method.
        facts: Other figures by name, such as cosines.
    """

    model: str
    device: str
    precision: str
    attention: str
    token_budget: int
    matmul_rate: float
    versions: dict[str, str]
    measurements: list[Measurement] = field(default_factory=list)
    facts: dict[str, float] = field(default_factory=dict)

    def find(self, method: str, mix: str) -> Measurement | None:
        """The measurement of a method on a mix."""
        return next((m for m in self.measurements if (m.method, m.mix) == (method, mix)), None)

    def as_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return asdict(self)


ENCODER = "encoder alone"
END_TO_END = "texts to vectors"
FLOAT8 = "encoder alone, float8"
PEER_32 = f"sentence-transformers, batch {_MTEB_BATCH}"
PEER_BEST = "sentence-transformers, best batch"


def bench_encode(request: BenchRequest, say: Callable[[str], None]) -> BenchResult:
    """Measure.

    Args:
        request: What to measure.
        say: Told what is being done.

    Raises:
        ValueError: If model, device or kernel are not here.
    """
    device = choose_device(request.device)
    for mix in request.mixes:
        if mix not in MIXES:
            raise RunError(f"unknown mix {mix!r}; allowed: {', '.join(MIXES)}")
    precision = request.precision or ("bfloat16" if device.type == "cuda" else "float32")
    with _model(request, device, say) as source:
        say(f"loading {source.name} in {precision} on {device}")
        backend = _load(source, request, precision)
        encoder = backend.encoder
        assert encoder is not None
        result = BenchResult(
            model=source.name,
            device=_device_name(device),
            precision=precision,
            attention=str(backend.attention),
            token_budget=encoder.token_budget,
            matmul_rate=_matmul_rate(device, precision),
            versions=_versions(),
        )
        mixes = {mix: _texts(mix, request, source, device, backend) for mix in request.mixes}
        say("warming up")
        for texts in mixes.values():
            backend.encode(texts[: max(2, len(texts) // 20)], Route(), _nobody)
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
            _measure_peers(source, precision, mixes, kept, result, device, say)
    return result


@contextmanager
def _model(
    request: BenchRequest, device: torch.device, say: Callable[[str], None]
) -> Iterator[ModelSource]:
    if request.model is not None:
        source = resolve_model(request.model)
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
    count = request.texts or _TEXTS.get(device.type, _TEXTS["cpu"])[mix]
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
) -> tuple[TokenizedTexts, np.ndarray]:
    encoder = backend.encoder
    assert encoder is not None
    tokens = encoder.tokenizer.tokenize(texts)
    work = _Work(mix, tokens, model_operations(encoder_of(backend), tokens), result, device)
    vectors = work.measure(ENCODER, lambda: encoder.encode_tokens(tokens))
    work.measure(END_TO_END, lambda: backend.encode(texts, Route(), _nobody).vectors)
    return tokens, vectors


def _measure_switch(backend: JinaV3Backend, result: BenchResult, device: torch.device) -> None:
    times = []
    for adapter in (*backend.adapters, None, *backend.adapters, None):
        _wait(device)
        started = time.perf_counter()
        backend.activate(adapter)
        _wait(device)
        times.append(time.perf_counter() - started)
    result.facts["adapter switch, ms"] = 1000 * float(np.median(times))


def _measure_float8(
    source: ModelSource,
    request: BenchRequest,
    kept: dict[str, tuple[TokenizedTexts, np.ndarray]],
    result: BenchResult,
    device: torch.device,
) -> None:
    backend = _load(source, request, "float8")
    encoder = backend.encoder
    assert encoder is not None
    for mix, (tokens, vectors) in kept.items():
        work = _Work(mix, tokens, model_operations(encoder_of(backend), tokens), result, device)
        encoder.encode_tokens(tokens.select(np.arange(min(200, len(tokens.lengths)))))
        found = work.measure(FLOAT8, lambda tokens=tokens: encoder.encode_tokens(tokens))
        _note_cosines(f"{mix}, float8 against {result.precision}", found, vectors, result)


def _measure_peers(
    source: ModelSource,
    precision: str,
    mixes: dict[str, list[str]],
    kept: dict[str, tuple[TokenizedTexts, np.ndarray]],
    result: BenchResult,
    device: torch.device,
    say: Callable[[str], None],
) -> None:
    peer = _load_peer(source, precision, device)
    for mix, texts in mixes.items():
        tokens, vectors = kept[mix]
        work = _Work(mix, tokens, model_operations(peer[0].auto_model, tokens), result, device)

        def run(batch: int, some: Sequence[str]) -> np.ndarray:
            found = peer.encode(
                list(some), batch_size=batch, normalize_embeddings=True, show_progress_bar=False
            )
            return np.asarray(found, dtype=np.float32)

        batches = _PEER_BATCHES[mix] if device.type == "cuda" else (8, 16, _MTEB_BATCH, 64)
        trial = texts[
            : max(2 * max(batches) if mix == "long" else 64, int(_PEER_TRIAL * len(texts)))
        ]
        times = {}
        for batch in batches:
            say(f"sentence-transformers, {mix}, batch {batch}")
            run(batch, trial[: 2 * batch])
            times[batch] = _time(lambda batch=batch, trial=trial: run(batch, trial), device)
        best = min(times, key=lambda batch: times[batch])
        result.facts[f"{mix}, sentence-transformers' best batch"] = best
        found = work.measure(PEER_BEST, lambda best=best, texts=texts: run(best, texts), repeats=2)
        _note_cosines(f"{mix}, ours against sentence-transformers", vectors, found, result)
        if mix != "long":
            say(f"sentence-transformers, {mix}, batch {_MTEB_BATCH}")
            work.measure(PEER_32, lambda texts=texts: run(_MTEB_BATCH, texts), repeats=1)


def _load_peer(source: ModelSource, precision: str, device: torch.device) -> SentenceTransformer:
    """The same weights as sentence-transformers runs them, its defaults otherwise."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer

    options = {"dtype": getattr(torch, precision if precision != "float8" else "bfloat16")}
    if source.kind != "jina-embeddings-v3":
        return SentenceTransformer(str(source.folder), device=str(device), model_kwargs=options)
    transformer = Transformer(
        str(source.folder), max_seq_length=source.max_length, model_args=options
    )
    return SentenceTransformer(
        modules=[transformer, Pooling(source.width, "mean")], device=str(device)
    )


@dataclass
class _Work:
    """Tokens to be read, and where their measurements go."""

    mix: str
    tokens: TokenizedTexts
    operations: float
    result: BenchResult
    device: torch.device

    def measure(
        self, method: str, run: Callable[[], np.ndarray], *, repeats: int = _REPEATS
    ) -> np.ndarray:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        times = []
        for _ in range(repeats):
            started = time.perf_counter()
            vectors = run()
            times.append(time.perf_counter() - started)
        seconds = min(times)
        peak = torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None
        self.result.measurements.append(
            Measurement(
                method=method,
                mix=self.mix,
                texts=len(self.tokens.lengths),
                tokens=int(self.tokens.lengths.sum()),
                seconds=seconds,
                matmul_share=self.operations / seconds / self.result.matmul_rate,
                peak_bytes=peak,
            )
        )
        return vectors


def model_operations(encoder: torch.nn.Module, tokens: TokenizedTexts) -> float:
    """Operations of an encoder's matrix products over some texts.

    For each layer and token two a weight of the linear layers, and four a
    coordinate of the hidden state for each token that it attends to.
    """
    layers = encoder_layers(encoder)
    width = encoder.config.hidden_size
    weights = sum(
        module.weight.numel()
        for module in layers[0].modules()
        if getattr(getattr(module, "weight", None), "ndim", 0) == 2
    )
    lengths = tokens.lengths.astype(np.float64)
    per_layer = 2 * weights * lengths.sum() + 4 * width * (lengths**2).sum()
    return float(len(layers) * per_layer)


def encoder_of(backend: PackedBackend) -> torch.nn.Module:
    """A backend's transformers encoder."""
    if isinstance(backend, JinaV3Backend):
        return backend.model
    module: torch.nn.Module = backend.model[0].auto_model
    return module


def _matmul_rate(device: torch.device, precision: str) -> float:
    """Operations a second of a large square matrix product."""
    size = _MATMUL_SIZE.get(device.type, 2048)
    dtype = getattr(torch, precision if precision != "float8" else "bfloat16")
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    repeats = 20 if device.type == "cuda" else 3

    def run() -> None:
        for _ in range(repeats):
            a @ b

    run()
    seconds = min(_time(run, device) for _ in range(3))
    return 2 * size**3 * repeats / seconds


def _note_cosines(name: str, a: np.ndarray, b: np.ndarray, result: BenchResult) -> None:
    cosines = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    result.facts[f"{name}: lowest cosine"] = float(cosines.min())
    result.facts[f"{name}: mean cosine"] = float(cosines.mean())


def _time(run: Callable[[], object], device: torch.device) -> float:
    _wait(device)
    started = time.perf_counter()
    run()
    _wait(device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _device_name(device: torch.device) -> str:
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
