"""jina-embeddings-v3 from its published formulas, on the original file's own tensors.

Independent of the project and of transformers: text by text, in float64, with
the adapted weights written out.
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

__all__ = ["reference_vectors"]


def reference_vectors(folder: Path, texts: list[list[int]], adapter: str | None) -> np.ndarray:
    """Unit vectors of texts given as token ids, special tokens included."""
    config = json.loads((folder / "config.json").read_text())
    file = load_file(folder / "model.safetensors")
    index = None if adapter is None else config["lora_adaptations"].index(adapter)
    scale = config["lora_alpha"] / config["lora_rank"]

    def weight(name: str) -> torch.Tensor:
        prefix = f"roberta.{name}.parametrizations.weight"
        whole = file[f"{prefix}.original"].double()
        if index is None:
            return whole
        a, b = (file[f"{prefix}.0.lora_{part}"][index].double() for part in "AB")
        return whole + scale * (a @ b if "embeddings" in name else b @ a)

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        centred = x - x.mean(-1, keepdim=True)
        spread = (centred.square().mean(-1, keepdim=True) + config["layer_norm_eps"]).sqrt()
        gain, shift = (file[f"roberta.{name}.{part}"].double() for part in ("weight", "bias"))
        return centred / spread * gain + shift

    def turn(x: torch.Tensor) -> torch.Tensor:
        """Rotary embedding: place i and i + half of a head turn together."""
        half = x.shape[-1] // 2
        angles = torch.arange(x.shape[1]).double()[:, None] / config["rotary_emb_base"] ** (
            torch.arange(half).double() / half
        )
        a, b = x[..., :half], x[..., half:]
        return torch.cat(
            [a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], -1
        )

    words, kinds = (weight(f"embeddings.{name}_embeddings") for name in ("word", "token_type"))
    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    size = hidden // heads
    states = [norm(words[ids] + kinds[0], "emb_ln") for ids in texts]
    for layer in range(config["num_hidden_layers"]):
        at = f"encoder.layers.{layer}"
        wqkv, out = weight(f"{at}.mixer.Wqkv"), weight(f"{at}.mixer.out_proj")
        fc1, fc2 = weight(f"{at}.mlp.fc1"), weight(f"{at}.mlp.fc2")
        bias = {
            name: file[f"roberta.{at}.{name}.bias"].double()
            for name in ("mixer.Wqkv", "mixer.out_proj", "mlp.fc1", "mlp.fc2")
        }
        for row, x in enumerate(states):
            qkv = (x @ wqkv.T + bias["mixer.Wqkv"]).view(len(x), 3, heads, size)
            q, k, v = qkv.permute(1, 2, 0, 3)
            scores = turn(q) @ turn(k).transpose(-1, -2) / math.sqrt(size)
            mixed = (scores.softmax(-1) @ v).transpose(0, 1).reshape(len(x), hidden)
            middle = norm(x + mixed @ out.T + bias["mixer.out_proj"], f"{at}.norm1")
            inner = middle @ fc1.T + bias["mlp.fc1"]
            inner = inner * 0.5 * (1 + torch.erf(inner / math.sqrt(2)))
            states[row] = norm(middle + inner @ fc2.T + bias["mlp.fc2"], f"{at}.norm2")
    vectors = torch.stack([x.mean(0) for x in states])
    return (vectors / vectors.norm(dim=-1, keepdim=True)).float().numpy()
