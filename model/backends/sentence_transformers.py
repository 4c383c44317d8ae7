"""Any model that sentence-transformers loads without remote code."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer

from model.backend import Encoded, Progress
from model.errors import ModelError
from model.routing import Route
from model.source import ModelSource

__all__ = ["SentenceTransformersBackend"]

_CHUNK_BATCHES = 4
"""Batches between two progress reports (and chances to stop)."""


class SentenceTransformersBackend:
    """Texts to vectors through `SentenceTransformer.encode`."""

    def __init__(
        self,
        source: ModelSource,
        *,
        device: str = "auto",
        precision: str = "float32",
        max_length: int | None = None,
        batch_size: int = 32,
    ) -> None:
        """Load the model; arguments as in `load_backend`.

        Raises:
            ModelError: If the device is absent or the folder does not load.
        """
        self._batch_size = batch_size
        self._device = choose_device(device)
        self._precision = precision
        self._model = _load(source, self._device, precision)
        limit = self._model.max_seq_length
        if max_length is not None and limit is not None and max_length > limit:
            raise ModelError(f"maximum length {max_length}: {source.name} takes at most {limit}")
        if max_length is not None:
            self._model.max_seq_length = max_length

    @property
    def width(self) -> int | None:
        """Full width of the vectors."""
        width = self._model.get_embedding_dimension()
        return None if width is None else int(width)

    @property
    def max_length(self) -> int | None:
        """Longest input in tokens."""
        limit = self._model.max_seq_length
        return None if limit is None else int(limit)

    @property
    def device(self) -> str:
        """Where it runs."""
        return str(self._device)

    @property
    def precision(self) -> str:
        """Number format of its arithmetic."""
        return self._precision

    @property
    def attention(self) -> str | None:
        """Name of the attention implementation in transformers."""
        config = getattr(getattr(self._model[0], "auto_model", None), "config", None)
        return getattr(config, "_attn_implementation", None)

    def prepare(self, texts: Sequence[str]) -> None:
        """Nothing to learn."""

    def encode(self, texts: Sequence[str], route: Route, progress: Progress) -> Encoded:
        """Encode longest texts first, so that batches hold texts of like length."""
        tokens = self._count_tokens(texts, route.prompt)
        lengths = tokens if tokens is not None else np.array([len(text) for text in texts])
        order = np.argsort(-lengths, kind="stable")
        pieces: list[npt.NDArray[np.float32]] = []
        step = self._batch_size * _CHUNK_BATCHES
        for start in range(0, len(texts), step):
            chunk = [texts[i] for i in order[start : start + step]]
            pieces.append(self._encode_chunk(chunk, route))
            progress(len(chunk))
        inverse = np.empty_like(order)
        inverse[order] = np.arange(len(order))
        vectors = np.concatenate(pieces)[inverse]
        limit = self.max_length
        cut = None if tokens is None or limit is None else np.maximum(tokens - limit, 0)
        return Encoded(vectors=vectors, tokens=tokens, truncated=cut)

    def _encode_chunk(self, texts: list[str], route: Route) -> npt.NDArray[np.float32]:
        options: dict[str, Any] = {"task": route.adapter} if route.adapter is not None else {}
        vectors = self._model.encode(
            texts,
            # An empty prompt is given too: without one, the model's default prompt would be used.
            prompt=route.prompt,
            batch_size=self._batch_size,
            show_progress_bar=False,
            convert_to_tensor=True,
            **options,
        )
        on_cpu: npt.NDArray[np.float32] = vectors.to(device="cpu", dtype=torch.float32).numpy()
        return on_cpu

    def _count_tokens(self, texts: Sequence[str], prompt: str) -> npt.NDArray[np.int64] | None:
        tokenizer = getattr(self._model, "tokenizer", None)
        if not callable(tokenizer):
            return None
        prompted = [prompt + text for text in texts]
        encodings = tokenizer(prompted, truncation=False, padding=False, verbose=False)
        return np.array([len(ids) for ids in encodings["input_ids"]], dtype=np.int64)


def choose_device(name: str) -> torch.device:
    """The device of this name; "auto" takes CUDA where present, else the CPU.

    Raises:
        ModelError: If there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(f"unknown device {name!r}; allowed: auto, cpu, cuda, cuda:N") from error
    if device.type == "cpu":
        return device
    if device.type != "cuda":
        raise ModelError(f"unknown device {name!r}; allowed: auto, cpu, cuda, cuda:N")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (device.index or 0) >= count:
        raise ModelError(f"device {name!r} is not here: torch sees {count} CUDA devices")
    return device


def _load(source: ModelSource, device: torch.device, precision: str) -> SentenceTransformer:
    try:
        return SentenceTransformer(
            str(source.folder),
            device=str(device),
            local_files_only=True,
            model_kwargs={"dtype": getattr(torch, precision), "use_safetensors": True},
        ).eval()
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"model {source.name} does not load: {reason}") from error
