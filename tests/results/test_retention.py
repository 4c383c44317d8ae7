import pytest

from results.errors import RecordError
from results.retention import retention_by_type
from tests.reports.factories import make_run

SWEEP = {
    ("SearchA", 64): 0.60,
    ("SearchA", 32): 0.60,
    ("SearchA", 16): 0.50,
    ("SearchB", 64): 0.40,
    ("SearchB", 32): 0.39,
    ("SearchB", 16): 0.495,
    ("Similar", 64): 0.80,
    ("Similar", 32): 0.70,
    ("Similar", 16): 0.80,
    ("Sort", 64): -0.1,
    ("Sort", 32): 0.3,
    ("Sort", 16): 0.3,
}


def test_means_and_shares_are_those_of_all_tasks_of_a_type():
    search, similar, sort = retention_by_type(make_run(SWEEP))
    assert (search.type, search.tasks, search.full) == ("Retrieval", ("SearchA", "SearchB"), 64)
    assert search.means == pytest.approx({64: 0.5, 32: 0.495, 16: 0.4975})
    assert search.kept(32) == pytest.approx(0.99)
    assert (search.smallest(0.989), search.smallest(0.995)) == (16, 64)
    # 16 alone would do, but 32 does not: a lucky small one is not taken.
    assert similar.smallest(0.99) == 64
    assert sort.kept(32) is None
    assert sort.smallest(0.5) == 64


def test_what_is_no_sweep_is_refused():
    with pytest.raises(RecordError, match="several dimensions; there are: 64"):
        retention_by_type(make_run({("SearchA", 64): 0.6}))
    with pytest.raises(RecordError, match="there are: none"):
        retention_by_type([])
    del SWEEP["SearchB", 32]
    with pytest.raises(RecordError, match="task SearchB has no record in dim=32"):
        retention_by_type(make_run(SWEEP))
