"""`jina-eval encode` as a user meets it."""

import json

import numpy as np
import pytest

from harness.cli import main
from model.checkpoint import ADAPTERS, PROMPTS
from tests.tiny_jina import make_jina_checkpoints

TEXTS = ["one text", "", "another text, a longer one", "one text", "東京 مرحبا"]


@pytest.fixture(scope="module")
def jina(tmp_path_factory):
    return str(make_jina_checkpoints(tmp_path_factory.mktemp("jina")).original)


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    return str(path)


def encode(model, source, output, *more):
    code = main(["encode", "-m", str(model), "-i", str(source), "-o", str(output), *more])
    assert code == 0
    return np.load(output)


def refused(capfd, *arguments):
    capfd.readouterr()
    assert main(["encode", *map(str, arguments)]) == 2
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    return lines[0]


def test_rows_come_in_the_order_of_the_input(tiny_model, texts, tmp_path, capfd):
    vectors = encode(tiny_model, texts, tmp_path / "v.npy")

    assert vectors.dtype == np.float32
    assert vectors.shape == (5, 16)
    np.testing.assert_allclose(vectors[0], vectors[3], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert "5 texts" in capfd.readouterr().err


def test_a_view_is_cut_and_brought_back_to_unit_length(tiny_model, texts, tmp_path):
    whole = encode(tiny_model, texts, tmp_path / "v.npy", "--quiet")
    cut = encode(tiny_model, texts, tmp_path / "new" / "cut.npy", "--view", "dim=5", "--quiet")

    expected = whole[:, :5] / np.linalg.norm(whole[:, :5], axis=1, keepdims=True)
    np.testing.assert_allclose(cut, expected, atol=1e-6)


def test_each_adapter_has_its_prompt_and_may_go_without(jina, texts, tmp_path):
    name = "retrieval.query"
    prompted = tmp_path / "prompted.txt"
    prompted.write_text("\n".join(PROMPTS[name] + text for text in TEXTS), encoding="utf-8")

    usual = encode(jina, texts, tmp_path / "a.npy", "--adapter", name)
    by_hand = encode(jina, prompted, tmp_path / "b.npy", "--adapter", name, "--no-prompt")
    bare = encode(jina, texts, tmp_path / "c.npy", "--adapter", name, "--no-prompt")
    plain = encode(jina, texts, tmp_path / "d.npy", "--adapter", "none")

    np.testing.assert_allclose(usual, by_hand, atol=1e-6)
    assert np.abs(usual - bare).max() > 1e-3
    assert np.abs(plain - bare).max() > 1e-3


def test_rows_may_name_adapters_of_their_own(jina, texts, tmp_path):
    """A mixed input gives each text what it gets alone with its adapter."""
    rows = [
        {"text": text, "adapter": adapter}
        for text in TEXTS
        for adapter in (*ADAPTERS, "none", None)
    ]
    mixed = tmp_path / "mixed.jsonl"
    mixed.write_text(
        "\n".join(json.dumps({k: v for k, v in row.items() if v is not None}) for row in rows)
    )

    vectors = encode(jina, mixed, tmp_path / "m.npy", "--adapter", "separation")

    for adapter in (*ADAPTERS, "none"):
        alone = encode(jina, texts, tmp_path / "one.npy", "--adapter", adapter)
        here = [n for n, row in enumerate(rows) if (row["adapter"] or "separation") == adapter]
        expected = np.repeat(alone, len(here) // len(TEXTS), axis=0)
        np.testing.assert_allclose(vectors[here], expected, atol=1e-6)


def test_a_large_input_goes_shard_by_shard(tiny_model, tmp_path, monkeypatch):
    source = tmp_path / "many.txt"
    source.write_text("\n".join(f"text {n % 7} {n}" for n in range(53)))
    whole = encode(tiny_model, source, tmp_path / "whole.npy")
    monkeypatch.setattr("harness.encode._SHARD", 10)

    np.testing.assert_allclose(encode(tiny_model, source, tmp_path / "s.npy"), whole, atol=1e-6)


def test_users_mistakes_are_named(tiny_model, jina, texts, tmp_path, capfd):
    out = tmp_path / "v.npy"
    rows = tmp_path / "rows.jsonl"
    rows.write_text('"a"\n{"text": "b", "adapter": "ranking"}\n')
    model = ("-m", jina, "-o", out, "-i")
    assert "name one with --adapter" in refused(capfd, *model, texts)
    unknown = refused(capfd, *model, texts, "--adapter", "query")
    assert "unknown adapter 'query'; allowed: retrieval.query" in unknown
    assert "unknown adapter 'ranking'" in refused(capfd, *model, rows, "--adapter", "none")
    has_none = refused(capfd, "-m", tiny_model, "-o", out, "-i", texts, "--adapter", "separation")
    assert "has no adapters" in has_none
    wide = refused(capfd, "-m", tiny_model, "-o", out, "-i", texts, "--view", "dim=17")
    assert "wider than the model" in wide
    assert "written as .npy" in refused(
        capfd, "-m", tiny_model, "-o", tmp_path / "v.csv", "-i", texts
    )
    assert "lexical" in refused(capfd, "-m", "lexical", "-o", out, "-i", texts)
    assert "No such file" in refused(capfd, "-m", tiny_model, "-o", out, "-i", tmp_path / "no.txt")
    assert not out.exists()


def test_a_text_that_is_no_unicode_is_named_by_index(tiny_model, tmp_path, capfd):
    source = tmp_path / "bad.jsonl"
    source.write_text('"fine"\n"broken \\ud800"\n')

    line = refused(capfd, "-m", tiny_model, "-i", source, "-o", tmp_path / "v.npy")
    assert "text 1 of 2 is not valid Unicode" in line


def test_a_failure_leaves_the_old_file(tiny_model, texts, tmp_path, monkeypatch, capfd):
    out = tmp_path / "v.npy"
    before = encode(tiny_model, texts, out)
    monkeypatch.setattr("harness.encode.check_vectors", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["encode", "-m", str(tiny_model), "-i", texts, "-o", str(out)])

    np.testing.assert_array_equal(np.load(out), before)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["texts.txt", "v.npy"]


def test_fewer_bits_are_written_as_they_are_stored(tiny_model, texts, tmp_path):
    whole = encode(tiny_model, texts, tmp_path / "v.npy", "--quiet")
    bits = encode(tiny_model, texts, tmp_path / "b.npy", "--view", "dim=full,ubinary", "--quiet")
    assert bits.dtype == np.uint8
    np.testing.assert_array_equal(bits, np.packbits(whole > 0, axis=1))
    half = encode(tiny_model, texts, tmp_path / "h.npy", "--view", "dim=16,float16", "--quiet")
    assert half.dtype == np.float16
    np.testing.assert_array_equal(half, whole.astype(np.float16))


def test_eight_bits_need_a_corpus(tiny_model, texts, tmp_path, capfd):
    request = ("-m", tiny_model, "-i", texts, "-o", tmp_path / "v.npy", "--view")
    message = "there is no corpus to calibrate 8 bits on"
    assert message in refused(capfd, *request, "dim=8,int8")
    assert "only searches are rescored" in refused(capfd, *request, "dim=8,binary,rescore=2")
    assert not (tmp_path / "v.npy").exists()
