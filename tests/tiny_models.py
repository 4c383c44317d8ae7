"""Tiny checkpoints in the true layouts, with random weights, made in a second."""

from pathlib import Path

__all__ = ["make_sentence_transformer"]

WORDS = [chr(code) for code in range(ord("a"), ord("z") + 1)] + [str(n) for n in range(10)]


ARCHITECTURES = ("bert", "xlm-roberta", "mpnet")


def make_sentence_transformer(
    folder: Path,
    *,
    width: int = 16,
    prompts: dict[str, str] | None = None,
    seed: int = 0,
    architecture: str = "bert",
    pooling: str = "mean",
    dense: int | None = None,
) -> Path:
    """A sentence-transformers folder: two layers, 64 tokens at most, unit length."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Dense, Normalize, Pooling, Transformer
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(seed)
    parts = folder.parent / f"{folder.name}-parts"
    tokenizer = make_tokenizer(parts)
    config = AutoConfig.for_model(
        architecture,
        vocab_size=len(tokenizer),
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=2 * width,
        # RoBERTa's kin count positions from after the padding index.
        max_position_embeddings=64 if architecture == "bert" else 70,
        pad_token_id=tokenizer.pad_token_id,
        # Far from the usual 0.02, so that attention and positions matter.
        initializer_range=0.3,
    )
    AutoModel.from_config(config).save_pretrained(parts)
    modules = [Transformer(str(parts), max_seq_length=64), Pooling(width, pooling)]
    if dense is not None:
        modules.append(Dense(width, dense))
    modules.append(Normalize())
    SentenceTransformer(modules=modules, prompts=prompts, device="cpu").save_pretrained(
        str(folder), create_model_card=False
    )
    return folder


def make_tokenizer(folder: Path):
    """A WordPiece tokenizer over letters and digits; everything else is unknown."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, *WORDS, *(f"##{word}" for word in WORDS)]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")],
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=64,
    )
    fast.save_pretrained(folder)
    return fast
