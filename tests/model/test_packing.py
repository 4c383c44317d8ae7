import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.packing import pack, plan_batches
from model.pooling import POOLINGS, pool
from model.tokenization import TokenizedTexts

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=60)


def texts_of(lengths):
    total = sum(lengths)
    counts = np.array(lengths, dtype=np.int64)
    return TokenizedTexts(np.arange(total, dtype=np.int32), counts, counts)


@given(LENGTHS, st.integers(1, 100))
def test_batches_cover_all_texts_in_order_within_the_budget(lengths, budget):
    batches = plan_batches(np.array(lengths, dtype=np.int64), budget)

    assert [row for batch in batches for row in range(batch.start, batch.stop)] == list(
        range(len(lengths))
    )
    for batch in batches:
        assert sum(lengths[batch]) <= budget or batch.stop - batch.start == 1


@given(LENGTHS, st.integers(1, 100))
def test_a_batch_is_as_full_as_it_can_be(lengths, budget):
    batches = plan_batches(np.array(lengths, dtype=np.int64), budget)

    for batch in batches[:-1]:
        assert sum(lengths[batch]) + lengths[batch.stop] > budget


@given(LENGTHS)
def test_positions_restart_with_each_text(lengths):
    batch = pack(texts_of(lengths), torch.device("cpu"))
    owner = batch.text_of_token()

    expected = [place for length in lengths for place in range(length)]
    assert batch.positions(owner).tolist() == expected
    assert owner.tolist() == np.repeat(np.arange(len(lengths)), lengths).tolist()
    assert batch.longest == max(lengths)
    assert batch.tokens == sum(lengths)


@given(LENGTHS)
def test_segments_are_runs_of_equal_length(lengths):
    segments = pack(texts_of(lengths), torch.device("cpu")).segments()

    assert [length for _, count, length in segments for _ in range(count)] == lengths
    assert [first for first, _, _ in segments] == [
        sum(count * length for _, count, length in segments[:place])
        for place in range(len(segments))
    ]
    assert all(a[2] != b[2] for a, b in itertools.pairwise(segments))


@pytest.mark.parametrize("pooling", POOLINGS)
@given(lengths=LENGTHS)
def test_pooling_takes_each_text_alone(lengths, pooling):
    batch = pack(texts_of(lengths), torch.device("cpu"))
    hidden = torch.randn(batch.tokens, 5, generator=torch.Generator().manual_seed(1))

    pooled = pool(hidden, batch, pooling)

    parts = hidden.split(lengths)
    take = {"mean": lambda x: x.mean(0), "cls": lambda x: x[0], "lasttoken": lambda x: x[-1]}
    expected = torch.stack([take[pooling](part) for part in parts])
    torch.testing.assert_close(pooled, expected, atol=1e-6, rtol=1e-5)


def test_pooling_sums_in_float32():
    # A thousand ones and one: in bfloat16 the sum would stop at 256.
    batch = pack(texts_of([1000]), torch.device("cpu"))
    hidden = torch.ones(1000, 1, dtype=torch.bfloat16)

    assert pool(hidden, batch, "mean").item() == 1.0
    assert pool(hidden, batch, "mean").dtype == torch.float32
