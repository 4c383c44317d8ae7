"""The precision of a run: resolved once, recorded, said, and found again."""

import json
from dataclasses import replace

import pytest

import model.precision
from harness.check import reference_spec
from harness.cli import main
from harness.plan import make_plan, resolve_run
from harness.spec import RunSpec
from results.gate.reference import GateReference
from results.store import RecordStore
from tests.results.test_record_schema import REFERENCE

TASK = "LeeDocumentSTS"


@pytest.fixture
def bfloat16_model(tiny_model, tmp_path):
    """The tiny model, which says that it is kept in bfloat16."""
    import shutil

    folder = shutil.copytree(tiny_model, tmp_path / "half")
    config = json.loads((folder / "config.json").read_text())
    config.pop("torch_dtype", None)
    (folder / "config.json").write_text(json.dumps({**config, "dtype": "bfloat16"}))
    return folder


def resolve(folder, **values):
    return resolve_run(RunSpec(model=str(folder), tasks=(TASK,), views=("dim=full",), **values))


def test_the_resolved_precision_is_recorded_and_said_first(bfloat16_model, tmp_path, capfd):
    output = tmp_path / "run"
    command = ["run", "-m", str(bfloat16_model), "-o", str(output), "--tasks", TASK]
    assert main([*command, "--view", "dim=full", "--device", "cpu"]) == 0
    first = next(line for line in capfd.readouterr().err.splitlines() if line.strip())
    assert first.startswith("local/half: float32 on cpu")
    (path,) = (output / "records").rglob("provenance.json")
    facts = json.loads(path.read_text())
    assert facts["identity"]["precision"] == facts["run_spec"]["precision"] == "float32"
    assert "precision" not in facts["run_spec_given"]
    assert "auto" not in json.dumps([facts["identity"], facts["environment"]["precision"]])
    # What was left to "auto" and what was asked for by name are one record.
    assert main([*command, "--view", "dim=full", "--precision", "float32"]) == 0
    assert "all 1 records are stored already" in capfd.readouterr().err


def test_on_a_gpu_the_checkpoints_own_is_planned_loaded_and_looked_up(
    bfloat16_model, tmp_path, monkeypatch
):
    monkeypatch.setattr(model.precision, "uses_cuda", lambda device: True)
    run, asked = resolve(bfloat16_model), resolve(bfloat16_model, precision="bfloat16")
    assert run.precision == run.settings()["precision"] == run.as_dict["precision"] == "bfloat16"
    store = RecordStore(tmp_path)
    (job,), (other,) = make_plan(run, store).jobs, make_plan(asked, store).jobs
    assert job.identity.precision == "bfloat16"
    assert (job.ref, job.identity.key()) == (other.ref, other.identity.key())
    assert "precision_bfloat16" in str(job.ref.experiment)


def test_the_gates_reference_stays_in_the_precision_of_its_records():
    reference = GateReference.read(REFERENCE)
    silent = {name: value for name, value in reference.run_spec.items() if name != "precision"}
    assert reference_spec(replace(reference, run_spec=silent))["precision"] == "float32"
