"""The speed that a plan expects: that of the same model on this machine, by chunking."""

import platform
from types import SimpleNamespace

import pytest

from harness.plan_speed import speed_of
from harness.spec import RunSpec
from model.chunking import WHOLE, Chunking
from results.provenance import Cost
from tests.results.factories import make_record

LATE, NAIVE = Chunking.parse("late:fixed=8"), Chunking.parse("naive:fixed=8")


def planned(parameters=1000, **more):
    source = SimpleNamespace(fingerprint="f" * 64, parameters=parameters)
    return SimpleNamespace(source=source, spec=RunSpec(**more), precision="float32")


def facts(chunking="none", tokens=1000, seconds=1.0, shared=(0, 0.0), device="cpu", **identity):
    facts = make_record(chunking=chunking, **identity).provenance
    cost = Cost(
        encoded_texts=5,
        encode_seconds=seconds,
        encoded_tokens=tokens,
        shared_texts=0,
        shared_seconds=shared[1],
        shared_tokens=shared[0],
        shared_with=1,
        total_seconds=seconds + 0.25,
        finished="2026-01-01",
    )
    here = {"platform": platform.platform(), "device": device}
    environment = facts.environment.model_copy(update=here)
    return facts.model_copy(update={"cost": cost, "environment": environment})


def test_each_chunking_has_the_rate_of_its_own_and_shared_passes():
    records = [facts(), facts("late:fixed=8", 0, 0.0, shared=(6000, 2.0))]
    speed = speed_of(planned(), records, 0)
    assert speed.encode_seconds({WHOLE: 2000}) == pytest.approx(2)
    assert speed.encode_seconds({LATE: 6000}) == pytest.approx(2)
    assert speed.encode_seconds({Chunking.parse("late:fixed=9"): 6000}) == pytest.approx(2)
    assert speed.encode_seconds({NAIVE: 7000}) == pytest.approx(3)
    assert speed.score_seconds("TaskA", "STS") == pytest.approx(0.25)
    assert "2 stored records of this model on cpu" in speed.basis


@pytest.mark.parametrize(
    "other",
    [
        facts(device="cuda:0 (H100)"),
        facts(precision="bfloat16"),
        facts(fingerprint="0" * 64),
        make_record().provenance,  # of another machine
    ],
)
def test_records_of_other_machines_devices_or_models_tell_nothing(other):
    run = planned(device="cpu")
    assert speed_of(run, [other], 0) == speed_of(run, [], 0)
    assert "rule of thumb for two CPU cores" in speed_of(run, [other], 0).basis


def test_embeddings_are_looked_up_and_not_multiplied():
    some, fewer = speed_of(planned(), [], 0), speed_of(planned(), [], 500)
    assert some.encode_seconds({WHOLE: 10**9}) == 2 * fewer.encode_seconds({WHOLE: 10**9})


def test_costs_from_before_tokens_were_counted_serve_where_they_are_whole():
    old = Cost(encoded_texts=5, encode_seconds=2, total_seconds=3, finished="2026-01-01")
    whole = facts().model_copy(update={"cost": old})
    read = whole.text_count.tokens - whole.text_count.truncated_tokens
    assert speed_of(planned(), [whole], 0).encode_seconds({WHOLE: read}) == pytest.approx(2)
    part = whole.model_copy(update={"cost": old.model_copy(update={"encoded_texts": 4})})
    assert "rule of thumb" in speed_of(planned(), [part], 0).basis
    chunked = facts("late:fixed=8").model_copy(update={"cost": old})
    assert "rule of thumb" in speed_of(planned(), [chunked], 0).basis


def test_a_model_without_weights_reads_for_free():
    speed = speed_of(planned(parameters=None), [], 0)
    assert speed.encode_seconds({WHOLE: 10**9}) == 0
    assert speed.score_seconds("TaskA", "STS") > 0
