"""Families 9 to 13 and 35 of docs/silent-failures.md: long texts, pooling, modules and weights.

Each test plants the fault and expects a check to fail; the same check passes without it.
"""

import dataclasses
import logging
import re

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer

import model.backends.sentence_transformers
import model.packed_model
import model.packed_sentence_transformer
from model.backends import load_backend
from model.backends.sentence_transformers import SentenceTransformersBackend
from model.encoder import PackedEncoder
from model.errors import ModelError
from model.packed_sentence_transformer import PackedParts
from model.routing import Route
from model.source import resolve_model
from model.tokenization import TextTokenizer
from tests.model import test_backends, test_checkpoint
from tests.tiny_jina import make_jina_checkpoints
from tests.tiny_models import make_sentence_transformer, make_tokenizer

LIMIT = 20
TEXTS = (
    *("", " ", "a", "two words", "Straße, ünïcödé", "東京 123", "[CLS] [SEP]", "a a a a"),
    *("b " * (LIMIT - 2), "c " * (LIMIT - 1), " ".join("ghijklmnopqrstuvwxyz1234"), "f1 " * 300),
)
"""Twelve texts: empty, of other scripts, as long as the model reads, and longer."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Models that pool in each way and read fewer tokens than they have positions."""
    root = tmp_path_factory.mktemp("models")
    found = {}
    for pooling in ("mean", "cls", "lasttoken"):
        found[pooling] = make_sentence_transformer(root / pooling, pooling=pooling)
    found["dense"] = make_sentence_transformer(root / "dense", dense=8)
    for folder in found.values():
        whole = SentenceTransformer(str(folder), device="cpu")
        whole.max_seq_length = LIMIT
        whole.save_pretrained(str(folder), create_model_card=False)
    return found


def load(folder):
    return load_backend(resolve_model(str(folder)), device="cpu")


def check_equal_to_sentence_transformers(folder, *, packed=None):
    theirs = SentenceTransformer(str(folder), device="cpu").encode(list(TEXTS))
    backend = load(folder)
    if packed is not None:
        assert (backend.encoder is not None) == packed
    ours = backend.encode(list(TEXTS), Route(), lambda _: None).vectors
    cosines = (ours * theirs).sum(axis=1) / np.linalg.norm(ours, axis=1)
    cosines /= np.linalg.norm(theirs, axis=1)
    assert cosines.min() > 0.99999


def cut_without_end(patch):
    """As on MTEB: what is cut off takes the end token with it."""
    original = TextTokenizer._tokenize

    def tokenize(self, texts):
        suffix, self._suffix = self._suffix, []
        try:
            return original(self, texts)
        finally:
            self._suffix = suffix

    patch.setattr(TextTokenizer, "_tokenize", tokenize)


def length_of_positions(patch):
    """As in TEI: the maximum length is that of the positions, not the one that is configured."""
    original = TextTokenizer.__init__
    patch.setattr(TextTokenizer, "__init__", lambda self, tok, _: original(self, tok, 64))


def cut_from_the_left(patch):
    original = TextTokenizer._tokenize

    class Left:
        def __init__(self, encoding):
            self.ids = _FromTheEnd(encoding.ids)
            self._length = len(encoding)

        def __len__(self):
            return self._length

    import model.tokenization

    encode = model.tokenization._encode
    patch.setattr(
        model.tokenization,
        "_encode",
        lambda tok, texts, **more: (
            list(map(Left, encode(tok, texts))) if not more else encode(tok, texts, **more)
        ),
    )
    patch.setattr(TextTokenizer, "_tokenize", original)


class _FromTheEnd(list):
    def __getitem__(self, part):
        if isinstance(part, slice) and part.start is None and part.stop < len(self):
            return list(self)[-part.stop :]
        return super().__getitem__(part)


def pooled_by_mean(patch):
    """As in mlx-embeddings: every model is pooled by mean."""
    import model.pooling

    original = model.pooling.pool
    patch.setattr(
        model.packed_model, "pool", lambda hidden, batch, _: original(hidden, batch, "mean")
    )


def last_is_first(patch):
    """As where padding stands on the other side: the last token is taken where the first is."""
    import model.pooling

    original = model.pooling.pool
    patch.setattr(
        model.packed_model, "pool", lambda hidden, batch, _: original(hidden, batch, "cls")
    )


def without_dense(patch):
    """As in vec2text: what follows the pooling is skipped."""
    original = model.packed_sentence_transformer.packed_parts

    def parts(found):
        whole = original(found)
        if isinstance(whole, PackedParts):
            return dataclasses.replace(
                whole, finish=lambda v: torch.nn.functional.normalize(v.float(), dim=1)
            )
        return whole

    patch.setattr(model.backends.sentence_transformers, "packed_parts", parts)


@pytest.mark.parametrize(
    ("plant", "kind"),
    [
        pytest.param(cut_without_end, "lasttoken", id="09-end-cut-off"),
        pytest.param(length_of_positions, "mean", id="10-length-ignored"),
        pytest.param(cut_from_the_left, "mean", id="11-cut-from-the-left"),
        pytest.param(last_is_first, "lasttoken", id="11-last-token"),
        pytest.param(pooled_by_mean, "cls", id="12-pooling-ignored"),
        pytest.param(without_dense, "dense", id="12-dense-skipped"),
    ],
)
def test_09_to_12_packed_input_that_is_read_wrongly_never_decides_a_vector(
    plant, kind, folders, monkeypatch, caplog
):
    """The guard at run time: probes differ from the padded path, which is taken instead.

    Without the guard the vectors are not those of sentence-transformers, which a check notices.
    """
    check_equal_to_sentence_transformers(folders[kind], packed=True)
    plant(monkeypatch)
    with caplog.at_level(logging.INFO, logger="model"):
        check_equal_to_sentence_transformers(folders[kind], packed=False)
    assert "runs padded: " in caplog.text
    monkeypatch.setattr(model.backends.sentence_transformers, "_check", lambda *_: None)
    with pytest.raises((AssertionError, ValueError)):
        check_equal_to_sentence_transformers(folders[kind], packed=True)


def test_09_end_token_that_is_cut_off_is_noticed(tmp_path, monkeypatch):
    def check(folder):
        make_tokenizer(folder)
        tokenizer = TextTokenizer.from_folder(folder, 5)
        tokens = tokenizer.tokenize(["a b c d e f g", "a"])
        for row in range(2):
            assert tokens.ids_of(row)[-1] == tokenizer.suffix[0] == 3
        assert tokens.lengths.tolist() == [5, 3]

    check(tmp_path / "sound")
    cut_without_end(monkeypatch)
    with pytest.raises((AssertionError, ValueError)):
        check(tmp_path / "planted")


def uncounted(patch):
    original = PackedEncoder.encode

    def encode(self, texts, progress):
        found = original(self, texts, progress)
        return dataclasses.replace(found, truncated=np.zeros_like(found.tokens))

    patch.setattr(PackedEncoder, "encode", encode)


def counted_after_the_cut(patch):
    original = PackedEncoder.encode

    def encode(self, texts, progress):
        found = original(self, texts, progress)
        kept = found.tokens - found.truncated
        return dataclasses.replace(found, tokens=kept, truncated=np.zeros_like(kept))

    patch.setattr(PackedEncoder, "encode", encode)


@pytest.mark.parametrize("plant", [uncounted, counted_after_the_cut])
def test_13_truncation_that_is_not_counted_is_noticed(plant, tiny_model, monkeypatch):
    check = test_backends.test_truncation_is_counted_to_the_token
    backend = load(tiny_model)
    check(backend)
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        check(backend)


def test_13_truncation_reaches_the_record():
    from harness.jobs import _text_count
    from tests.model.test_mteb_encoder import encode, make

    encoder = make()
    encode(encoder, ["a" * 15, "b", "a" * 15])
    count = _text_count(encoder.usage.total)
    assert (count.truncated_texts, count.truncated_tokens) == (1, 5)
    assert count.tokens == 16


@pytest.mark.parametrize("layout", ["original", "native"])
def test_35_weights_of_jina_embeddings_v3_that_are_missing_are_refused(layout, tmp_path):
    folder = getattr(make_jina_checkpoints(tmp_path), layout)
    path = next(folder.glob("*.safetensors"))
    name = next(name for name in load_file(path) if "layer" in name and "lora" not in name)
    test_checkpoint.change_tensors(path, lambda tensors: tensors.pop(name))
    with pytest.raises(ModelError, match=re.escape(name.split(".")[-1])):
        load(folder)


def test_35_weights_under_other_names_are_refused(tmp_path):
    """As in tevatron: a head whose weights are not in the file is left at random."""
    folder = make_sentence_transformer(tmp_path / "renamed")
    path = folder / "model.safetensors"
    tensors = load_file(path)
    name = next(name for name in tensors if name.endswith("attention.self.query.weight"))
    tensors["other." + name] = tensors.pop(name)
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(ModelError):
        SentenceTransformersBackend(resolve_model(str(folder)), device="cpu")
