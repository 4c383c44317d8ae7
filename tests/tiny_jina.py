"""jina-embeddings-v3 checkpoints with random weights, in both published layouts."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

__all__ = ["JinaFolders", "make_jina_checkpoints", "make_xlmr_tokenizer"]

ADAPTERS = ("retrieval.query", "retrieval.passage", "separation", "classification", "text-matching")
LETTERS = (
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?-'öüß東京日本مرحباПривет"
)


@dataclass(frozen=True)
class JinaFolders:
    """The same weights in both layouts."""

    original: Path
    native: Path


def make_jina_checkpoints(
    folder: Path,
    *,
    seed: int = 0,
    hidden: int = 32,
    layers: int = 2,
    heads: int = 2,
    intermediate: int = 64,
    max_positions: int = 130,
    rank: int = 4,
    vocab_size: int | None = None,
    dtype: torch.dtype = torch.float32,
    tie: tuple[int, int] | None = None,
) -> JinaFolders:
    """Write both layouts; small weights would hide mistakes, so they are not small.

    `tie` names two adapters, by number, that are to have the same weights.
    """
    found = JinaFolders(folder / "original", folder / "native")
    for path in (found.original, found.native):
        path.mkdir(parents=True)
        entries = make_xlmr_tokenizer(path, max_positions - 2)
    sizes = {
        "vocab_size": vocab_size or entries,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": intermediate,
        "max_position_embeddings": max_positions,
    }
    tensors = original_tensors(sizes, rank, seed)
    if tie is not None:
        for name, tensor in tensors.items():
            if ".lora_" in name:
                tensor[tie[1]] = tensor[tie[0]]
    tensors = {name: tensor.to(dtype).contiguous() for name, tensor in tensors.items()}
    write_original(found.original, sizes, rank, tensors)
    write_native(found.native, sizes, rank, tensors)
    return found


def original_tensors(sizes: dict[str, int], rank: int, seed: int) -> dict[str, torch.Tensor]:
    """Random tensors under the names of the original file."""
    generator = torch.Generator().manual_seed(seed)
    hidden, inner = sizes["hidden_size"], sizes["intermediate_size"]
    tensors: dict[str, torch.Tensor] = {}

    def draw(*shape: int, scale: float) -> torch.Tensor:
        return torch.randn(shape, generator=generator) * scale

    def matrix(name: str, rows: int, columns: int, *, embedding: bool = False) -> None:
        prefix = f"roberta.{name}.parametrizations.weight"
        size = 1.0 if embedding else columns**-0.5
        tensors[f"{prefix}.original"] = draw(rows, columns, scale=size)
        # The change is divided by alpha / rank = a quarter later on; it should still be felt.
        shapes = (
            ((5, rows, rank), (5, rank, columns))
            if embedding
            else (
                (5, rank, columns),
                (5, rows, rank),
            )
        )
        tensors[f"{prefix}.0.lora_A"] = draw(*shapes[0], scale=size)
        tensors[f"{prefix}.0.lora_B"] = draw(*shapes[1], scale=1.0)
        if not embedding:
            tensors[f"roberta.{name}.bias"] = draw(rows, scale=0.2)

    def norm(name: str) -> None:
        tensors[f"roberta.{name}.weight"] = 1 + draw(hidden, scale=0.1)
        tensors[f"roberta.{name}.bias"] = draw(hidden, scale=0.1)

    matrix("embeddings.word_embeddings", sizes["vocab_size"], hidden, embedding=True)
    matrix("embeddings.token_type_embeddings", 1, hidden, embedding=True)
    norm("emb_ln")
    for layer in range(sizes["num_hidden_layers"]):
        prefix = f"encoder.layers.{layer}"
        matrix(f"{prefix}.mixer.Wqkv", 3 * hidden, hidden)
        matrix(f"{prefix}.mixer.out_proj", hidden, hidden)
        norm(f"{prefix}.norm1")
        matrix(f"{prefix}.mlp.fc1", inner, hidden)
        matrix(f"{prefix}.mlp.fc2", hidden, inner)
        norm(f"{prefix}.norm2")
    matrix("pooler.dense", hidden, hidden)
    return tensors


def write_original(
    folder: Path, sizes: dict[str, int], rank: int, tensors: dict[str, torch.Tensor]
) -> None:
    """The layout of jinaai/jina-embeddings-v3."""
    code = "jinaai/xlm-roberta-flash-implementation--"
    write_json(
        folder / "config.json",
        {
            "_name_or_path": "jinaai/jina-embeddings-v3",
            "architectures": ["XLMRobertaModel"],
            "attention_probs_dropout_prob": 0.1,
            "auto_map": {
                "AutoConfig": f"{code}configuration_xlm_roberta.XLMRobertaFlashConfig",
                "AutoModel": f"{code}modeling_lora.XLMRobertaLoRA",
            },
            "bos_token_id": 0,
            "eos_token_id": 2,
            "pad_token_id": 1,
            "emb_pooler": None,
            "hidden_act": "gelu",
            "hidden_dropout_prob": 0.1,
            "layer_norm_eps": 1e-05,
            "load_trained_adapters": True,
            "lora_adaptations": list(ADAPTERS),
            "lora_alpha": 1,
            "lora_dropout_p": 0.0,
            "lora_main_params_trainable": False,
            "lora_rank": rank,
            "matryoshka_dimensions": [32, 64, 128, 256, 512, 768, 1024],
            "position_embedding_type": "rotary",
            "rotary_emb_base": 20000.0,
            "torch_dtype": "bfloat16",
            "type_vocab_size": 1,
            **sizes,
        },
    )
    modules = [
        {"idx": 0, "name": "transformer", "path": "", "type": "custom_st.Transformer"},
        {
            "idx": 1,
            "name": "pooler",
            "path": "1_Pooling",
            "type": "sentence_transformers.models.Pooling",
        },
    ]
    write_json(folder / "modules.json", modules)
    (folder / "custom_st.py").write_text("raise SystemExit('code of a checkpoint was run')\n")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def write_native(
    folder: Path, sizes: dict[str, int], rank: int, tensors: dict[str, torch.Tensor]
) -> None:
    """The layout of jinaai/jina-embeddings-v3-hf, each part written by its own library."""
    from peft import LoraConfig
    from transformers import JinaEmbeddingsV3Config, JinaEmbeddingsV3Model

    config = JinaEmbeddingsV3Config(**sizes)
    tail = ".parametrizations.weight.original"
    base = {
        name.removeprefix("roberta.").replace(tail, ".weight"): tensor
        for name, tensor in tensors.items()
        if "lora_" not in name
    }
    scratch = folder / "scratch"
    scratch.mkdir()
    config.save_pretrained(scratch)
    save_file(base, scratch / "model.safetensors", metadata={"format": "pt"})
    model = JinaEmbeddingsV3Model.from_pretrained(scratch)
    for path in scratch.iterdir():
        path.unlink()
    scratch.rmdir()
    model.save_pretrained(folder)
    for index, adapter in enumerate(ADAPTERS):
        path = folder / adapter.replace(".", "_").replace("-", "_")
        factors = peft_tensors(tensors, index, sizes["hidden_size"])
        modules = sorted(
            {name.split(".lora_")[0].removeprefix("base_model.model.") for name in factors}
        )
        LoraConfig(
            r=rank, lora_alpha=1, target_modules=modules, inference_mode=True
        ).save_pretrained(path)
        save_file(factors, path / "adapter_model.safetensors", metadata={"format": "pt"})


def peft_tensors(
    tensors: dict[str, torch.Tensor], index: int, hidden: int
) -> dict[str, torch.Tensor]:
    """One adapter's factors under PEFT's names."""
    found: dict[str, torch.Tensor] = {}
    for name, a in tensors.items():
        if not name.endswith("lora_A"):
            continue
        b = tensors[name[:-1] + "B"]
        module = name.removeprefix("roberta.").split(".parametrizations")[0]
        module = module.removeprefix("encoder.")
        if module.startswith("embeddings"):
            found[f"base_model.model.{module}.lora_embedding_A"] = a[index].T.contiguous()
            found[f"base_model.model.{module}.lora_embedding_B"] = b[index].T.contiguous()
        elif module.endswith("Wqkv"):
            for place, part in enumerate(("q_proj", "k_proj", "v_proj")):
                own = module.replace("mixer.Wqkv", f"self_attn.{part}")
                rows = slice(place * hidden, (place + 1) * hidden)
                found[f"base_model.model.{own}.lora_A.weight"] = a[index].clone()
                found[f"base_model.model.{own}.lora_B.weight"] = b[index, rows].contiguous()
        else:
            own = module.replace("mixer.out_proj", "self_attn.o_proj")
            found[f"base_model.model.{own}.lora_A.weight"] = a[index].contiguous()
            found[f"base_model.model.{own}.lora_B.weight"] = b[index].contiguous()
    return found


def make_xlmr_tokenizer(folder: Path, max_length: int) -> int:
    """A Unigram tokenizer of XLM-RoBERTa's kind; returns the number of its entries."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    letters = sorted(set(LETTERS))
    words = ["▁the", "▁text", "▁Represent", "▁query", "▁document", "▁for", "ing", "tion", "▁one"]
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁", *letters, *words]
    scores = (
        [0.0] * 4 + [-3.0] + [-5.0 - n / 100 for n in range(len(letters))] + [-4.0] * len(words)
    )
    tokenizer = Tokenizer(models.Unigram(list(zip(pieces, scores, strict=True)), unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.add_special_tokens(pieces[:4])
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": max_length,
            "bos_token": "<s>",
            "cls_token": "<s>",
            "eos_token": "</s>",
            "sep_token": "</s>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
        },
    )
    return len(pieces)


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
