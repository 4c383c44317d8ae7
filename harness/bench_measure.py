"""What a benchmark measured, and how: times, rates, shares of the matmul rate."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import torch

from model.packed_model import encoder_layers

if TYPE_CHECKING:
    from model.tokenization import TokenizedTexts

__all__ = [
    "ENCODER",
    "END_TO_END",
    "FLOAT8",
    "PEER_32",
    "PEER_BATCH",
    "PEER_BEST",
    "BenchResult",
    "Measurement",
    "Vectors",
    "Work",
    "matmul_rate",
    "model_operations",
    "note_cosines",
    "time_once",
    "wait",
]

Vectors = npt.NDArray[np.float32]

PEER_BATCH = 32
"""The batch size that mteb asks for unless told otherwise."""

ENCODER = "encoder alone"
END_TO_END = "texts to vectors"
FLOAT8 = "encoder alone, float8"
PEER_32 = f"ST, batch {PEER_BATCH}"
PEER_BEST = "ST, best batch"


_MATMUL_SIZE = {"cuda": 8192, "cpu": 2048, "mps": 4096}
_MATMUL_REPEATS = {"cuda": 200}
"""A third of a second: in less, a GPU would not yet run at the clock it holds under load."""

_REPEATS = 3


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
        fused_gelu: Whether linear layers and the GELU after them were one kernel.
        token_budget: Tokens a batch.
        matmul_rate: Operations a second of a large square matrix product.
        versions: Of torch, transformers and sentence-transformers.
        measurements: Method by method.
        facts: Other figures by name, such as cosines.
        changed: Told of every measurement as soon as it is there.
    """

    model: str
    device: str
    precision: str
    attention: str
    fused_gelu: bool
    token_budget: int
    matmul_rate: float
    versions: dict[str, str]
    measurements: list[Measurement] = field(default_factory=list)
    facts: dict[str, float] = field(default_factory=dict)
    changed: Callable[[BenchResult], None] | None = None

    def find(self, method: str, mix: str) -> Measurement | None:
        """The measurement of a method on a mix."""
        return next((m for m in self.measurements if (m.method, m.mix) == (method, mix)), None)

    def add(self, measurement: Measurement) -> None:
        """Take a measurement."""
        self.measurements.append(measurement)
        if self.changed is not None:
            self.changed(self)

    def as_dict(self) -> dict[str, Any]:
        """As JSON data."""
        names = [one.name for one in fields(self) if one.name not in ("changed", "measurements")]
        return {name: getattr(self, name) for name in names} | {
            "measurements": [asdict(one) for one in self.measurements]
        }


@dataclass
class Work:
    """Tokens to be read, and where their measurements go."""

    mix: str
    tokens: TokenizedTexts
    operations: float
    result: BenchResult
    device: torch.device

    def measure(
        self, method: str, run: Callable[[], Vectors], *, repeats: int = _REPEATS
    ) -> Vectors:
        """Measure a method some times and note the best; returns its vectors."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        times = []
        for _ in range(repeats):
            started = time.perf_counter()
            vectors = run()
            times.append(time.perf_counter() - started)
        seconds = min(times)
        peak = torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None
        self.result.add(
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


def model_operations(encoder: Any, tokens: TokenizedTexts) -> float:
    """Operations of an encoder's matrix products over some texts.

    For each layer and token two a weight of the linear layers, and four a
    coordinate of the hidden state for each token that it attends to.
    """
    layers = encoder_layers(encoder)
    width = encoder.config.hidden_size
    weights = sum(
        module.weight.numel()
        for module in cast(Any, layers[0]).modules()
        if isinstance(getattr(module, "weight", None), torch.Tensor) and module.weight.ndim == 2
    )
    lengths = tokens.lengths.astype(np.float64)
    per_layer = 2 * weights * lengths.sum() + 4 * width * (lengths**2).sum()
    return float(len(layers) * per_layer)


def matmul_rate(device: torch.device, precision: str) -> float:
    """Operations a second of a large square matrix product."""
    size = _MATMUL_SIZE.get(device.type, 2048)
    dtype = getattr(torch, precision if precision != "float8" else "bfloat16")
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    repeats = _MATMUL_REPEATS.get(device.type, 3)

    def run() -> None:
        for _ in range(repeats):
            a @ b

    run()
    seconds = min(time_once(run, device) for _ in range(3))
    return 2 * size**3 * repeats / seconds


def note_cosines(name: str, a: Vectors, b: Vectors, result: BenchResult) -> None:
    """Note how far two methods' vectors of the same texts agree."""
    cosines = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    result.facts[f"{name}: lowest cosine"] = float(cosines.min())
    result.facts[f"{name}: mean cosine"] = float(cosines.mean())


def time_once(run: Callable[[], object], device: torch.device) -> float:
    """Seconds that a call takes, until the device has done its work."""
    wait(device)
    started = time.perf_counter()
    run()
    wait(device)
    return time.perf_counter() - started


def wait(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
