import re

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.backends import load_backend
from model.backends.lexical import LexicalBackend, terms
from model.errors import ModelError
from model.routing import Route
from model.source import resolve_model

TEXTS = ["one", "two words", "a " * 100, "", "  ", "three more words 123", "zzz", "one"]


def ignore(done):
    pass


@pytest.fixture(scope="module")
def tiny(tiny_model):
    return load_backend(resolve_model(str(tiny_model)), device="cpu", batch_size=3)


def test_vectors_are_those_of_sentence_transformers_in_the_order_of_the_texts(tiny, tiny_model):
    from sentence_transformers import SentenceTransformer

    plain = SentenceTransformer(str(tiny_model), device="cpu")
    expected = np.stack([plain.encode(text, show_progress_bar=False) for text in TEXTS])
    found = tiny.encode(TEXTS, Route(), ignore).vectors
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(len(TEXTS))), batch_size=st.integers(1, 9))
def test_neither_order_nor_batch_size_moves_a_vector(tiny, order, batch_size):
    expected = tiny.encode(TEXTS, Route(), ignore).vectors
    tiny._batch_size, before = batch_size, tiny._batch_size
    try:
        found = tiny.encode([TEXTS[i] for i in order], Route(), ignore).vectors
    finally:
        tiny._batch_size = before
    np.testing.assert_allclose(found, expected[list(order)], atol=1e-6)


def test_a_prompt_is_read_and_counted(tiny):
    plain = tiny.encode(["word"], Route(), ignore)
    prompted = tiny.encode(["word"], Route(prompt="a b "), ignore)
    joined = tiny.encode(["a b word"], Route(), ignore)
    assert not np.allclose(plain.vectors, prompted.vectors)
    np.testing.assert_allclose(prompted.vectors, joined.vectors, atol=1e-6)
    assert prompted.tokens[0] == joined.tokens[0] == plain.tokens[0] + 2


def test_truncation_is_counted_to_the_token(tiny):
    # One token a letter, and [CLS] and [SEP] around them; the model reads 64.
    encoded = tiny.encode(["a " * n for n in (1, 62, 63, 100)], Route(), ignore)
    assert encoded.tokens.tolist() == [3, 64, 65, 102]
    assert encoded.truncated.tolist() == [0, 0, 1, 38]


def test_progress_adds_up(tiny):
    seen = []
    tiny.encode(["text"] * 3000, Route(), seen.append)
    assert sum(seen) == 3000
    assert len(seen) > 1


def test_a_shorter_maximum_length_is_obeyed(tiny_model):
    source = resolve_model(str(tiny_model))
    short = load_backend(source, device="cpu", max_length=8)
    assert short.max_length == 8
    letters = "a b c d e f g h i"
    assert short.encode([letters], Route(), ignore).truncated.tolist() == [3]
    first_six = short.encode(["a b c d e f"], Route(), ignore).vectors
    np.testing.assert_allclose(
        short.encode([letters], Route(), ignore).vectors, first_six, atol=1e-6
    )
    with pytest.raises(ModelError, match="at most 64"):
        load_backend(source, device="cpu", max_length=65)


def test_half_precision_is_used_and_comes_back_as_float32(tiny_model, tiny):
    half = load_backend(resolve_model(str(tiny_model)), device="cpu", precision="bfloat16")
    assert half.precision == "bfloat16"
    vectors = half.encode(TEXTS[:3], Route(), ignore).vectors
    exact = tiny.encode(TEXTS[:3], Route(), ignore).vectors
    assert vectors.dtype == np.float32
    assert not np.array_equal(vectors, exact)
    assert (np.sum(vectors * exact, axis=1) > 0.99).all()


@pytest.mark.parametrize("device", ["gpu", "tpu:0", ""])
def test_unknown_devices_are_refused(tiny_model, device):
    with pytest.raises(ModelError, match="unknown device"):
        load_backend(resolve_model(str(tiny_model)), device=device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_an_absent_device_is_refused(tiny_model):
    with pytest.raises(ModelError, match="torch sees 0 CUDA devices"):
        load_backend(resolve_model(str(tiny_model)), device="cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_gpu_gives_the_same_vectors(tiny_model, tiny):
    gpu = load_backend(resolve_model(str(tiny_model)), device="cuda")
    np.testing.assert_allclose(
        gpu.encode(TEXTS, Route(), ignore).vectors,
        tiny.encode(TEXTS, Route(), ignore).vectors,
        atol=1e-5,
    )


def test_a_model_that_does_not_load_is_refused_in_one_line(tiny_model, tmp_path):
    import shutil

    folder = shutil.copytree(tiny_model, tmp_path / "broken")
    (folder / "config.json").write_text('{"model_type": "no-such-architecture"}')
    with pytest.raises(ModelError, match="does not load") as error:
        load_backend(resolve_model(str(folder)))
    assert "\n" not in str(error.value)


def test_terms_are_words_and_pairs_of_characters_where_no_spaces_are_written():
    assert terms("The Debian-FAQ, v2") == ["the", "debian", "faq", "v2"]
    assert terms("自由软件") == ["自由", "由软", "软件"]
    assert terms("Debian的软件 x") == ["debian", "的软", "软件", "x"]
    assert terms("スパム") == ["スパ", "パム"]
    assert terms("…!") == []


def test_the_lexical_baseline_scores_shared_words():
    lexical = LexicalBackend()
    texts = ["a red house", "the red house", "a blue car", "?"]
    lexical.prepare(texts)
    vectors = lexical.encode(texts, Route(), ignore).vectors
    similarity = vectors @ vectors.T
    np.testing.assert_allclose(np.diag(similarity), 1, atol=1e-6)
    assert similarity[0, 1] > similarity[0, 2] > similarity[0, 3] == 0


def test_the_lexical_baseline_must_see_the_texts_first():
    with pytest.raises(ModelError, match="must see"):
        LexicalBackend().encode(["text"], Route(), ignore)


def test_the_lexical_baseline_does_not_depend_on_the_order_of_the_texts():
    texts = [f"word{i} word{i % 7} other" for i in range(50)]
    one, other = LexicalBackend(), LexicalBackend()
    one.prepare(texts)
    other.prepare(texts[::-1])
    np.testing.assert_array_equal(
        one.encode(texts, Route(), ignore).vectors, other.encode(texts, Route(), ignore).vectors
    )


def test_the_lexical_baseline_takes_no_settings_of_embedding_models():
    with pytest.raises(ModelError, match="no maximum length"):
        load_backend(resolve_model("lexical"), max_length=5)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"precision": "int8"}, "precision is 'int8'; allowed: auto, float32, bfloat16"),
        ({"attention": "fast"}, "attention is 'fast'; allowed: auto, sdpa, triton"),
        ({"token_budget": 0}, "token_budget is 0: allowed is 1 or more"),
        ({"max_length": 0}, "max_length is 0"),
        ({"batch_size": -1}, "batch_size is -1"),
        ({"precision": "float8"}, "precision is 'float8': local/tiny runs in float32, bfloat16"),
    ],
)
def test_settings_that_no_model_has_are_refused(tiny_model, setting, message):
    with pytest.raises(ModelError, match=re.escape(message)):
        load_backend(resolve_model(str(tiny_model)), **setting)


def test_kernels_have_the_names_that_can_be_asked_for():
    from model.attention.kernels import KERNELS
    from model.attention.names import KERNEL_NAMES

    assert tuple(KERNELS) == KERNEL_NAMES
