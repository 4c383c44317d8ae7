"""`jina-eval bench encode`, on models small enough for a test."""

import json

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from harness.bench_encode import BenchRequest, bench_encode
from harness.bench_measure import ENCODER, END_TO_END, PEER_32, PEER_BEST, model_operations
from harness.bench_texts import MIXES, make_texts
from harness.cli import main
from harness.errors import RunError
from model.errors import ModelError
from model.random_checkpoint import find_xlmr_tokenizer, write_random_checkpoint
from model.source import resolve_model
from model.tokenization import TextTokenizer, TokenizedTexts

try:
    TOKENIZER = find_xlmr_tokenizer()
except ModelError as error:
    pytest.skip(str(error), allow_module_level=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from transformers import JinaEmbeddingsV3Config

    config = JinaEmbeddingsV3Config(
        vocab_size=250002,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=258,
    )
    path = tmp_path_factory.mktemp("bench") / "random"
    return write_random_checkpoint(path, TOKENIZER, device=torch.device("cpu"), config=config)


def test_random_weights_are_a_checkpoint_like_the_published_one(folder):
    source = resolve_model(str(folder))
    assert (source.kind, source.width, source.max_length) == ("jina-embeddings-v3", 32, 256)
    assert len(source.prompts.adapters) == 5


@pytest.mark.parametrize("mix", ["short", "long"])
def test_synthetic_texts_have_the_lengths_they_are_meant_to_have(mix):
    texts = make_texts(mix, 200, Tokenizer.from_file(str(TOKENIZER)), 600)
    lengths = TextTokenizer(Tokenizer.from_file(str(TOKENIZER)), 1000).tokenize(texts).lengths

    if mix == "long":
        assert lengths.tolist() == [600] * 200
    else:
        assert lengths.min() >= 6
        assert lengths.max() <= 512
        # Of a log-normal distribution with these parameters, cut off on the right.
        assert 85 < np.median(lengths) < 115
        assert 115 < lengths.mean() < 150
    assert make_texts(mix, 200, Tokenizer.from_file(str(TOKENIZER)), 600) == texts


def test_real_texts_are_many_and_no_labels():
    texts = make_texts("real", 10**6, Tokenizer.from_file(str(TOKENIZER)), 600)
    assert len(texts) > 5000
    assert len(set(texts)) == len(texts)
    assert all(" " in text.strip() or len(text) >= 20 for text in texts)
    assert sum(" " not in text for text in texts) > 100  # Japanese and Chinese


def test_operations_are_counted_by_weights_and_lengths(folder):
    from transformers import JinaEmbeddingsV3Model

    model = JinaEmbeddingsV3Model.from_pretrained(folder)
    lengths = np.array([10, 20])
    tokens = TokenizedTexts(np.zeros(30, np.int32), lengths, lengths)
    # Two layers; 2 operations a weight and token; 4 a pair of tokens and coordinate.
    weights = 4 * 32 * 32 + 2 * 32 * 64
    assert model_operations(model, tokens) == 2 * (2 * weights * 30 + 4 * 32 * (100 + 400))


def test_each_method_is_measured_on_each_mix(folder, tmp_path, capfd):
    output = tmp_path / "bench.json"
    command = ["bench", "encode", "-m", str(folder), "--scale", "0.05", "-o", str(output)]
    assert main([*command, "--mix", "short", "--mix", "real"]) == 0

    figures = json.loads(output.read_text())
    methods = {(one["mix"], one["method"]) for one in figures["measurements"]}
    names = (ENCODER, END_TO_END, PEER_32, PEER_BEST)
    assert methods == {(mix, name) for mix in ("short", "real") for name in names}
    for one in figures["measurements"]:
        assert one["tokens"] > one["texts"] > 1
        assert 0 < one["seconds"] < 60
        assert 0 < one["matmul_share"] < 1
    assert figures["attention"] == "sdpa"
    # The two ways to encode agree, or the comparison would mean nothing.
    assert figures["facts"]["real, ours against sentence-transformers: lowest cosine"] > 0.99999
    out = capfd.readouterr().out
    assert "÷ ST best" in out
    assert "adapter switch" in out


def test_what_was_measured_outlives_a_failure(folder, tmp_path, monkeypatch):
    output = tmp_path / "bench.json"
    monkeypatch.setattr("harness.bench_encode.measure_peer", lambda *_: 1 / 0)
    command = ["bench", "encode", "-m", str(folder), "--scale", "0.02", "--mix", "short"]
    with pytest.raises(ZeroDivisionError):
        main([*command, "-o", str(output)])

    methods = [one["method"] for one in json.loads(output.read_text())["measurements"]]
    assert methods == [ENCODER, END_TO_END]


def test_users_mistakes_are_named(capfd):
    with pytest.raises(RunError, match="unknown mix 'medium'; allowed: short, long, real"):
        bench_encode(BenchRequest(model="minilm", mixes=("medium",)), lambda _: None)
    with pytest.raises(RunError, match="'lexical' has no encoder"):
        bench_encode(BenchRequest(model="lexical"), lambda _: None)
    with pytest.raises(ModelError, match="precision is 'float8': needs a CUDA GPU"):
        bench_encode(BenchRequest(model="minilm", device="cpu", float8=True), lambda _: None)
    assert set(MIXES) == {"short", "long", "real"}


def test_a_suite_is_replayed_and_its_time_is_accounted_for(folder, tmp_path, capfd):
    output = tmp_path / "suite.json"
    command = ["bench", "suite", "--replay", "english", "--fraction", "0.001", "-o", str(output)]
    chosen = "STS12,ArguAna,Banking77Classification"
    assert main([*command, "--model", str(folder), "--tasks", chosen]) == 0
    printed = capfd.readouterr().out
    assert "english replayed, 0.1 % of its texts" in printed
    found = json.loads(output.read_text())
    assert [task["task"] for task in found["tasks"]] == [
        *("ArguAna", "Banking77Classification", "STS12"),
    ]
    for task in found["tasks"]:
        assert task["texts"] > 10
        assert task["tokens"] > 10
        assert min(task[part] for part in ("data", "encode", "score")) > 0


def test_the_cache_is_measured(tmp_path, capfd):
    output = tmp_path / "cache.json"
    arguments = ["--texts", "2000", "--width", "8", "--output", str(output)]
    assert main(["bench", "cache", *arguments]) == 0
    assert "Texts a second" in capfd.readouterr().out
    figures = json.loads(output.read_text())
    assert min(figures["added"], figures["found"], figures["read"]) > 0
    assert main(["bench", "cache", "--texts", "0"]) == 2


def test_a_sweep_is_measured_beside_one_view(tiny_model, tmp_path, capfd):
    output = tmp_path / "sweep.json"
    arguments = ["--model", str(tiny_model), "--tasks", "LeeDocumentSTS", "--workers", "0"]
    code = main(
        ["bench", "sweep", *arguments, "--peer-view", "dim=16,int8", "-o", str(output), "--quiet"]
    )
    assert code == 0
    figures = json.loads(output.read_text())
    assert figures["one"]["encoded"] == figures["one"]["distinct"] == 50
    assert figures["sweep"]["encoded"] == figures["sweep"]["distinct"] == 50
    assert figures["sweep"]["views"] == 4
    assert "LeeDocumentSTS" in figures["peers"][0]["scores"]
    assert "× the sweep" in capfd.readouterr().out


@pytest.mark.parametrize("fraction", ["0", "-1", "1.5"])
def test_a_fraction_that_is_none_is_refused(fraction, capfd):
    assert main(["bench", "suite", "--fraction", fraction]) == 2
    assert "expected above 0 and at most 1" in capfd.readouterr().err
