"""Both published layouts are read whole, or refused by the name of what is wrong."""

import json
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from model.checkpoint import ADAPTERS, find_layout, read_checkpoint, read_facts
from model.errors import ModelError
from tests.tiny_jina import make_jina_checkpoints

LAYOUTS = ("original", "native")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return make_jina_checkpoints(tmp_path_factory.mktemp("jina"))


@pytest.fixture
def copy(folders, tmp_path):
    def make(layout):
        path = tmp_path / layout
        shutil.copytree(getattr(folders, layout), path)
        return path

    return make


def change_tensors(path, change):
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def change_json(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_both_layouts_hold_the_same(folders):
    original, native = (read_checkpoint(getattr(folders, layout)) for layout in LAYOUTS)

    assert set(original.weights) == set(native.weights)
    for name, weight in original.weights.items():
        torch.testing.assert_close(weight, native.weights[name], rtol=0, atol=0)
    assert tuple(original.adapters) == tuple(native.adapters) == ADAPTERS
    for adapter, updates in original.adapters.items():
        assert set(updates) == set(native.adapters[adapter])
        for name, update in updates.items():
            other = native.adapters[adapter][name]
            torch.testing.assert_close(update.left @ update.right, other.left @ other.right)
            assert update.scale == other.scale == 0.25


def test_every_parameter_has_its_weight(folders):
    from transformers import JinaEmbeddingsV3Model

    checkpoint = read_checkpoint(folders.original)
    model = JinaEmbeddingsV3Model(checkpoint.config, add_pooling_layer=False)
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    assert {name: weight.shape for name, weight in checkpoint.weights.items()} == shapes
    for updates in checkpoint.adapters.values():
        for name, update in updates.items():
            assert (update.left.shape[0], update.right.shape[1]) == tuple(shapes[name])
        # Linear layers and embeddings, all of them, and nothing else.
        assert set(updates) == {name for name, shape in shapes.items() if len(shape) == 2}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_facts_need_no_tensors(folders, layout):
    folder = getattr(folders, layout)

    assert find_layout(folder) == layout
    facts = read_facts(folder, layout)
    assert (facts.width, facts.max_length) == (32, 128)
    assert tuple(facts.prompts) == ADAPTERS
    assert facts.prompts["retrieval.passage"] == "Represent the document for retrieval: "


def test_prompts_of_the_configuration_win(copy):
    folder = copy("original")
    change_json(folder / "config.json", task_instructions={"separation": "Tell apart: "})

    prompts = read_facts(folder, "original").prompts
    assert prompts["separation"] == "Tell apart: "
    assert prompts["classification"] == ""


def test_other_folders_are_no_checkpoint(tmp_path, tiny_model):
    assert find_layout(tmp_path) is None
    assert find_layout(tiny_model) is None
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    assert find_layout(tmp_path) is None
    with pytest.raises(ModelError, match="is no jina-embeddings-v3 checkpoint"):
        read_checkpoint(tmp_path)


def test_looking_for_a_checkpoint_loads_no_torch():
    code = "import sys, model.checkpoint; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


WQKV = "encoder.layers.1.mixer.Wqkv"
FAULTS = {
    "original": {
        "missing": f"roberta.{WQKV}.parametrizations.weight.0.lora_B",
        "misshapen": f"roberta.{WQKV}.parametrizations.weight.original",
        "unexpected": "roberta.encoder.layers.2.norm1.weight",
    },
    "native": {"missing": f"{WQKV}.bias", "misshapen": "emb_ln.weight", "unexpected": "extra"},
}


@pytest.mark.parametrize("fault", ["missing", "misshapen", "unexpected"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_wrong_tensor_is_named(copy, layout, fault):
    folder = copy(layout)
    name = FAULTS[layout][fault]

    def change(tensors):
        if fault == "missing":
            del tensors[name]
        elif fault == "misshapen":
            tensors[name] = tensors[name][1:].clone()
        else:
            tensors[name] = torch.zeros(32)

    change_tensors(folder / "model.safetensors", change)
    words = {"missing": "is missing", "misshapen": "expected", "unexpected": "was not expected"}
    with pytest.raises(ModelError, match=f"tensor {name}.*{words[fault]}"):
        read_checkpoint(folder)


@pytest.mark.parametrize("fault", ["missing", "misshapen", "unexpected"])
def test_a_wrong_tensor_of_an_adapter_is_named(copy, fault):
    folder = copy("native")
    name = "base_model.model.layers.0.mlp.fc1.lora_B.weight"

    def change(tensors):
        tensor = tensors.pop(name)
        if fault == "misshapen":
            tensors[name] = tensor[:, :2].clone()
        if fault == "unexpected":
            tensors[name] = tensor
            tensors["base_model.model.layers.7.mlp.fc1.lora_B.weight"] = tensor.clone()

    change_tensors(folder / "separation" / "adapter_model.safetensors", change)
    wrong = name.replace("layers.0", "layers.7") if fault == "unexpected" else name
    with pytest.raises(ModelError, match=f"separation.*tensor {wrong}"):
        read_checkpoint(folder)


def test_whole_numbers_are_no_weights(copy):
    folder = copy("native")
    change_tensors(
        folder / "model.safetensors", lambda t: t.update({"emb_ln.bias": torch.zeros(32).long()})
    )
    with pytest.raises(ModelError, match=r"emb_ln\.bias holds torch\.int64"):
        read_checkpoint(folder)


def test_an_adapter_that_is_not_there_is_named(copy):
    folder = copy("native")
    shutil.rmtree(folder / "text_matching")
    with pytest.raises(ModelError, match=r"adapter folder .*text_matching is missing"):
        read_checkpoint(folder)


def test_pickled_weights_are_refused(copy):
    folder = copy("native")
    (folder / "separation" / "adapter_model.safetensors").rename(
        folder / "separation" / "adapter_model.bin"
    )
    with pytest.raises(ModelError, match=r"adapter_model.bin can run code when loaded"):
        read_checkpoint(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("use_rslora", True),
        ("use_dora", True),
        ("init_lora_weights", "pissa_niter_4"),
        ("init_lora_weights", "OLoRA"),
        ("kasa_config", {"rank": 4}),
        ("alpha_pattern", {"q_proj": 8}),
        ("rank_pattern", {"q_proj": 8}),
        ("bias", "all"),
        ("r", 0),
        ("lora_alpha", float("nan")),
        ("peft_type", "IA3"),
    ],
)
def test_other_kinds_of_adapters_are_refused(copy, key, value):
    folder = copy("native")
    change_json(folder / "classification" / "adapter_config.json", **{key: value})
    with pytest.raises(ModelError, match=rf"classification.adapter_config.json: {key}"):
        read_checkpoint(folder)


@pytest.mark.parametrize(
    ("key", "value"), [("position_embedding_type", "absolute"), ("hidden_act", "relu")]
)
def test_settings_that_the_architecture_has_not_got_are_refused(copy, key, value):
    folder = copy("original")
    change_json(folder / "config.json", **{key: value})
    with pytest.raises(ModelError, match=f"{key} is '{value}'; allowed"):
        read_checkpoint(folder)


def test_weights_may_lie_in_several_files(copy, folders):
    folder = copy("native")
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, some in parts.items():
        save_file({name: tensors[name] for name in some}, folder / file)
    index = {"weight_map": {name: file for file, some in parts.items() for name in some}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    weights = read_checkpoint(folder).weights
    for name, weight in read_checkpoint(folders.native).weights.items():
        torch.testing.assert_close(weights[name], weight, rtol=0, atol=0)


def test_names_with_the_prefix_of_a_larger_model_are_read(copy, folders):
    """As `save_pretrained` of a model with a head on top writes them."""
    folder = copy("native")

    def change(tensors):
        for name in list(tensors):
            tensors[f"roberta.{name}"] = tensors.pop(name)
        tensors["lm_head.bias"] = torch.zeros(3)

    change_tensors(folder / "model.safetensors", change)
    weights = read_checkpoint(folder).weights
    for name, weight in read_checkpoint(folders.native).weights.items():
        torch.testing.assert_close(weights[name], weight, rtol=0, atol=0)


def test_bfloat16_stays_bfloat16(tmp_path):
    folders = make_jina_checkpoints(tmp_path, dtype=torch.bfloat16, layers=1)
    for layout in LAYOUTS:
        checkpoint = read_checkpoint(getattr(folders, layout))
        assert {weight.dtype for weight in checkpoint.weights.values()} == {torch.bfloat16}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lora_rank", 0),
        ("lora_rank", "4"),
        ("lora_alpha", None),
        ("lora_alpha", float("nan")),
        ("rotary_emb_base", None),
        ("hidden_size", "32"),
        ("layer_norm_eps", None),
        ("num_attention_heads", 3),
        ("num_attention_heads", 0),
        ("task_instructions", {"separation": None}),
    ],
)
def test_values_of_another_kind_are_refused_by_their_key(copy, key, value):
    folder = copy("original")
    change_json(folder / "config.json", **{key: value})
    with pytest.raises(ModelError, match=rf"config\.json.*{key}") as error:
        read_checkpoint(folder)
    assert "\n" not in str(error.value)


def test_native_heads_must_share_the_width(copy):
    folder = copy("native")
    change_json(folder / "config.json", num_attention_heads=3)
    with pytest.raises(ModelError, match="num_attention_heads is 3"):
        read_checkpoint(folder)


@pytest.mark.parametrize("stated", [None, True, 10**30, 1000, 0])
def test_a_senseless_maximum_length_is_not_obeyed(copy, stated):
    folder = copy("original")
    change_json(folder / "tokenizer_config.json", model_max_length=stated)
    facts = read_facts(folder, "original")
    assert facts.max_length == 128
    assert not isinstance(facts.max_length, bool)


def drop_pooler(path):
    def change(tensors):
        for name in [name for name in tensors if "pooler" in name]:
            del tensors[name]

    change_tensors(path, change)


def test_the_pooler_is_in_base_and_adapters_or_in_neither(copy, folders):
    folder = copy("native")
    drop_pooler(folder / "model.safetensors")
    with pytest.raises(ModelError, match=r"pooler\.dense\.lora_A\.weight and 1 more was not"):
        read_checkpoint(folder)

    for path in folder.glob("*/adapter_model.safetensors"):
        drop_pooler(path)
    found, whole = read_checkpoint(folder), read_checkpoint(folders.native)
    assert set(found.weights) == set(whole.weights)
    assert set(found.adapters["separation"]) == set(whole.adapters["separation"])


def test_a_tensor_in_two_files_is_named(copy):
    folder = copy("native")
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").rename(folder / "a.safetensors")
    save_file({"emb_ln.bias": tensors["emb_ln.bias"] * 2}, folder / "b.safetensors")
    weight_map = {**dict.fromkeys(tensors, "a.safetensors"), "emb_ln.bias": "b.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(ModelError, match=r"tensor emb_ln\.bias is in another file as well"):
        read_checkpoint(folder)


def test_of_one_whole_file_and_an_index_the_file_is_read_as_transformers_does(copy, folders):
    from transformers import AutoModel

    folder = copy("native")
    tensors = load_file(folder / "model.safetensors")
    save_file({name: tensor * 2 for name, tensor in tensors.items()}, folder / "old.safetensors")
    index = {"weight_map": dict.fromkeys(tensors, "old.safetensors")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    name = "embeddings.LayerNorm.weight"
    found = read_checkpoint(folder).weights[name]
    assert torch.equal(found, read_checkpoint(folders.native).weights[name])
    assert torch.equal(found, AutoModel.from_pretrained(folder).state_dict()[name])
