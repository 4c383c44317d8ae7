"""jina-embeddings-v3 from either published checkpoint, without remote code."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from model.adapters import AdapterSwitch
from model.backend import Encoded, Progress
from model.backends.chunks import ChunkEncoder
from model.checkpoint import read_checkpoint
from model.chunking import Chunking
from model.device import choose_device, reference_device
from model.encoder import PackedEncoder
from model.errors import ModelError
from model.float8 import check_float8, requantize, use_float8
from model.packed_model import (
    PackedModel,
    check_packed,
    default_token_budget,
    encode_probes,
    encoder_layers,
    probe_texts,
)
from model.routing import Route
from model.source import ModelSource
from model.tokenization import TextTokenizer

if TYPE_CHECKING:
    from transformers import JinaEmbeddingsV3Config, JinaEmbeddingsV3Model

__all__ = ["JinaV3Backend"]

log = logging.getLogger(__name__)


class JinaV3Backend:
    """Texts to vectors through transformers' native architecture, packed."""

    def __init__(
        self,
        source: ModelSource,
        *,
        device: str = "auto",
        precision: str = "float32",
        max_length: int | None = None,
        attention: str = "auto",
        token_budget: int | None = None,
        compiled: bool | None = None,
    ) -> None:
        """Load the model; arguments as in `load_backend`.

        Raises:
            ModelError: If device or kernel are absent, or the checkpoint is not complete.
        """
        assert source.folder is not None
        assert source.max_length is not None
        if max_length is not None and max_length > source.max_length:
            raise ModelError(
                f"maximum length {max_length}: {source.name} takes at most {source.max_length}"
            )
        self._device = choose_device(device)
        self._precision = precision
        self._max_length = max_length or source.max_length
        float8 = precision == "float8"
        if float8:
            check_float8(self._device)
        dtype = torch.bfloat16 if float8 else getattr(torch, precision)

        checkpoint = read_checkpoint(source.folder)
        self.model = build_model(checkpoint.config, checkpoint.weights, self._device, dtype)
        self._adapters = AdapterSwitch(self.model, checkpoint.weights, checkpoint.adapters)
        tokenizer = TextTokenizer.from_folder(source.folder, self._max_length)
        nn.Module.to(self.model, reference_device(self._device))
        padded = self._padded_vectors(tokenizer)
        nn.Module.to(self.model, self._device)
        if float8:
            use_float8(encoder_layers(self.model))
        self.packed = PackedModel(
            self.model,
            pooling="mean",
            finish=_normalize,
            max_length=self._max_length,
            attention=attention,
        )
        self.encoder = PackedEncoder(
            self.packed,
            tokenizer,
            device=self._device,
            token_budget=token_budget or default_token_budget(self.model),
        )
        if compiled if compiled is not None else self._device.type == "cuda":
            self.packed.compile()
        self._check(padded)
        self._chunks = ChunkEncoder.packed(self.encode, self.packed, self.encoder)

    @property
    def width(self) -> int:
        """Full width of the vectors."""
        return int(self.model.config.hidden_size)

    @property
    def max_length(self) -> int:
        """Longest input in tokens."""
        return self._max_length

    @property
    def device(self) -> str:
        """Where it runs."""
        return str(self._device)

    @property
    def precision(self) -> str:
        """Number format of its arithmetic."""
        return self._precision

    @property
    def attention(self) -> str:
        """The kernels in use."""
        return str(self.packed.choice)

    @property
    def compiled(self) -> bool:
        """Whether its layers are compiled."""
        return self.packed.compiled

    @property
    def fused_gelu(self) -> bool:
        """Whether linear layers and the GELU after them are one kernel."""
        return self.packed.fused_gelu

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of its adapters."""
        return self._adapters.names

    def prepare(self, texts: Sequence[str]) -> None:
        """Nothing to learn."""

    def activate(self, adapter: str | None) -> None:
        """Put an adapter in force before tokens are encoded by hand.

        Raises:
            ModelError: If there is no such adapter.
        """
        if self._adapters.activate(adapter) and self._precision == "float8":
            requantize(self.model)

    def encode(self, texts: Sequence[str], route: Route, progress: Progress) -> Encoded:
        """Encode with the route's adapter and prompt; vectors have unit length.

        White space around prompt and text is dropped, as the checkpoint's own loader
        does (`Transformer.tokenize` in its custom_st.py), through which mteb's published
        figures were measured.
        """
        self.activate(route.adapter)
        return self.encoder.encode([(route.prompt + text).strip() for text in texts], progress)

    def check_chunking(self, chunking: Chunking, prompt: str = "") -> None:
        """Refuse chunks longer than the model reads, or without their library."""
        self._chunks.check(chunking, prompt)

    def encode_chunks(
        self, texts: Sequence[str], route: Route, chunkings: Sequence[Chunking], progress: Progress
    ) -> tuple[Encoded, ...]:
        """Encode chunks with the route's adapter and prompt; vectors have unit length.

        Documents are cut into chunks without the white space that `encode` drops.
        """
        self.activate(route.adapter)
        cut = str.rstrip if route.prompt else str.strip
        return self._chunks.encode([cut(text) for text in texts], route, chunkings, progress)

    @torch.inference_mode()
    def _padded_vectors(self, tokenizer: TextTokenizer) -> npt.NDArray[np.float32]:
        """The probe texts' vectors by transformers' own padded path."""
        tokens = tokenizer.tokenize(probe_texts(tokenizer.backend))
        shape = (len(tokens.lengths), int(tokens.lengths.max()))
        mask = torch.arange(shape[1])[None, :] < torch.from_numpy(tokens.lengths)[:, None]
        ids = torch.full(shape, self.model.config.pad_token_id or 0)
        ids[mask] = torch.from_numpy(tokens.ids).long()
        device = self.model.device
        mask = mask.to(device)
        hidden = self.model(input_ids=ids.to(device), attention_mask=mask.long())
        states = hidden.last_hidden_state.float() * mask[..., None]
        mean = states.sum(dim=1) / mask.sum(dim=1, keepdim=True)
        vectors: npt.NDArray[np.float32] = _normalize(mean).cpu().numpy()
        return vectors

    def _check(self, padded: npt.NDArray[np.float32]) -> None:
        check_packed(encode_probes(self.packed, self.encoder).vectors, padded, self._precision)


def build_model(
    config: JinaEmbeddingsV3Config,
    weights: Mapping[str, torch.Tensor],
    device: torch.device,
    dtype: torch.dtype,
) -> JinaEmbeddingsV3Model:
    """Transformers' model with these weights, in evaluation mode.

    Args:
        config: Its configuration.
        weights: By parameter name; there must be one for every parameter.
        device: Where it is to run.
        dtype: Number format of its arithmetic.
    """
    from transformers import JinaEmbeddingsV3Model

    # Built without memory: the checkpoint's tensors take their places one by one.
    with torch.device("meta"):
        model = JinaEmbeddingsV3Model(config, add_pooling_layer=False)
    model.load_state_dict(
        {
            # A copy each, never the checkpoint's own: what is in force may be changed.
            name: nn.Parameter(weight.to(device, dtype, copy=True), requires_grad=False)
            for name, weight in weights.items()
        },
        strict=True,
        assign=True,
    )
    model.rotary_emb = type(model.rotary_emb)(config).to(device)
    positions = torch.arange(config.max_position_embeddings, device=device)[None]
    model.embeddings.position_ids = nn.Buffer(positions, persistent=False)
    model.embeddings.token_type_ids = nn.Buffer(torch.zeros_like(positions), persistent=False)
    model.eval()  # type: ignore[no-untyped-call]
    return model


def _normalize(vectors: torch.Tensor) -> torch.Tensor:
    return nn.functional.normalize(vectors, dim=-1)
