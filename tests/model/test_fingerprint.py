"""The fingerprint: covers whatever a model is loaded from, and nothing that does not decide."""

import contextlib
import json
import shutil
import sys

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from model.backends import load_backend
from model.errors import ModelError
from model.fingerprint import (
    count_parameters,
    fingerprint_folder,
    fingerprint_model,
    weight_files,
)
from model.model_files import HARMLESS
from model.routing import Route
from model.source import resolve_model
from tests.tiny_jina import make_jina_checkpoints
from tests.tiny_models import make_sentence_transformer
from tests.watch_files import opened_files

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def dense_model(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "dense"
    return make_sentence_transformer(path, dense=8, prompts={"query": "q: "})


@pytest.fixture
def folder(dense_model, tmp_path):
    return shutil.copytree(dense_model, tmp_path / "copy")


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refused(folder):
    with pytest.raises(ModelError) as error:
        resolve_model(str(folder))
    assert "\n" not in str(error.value)
    return str(error.value)


def encode(folder, texts=("a b c", "d")):
    backend = load_backend(resolve_model(str(folder)), device="cpu")
    return backend.encode(list(texts), Route(), lambda _: None).vectors


# What decides


def change(path):
    """Other content of the same kind."""
    if path.suffix == ".json":
        content = json.loads(path.read_text())
        more = [*content, {}] if isinstance(content, list) else content | {"added": 1}
        path.write_text(json.dumps(more))
    else:
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def decorate(folder):
    """Files that hub models have as well."""
    (folder / "README.md").write_text("---\nlicense: mit\n---\na card")
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    (folder / "added_tokens.json").write_text("{}")
    (folder / "special_tokens_map.json").write_text('{"mask_token": "[MASK]"}')
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n")
    (folder / "pytorch_model.bin").write_bytes(b"never opened")
    (folder / "training.py").write_text("never opened")
    templates = folder / "additional_chat_templates"
    templates.mkdir()
    (templates / "other.jinja").write_text("{{ messages }}")
    return folder


def router(folder, tmp_path):
    """Two towers with a Dense layer each, as sentence-transformers saves them."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Dense, Router

    first = SentenceTransformer(str(folder), device="cpu")
    towers = Router.for_query_document([Dense(16, 8)], [Dense(16, 8)])
    model = SentenceTransformer(modules=[*list(first)[:2], towers], device="cpu")
    model.save_pretrained(str(tmp_path / "router"), create_model_card=False)
    return tmp_path / "router"


def static(tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"a": 0, "b": 1, "c": 2, "?": 3}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    module = StaticEmbedding(tokenizer, embedding_dim=8)
    model = SentenceTransformer(modules=[module], device="cpu")
    model.save_pretrained(str(tmp_path / "static"), create_model_card=False)
    return tmp_path / "static"


@pytest.mark.skipif(sys.platform != "linux", reason="watching files needs Linux")
@pytest.mark.parametrize("kind", ["dense", "sharded", "router", "static", "original", "native"])
def test_each_file_that_a_load_opens_is_covered(folder, tmp_path, kind):
    if kind in ("original", "native"):
        folder = getattr(make_jina_checkpoints(tmp_path / "jina"), kind)
    elif kind == "router":
        folder = router(folder, tmp_path)
    elif kind == "static":
        folder = static(tmp_path)
    elif kind == "sharded":
        shard(folder)
    decorate(folder)
    source = resolve_model(str(folder))
    with opened_files(folder) as opened:
        load_backend(source, device="cpu")

    assert any(path.suffix == ".safetensors" for path in opened)
    assert not [path for path in opened if path.suffix in (".bin", ".py")]
    before = fingerprint_folder(folder)
    for path in sorted(opened):
        if path.name in HARMLESS:
            continue
        content = path.read_bytes()
        change(path)
        with contextlib.suppress(ModelError):  # refused, which is as good
            assert fingerprint_folder(folder) != before, path
        path.write_bytes(content)
    assert fingerprint_folder(folder) == before


@pytest.mark.parametrize("how", ["symlink", "hidden", "hidden below"])
def test_weights_of_modules_in_unusual_places_decide(folder, tmp_path, how):
    """They were loaded but not covered: another model's vectors came out of the cache."""
    usual = folder / "2_Dense"
    if how == "symlink":
        place = tmp_path / "elsewhere"
        usual.rename(place)
        usual.symlink_to(place)
    else:
        name = ".dense" if how == "hidden" else "parts/.hidden/dense"
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        usual.rename(place)
        modules = json.loads((folder / "modules.json").read_text())
        modules[2]["path"] = name
        (folder / "modules.json").write_text(json.dumps(modules))
    before, vectors = fingerprint_folder(folder), encode(folder)
    weights = load_file(place / WEIGHTS)
    save_file({name: -tensor for name, tensor in weights.items()}, place / WEIGHTS)

    assert not np.allclose(encode(folder), vectors)
    assert fingerprint_folder(folder) != before
    assert place / WEIGHTS in [path.resolve() for path in weight_files(folder)]


def test_a_pickled_dense_layer_is_refused_by_name(folder, monkeypatch):
    weights = load_file(folder / "2_Dense" / WEIGHTS)
    (folder / "2_Dense" / WEIGHTS).unlink()
    torch.save(weights, folder / "2_Dense" / "pytorch_model.bin")
    message = refused(folder)
    assert "2_Dense has weights only as pytorch_model.bin, which can run code" in message


def test_a_dense_layer_without_weights_is_refused_by_name(folder):
    """As the hub gives it: pickled weights are not fetched."""
    (folder / "2_Dense" / WEIGHTS).unlink()
    assert "2_Dense has no weights (no model.safetensors file" in refused(folder)


def test_nothing_is_ever_unpickled(folder, monkeypatch):
    for place in (folder, folder / "2_Dense"):
        (place / "pytorch_model.bin").write_bytes(b"a pickle")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("unpickled"))
    assert encode(folder).shape == (2, 8)


@pytest.mark.parametrize("path", ["../outside", "/outside", "2_Dense/../../outside"])
def test_modules_outside_the_folder_are_refused(folder, path):
    modules = json.loads((folder / "modules.json").read_text())
    modules[2]["path"] = path
    (folder / "modules.json").write_text(json.dumps(modules))
    assert "leads out of the model's folder" in refused(folder)


def test_shards_outside_the_folder_are_refused(folder):
    (folder / WEIGHTS).rename(folder.parent / WEIGHTS)
    index = {"weight_map": {"embeddings.LayerNorm.bias": f"../{WEIGHTS}"}}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    assert "names '../model.safetensors' as weights" in refused(folder)


@pytest.mark.parametrize(
    "setting",
    [
        {"model_args": {"variant": "fp16"}},
        {"model_kwargs": {"subfolder": "other"}},
        {"config_kwargs": {"gguf_file": "model.gguf"}},
        {"processor_kwargs": {"tokenizer_file": "/elsewhere/tokenizer.json"}},
        {"tokenizer_name_or_path": "/elsewhere"},
    ],
)
def test_settings_that_lead_to_other_files_are_refused(folder, setting):
    """sentence-transformers passes them on, so weights that are not covered would be loaded."""
    edit(folder / "sentence_bert_config.json", **setting)
    assert "with which other files would be read" in refused(folder)


def test_a_folder_in_place_of_a_file_is_refused(folder):
    (folder / "modules.json").unlink()
    (folder / "modules.json").mkdir()
    assert "modules.json is a folder" in refused(folder)


def test_an_adapter_without_its_base_is_refused(folder):
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "a/base"}')
    assert "are an adapter of 'a/base'" in refused(folder)


def test_a_model_of_another_kind_is_refused(folder):
    """sentence-transformers would drop its modules and take the mean of the tokens."""
    edit(folder / "config_sentence_transformers.json", model_type="SparseEncoder")
    assert "the model is a 'SparseEncoder'" in refused(folder)


def test_an_activation_function_that_would_be_replaced_is_refused(folder):
    edit(folder / "2_Dense" / "config.json", activation_function="their.code.Swish")
    assert "activation function 'their.code.Swish'" in refused(folder)


@pytest.mark.parametrize("content", ["{", "[" * 100_000, "[]"])
def test_broken_settings_are_named(folder, content):
    (folder / "1_Pooling" / "config.json").write_text(content)
    if content == "[]":
        assert fingerprint_folder(folder)
    else:
        (copy := folder.parent / "other").mkdir()
        (copy / "config.json").write_text(content)
        assert "config.json is not JSON" in refused(copy)
        with pytest.raises(ModelError, match=r"1_Pooling/config\.json is not JSON"):
            fingerprint_folder(folder)


@pytest.mark.parametrize("fault", ["overlap", "beyond", "shape", "length"])
def test_headers_that_contradict_themselves_are_refused(folder, fault):
    header = {
        "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "b": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]},
    }
    if fault == "overlap":
        header["b"]["data_offsets"] = [4, 12]
    elif fault == "beyond":
        header["b"]["data_offsets"] = [16, 24]
    elif fault == "shape":
        header["b"]["shape"] = [3]
    text = json.dumps(header).encode()
    length = 1 << 62 if fault == "length" else len(text)
    (folder / WEIGHTS).write_bytes(length.to_bytes(8, "little") + text + bytes(16))
    with pytest.raises(ModelError, match="is not a safetensors file"):
        fingerprint_folder(folder)


@pytest.mark.parametrize("what", ["value", "name", "dtype", "shape"])
def test_each_property_of_a_tensor_counts(folder, what):
    before = fingerprint_folder(folder)
    tensors = load_file(folder / "2_Dense" / WEIGHTS)
    weight = tensors.pop("linear.weight")
    if what == "value":
        weight[0, 0] += 1e-6
    changed = {
        "value": weight,
        "name": weight,
        "dtype": weight.view(torch.int32),
        "shape": weight.view(16, 8),
    }[what]
    tensors["other" if what == "name" else "linear.weight"] = changed
    save_file(tensors, folder / "2_Dense" / WEIGHTS)
    assert fingerprint_folder(folder) != before


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("config_sentence_transformers.json", {"prompts": {"query": "other: "}}),
        ("config_sentence_transformers.json", {"similarity_fn_name": "dot"}),
        ("config_sentence_transformers.json", {"default_prompt_name": "query"}),
        ("config.json", {"layer_norm_eps": 1e-3}),
        ("tokenizer_config.json", {"model_max_length": 32}),
        ("tokenizer_config.json", {"truncation_side": "left"}),
        ("1_Pooling/config.json", {"pooling_mode": "cls"}),
    ],
)
def test_settings_count(folder, name, changes):
    before = fingerprint_folder(folder)
    edit(folder / name, **changes)
    assert fingerprint_folder(folder) != before


def test_the_side_on_which_texts_are_cut_counts_wherever_it_is_stated(folder):
    before = fingerprint_folder(folder)
    call = {"max_length": 64, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    edit(folder / "tokenizer.json", truncation=call)
    assert fingerprint_folder(folder) == before
    edit(folder / "tokenizer.json", truncation=call | {"direction": "Left"})
    left = fingerprint_folder(folder)
    assert left != before
    edit(folder / "tokenizer_config.json", truncation_side="right")
    assert fingerprint_folder(folder) == before


# What does not decide


def shard(folder):
    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    names = sorted(tensors, reverse=True)
    shards = {"b.safetensors": names[::2], "a.safetensors": names[1::2]}
    for file, held in shards.items():
        own = {name: tensors[name] for name in held}
        save_file(own, folder / file, metadata={"format": "pt"})
    places = {name: file for file, held in shards.items() for name in held}
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))


def test_shards_have_the_fingerprint_of_the_whole_file(folder):
    before, vectors, count = fingerprint_folder(folder), encode(folder), count_parameters(folder)
    shard(folder)
    assert fingerprint_folder(folder) == before
    assert count_parameters(folder) == count
    np.testing.assert_array_equal(encode(folder), vectors)


def test_what_does_not_decide_does_not_count(folder):
    before, vectors = fingerprint_folder(folder), encode(folder)
    (folder / "README.md").write_text("another card")
    (folder / "pytorch_model.bin").write_bytes(b"never opened")
    edit(folder / "config.json", transformers_version="4.0", _name_or_path="/home/me/model")
    edit(folder / "tokenizer_config.json", max_length=7, stride=1, local_files_only=True)
    edit(folder / "config_sentence_transformers.json", __version__={"pytorch": "1"})
    edit(folder / "config_sentence_transformers.json", prompts={"query": "q: ", "extra": ""})
    for path in folder.rglob("*.json"):
        content = json.loads(path.read_text())
        if isinstance(content, dict):
            content = dict(reversed(content.items()))
        path.write_text(json.dumps(content, indent=7))
    with safe_open(folder / WEIGHTS, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in sorted(file.keys(), reverse=True)}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt", "made": "by me"})

    assert fingerprint_folder(folder) == before
    np.testing.assert_array_equal(encode(folder), vectors)


@pytest.mark.parametrize("architecture", ["bert", "xlm-roberta"])
def test_a_model_in_memory_has_the_fingerprint_of_its_folder(tmp_path, architecture):
    from sentence_transformers import SentenceTransformer

    options = {"architecture": architecture, "dense": 8, "prompts": {"query": "q: "}}
    folder = make_sentence_transformer(tmp_path / "model", **options)
    before = fingerprint_folder(folder)
    model = SentenceTransformer(str(folder), device="cpu")

    assert fingerprint_model(model) == before
    model.encode(["a", "b c d"])  # leaves settings of the call behind
    model.save_pretrained(str(tmp_path / "again"), create_model_card=False)
    assert fingerprint_model(model) == before
    assert fingerprint_folder(tmp_path / "again") == before
    again = SentenceTransformer(str(tmp_path / "again"), device="cpu")
    assert fingerprint_model(again) == before
    with torch.no_grad():
        model[2].linear.bias += 1
    model.save_pretrained(str(tmp_path / "trained"), create_model_card=False)
    assert fingerprint_model(model) == fingerprint_folder(tmp_path / "trained") != before
