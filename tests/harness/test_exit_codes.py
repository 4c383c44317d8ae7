"""Exit code 0 is reached only where everything was judged or measured."""

import os
import shutil
import sys

import numpy as np
import pandas as pd
import pytest

import harness.check
from harness.cli import main
from harness.executors.local import work_here
from harness.executors.parcel import Desk, Failure, Finished
from harness.output import Output
from results.errors import CorruptRecordError
from results.example_checks import check_examples
from results.examples import decode_examples, encode_examples
from tests.results.gate import gate_record

TASK = "LeeDocumentSTS"
ENDINGS = (SystemExit(0), SystemExit(None), GeneratorExit(), MemoryError(), BaseException("odd"))


@pytest.fixture(scope="module")
def made(tiny_model, tmp_path_factory):
    """A folder with a reference, and the folder with its records."""
    folder = tmp_path_factory.mktemp("exits")
    flags = ["--model", str(tiny_model), "--tasks", TASK, "--view", "dim=8", "--workers", "0"]
    where = ["--reference", str(folder / "reference"), "--output", str(folder / "checks")]
    assert main(["check", *flags, *where, "--update", "--reason", "first", "--quiet"]) == 0
    (records,) = (folder / "checks").glob("starter-*")
    return folder, records


def check(made, *more, output=None):
    folder, _ = made
    where = ["--reference", str(folder / "reference"), "--output", str(output or folder / "checks")]
    return main(["check", *where, "--workers", "0", "--quiet", *more])


def run(model, folder, *more):
    flags = ["--model", str(model), "--tasks", TASK, "--view", "dim=8", "--workers", "0"]
    return main(["run", *flags, "--output", str(folder), "--quiet", *more])


def raising(error):
    def fail(*_, **__):
        raise error

    return fail


@pytest.mark.parametrize("error", ENDINGS, ids=repr)
@pytest.mark.parametrize("where", ["harness.check.resolve_run", "model.backends.load_backend"])
def test_no_way_of_ending_a_check_passes_for_a_verdict(
    made, error, where, monkeypatch, capsys, tmp_path
):
    monkeypatch.setattr(where, raising(error))
    assert check(made, output=tmp_path) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: nothing was judged: ")


def test_an_import_that_fails_is_no_regression(made, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "harness.check", None)
    assert check(made) == 2
    assert "nothing was judged" in capsys.readouterr().err


@pytest.mark.parametrize("error", [SystemExit(0), SystemExit(), BaseException("odd")], ids=repr)
def test_no_way_of_ending_a_run_passes_for_a_run(tiny_model, tmp_path, error, monkeypatch, capsys):
    monkeypatch.setattr("model.backends.load_backend", raising(error))
    assert run(tiny_model, tmp_path) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("command", [["audit", "minilm"], ["fetch", "starter"], ["report"]])
def test_no_command_exits_0_because_a_library_says_so(command, monkeypatch, capsys):
    names = {
        "audit": "harness.audit.audit_command",
        "fetch": "harness.fetch.fetch_command",
        "report": "harness.commands.report_command",
    }
    monkeypatch.setattr(names[command[0]], raising(SystemExit(0)))
    assert main(command) == 2
    assert "a library ended the program with exit code 0" in capsys.readouterr().err


def test_a_crash_of_an_audit_is_no_score_that_differs(monkeypatch, capsys):
    monkeypatch.setattr("harness.audit.audit_command", raising(KeyError("x")))
    assert main(["audit", "minilm"]) == 2
    assert "nothing was judged: KeyError" in capsys.readouterr().err


class Exiting:
    """Ends the program in the middle of its work."""

    def work(self, desk):
        yield "first"
        raise SystemExit(0)


class Working:
    def work(self, desk):
        yield "done"


def test_a_task_that_exits_is_refused_and_costs_no_other():
    events = [event.what for event in work_here([Exiting(), Working()], Desk(None))]
    (failure,) = [event for event in events if isinstance(event, Failure)]
    assert failure.reason == "SystemExit: 0"
    assert sum(isinstance(event, Finished) for event in events) == 1


def test_a_task_that_exits_in_a_run_is_no_success(tiny_model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("harness.jobs.evaluate_task", raising(SystemExit(0)))
    assert run(tiny_model, tmp_path) == 1
    assert "gave no score" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_worker_that_exits_is_no_success():
    from tests.harness.test_workers import Encoding, outcome

    found = outcome([Ending("sys.exit(0)"), Ending("os._exit(0)"), Encoding(("a",))], 2)
    assert found[0][-1].reason == "SystemExit: 0"
    assert "its worker process has ended" in found[1][-1].reason
    assert isinstance(found[2][-1], Finished)


class Ending:
    """Ends its process."""

    def __init__(self, how):
        self.how = how

    def work(self, desk):
        yield "first"
        os._exit(0) if "_exit" in self.how else sys.exit(0)


def test_records_that_are_missing_after_a_run_are_no_success(
    tiny_model, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("harness.run._events", lambda *_: iter(()))
    assert run(tiny_model, tmp_path) == 2
    said = capsys.readouterr().err
    assert f"error: 1 of 1 records were not stored, first {TASK} of" in said


def test_data_that_are_not_there_after_a_fetch_are_no_success(monkeypatch, capsys):
    monkeypatch.setattr("harness.fetch.data_sets", lambda _: ["org/data at 1"])
    monkeypatch.setattr("harness.fetch.find_dataset", lambda _: None)
    monkeypatch.setattr("harness.fetch.dataset_bytes", lambda _: 1)
    monkeypatch.setattr("harness.fetch._fetch_data", lambda *_, **__: None)
    assert main(["fetch", "starter", "--quiet"]) == 2
    assert "error: org/data at 1 was not fetched" in capsys.readouterr().err


def examples_file(records):
    (path,) = records.rglob("examples.parquet")
    return path


def stored(made, tmp_path, content):
    """The records with other examples, and a manifest that fits them."""
    import hashlib
    import json

    shutil.copytree(made[1], tmp_path / "records")
    path = examples_file(tmp_path / "records")
    path.write_bytes(content)
    manifest = path.parent / "manifest.json"
    digests = json.loads(manifest.read_text())
    digests[f"{TASK}/examples.parquet"] = hashlib.sha256(content).hexdigest()
    manifest.write_text(json.dumps(digests))
    return tmp_path / "records"


def spoiled(content, way):
    table = decode_examples(content)
    if way == "no parquet":
        return content[:100]
    if way == "columns":
        return table.drop(columns="gold").to_parquet(index=False)
    if way == "rows":
        return encode_examples(table.iloc[:-1])
    if way == "ids":
        return encode_examples(table.assign(id="1"))
    if way == "some scores":
        return encode_examples(table.assign(score=[0.5, *[None] * (len(table) - 1)]))
    return encode_examples(table.assign(score=0.123456))


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("no parquet", "not readable by this version"),
        ("columns", "columns ['split'"),
        ("rows", "there are 1,224, the record has 1,225"),
        ("ids", "has an id twice"),
        ("some scores", "lacks 1,224 of 1,225 scores"),
        ("another mean", "the mean 0.123456, which is none of its metrics"),
    ],
)
def test_corrupt_examples_cannot_be_judged(made, tmp_path, way, said, capsys):
    content = examples_file(made[1]).read_bytes()
    folder = stored(made, tmp_path, spoiled(content, way))
    assert check(made, "--from", str(folder)) == 2
    assert said in capsys.readouterr().err


def test_a_flipped_byte_of_the_examples_cannot_be_judged(made, tmp_path, capsys):
    shutil.copytree(made[1], tmp_path / "records")
    path = examples_file(tmp_path / "records")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert check(made, "--from", str(tmp_path / "records")) == 2
    assert "its content differs from the manifest" in capsys.readouterr().err


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_refused(value):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = gate_record("A", [0.5, 1.0]).examples
    schema = pq.read_schema(pa.BufferReader(encode_examples(table)))
    columns = [pa.array([0.5, value]) if name == "score" else table[name] for name in schema.names]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns, schema=schema), sink)
    with pytest.raises(ValueError, match="a score is not a finite number"):
        decode_examples(sink.getvalue().to_pybytes())


def test_examples_of_the_record_itself_are_accepted():
    record = gate_record("A", np.linspace(0, 1, 10))
    facts = record.provenance.coverage.model_copy(update={"n_expected": 10})
    provenance = record.provenance.model_copy(update={"coverage": facts})
    object.__setattr__(record, "provenance", provenance)
    check_examples(record, record.examples)
    with pytest.raises(CorruptRecordError, match="has an id twice"):
        check_examples(record, pd.concat([record.examples[:9], record.examples[:1]]))


def test_the_records_of_a_run_are_there(tiny_model, tmp_path):
    assert run(tiny_model, tmp_path) == 0
    assert len(Output(tmp_path).store.references()) == 1


def test_a_policy_with_a_wrong_name_is_refused_before_anything_is_measured(
    made, tmp_path, monkeypatch, capsys
):
    policy = tmp_path / "policy.toml"
    policy.write_text("[same_weights.tasks]\nLeeDocumentSts = 1\n")
    monkeypatch.setattr(harness.check, "measure", None)
    assert check(made, "--policy", str(policy)) == 2
    assert "unknown task 'LeeDocumentSts'; did you mean 'LeeDocumentSTS'" in capsys.readouterr().err
