import json
import logging
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.attention.interface import PACKED
from model.backends.sentence_transformers import SentenceTransformersBackend
from model.errors import ModelError
from model.packed_model import PackedModel, check_packed, encoder_layers, reads_packed
from model.packed_sentence_transformer import packed_parts
from model.routing import Route
from model.source import resolve_model
from tests.tiny_jina import make_jina_checkpoints
from tests.tiny_models import make_sentence_transformer

TEXTS = ["", "a", "some words 1 2 3", "x " * 200, "mixed CASE ö 東京", "b c d e f g h i j k"]


def load(folder, **options):
    return SentenceTransformersBackend(resolve_model(str(folder)), device="cpu", **options)


def encode(backend, texts, route=None):
    return backend.encode(texts, route or Route(), lambda _: None).vectors


@pytest.fixture(scope="module", params=[("bert", "mean"), ("bert", "cls"), ("xlm-roberta", "mean")])
def folder(request, tmp_path_factory):
    architecture, pooling = request.param
    path = tmp_path_factory.mktemp("models") / "-".join(request.param)
    return make_sentence_transformer(path, architecture=architecture, pooling=pooling)


@pytest.fixture(scope="module")
def packed(folder):
    return load(folder)


def test_packed_vectors_are_sentence_transformers_own(folder, packed):
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(folder), device="cpu").encode(TEXTS, prompt="q ")

    assert packed.encoder is not None
    assert packed.attention == "sdpa"
    np.testing.assert_allclose(encode(packed, TEXTS, Route(prompt="q ")), theirs, atol=2e-6)


SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@settings(max_examples=25)
@given(
    texts=st.lists(
        st.lists(st.sampled_from((*SPECIAL, "a", "b c", " ")), max_size=12).map(" ".join),
        min_size=1,
        max_size=6,
    )
)
def test_special_tokens_that_a_text_contains_are_read_as_by_sentence_transformers(packed, texts):
    """RoBERTa's kin do not count padding tokens in positions, literal ones included."""
    theirs = packed._encode_padded(texts, Route(), lambda _: None)
    np.testing.assert_allclose(encode(packed, texts), theirs.vectors, atol=1e-6)


@pytest.mark.parametrize("special", SPECIAL)
def test_a_literal_special_token_gets_sentence_transformers_vector(folder, packed, special):
    from sentence_transformers import SentenceTransformer

    assert packed.encoder is not None
    texts = [f"a {special} b c", f"{special} a", f"{special}{special} b {special}", special]
    theirs = SentenceTransformer(str(folder), device="cpu").encode(texts)
    np.testing.assert_allclose(encode(packed, texts), theirs, atol=1e-6)


def test_special_tokens_are_split_where_the_tokenizer_says_so(folder, tmp_path):
    from sentence_transformers import SentenceTransformer

    copy = shutil.copytree(folder, tmp_path / "copy")
    path = copy / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"split_special_tokens": True}))
    model = SentenceTransformer(str(copy), device="cpu")
    backend = load(copy)

    assert backend.encoder is not None
    texts = ["a [PAD] b", "[SEP] c"]
    np.testing.assert_allclose(encode(backend, texts), model.encode(texts), atol=1e-6)
    found = backend.encode(texts, Route(), lambda _: None).tokens
    assert found.tolist() == [len(ids) for ids in model.tokenizer(texts)["input_ids"]]


def test_texts_that_are_cut_at_the_beginning_are_read_padded(folder, tmp_path):
    from sentence_transformers import SentenceTransformer

    copy = shutil.copytree(folder, tmp_path / "copy")
    path = copy / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"truncation_side": "left"}))
    texts = ["a " * 100 + "b c d"]
    model = SentenceTransformer(str(copy), device="cpu")
    assert "at the beginning" in packed_parts(model)
    np.testing.assert_allclose(encode(load(copy), texts), model.encode(texts), atol=2e-6)


def test_a_model_that_reads_literal_special_tokens_otherwise_runs_padded(folder, monkeypatch):
    """Planted: an architecture that skips [MASK] in positions, which packed input does not."""
    from transformers.models.bert.modeling_bert import BertEmbeddings
    from transformers.models.xlm_roberta.modeling_xlm_roberta import XLMRobertaEmbeddings

    for kind in (BertEmbeddings, XLMRobertaEmbeddings):

        def forward(self, input_ids=None, plain=kind.forward, **options):
            return plain(self, input_ids=input_ids, **options) * (
                1.0 + (input_ids == 4).any(dim=1)[:, None, None]
            )

        monkeypatch.setattr(kind, "forward", forward)
    assert load(folder).encoder is None


@settings(max_examples=40)
@given(
    texts=st.lists(st.text("abc ö1", max_size=90), min_size=1, max_size=30),
    budget=st.integers(1, 600),
    data=st.data(),
)
def test_a_text_gets_the_same_vector_in_any_company(packed, texts, budget, data):
    order = data.draw(st.permutations(range(len(texts))))
    alone = np.concatenate([encode(packed, [text]) for text in texts])
    packed.encoder.token_budget = budget

    together = encode(packed, [texts[row] for row in order])

    np.testing.assert_allclose(together, alone[list(order)], atol=1e-6)


def test_a_padded_batch_under_the_packed_name_keeps_its_mask(folder, packed):
    model = packed.model[0].auto_model
    assert model.config._attn_implementation == PACKED
    ids = torch.tensor([[2, 5, 6, 7, 3, 0, 0], [2, 8, 3, 0, 0, 0, 0]])
    with torch.inference_mode():
        both = model(input_ids=ids, attention_mask=(ids > 0).long()).last_hidden_state
        alone = model(input_ids=ids[1:, :3], attention_mask=torch.ones(1, 3)).last_hidden_state

    torch.testing.assert_close(both[1, :3], alone[0], atol=1e-6, rtol=0)


def test_dense_modules_after_the_pooling_are_kept(tmp_path):
    from sentence_transformers import SentenceTransformer

    folder = make_sentence_transformer(tmp_path / "dense", dense=8)
    backend = load(folder)

    assert backend.encoder is not None
    assert encode(backend, TEXTS).shape[1] == backend.width == 8
    theirs = SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(encode(backend, TEXTS), theirs, atol=2e-6)


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"architecture": "mpnet"}, "AttentionInterface"), ({"pooling": "max"}, "pooling is max")],
)
def test_other_models_run_padded_and_say_so(tmp_path, caplog, options, reason):
    from sentence_transformers import SentenceTransformer

    folder = make_sentence_transformer(tmp_path / "other", **options)
    with caplog.at_level(logging.INFO, logger="model"):
        backend = load(folder)

    assert backend.encoder is None
    assert "padded" in backend.attention
    assert reason in caplog.text
    theirs = SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(encode(backend, TEXTS), theirs, atol=2e-6)


def test_a_kernel_asked_for_and_not_usable_is_an_error(tmp_path, folder):
    with pytest.raises(ModelError, match="attention 'triton' does not run here: runs on CUDA"):
        load(folder, attention="triton")
    other = make_sentence_transformer(tmp_path / "mpnet", architecture="mpnet")
    with pytest.raises(ModelError, match="cannot read packed input"):
        load(other, attention="sdpa")


@pytest.mark.parametrize("fault", ["positions", "mixing"])
def test_a_model_that_reads_packed_input_wrongly_runs_padded(
    tiny_model, monkeypatch, caplog, fault
):
    """Planted: positions that go on over text borders, attention over text borders."""
    if fault == "positions":
        monkeypatch.setattr("model.packing.PackedBatch.positions", lambda self, owner: owner % 64)
    else:
        monkeypatch.setattr(
            "model.packing.PackedBatch.segments", lambda self: ((0, 1, self.tokens),)
        )
    with caplog.at_level(logging.INFO, logger="model"):
        backend = load(tiny_model)

    assert backend.encoder is None
    assert "runs padded: " in caplog.text
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    monkeypatch.undo()
    np.testing.assert_allclose(encode(backend, TEXTS), encode(load(tiny_model), TEXTS), atol=2e-6)


def test_vectors_that_differ_or_are_not_finite_are_refused():
    good = np.eye(3, dtype=np.float32)
    check_packed(good, good, "float32")
    turned = good + np.float32(0.02) * good[::-1]
    with pytest.raises(ModelError, match="differ"):
        check_packed(turned, good, "float32")
    check_packed(turned, good, "bfloat16")
    with pytest.raises(ModelError, match="differ"):
        check_packed(good * np.nan, good, "bfloat16")
    with pytest.raises(ModelError, match=r"have shape \(3, 2\), padded ones \(3, 3\)"):
        check_packed(good[:, :2], good, "bfloat16")


def test_a_further_trained_jina_without_adapters_is_a_model_like_others(tmp_path):
    """As sentence-transformers saves one: the architecture, but no adapter folders."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Normalize, Pooling, Transformer

    native = make_jina_checkpoints(tmp_path / "jina").native
    modules = [Transformer(str(native)), Pooling(32, "mean"), Normalize()]
    theirs = SentenceTransformer(modules=modules, device="cpu")
    theirs.save_pretrained(str(tmp_path / "trained"), create_model_card=False)
    source = resolve_model(str(tmp_path / "trained"))
    backend = load(tmp_path / "trained")

    assert source.kind == "sentence-transformers"
    assert backend.encoder is not None
    np.testing.assert_allclose(encode(backend, TEXTS), theirs.encode(TEXTS), atol=2e-6)


def test_layers_that_do_not_compile_run_as_they_are_written(tiny_model, monkeypatch, caplog):
    """As without a C compiler: planted as layers that cannot be called once compiled."""
    plain = PackedModel.__init__

    def compiling(self, encoder, **options):
        plain(self, encoder, **options)

        def fail(*arguments, **more):
            raise RuntimeError("no C compiler\nwas found")

        for layer in encoder_layers(encoder):
            layer._compiled_call_impl = fail
        self.compiled = True

    monkeypatch.setattr(PackedModel, "__init__", compiling)
    with caplog.at_level(logging.WARNING):
        backend = load(tiny_model)

    assert backend.encoder is not None
    assert not backend.compiled
    assert "uncompiled, and slower: no C compiler was found" in caplog.text
    assert encode(backend, TEXTS).shape == (len(TEXTS), 16)


def test_decoders_are_not_served(tmp_path):
    from transformers import BertConfig, BertModel

    config = BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    assert reads_packed(BertModel(config)) is None
    config.is_decoder = True
    assert "is no encoder" in reads_packed(BertModel(config))
