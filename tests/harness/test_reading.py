"""Counting tokens as a model reads them, without the model."""

from dataclasses import replace

import numpy as np
import pytest

import harness.reading
from harness.plan_metadata import Density
from harness.reading import Reader, RoughReader
from model.backends import load_backend
from model.chunking import Chunking
from model.routing import Route
from model.source import resolve_model
from tasks.starter.files import read_rows

CHUNKINGS = tuple(map(Chunking.parse, ("naive:fixed=8", "naive:sentences=2")))
FIXED = ("naive:fixed=8", "naive:fixed=32")


@pytest.fixture(scope="module")
def source(tiny_model):
    return resolve_model(str(tiny_model))


@pytest.fixture(scope="module")
def reader():
    minilm = resolve_model("minilm")
    return Reader.of(minilm, minilm.max_length)


def ignore(done):
    """No progress is shown."""


def pages():
    return [row["answer"] for row in read_rows("perl_faq")]


def test_counts_are_those_of_the_loaded_model(source):
    reader = Reader.of(source, source.max_length)
    backend = load_backend(source, device="cpu")
    texts = ["a b", "c" * 400, "one, two. Three! " * 40, ""]
    route = Route(prompt="query: ")
    (work,) = backend.encode_chunks(texts, route, [Chunking.parse("late:fixed=4")], ignore)[0].work
    assert sum(one.tokens for one in work.passes) == reader.late(texts, route.prompt)
    read = backend.encode(texts, route, ignore)
    assert int((read.tokens - read.truncated).sum()) == reader.whole(texts, route.prompt)
    found = backend.encode_chunks(texts, route, CHUNKINGS, ignore)
    counts = reader.naive(texts, route.prompt, CHUNKINGS)
    assert sum(one.tokens for one in found[0].work[0].passes) == counts[0]
    both = {one for encoded in found for work in encoded.work for one in work.passes}
    assert sum(one.tokens for one in both) == sum(counts)


@pytest.mark.parametrize("share", [0.5, 0.15])
def test_a_sample_tells_the_tokens_of_all_texts(reader, monkeypatch, share):
    texts = pages()[:120]
    assert len(texts) == 120
    exact = [
        reader.whole(texts, "p: "),
        reader.late(texts, ""),
        *reader.naive(texts, "", CHUNKINGS),
    ]
    budget = int(share * sum(map(len, texts)))
    monkeypatch.setattr(harness.reading, "_WHOLE_CHARACTERS", budget)
    monkeypatch.setattr(harness.reading, "_CHUNKED_CHARACTERS", budget)
    found = [
        reader.whole(texts, "p: "),
        reader.late(texts, ""),
        *reader.naive(texts, "", CHUNKINGS),
    ]
    assert found == pytest.approx(exact, rel=0.1)
    assert found != exact


def test_chunks_that_repeat_in_all_documents_are_not_multiplied(reader, monkeypatch):
    filler = "The grass is green. The sky is blue. " * 200
    rng = np.random.default_rng(0)
    texts = [f"{filler} The pass key is {number}." for number in rng.integers(0, 9999, 64)]
    chunking = [Chunking.parse("naive:sentences=1")]
    exact = reader.naive(texts, "", chunking)
    monkeypatch.setattr(harness.reading, "_CHUNKED_CHARACTERS", sum(map(len, texts)) // 4)
    assert reader.naive(texts, "", chunking) == pytest.approx(exact, rel=0.1)


def test_scripts_have_tokens_per_character_of_their_own(reader):
    density = Density(reader)
    english, japanese = density.of(["eng-Latn"]), density.of(["jpn-Jpan"])
    assert 0.15 < english < 0.3
    assert japanese > 2 * english
    assert density.of(["ara-Arab"]) == pytest.approx(density.of(["arb-Arab"]), rel=0.3)
    assert density.of(["eng-Latn", "jpn-Jpan"]) == pytest.approx((english + japanese) / 2)
    assert density.of(["xxx-Zzzz"]) == english
    assert Density(None).of(["jpn-Jpan"]) == 0.25


def test_a_model_without_a_tokenizer_file_is_estimated_by_characters(source, tmp_path):
    assert Reader.of(replace(source, folder=tmp_path), 64) is None
    rough = RoughReader(64)
    assert rough.whole(["a" * 40, "b" * 4000], "cccc") == (10 + 1 + 2) + 64
    assert rough.late(["b" * 4000], "") > 1000
    small, large = rough.naive(["b" * 4000], "", list(map(Chunking.parse, FIXED)))
    assert small > large > 1000
