import logging
import threading

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.encoder import PackedEncoder
from model.errors import ModelError
from model.tokenization import TextTokenizer
from tests.tiny_models import make_tokenizer

CPU = torch.device("cpu")
TEXTS = st.lists(st.text("abc xyz", max_size=80), min_size=1, max_size=40)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    fast = make_tokenizer(tmp_path_factory.mktemp("tokenizer"))
    return TextTokenizer(fast.backend_tokenizer, 30)


def sums(batch):
    """A stand-in for a model: what it gives depends on each text's own tokens alone."""
    places = batch.positions(batch.text_of_token()).float() + 1
    weighted = torch.stack([batch.ids.float(), batch.ids * places], dim=1)
    return torch.segment_reduce(weighted, "sum", offsets=batch.cumulative.long())


def expected(tokenizer, texts):
    rows = []
    for text in texts:
        ids = tokenizer.tokenize([text]).ids.astype(np.float32)
        rows.append([ids.sum(), (ids * np.arange(1, len(ids) + 1)).sum()])
    return np.array(rows, dtype=np.float32)


@given(texts=TEXTS, budget=st.integers(1, 200))
def test_rows_come_in_the_order_of_the_texts_at_any_budget(tokenizer, texts, budget):
    encoder = PackedEncoder(sums, tokenizer, device=CPU, token_budget=budget)
    done = []

    encoded = encoder.encode(texts, done.append)

    np.testing.assert_array_equal(encoded.vectors, expected(tokenizer, texts))
    assert sum(done) == len(texts)


def test_windows_are_joined_without_losing_a_text(tokenizer, monkeypatch):
    monkeypatch.setattr("model.encoder._MIN_WINDOW_BYTES", 50)
    encoder = PackedEncoder(sums, tokenizer, device=CPU, token_budget=40)
    texts = [f"abc {'xyz ' * (n % 17)}" for n in range(300)]
    sizes = []

    def forward(batch):
        sizes.append(batch.tokens)
        return sums(batch)

    encoder = PackedEncoder(forward, tokenizer, device=CPU, token_budget=40)
    np.testing.assert_array_equal(
        encoder.encode(texts, lambda _: None).vectors, expected(tokenizer, texts)
    )
    assert max(sizes) <= 40
    # Batches stay full across windows: only the last may be small.
    assert np.mean(sizes[:-1]) > 25


def test_cut_tokens_are_counted(tokenizer):
    encoder = PackedEncoder(sums, tokenizer, device=CPU, token_budget=64)
    texts = ["a", "b " * 100, ""]

    encoded = encoder.encode(texts, lambda _: None)

    assert encoded.tokens.tolist() == [3, 102, 2]
    assert encoded.truncated.tolist() == [0, 72, 0]


def test_no_texts_give_no_rows(tokenizer):
    encoder = PackedEncoder(sums, tokenizer, device=CPU, token_budget=64)

    assert encoder.encode([], lambda _: None).vectors.shape[0] == 0


def test_out_of_memory_halves_the_budget_says_so_and_goes_on(tokenizer, caplog):
    limit = 45

    def forward(batch):
        if batch.tokens > limit:
            raise torch.OutOfMemoryError("planted")
        return sums(batch)

    encoder = PackedEncoder(forward, tokenizer, device=CPU, token_budget=200)
    texts = ["abc xyz " * (n % 5) for n in range(60)]
    with caplog.at_level(logging.WARNING):
        encoded = encoder.encode(texts, lambda _: None)

    np.testing.assert_array_equal(encoded.vectors, expected(tokenizer, texts))
    assert encoder.token_budget <= limit
    assert "out of memory: going on with" in caplog.text


def test_a_text_that_never_fits_is_an_error(tokenizer):
    def forward(batch):
        raise torch.OutOfMemoryError("planted")

    encoder = PackedEncoder(forward, tokenizer, device=CPU, token_budget=64)
    with pytest.raises(ModelError, match="a text of 12 tokens does not fit"):
        encoder.encode(["a " * 10], lambda _: None)


def test_an_error_ends_the_tokenizing_thread(tokenizer):
    def forward(batch):
        raise KeyboardInterrupt

    encoder = PackedEncoder(forward, tokenizer, device=CPU, token_budget=16)
    with pytest.raises(KeyboardInterrupt):
        encoder.encode(["abc xyz"] * 200, lambda _: None)

    assert not [thread for thread in threading.enumerate() if "tokenize" in thread.name]


def test_tokens_may_be_given_instead_of_texts(tokenizer):
    encoder = PackedEncoder(sums, tokenizer, device=CPU, token_budget=64)
    texts = ["abc", "xyz xyz", "a b c x y z"]

    vectors = encoder.encode_tokens(tokenizer.tokenize(texts))

    np.testing.assert_array_equal(vectors, expected(tokenizer, texts))
