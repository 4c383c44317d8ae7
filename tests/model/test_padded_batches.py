"""A model that returns too few rows, or rows of another width, on the padded way is named."""

import numpy as np
import pytest
import torch

from model.backends import load_backend
from model.errors import ModelOutputError
from model.padded_batches import PaddedBatch, encode_batch
from model.routing import Route
from model.source import resolve_model

TEXTS = [f"text number {number}" for number in range(40)]


def ignore(_):
    pass


@pytest.fixture
def padded(tiny_model):
    """The tiny model on its padded way, in batches of eight."""
    backend = load_backend(resolve_model(str(tiny_model)), device="cpu", batch_size=8)
    backend.encoder = None
    return backend


def spoil(backend, monkeypatch, change, call=2):
    """Let a batch of sentence-transformers come back otherwise."""
    usual, calls = backend.model[-1].forward, []

    def forward(features, **options):
        calls.append(1)
        made = usual(features, **options)
        if len(calls) == call:
            made["sentence_embedding"] = change(made["sentence_embedding"])
        return made

    monkeypatch.setattr(backend.model[-1], "forward", forward)


@pytest.mark.parametrize("call", [1, 2, 5])
@pytest.mark.parametrize(
    "change",
    [lambda v: v[:-1], lambda v: v[:, :-1], lambda v: torch.cat([v, v[:1]]), lambda v: v[:0]],
    ids=["short", "narrow", "long", "empty"],
)
def test_a_batch_of_another_shape_names_model_and_batch(padded, monkeypatch, change, call):
    spoil(padded, monkeypatch, change, call)
    with pytest.raises(ModelOutputError, match=r"model local/tiny, batch of texts \d+ to") as error:
        padded.encode(TEXTS, Route(), ignore)
    assert "\n" not in str(error.value)


def test_all_batches_of_another_width_are_named_too(padded, monkeypatch):
    usual = padded.model[-1].forward

    def forward(features, **options):
        made = usual(features, **options)
        made["sentence_embedding"] = made["sentence_embedding"][:, :-3]
        return made

    monkeypatch.setattr(padded.model[-1], "forward", forward)
    with pytest.raises(ModelOutputError, match=r"returned shape \(32, 13\), expected \(32, 16\)"):
        padded.encode(TEXTS, Route(), ignore)


def test_what_is_right_passes(padded):
    assert padded.encode(TEXTS, Route(), ignore).vectors.shape == (40, 16)


def test_without_a_stated_width_any_will_do():
    batch = PaddedBatch("m", ["a", "b"], 0, 2, None)
    assert encode_batch(batch, lambda texts: np.ones((2, 5), np.float32)).shape == (2, 5)
    with pytest.raises(ModelOutputError):
        encode_batch(batch, lambda texts: np.ones(2, np.float32))
