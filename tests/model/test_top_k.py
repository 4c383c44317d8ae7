"""The best documents of each query: exact, the same for every shard size, earlier ones first."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import model.top_k
from model.top_k import DOCUMENT_BLOCK, TopK, keep_best


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 12), st.integers(0, 2**32), st.data())
def test_top_k_is_that_of_a_stable_sort(documents, queries, k, seed, data):
    rng = np.random.default_rng(seed)
    d, q = (rng.integers(-2, 3, size=(n, 4)).astype(np.float32) for n in (documents, queries))
    cut = data.draw(st.sampled_from([1, 2, 4, 8])) * 4
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model.top_k, "DOCUMENT_BLOCK", 4)
        patch.setattr(model.top_k, "QUERY_BLOCK", data.draw(st.integers(1, 4)))
        best = TopK(torch.from_numpy(q), k)
        for start in range(0, documents, cut):
            best.add(torch.from_numpy(d[start : start + cut]))
        scores, places = best.best()
    brute = q @ d.T
    for row in range(queries):
        order = np.argsort(-brute[row], kind="stable")[:k]
        assert set(places[row].tolist()) == set(order.tolist())
        assert dict(zip(places[row].tolist(), scores[row].tolist(), strict=True)) == {
            place: brute[row, place] for place in order.tolist()
        }


def test_the_best_of_what_was_kept_are_the_earlier_ones_of_equal_scores():
    scores = np.float32([[1, 2, 1, 1], [3, 2, 2, 1]])
    places = np.array([[9, 4, 2, 7], [8, 6, 5, 1]])
    for k, kept in ((1, [{4}, {8}]), (2, [{4, 2}, {8, 5}]), (3, [{4, 2, 7}, {8, 5, 6}])):
        best, found = keep_best(scores, places, k)
        assert [set(row.tolist()) for row in found] == kept
        for row in range(2):
            of = dict(zip(places[row].tolist(), scores[row].tolist(), strict=True))
            assert [of[place] for place in found[row].tolist()] == best[row].tolist()


def test_documents_after_a_part_of_a_block_are_refused():
    best = TopK(torch.ones(1, 2), 3)
    best.add(torch.ones(5, 2))
    with pytest.raises(ValueError, match="5 documents before these"):
        best.add(torch.ones(5, 2))


def test_a_score_does_not_depend_on_the_shards():
    """Bit for bit, on vectors whose products are not exact, with copies of a document in each."""
    rng = np.random.default_rng(0)
    documents = rng.standard_normal((3 * DOCUMENT_BLOCK + 77, 48)).astype(np.float32)
    documents[:: DOCUMENT_BLOCK // 3] = documents[0]
    d = torch.nn.functional.normalize(torch.from_numpy(documents))
    q = torch.nn.functional.normalize(torch.from_numpy(rng.standard_normal((130, 48)))).float()
    q[0] = d[0]
    found = []
    for blocks in (1, 2, 4):
        best = TopK(q, 50)
        for part in d.split(blocks * DOCUMENT_BLOCK):
            best.add(part)
        scores, places = best.best()
        order = places.argsort(dim=1)
        found.append((scores.gather(1, order), places.gather(1, order)))
    for scores, places in found[1:]:
        assert torch.equal(scores, found[0][0])
        assert torch.equal(places, found[0][1])
    copies = found[0][1][0] % (DOCUMENT_BLOCK // 3) == 0
    assert copies.sum() == 10
    assert len(found[0][0][0][copies].unique()) == 1
