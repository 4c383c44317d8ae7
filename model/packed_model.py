"""A transformers encoder that reads packed input.

Any encoder-only architecture whose attention goes through transformers'
`AttentionInterface` will do; whether it really reads packed input right is
found out on a few texts when it is loaded (`check_packed`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from model.attention.choice import KernelChoice, choose_kernels
from model.attention.interface import PACKED, packed_arguments
from model.attention.names import SEGMENTS
from model.errors import ModelError
from model.linear_gelu import fuse_gelu
from model.packing import PackedBatch
from model.pooling import Pooling, pool

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel

    from model.backend import Encoded
    from model.encoder import PackedEncoder

__all__ = [
    "PROBE_TEXTS",
    "PackedModel",
    "check_packed",
    "default_token_budget",
    "encode_probes",
    "encoder_layers",
    "probe_texts",
    "reads_packed",
]

log = logging.getLogger(__name__)

PROBE_TEXTS = (
    "",
    "a",
    "Packed input holds texts of any length, one after another.",
    "  Spaces, CAPITALS and ünïcödé, 東京, مرحبا, Привет.  ",
    "One text is longer than the others, so that they are padded beside it. " * 12,
)
"""Texts on which packed and padded vectors are compared when a model is loaded."""

_PROBED_TOKENS = 32
"""Special tokens that are tried out; some tokenizers have thousands."""

_LOWEST_COSINE = {"float32": 1 - 1e-5, "bfloat16": 0.995, "float16": 0.995, "float8": 0.97}
_LARGEST_BUDGET = {"cuda": 131_072, "cpu": 4_096}
_MEMORY_SHARE = 0.4


class PackedModel:
    """An encoder with its pooling, from a packed batch to vectors."""

    def __init__(
        self,
        encoder: PreTrainedModel,
        *,
        pooling: Pooling,
        finish: Callable[[torch.Tensor], torch.Tensor],
        max_length: int,
        attention: str = "auto",
    ) -> None:
        """Switch an encoder to packed input.

        Args:
            encoder: The model, on its device and in its number format.
            pooling: How token vectors become a vector.
            finish: What follows pooling, such as bringing vectors to unit length.
            max_length: Longest input in tokens.
            attention: Kernel to use, or "auto", see `choose_kernels`.

        Raises:
            ModelError: If the kernel does not run here.
        """
        config = encoder.config
        head_dim = getattr(config, "head_dim", None)
        self.choice: KernelChoice = choose_kernels(
            attention,
            device=encoder.device,
            dtype=encoder.dtype,
            heads=config.num_attention_heads,
            head_dim=head_dim or config.hidden_size // config.num_attention_heads,
            max_length=max_length,
        )
        self.compiled = False
        self.fused_gelu = False
        self._encoder = encoder
        self._pooling = pooling
        self._finish = finish
        self._padding = _padding_index(encoder)
        encoder.set_attn_implementation(PACKED)

    def __call__(self, batch: PackedBatch) -> torch.Tensor:
        """Vectors of a batch, shape (texts, width), float32."""
        return self.finish(pool(self.hidden_states(batch), batch, self._pooling))

    @property
    def pooling(self) -> Pooling:
        """How token vectors become a vector."""
        return self._pooling

    def finish(self, pooled: torch.Tensor) -> torch.Tensor:
        """What follows pooling: (n, width) to (n, dimension), float32."""
        return self._finish(pooled.float())

    def hidden_states(self, batch: PackedBatch) -> torch.Tensor:
        """Token vectors of a batch, shape (tokens, width), in the model's number format."""
        owner = batch.text_of_token()
        if self._padding is None:
            positions = batch.positions(owner)
        else:
            positions = batch.positions_without(self._padding, owner)
        arguments = packed_arguments(
            batch.cumulative,
            batch.longest,
            self.choice.kernel_for(batch.longest),
            batch.segments(),
        )
        out = self._encoder(
            input_ids=batch.ids[None],
            position_ids=positions[None],
            return_dict=True,
            **arguments,
        )
        hidden: torch.Tensor = out.last_hidden_state[0]
        return hidden

    def compile(self) -> None:
        """Compile the encoder's layers, once for all of them and any batch size.

        Linear layers are fused with the GELU after them where that is quicker.

        Does nothing where texts of one length are attended to at a time: the
        layers would be compiled anew for each combination of lengths.
        """
        if SEGMENTS in (name for _, name in self.choice.steps):
            return
        layers = encoder_layers(self._encoder)
        self.fused_gelu = fuse_gelu(self._encoder, layers)
        for layer in layers:
            layer.compile(dynamic=True)
        self.compiled = True

    def decompile(self) -> None:
        """Run the layers as they are written again."""
        for layer in encoder_layers(self._encoder):
            layer._compiled_call_impl = None  # torch has no public way back
        self.compiled = False


def reads_packed(encoder: nn.Module) -> str | None:
    """What keeps an encoder from reading packed input, as far as its class tells."""
    if not getattr(encoder, "_supports_attention_backend", False):
        return f"{type(encoder).__name__} does not go through transformers' AttentionInterface"
    config = encoder.config
    if getattr(config, "is_decoder", False) or getattr(config, "is_encoder_decoder", False):
        return f"{type(encoder).__name__} is no encoder"
    layers = [module for module in encoder.modules() if getattr(module, "is_causal", False)]
    if layers:
        return f"{type(encoder).__name__} attends causally"
    if not hasattr(config, "num_attention_heads"):
        return f"{type(encoder).__name__} does not say how many attention heads it has"
    return None


def encoder_layers(encoder: nn.Module) -> list[nn.Module]:
    """The encoder's layers, in order; empty if they cannot be told."""
    count = getattr(encoder.config, "num_hidden_layers", None)
    lists = (module for module in encoder.modules() if isinstance(module, nn.ModuleList))
    return next((list(layers) for layers in lists if len(layers) == count), [])


def probe_texts(tokenizer: Tokenizer) -> tuple[str, ...]:
    """The texts of `PROBE_TEXTS`, and one that contains the tokenizer's special tokens literally.

    Architectures treat some of these tokens in a way of their own: RoBERTa's
    kin do not count `<pad>` in positions, for example.
    """
    added = tokenizer.get_added_tokens_decoder().values()
    special = [token.content for token in added if token.special][:_PROBED_TOKENS]
    return (*PROBE_TEXTS, " a ".join(["", *special, "b"]))


def encode_probes(packed: PackedModel, encoder: PackedEncoder) -> Encoded:
    """Encode the probe texts, which is when the layers are compiled.

    Where that fails, for want of a compiler say, the layers run as they are
    written; this is said, and recorded with every result.
    """
    texts = probe_texts(encoder.tokenizer.backend)
    try:
        return encoder.encode(texts, lambda _: None)
    except RuntimeError as error:
        if not packed.compiled:
            raise
        reason = " ".join(str(error).split())[:200]
        log.warning("the model runs uncompiled, and slower: %s", reason)
        packed.decompile()
        return encoder.encode(texts, lambda _: None)


def check_packed(
    packed: npt.NDArray[np.float32], padded: npt.NDArray[np.float32], precision: str
) -> None:
    """Compare the packed path's vectors with the padded path's.

    Args:
        packed: Shape (n, width).
        padded: The same texts' vectors.
        precision: Number format of the packed path's arithmetic.

    Raises:
        ModelError: If they differ by more than the number format explains.
    """
    if packed.shape != padded.shape:
        raise ModelError(
            f"packed vectors of this model have shape {packed.shape}, padded ones {padded.shape}"
        )
    norms = np.linalg.norm(packed, axis=1) * np.linalg.norm(padded, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosines = (packed * padded).sum(axis=1) / norms
    lowest = float(np.nan_to_num(cosines, nan=-1.0).min())
    bound = _LOWEST_COSINE[precision]
    if lowest < bound:
        raise ModelError(
            f"packed and padded vectors of this model differ (cosine {lowest:.6f}, "
            f"expected at least {bound})"
        )


def default_token_budget(encoder: PreTrainedModel) -> int:
    """Tokens a batch that fill the device and fit into its memory."""
    device = encoder.device
    budget = _LARGEST_BUDGET.get(device.type, _LARGEST_BUDGET["cpu"])
    if device.type == "cuda":
        config = encoder.config
        inner = getattr(config, "intermediate_size", 4 * config.hidden_size)
        width = encoder.dtype.itemsize
        per_token = width * (10 * config.hidden_size + 2 * inner) + 4 * config.hidden_size
        free, _ = torch.cuda.mem_get_info(device)
        budget = min(budget, int(_MEMORY_SHARE * free / per_token))
    return max(budget, 1)


def _padding_index(encoder: nn.Module) -> int | None:
    """The padding token of an encoder that counts positions as RoBERTa does, else None.

    Source: `create_position_ids_from_input_ids` of transformers' `RobertaEmbeddings`.
    """
    embeddings = getattr(encoder, "embeddings", None)
    if embeddings is not None and hasattr(embeddings, "create_position_ids_from_input_ids"):
        return int(embeddings.padding_idx)
    return None
