import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model.distinct import DistinctCounter
from model.routing import Route
from model.usage import hash_texts

BATCHES = st.lists(st.lists(st.integers(0, 40), max_size=30), max_size=12)


@given(BATCHES)
def test_what_is_new_is_what_a_set_would_say(batches):
    counter, seen = DistinctCounter(), set()
    for batch in batches:
        expected = []
        for value in batch:
            expected.append(value not in seen)
            seen.add(value)
        assert counter.add(np.array(batch, dtype=np.uint64)).tolist() == expected
        assert len(counter) == len(seen)


def test_few_arrays_are_kept_however_many_batches_come():
    counter = DistinctCounter()
    rng = np.random.default_rng(0)
    for _ in range(200):
        counter.add(rng.integers(2**63, size=500).astype(np.uint64))
    assert len(counter) == 100_000
    assert len(counter._sorted) <= np.log2(200) + 1
    assert sum(part.nbytes for part in counter._sorted) == 8 * len(counter)


def test_a_hash_is_of_route_and_text():
    texts = ["a", "b", "", "ab"]
    routes = [Route(), Route("adapter"), Route(None, "prompt")]
    hashes = np.concatenate([hash_texts(route, texts) for route in routes])
    assert len(set(hashes.tolist())) == 12
    assert (
        hash_texts(Route(), ["b", "a"]).tolist() == hash_texts(Route(), ["a", "b"])[::-1].tolist()
    )
