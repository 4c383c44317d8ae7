"""Whose cost each pass through the model is."""

import pytest

from harness.costs import TaskCosts
from harness.spec import RunSpec
from model.usage import Usage
from model.work import Pass, Work
from reports.leaderboard import make_leaderboards
from results.provenance import Cost
from tests.harness.test_views_run import run

CHUNKINGS = ("none", "late:fixed=8", "late:fixed=4", "naive:fixed=8", "naive:fixed=4")


def used(*works, made=()):
    return Usage(used=dict.fromkeys(works), made=dict.fromkeys(made or works))


def test_a_pass_is_one_records_own_and_the_others_share_it():
    costs = TaskCosts()
    queries, late = Pass(10, 1.0), Pass(100, 4.0)
    asked, first, second = Work(3, (queries,)), Work(5, (late,)), Work(5, (late,))
    own = costs.of(used(asked, first, made=(asked, first, second)), 6.0, 1)
    assert (own.encoded_texts, own.encode_seconds, own.encoded_tokens) == (8, 5.0, 110)
    assert (own.shared_texts, own.shared_seconds, own.shared_with) == (0, 0.0, 1)
    other = costs.of(used(asked, second, made=()), 0.5, 1)
    assert (other.encoded_texts, other.encode_seconds, other.encoded_tokens) == (0, 0.0, 0)
    assert (other.shared_texts, other.shared_seconds, other.shared_tokens) == (8, 5.0, 110)
    assert own.read_seconds == other.read_seconds
    assert other.read_tokens == 110


def test_what_was_made_for_another_record_is_that_ones_cost():
    costs = TaskCosts()
    own, both, other = Pass(1, 1.0), Pass(2, 2.0), Pass(4, 4.0)
    mine, theirs = Work(5, (own, both)), Work(5, (both, other))
    first = costs.of(Usage(used={mine: None}, made={mine: None, theirs: None}), 10.0, 1)
    assert (first.encode_seconds, first.total_seconds) == (3.0, 6.0)
    second = costs.of(Usage(used={theirs: None}), 1.0, 1)
    assert (second.encode_seconds, second.shared_seconds, second.total_seconds) == (4.0, 2.0, 5.0)
    assert (second.encoded_texts, second.shared_texts) == (5, 0)


def test_tokens_that_nobody_counted_are_not_zero():
    cost = TaskCosts().of(used(Work(2, (Pass(None, 1.0),))), 1.0, 0)
    assert cost.encoded_tokens is None
    assert cost.read_tokens is None
    assert TaskCosts().of(Usage(), 1.0, 3).shared_with == 0


@pytest.fixture(scope="module")
def records(tiny_model, tmp_path_factory):
    spec = RunSpec(
        model=str(tiny_model),
        tasks=("PerlFaqRetrieval",),
        views=("dim=16", "dim=8"),
        chunkings=CHUNKINGS,
        cache="off",
    )
    return run(tmp_path_factory.mktemp("costs"), spec)


def cost(records, chunking, view="dim=16"):
    return records["PerlFaqRetrieval", view, chunking].provenance.cost


def test_each_chunking_has_the_cost_of_its_own_passes(records):
    for place, record in records.items():
        found = record.provenance.cost
        assert found.read_texts == 300, place
        assert found.shared_with == 9, place
        assert found.read_seconds > 0, place
    assert cost(records, "none").encoded_texts == 300
    late, later = cost(records, "late:fixed=8"), cost(records, "late:fixed=4")
    assert (late.encoded_texts, later.encoded_texts) == (150, 0)
    assert late.read_seconds == pytest.approx(later.read_seconds, abs=1e-3)
    assert late.read_tokens == later.read_tokens
    # Other chunks are passes of their own, though all are encoded in one call.
    naive, smaller = cost(records, "naive:fixed=8"), cost(records, "naive:fixed=4")
    assert len({late.read_tokens, naive.read_tokens, smaller.read_tokens}) == 3
    assert smaller.encoded_texts == naive.encoded_texts == 150
    assert smaller.encode_seconds > 0
    for chunking in CHUNKINGS:
        assert cost(records, chunking, "dim=8").encoded_texts == 0
        own, other = cost(records, chunking), cost(records, chunking, "dim=8")
        assert own.read_tokens == other.read_tokens
        assert own.read_seconds == pytest.approx(other.read_seconds, abs=1e-3)


def test_the_leaderboard_has_the_speed_of_each_chunking(records):
    (board,) = make_leaderboards(records.values())
    speeds = {}
    for entry in board.entries:
        chunking = entry.some_record.provenance.identity.chunking
        speeds[chunking] = entry.texts_per_second
        alone = cost(records, chunking)
        expected = alone.read_texts / alone.read_seconds
        assert entry.texts_per_second == pytest.approx(expected, rel=0.1)
    assert set(speeds) == set(CHUNKINGS)
    assert speeds["late:fixed=8"] == pytest.approx(speeds["late:fixed=4"], rel=0.1)


def test_costs_from_before_passes_were_shared_are_not_shown_where_they_were_wrong(records):
    """One of the chunkings bore the cost of all, the others none."""

    def old(record, chunkings):
        facts = record.provenance
        cost = Cost(encoded_texts=5, encode_seconds=1, total_seconds=2, finished="2026-01-01")
        spec = {**facts.run_spec, "chunkings": chunkings}
        return facts.model_copy(update={"cost": cost, "run_spec": spec})

    record = next(iter(records.values()))
    assert old(record, ["none"]).speed == (5, 1)
    assert old(record, ["none", "late:fixed=8"]).speed is None
    assert record.provenance.speed is not None
    written = Cost.model_validate_json(record.provenance.cost.model_dump_json())
    assert written == record.provenance.cost
