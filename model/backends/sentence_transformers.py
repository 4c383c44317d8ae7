"""Any model that sentence-transformers loads without remote code.

Encoders whose attention goes through transformers' `AttentionInterface` read
packed input; all others go sentence-transformers' own padded way.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer

from model.backend import Encoded, Progress
from model.backends.chunks import ChunkEncoder
from model.chunking import Chunking
from model.device import choose_device, reference_device
from model.encoder import PackedEncoder
from model.errors import ModelError
from model.loaded_weights import check_loads, recorded_loads
from model.loading import named_load
from model.packed_model import (
    PackedModel,
    check_packed,
    default_token_budget,
    encode_probes,
    probe_texts,
)
from model.packed_sentence_transformer import PackedParts, fast_tokenizer, packed_parts
from model.padded_batches import PaddedBatch, encode_batch, rows_checked
from model.routing import Route
from model.source import ModelSource
from model.splitting import Splitter
from model.tokenization import TextTokenizer

__all__ = ["SentenceTransformersBackend"]

log = logging.getLogger(__name__)

_CHUNK_BATCHES = 4
"""Batches between two progress reports (and chances to stop)."""


class SentenceTransformersBackend:
    """Texts to vectors through a sentence-transformers model."""

    def __init__(
        self,
        source: ModelSource,
        *,
        device: str = "auto",
        precision: str = "float32",
        max_length: int | None = None,
        batch_size: int = 32,
        attention: str = "auto",
        token_budget: int | None = None,
    ) -> None:
        """Load the model; arguments as in `load_backend`.

        Raises:
            ModelError: If the device or the kernel is absent, or the folder does not load.
        """
        self._name = source.name
        self._batch_size = batch_size
        self._device = choose_device(device)
        self._precision = precision
        self.model = _load(source, self._device, precision)
        limit = self.model.max_seq_length
        if max_length is not None and limit is not None and max_length > limit:
            raise ModelError(f"maximum length {max_length}: {source.name} takes at most {limit}")
        if max_length is not None:
            self.model.max_seq_length = max_length
        self._kernels = ""
        self._compiled = False
        self._fused_gelu = False
        self._packed: PackedModel | None = None
        self._padded_because = ""
        self.encoder = self._pack(source.name, attention, token_budget)

    @property
    def width(self) -> int | None:
        """Full width of the vectors."""
        width = self.model.get_embedding_dimension()
        return None if width is None else int(width)

    @property
    def max_length(self) -> int | None:
        """Longest input in tokens."""
        limit = self.model.max_seq_length
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
        """The attention in use; None for a model without a transformer."""
        if self.encoder is not None:
            return self._kernels
        config = getattr(self.model[0], "config", None)
        name = getattr(config, "_attn_implementation", None)
        return f"{name}, padded" if name else None

    @property
    def compiled(self) -> bool:
        """Whether its layers are compiled."""
        return self._compiled

    @property
    def fused_gelu(self) -> bool:
        """Whether linear layers and the GELU after them are one kernel."""
        return self._fused_gelu

    def prepare(self, texts: Sequence[str]) -> None:
        """Nothing to learn."""

    def encode(self, texts: Sequence[str], route: Route, progress: Progress) -> Encoded:
        """Encode with the route's prompt, in the order of the texts."""
        if self.encoder is not None:
            _refuse_adapter(route)
            return self.encoder.encode([route.prompt + text for text in texts], progress)
        return self._encode_padded(texts, route, progress)

    def check_chunking(self, chunking: Chunking, prompt: str = "") -> None:
        """Refuse late chunks without mean pooling or packed input, or any without places."""
        self._chunks.check(chunking, prompt)

    def encode_chunks(
        self, texts: Sequence[str], route: Route, chunkings: Sequence[Chunking], progress: Progress
    ) -> tuple[Encoded, ...]:
        """Encode chunks with the route's prompt, in the order of the texts."""
        if self.encoder is not None:
            _refuse_adapter(route)
        return self._chunks.encode(texts, route, chunkings, progress)

    def _pack(self, name: str, attention: str, token_budget: int | None) -> PackedEncoder | None:
        """The packed way, checked against the padded one; None if this model has none."""
        parts, level = packed_parts(self.model), logging.INFO
        if isinstance(parts, PackedParts):
            self.model.to(reference_device(self._device))
            padded = self._encode_padded(probe_texts(parts.tokenizer), Route(), lambda _: None)
            self.model.to(self._device)
            before = parts.encoder.config._attn_implementation
            packed = PackedModel(
                parts.encoder,
                pooling=parts.pooling,
                finish=parts.finish,
                max_length=parts.max_length,
                attention=attention,
            )
            if self._device.type == "cuda":
                packed.compile()
            encoder = PackedEncoder(
                packed,
                TextTokenizer(parts.tokenizer, parts.max_length),
                device=self._device,
                token_budget=token_budget or default_token_budget(parts.encoder),
            )
            try:
                _check(encode_probes(packed, encoder), padded, self._precision)
            # Whatever an architecture does with arguments it was not made for.
            except (ModelError, RuntimeError, TypeError, IndexError) as error:
                packed.decompile()
                parts.encoder.set_attn_implementation(before)
                parts = " ".join(str(error).split())
                level = logging.WARNING  # its class promised packed input
            else:
                self._kernels = str(packed.choice)
                self._compiled, self._fused_gelu = packed.compiled, packed.fused_gelu
                self._packed = packed
                return encoder
        if attention != "auto":
            raise ModelError(
                f"attention {attention!r}: {name} cannot read packed input ({parts}); allowed: auto"
            )
        log.log(level, "%s runs padded: %s", name, parts)
        self._padded_because = parts
        return None

    @cached_property
    def _chunks(self) -> ChunkEncoder:
        if self._packed is not None and self.encoder is not None:
            return ChunkEncoder.packed(self.encode, self._packed, self.encoder)
        reason = self._padded_because
        late = f"late chunking needs packed input, which this model cannot read: {reason}"
        return ChunkEncoder(self.encode, self._splitter(), late, self.max_length)

    def _splitter(self) -> Splitter | str:
        """What cuts documents for the padded way; or why nothing does."""
        tokenizer = fast_tokenizer(self.model)
        if tokenizer is None:
            return "chunks need a fast tokenizer; this model has none"
        try:
            return Splitter(TextTokenizer(tokenizer, self.max_length or sys.maxsize))
        except ModelError as error:
            return str(error)

    def _encode_padded(self, texts: Sequence[str], route: Route, progress: Progress) -> Encoded:
        """Encode longest texts first, so that batches hold texts of like length."""
        tokens = self._count_tokens(texts, route.prompt)
        lengths = tokens if tokens is not None else np.array([len(text) for text in texts])
        order = np.argsort(-lengths, kind="stable")
        pieces: list[npt.NDArray[np.float32]] = []
        step = self._batch_size * _CHUNK_BATCHES
        for start in range(0, len(texts), step):
            chunk = [texts[i] for i in order[start : start + step]]
            width = pieces[0].shape[1] if pieces else self.width
            batch = PaddedBatch(self._name, chunk, start, len(texts), width)
            pieces.append(encode_batch(batch, lambda part: self._encode_chunk(part, route)))
            progress(len(chunk))
        inverse = np.empty_like(order)
        inverse[order] = np.arange(len(order))
        vectors = np.concatenate(pieces)[inverse]
        limit = self.max_length
        cut = None if tokens is None or limit is None else np.maximum(tokens - limit, 0)
        return Encoded(vectors=vectors, tokens=tokens, truncated=cut)

    def _encode_chunk(self, texts: list[str], route: Route) -> npt.NDArray[np.float32]:
        options: dict[str, Any] = {"task": route.adapter} if route.adapter is not None else {}
        with rows_checked(self.model[-1]):
            vectors = self.model.encode(
                texts,
                # An empty prompt is given too: without one, the model's default would be used.
                prompt=route.prompt,
                batch_size=self._batch_size,
                show_progress_bar=False,
                convert_to_tensor=True,
                **options,
            )
        on_cpu: npt.NDArray[np.float32] = vectors.to(device="cpu", dtype=torch.float32).numpy()
        return on_cpu

    def _count_tokens(self, texts: Sequence[str], prompt: str) -> npt.NDArray[np.int64] | None:
        tokenizer = getattr(self.model, "tokenizer", None)
        if not callable(tokenizer):
            return None
        prompted = [prompt + text for text in texts]
        encodings = tokenizer(prompted, truncation=False, padding=False, verbose=False)
        return np.array([len(ids) for ids in encodings["input_ids"]], dtype=np.int64)


def _refuse_adapter(route: Route) -> None:
    if route.adapter is not None:
        raise ModelError(f"adapter {route.adapter!r}: this model has no adapters")


def _check(found: Encoded, padded: Encoded, precision: str) -> None:
    check_packed(found.vectors, padded.vectors, precision)
    assert found.tokens is not None
    if padded.tokens is not None and not np.array_equal(found.tokens, padded.tokens):
        raise ModelError("the packed and the padded path count tokens differently")


def _load(source: ModelSource, device: torch.device, precision: str) -> SentenceTransformer:
    assert source.folder is not None
    with named_load(source.name, source.folder):
        with recorded_loads() as loads:
            model = SentenceTransformer(
                str(source.folder),
                device=str(device),
                local_files_only=True,
                model_kwargs={"dtype": getattr(torch, precision), "use_safetensors": True},
            ).eval()
        check_loads(model, loads)
    return model
