"""The files of a reference."""

import json

import pandas as pd
import pytest

from results.errors import NoExamplesError
from results.examples import ExampleRows, examples_table
from results.gate.policy import DEFAULT_POLICY
from results.gate.reference import Cost, GateReference, GateReferenceError, Place
from tests.results.gate import gate_record, make_reference

SCORES = [0.0, 0.5, 1.0]


@pytest.fixture
def reference():
    return make_reference(
        [gate_record("B", SCORES), gate_record("A", SCORES, view="dim=8,int8")],
        spread={"B": 0.25},
        spread_seeds=5,
        cost=Cost(speed=1.5, memory=0.5, device="cpu", texts=3),
    )


def test_what_was_written_is_read(reference, tmp_path):
    reference.write(tmp_path)
    found = GateReference.read(tmp_path)
    assert found.by_place.keys() == reference.by_place.keys()
    for place, record in reference.by_place.items():
        assert found.by_place[place].provenance == record.provenance
        assert found.by_place[place].task_result == record.task_result
        again = found.examples(found.by_place[place])
        pd.testing.assert_frame_equal(again, record.examples, check_dtype=False)
    for name in ("run_spec", "seed", "spread", "spread_seeds", "cost", "history"):
        assert getattr(found, name) == getattr(reference, name)
    assert (tmp_path / "policy.toml").read_text() == DEFAULT_POLICY
    lines = (tmp_path / "scores.csv").read_text().splitlines()
    assert lines[1:] == [
        'A,Retrieval,"dim=8,int8",none,ndcg_at_10,0.500000',
        "B,Retrieval,dim=8,none,ndcg_at_10,0.500000",
    ]


def test_equal_records_give_equal_bytes_in_any_order(reference, tmp_path):
    reference.write(tmp_path / "one")
    make = make_reference(
        reversed(reference.records),
        spread=reference.spread,
        spread_seeds=5,
        cost=reference.cost,
    )
    make.write(tmp_path / "two")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_views_stand_in_the_order_of_the_run_spec(reference):
    spec = {"views": ["dim=8", "dim=8,int8"]}
    found = make_reference(reference.records, run_spec=spec)
    assert found.places == (Place("B", "dim=8", "none"), Place("A", "dim=8,int8", "none"))


def test_predictions_are_kept_only_where_a_test_needs_them(tmp_path):
    ranked = gate_record("A", SCORES, type="STS", metric="cosine_spearman")
    rows = ExampleRows(["1", "2"], None, ["0.5", "0.25"], ["1", "0"])
    mean = ExampleRows(["1", "2"], [0.5, 1.0], ["9", "9"], ["8", "8"])
    tables = {
        "A": examples_table([("test", "default", rows)]),
        "B": examples_table([("test", "default", mean)]),
    }
    records = [ranked, gate_record("B", SCORES)]
    make_reference(records, tables=lambda place: tables[place.task]).write(tmp_path)
    found = GateReference.read(tmp_path)
    a, b = (found.examples(record) for record in records)
    assert list(a["prediction"]) == ["0.5", "0.25"]
    assert list(b["score"]) == [0.5, 1.0]
    assert b["prediction"].isna().all()


def test_the_policy_is_left_as_it_was_edited(reference, tmp_path):
    (tmp_path / "policy.toml").write_text("speed = 0.9\n")
    reference.write(tmp_path)
    assert (tmp_path / "policy.toml").read_text() == "speed = 0.9\n"


@pytest.mark.parametrize("name", ["records.jsonl.xz", "examples.parquet", "scores.csv"])
def test_a_changed_file_is_refused(reference, tmp_path, name):
    reference.write(tmp_path)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes() + b" ")
    with pytest.raises(GateReferenceError, match=rf"{name}: its content is not what"):
        GateReference.read(tmp_path)


@pytest.mark.parametrize(
    "name", ["reference.json", "records.jsonl.xz", "examples.parquet", "scores.csv"]
)
def test_a_missing_file_is_refused(reference, tmp_path, name):
    reference.write(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(GateReferenceError, match=rf"{name}.*--update makes one"):
        GateReference.read(tmp_path)


def test_another_format_is_refused(reference, tmp_path):
    reference.write(tmp_path)
    head = json.loads((tmp_path / "reference.json").read_text())
    (tmp_path / "reference.json").write_text(json.dumps(head | {"format": 2}))
    with pytest.raises(GateReferenceError, match="not readable by this version"):
        GateReference.read(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 7),
        ("spread", {"B": 5.0}),
        ("run_spec", {"model": "other", "views": ["dim=8"], "seed": 42}),
        ("cost", None),
        ("history", []),
        ("digest", "0" * 64),
    ],
)
def test_a_head_that_was_edited_is_refused(reference, tmp_path, key, value):
    reference.write(tmp_path)
    head = json.loads((tmp_path / "reference.json").read_text())
    (tmp_path / "reference.json").write_text(json.dumps(head | {key: value}))
    with pytest.raises(GateReferenceError, match=r"reference.json was changed after it was"):
        GateReference.read(tmp_path)


def test_a_head_may_be_formatted_otherwise(reference, tmp_path):
    reference.write(tmp_path)
    head = json.loads((tmp_path / "reference.json").read_text())
    (tmp_path / "reference.json").write_text(json.dumps(head, sort_keys=True))
    assert GateReference.read(tmp_path).seed == reference.seed


def test_a_head_without_a_digest_is_refused(reference, tmp_path):
    reference.write(tmp_path)
    head = json.loads((tmp_path / "reference.json").read_text())
    del head["digest"]
    (tmp_path / "reference.json").write_text(json.dumps(head))
    with pytest.raises(
        GateReferenceError, match="digest: Field required; delete it and make it again"
    ):
        GateReference.read(tmp_path)


def test_a_record_without_examples_is_said(reference):
    found = make_reference(reference.records, tables=lambda place: None)
    with pytest.raises(NoExamplesError, match="no examples of B, dim=8"):
        found.examples(found.records[0])
