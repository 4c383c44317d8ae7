"""What precision "auto" means, and that it is known without loading anything."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

import model.precision
from model.backends import check_settings, load_backend
from model.precision import checkpoint_precision, resolve_precision
from model.source import ModelSource, resolve_model


def checkpoint(folder, config=None, dtype=np.float16, place="."):
    """A folder with one weight file, and perhaps a configuration beside it."""
    (folder / place).mkdir(parents=True, exist_ok=True)
    tensors = {"ids": np.zeros(2, np.int64), "weight": np.zeros(2, dtype)}
    save_file(tensors, folder / place / "model.safetensors")
    if config is not None:
        (folder / place / "config.json").write_text(json.dumps(config))
    return folder


def source_of(folder):
    return ModelSource("sentence-transformers", "org/name", "1", "f" * 64, folder=folder)


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(model.precision, "uses_cuda", lambda device: True)


@pytest.mark.parametrize(
    ("config", "dtype", "expected"),
    [
        ({"torch_dtype": "bfloat16"}, np.float16, "bfloat16"),
        ({"dtype": "float16"}, np.float32, "float16"),
        ({"torch_dtype": "torch.float16"}, np.float32, "float16"),
        ({"torch_dtype": None}, np.float16, "float16"),
        ({}, np.float32, "float32"),
        (None, np.float16, "float16"),
        ({"torch_dtype": "float64"}, np.float64, "float32"),
        ({"torch_dtype": "float8_e4m3fn"}, np.float32, "float32"),
    ],
)
def test_auto_is_the_checkpoints_own_format_on_a_gpu(gpu, tmp_path, config, dtype, expected):
    source = source_of(checkpoint(tmp_path, config, dtype))
    assert resolve_precision(source, "auto", "cuda") == expected


def test_a_transformer_in_a_folder_of_its_own_is_found(tmp_path):
    checkpoint(tmp_path, {"torch_dtype": "bfloat16"}, place="0_Transformer")
    module = {"path": "0_Transformer", "type": "sentence_transformers.models.Transformer"}
    (tmp_path / "modules.json").write_text(json.dumps([module]))
    assert checkpoint_precision(tmp_path) == "bfloat16"


def test_auto_is_float32_on_a_cpu_and_what_was_asked_for_stays(gpu, tmp_path, monkeypatch):
    source = source_of(checkpoint(tmp_path, {"torch_dtype": "bfloat16"}))
    assert resolve_precision(source, "float16", "cuda") == "float16"
    monkeypatch.undo()
    assert resolve_precision(source, "auto", "cpu") == "float32"
    assert resolve_precision(source, "auto", "mps") == "float32"
    assert resolve_precision(source, "auto", "cuda:1") == "bfloat16"


def test_models_without_files_compute_in_float32(gpu):
    assert resolve_precision(resolve_model("lexical"), "auto", "auto") == "float32"


def test_jina_embeddings_v3_runs_in_bfloat16_on_a_gpu(gpu, tmp_path):
    import torch

    from tests.tiny_jina import make_jina_checkpoints

    folders = make_jina_checkpoints(tmp_path, dtype=torch.bfloat16)
    for folder in (folders.original, folders.native):
        assert resolve_precision(resolve_model(str(folder)), "auto", "auto") == "bfloat16"


def test_a_backend_never_says_auto(tiny_model):
    source = resolve_model(str(tiny_model))
    check_settings(source, precision="auto")
    assert load_backend(source, device="cpu").precision == "float32"
    source = replace(source, folder=tiny_model)
    assert load_backend(source, device="cpu", precision="auto").precision == "float32"


def test_nothing_heavy_is_imported_where_the_device_is_named_or_there_is_no_driver():
    code = (
        "import sys, model.precision as p\n"
        "p._DRIVERS = ('/no/such/driver',)\n"
        "p.sys.platform = 'linux'\n"
        "assert not p.uses_cuda('auto') and not p.uses_cuda('cpu') and p.uses_cuda('cuda:0')\n"
        "assert not {'torch', 'numpy', 'mteb'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
