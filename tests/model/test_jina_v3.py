"""jina-embeddings-v3's vectors: equal to two independent references, whatever the company."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from model.backends import load_backend
from model.checkpoint import PROMPTS
from model.chunking import Chunking
from model.errors import ModelError
from model.guards import check_texts, check_vectors
from model.mixed import encode_mixed
from model.routing import Route
from model.source import resolve_model
from model.views import View
from tests.jina_reference import reference_vectors
from tests.tiny_jina import ADAPTERS, make_jina_checkpoints

TEXTS = [
    "one text",
    "",
    "a",
    "東京 the query, 1 2 3",
    ("the document for one text " * 9).strip(),
    ("the " * 300).strip(),
]
EVERY = (None, *ADAPTERS)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return make_jina_checkpoints(tmp_path_factory.mktemp("jina"))


def load(folder, **options):
    return load_backend(resolve_model(str(folder)), device="cpu", **options)


@pytest.fixture(scope="module", params=["original", "native"])
def backend(request, folders):
    return load(getattr(folders, request.param))


def encode(backend, texts, adapter=None, prompt=""):
    return backend.encode(texts, Route(adapter, prompt), lambda _: None).vectors


def token_ids(backend, texts):
    tokens = backend.encoder.tokenizer.tokenize(texts)
    return [tokens.ids_of(row).tolist() for row in range(len(texts))]


@pytest.mark.parametrize("adapter", EVERY)
def test_vectors_are_those_of_the_published_formulas(backend, folders, adapter):
    expected = reference_vectors(folders.original, token_ids(backend, TEXTS), adapter)

    np.testing.assert_allclose(encode(backend, TEXTS, adapter), expected, atol=1e-5)


def peft_vectors(folder, texts, adapter):
    """transformers and PEFT as the model's page says: load_adapter, set_adapter, mean."""
    from transformers import AutoModel, PreTrainedTokenizerFast

    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    if adapter is not None:
        name = adapter.replace(".", "_").replace("-", "_")
        model.load_adapter(str(folder), adapter_name=name, adapter_kwargs={"subfolder": name})
        model.set_adapter(name)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    inputs = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        states = model(**inputs).last_hidden_state
    mask = inputs["attention_mask"][..., None]
    mean = (states * mask).sum(1) / mask.sum(1)
    return torch.nn.functional.normalize(mean, dim=-1).numpy()


@pytest.mark.parametrize("adapter", EVERY)
def test_vectors_are_those_of_transformers_with_peft(backend, folders, adapter):
    expected = peft_vectors(folders.native, TEXTS, adapter)

    np.testing.assert_allclose(encode(backend, TEXTS, adapter), expected, atol=1e-5)


def test_adapters_differ(backend):
    vectors = [encode(backend, TEXTS, adapter) for adapter in EVERY]
    for one in range(len(EVERY)):
        for other in range(one):
            assert (vectors[one] * vectors[other]).sum(axis=1).min() < 0.99


@pytest.mark.parametrize("fault", ["scale", "order", "queries and keys"])
def test_a_planted_fault_is_not_within_the_tolerance(folders, tmp_path, fault):
    """What the equality above would miss if weights this small hid it."""
    planted = tmp_path / "planted"
    shutil.copytree(folders.original, planted)
    config = json.loads((planted / "config.json").read_text())
    if fault == "scale":
        config["lora_alpha"] = 4
    elif fault == "order":
        config["lora_adaptations"] = [*ADAPTERS[1:], ADAPTERS[0]]
    else:
        tensors = load_file(planted / "model.safetensors")
        for name in tensors:
            if "Wqkv" in name and "lora_A" not in name:
                axis = 1 if "lora_B" in name else 0
                q, k, v = tensors[name].chunk(3, axis)
                tensors[name] = torch.cat([v, k, q], axis).contiguous()
        save_file(tensors, planted / "model.safetensors")
    (planted / "config.json").write_text(json.dumps(config))
    backend = load(planted)

    expected = reference_vectors(folders.original, token_ids(backend, TEXTS), "separation")
    assert np.abs(encode(backend, TEXTS, "separation") - expected).max() > 1e-2


def test_prompts_count_in_the_mean_like_any_text(backend, folders):
    for adapter, prompt in PROMPTS.items():
        prompted = [(prompt + text).strip() for text in TEXTS]
        expected = reference_vectors(folders.original, token_ids(backend, prompted), adapter)
        found = encode(backend, TEXTS, adapter, prompt)
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("prompt", ["", "the query: "])
def test_outer_white_space_is_dropped_as_the_checkpoints_own_loader_does(backend, folders, prompt):
    """custom_st.py puts the prompt before a text, and then strips both."""
    texts = [" \n one text \t ", "one text\n", "\u3000", "", "\u00a0東京 "]
    stripped = [(prompt + text).strip() for text in texts]
    expected = reference_vectors(folders.original, token_ids(backend, stripped), "separation")
    unstripped = token_ids(backend, [prompt + text for text in texts])

    found = encode(backend, texts, "separation", prompt)

    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert unstripped != token_ids(backend, stripped)


def test_documents_are_cut_into_chunks_without_outer_white_space(backend):
    route = Route("retrieval.passage", "the document: ")
    whole = backend.encode(["one text. "], route, lambda _: None).vectors
    for chunking in ("naive:fixed=50", "late:fixed=50"):
        (found,) = backend.encode_chunks(
            ["one text. \n"], route, [Chunking.parse(chunking)], lambda _: None
        )
        assert found.vectors.shape == whole.shape
        if chunking.startswith("naive"):
            np.testing.assert_allclose(found.vectors, whole, atol=1e-6)
        (bare,) = backend.encode_chunks(
            ["one text."], route, [Chunking.parse(chunking)], lambda _: None
        )
        np.testing.assert_allclose(found.vectors, bare.vectors, atol=1e-6)


@pytest.mark.parametrize("special", ["<pad>", "<s>", "</s>", "<unk>"])
def test_literal_special_tokens_are_read_as_by_the_reference(backend, folders, special):
    """Positions are rotary: each token counts, also a literal padding token."""
    texts = [f"one {special} text", f"{special}{special} a", special]
    expected = reference_vectors(folders.original, token_ids(backend, texts), "separation")
    np.testing.assert_allclose(encode(backend, texts, "separation"), expected, atol=1e-5)
    expected = peft_vectors(folders.native, texts, "separation")
    np.testing.assert_allclose(encode(backend, texts, "separation"), expected, atol=1e-5)


@settings(max_examples=30)
@given(
    texts=st.lists(st.text("abc the東1", max_size=200), min_size=1, max_size=25),
    budget=st.integers(1, 2000),
    data=st.data(),
)
def test_a_text_gets_the_same_vector_in_any_company(backend, texts, budget, data):
    order = data.draw(st.permutations(range(len(texts))))
    backend.encoder.token_budget = 4096
    alone = np.concatenate([encode(backend, [text], "separation") for text in texts])
    backend.encoder.token_budget = budget

    together = encode(backend, [texts[row] for row in order], "separation")

    np.testing.assert_allclose(together, alone[list(order)], atol=1e-6)


def test_a_batch_may_mix_adapters(backend):
    routes = [Route(adapter, PROMPTS.get(adapter or "", "")) for adapter in EVERY]
    texts = [text for text in TEXTS for _ in routes]
    seen = []

    mixed = encode_mixed(backend, texts, routes * len(TEXTS), seen.append)

    assert sum(seen) == len(texts)
    for place, route in enumerate(routes):
        alone = backend.encode(TEXTS, route, lambda _: None)
        np.testing.assert_allclose(mixed.vectors[place :: len(routes)], alone.vectors, atol=1e-6)
        assert mixed.tokens[place :: len(routes)].tolist() == alone.tokens.tolist()
        assert mixed.truncated[place :: len(routes)].tolist() == alone.truncated.tolist()


def test_switching_adapters_never_drifts(backend):
    first = {adapter: encode(backend, TEXTS, adapter) for adapter in EVERY}
    for _ in range(50):
        for adapter in ADAPTERS:
            backend.activate(adapter)

    for adapter, vectors in first.items():
        np.testing.assert_array_equal(encode(backend, TEXTS, adapter), vectors)
    with pytest.raises(ModelError, match=r"unknown adapter 'query'; allowed: retrieval\.query"):
        encode(backend, TEXTS, "query")


def test_bfloat16_does_not_drift_either(folders):
    backend = load(folders.native, precision="bfloat16")
    exact = load(folders.native)
    first = {adapter: encode(backend, TEXTS, adapter) for adapter in EVERY}
    for adapter in ADAPTERS * 10:
        backend.activate(adapter)
    for adapter, vectors in first.items():
        np.testing.assert_array_equal(encode(backend, TEXTS, adapter), vectors)
        cosines = (vectors * encode(exact, TEXTS, adapter)).sum(axis=1)
        assert cosines.min() > 0.999


@pytest.mark.parametrize("dim", [1, 2, 7, 31, 32])
def test_any_dimension_is_cut_first_and_then_brought_to_unit_length(backend, folders, dim):
    whole = reference_vectors(folders.original, token_ids(backend, TEXTS), "text-matching")
    expected = whole[:, :dim] / np.linalg.norm(whole[:, :dim], axis=1, keepdims=True)

    found = View(dim).read(encode(backend, TEXTS, "text-matching"))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_long_texts_are_cut_as_the_tokenizer_cuts_them_and_counted(backend, folders):
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(folders.original)
    texts = [("the " * n).strip() for n in (125, 126, 127, 500)]
    theirs = tokenizer(texts, truncation=True, max_length=128)["input_ids"]

    assert token_ids(backend, texts) == theirs
    assert all(ids[0] == 0 and ids[-1] == 2 for ids in theirs)
    encoded = backend.encode(texts, Route(), lambda _: None)
    full = [len(ids) for ids in tokenizer(texts)["input_ids"]]
    assert encoded.tokens.tolist() == full
    assert encoded.truncated.tolist() == [max(0, n - 128) for n in full]
    assert max(full) > 500


def test_a_shorter_maximum_length_is_obeyed_and_a_longer_refused(folders):
    backend = load(folders.original, max_length=16)
    assert backend.max_length == 16
    assert [len(ids) for ids in token_ids(backend, TEXTS)][-1] == 16
    with pytest.raises(ModelError, match="maximum length 129: local/original takes at most 128"):
        load(folders.original, max_length=129)


WEIRD = {
    "empty": "",
    "spaces": " \t\n\u3000 ",
    "nul": "a\x00b",
    "only nul": "\x00",
    "one long word": "x" * 100_000,
    "right to left": "مرحبا \u202e abc \u200f שלום",
    "combining": "e\u0301" * 500,
    "emoji": "👩‍👩‍👧‍👦" * 30,
    "private use": "\ue000\uffff",
}


def test_weird_texts_have_vectors(backend):
    texts = list(WEIRD.values())
    check_texts(texts)
    vectors = encode(backend, texts, "classification")

    check_vectors(vectors, texts, 32)
    for row, text in enumerate(texts):
        alone = encode(backend, [text], "classification")
        np.testing.assert_allclose(alone[0], vectors[row], atol=1e-6)


def test_a_lone_surrogate_is_refused_by_index():
    with pytest.raises(ModelError, match="text 1 of 2 is not valid Unicode"):
        check_texts(["fine", "not \ud800"])


def test_what_ran_is_told(backend):
    assert (backend.device, backend.precision, backend.attention) == ("cpu", "float32", "sdpa")
    assert not backend.compiled
    assert not backend.fused_gelu
    assert backend.width == 32
    assert backend.adapters == ADAPTERS


def test_what_is_not_here_is_an_error(folders):
    with pytest.raises(ModelError, match="attention 'flash-attention-3' does not run here"):
        load(folders.native, attention="flash-attention-3")
    if not torch.cuda.is_available():
        source = resolve_model(str(folders.native))
        with pytest.raises(ModelError, match="torch sees 0 CUDA devices"):
            load_backend(source, device="cuda")
    with pytest.raises(ModelError, match="precision is 'float8': needs a CUDA GPU"):
        load(folders.native, precision="float8")


def test_no_code_of_a_checkpoint_is_asked_for():
    """What would allow it appears nowhere in the project's own code."""
    root = Path(__file__).parents[2]
    for room in ("jina_eval", "harness", "model", "tasks", "results", "reports"):
        for path in (root / room).rglob("*.py"):
            assert not re.search(
                r"trust_remote_code\"?\s*[=:]\s*True|import pickle|torch\.load\(", path.read_text()
            ), path


def memory_left():
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(memory_left() < 14 * 2**30, reason="takes 12 GiB of memory")
def test_a_checkpoint_of_full_size_is_served_exactly(tmp_path):
    sizes = {"hidden": 1024, "layers": 24, "heads": 16, "intermediate": 4096}
    folders = make_jina_checkpoints(
        tmp_path, max_positions=8194, vocab_size=250002, dtype=torch.bfloat16, **sizes
    )
    source = resolve_model(str(folders.original))
    # The published file's size: mteb's metadata of the model says the same number.
    assert source.parameters == 572_310_396
    assert (source.width, source.max_length) == (1024, 8192)
    texts = ["one text", ("東京 the query " * 20).strip()]
    for layout, adapters in {"original": (None, "text-matching"), "native": (ADAPTERS[1],)}.items():
        backend = load(getattr(folders, layout))
        for adapter in adapters:
            ids = token_ids(backend, texts)
            expected = reference_vectors(folders.original, ids, adapter)
            np.testing.assert_allclose(encode(backend, texts, adapter), expected, atol=1e-5)
        del backend
