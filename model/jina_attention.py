"""jina-embeddings-v3's attention with the rotary embedding inside the kernel.

transformers' own layer turns queries and keys in a pass of its own, a
twentieth of the time of short texts on an H100 (docs/benchmarks.md).
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import JinaEmbeddingsV3Model
from transformers.models.jina_embeddings_v3.modeling_jina_embeddings_v3 import (
    JinaEmbeddingsV3Attention,
)

from model.attention.interface import packed_rotary_attention

__all__ = ["fuse_rotary"]


class _RotaryInKernel(JinaEmbeddingsV3Attention):  # type: ignore[misc]
    """transformers' attention, except where the Triton kernel does the turning."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_embeddings: tuple[torch.Tensor, torch.Tensor] | None = None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """As its parent; packed input for the kernel "triton" takes the short way."""
        if kwargs.get("packed_kernel") != "triton" or position_embeddings is None:
            attended: tuple[torch.Tensor, torch.Tensor | None] = super().forward(
                hidden_states, attention_mask, position_embeddings, **kwargs
            )
            return attended
        tokens = hidden_states.shape[1]
        q, k, v = (
            projection(hidden_states).view(tokens, -1, self.head_dim)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        cosine, sine = position_embeddings
        out = packed_rotary_attention(
            q,
            k,
            v,
            cosine[0],
            sine[0],
            kwargs["cu_seq_lens_q"],
            kwargs["max_length_q"],
            self.scaling,
        )
        return self.o_proj(out.view(1, tokens, -1)), None


def fuse_rotary(model: JinaEmbeddingsV3Model) -> None:
    """Give a model's layers the attention of this file, with the weights they have."""
    for layer in model.layers:
        with torch.device("meta"):
            fused = _RotaryInKernel(model.config)
        fused.load_state_dict(layer.self_attn.state_dict(), assign=True)
        layer.self_attn = fused.eval()
