"""A broken model among several: the others are measured, and it is named in one line."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.cli import main
from harness.errors import StorageError
from harness.output import Output
from harness.run import Outcome
from harness.run_models import ModelFailures, run_models
from model.errors import ModelError

TASK = "LeeDocumentSTS"


def plan(name):
    return SimpleNamespace(run=SimpleNamespace(source=SimpleNamespace(name=name)))


def run_with(output, errors):
    """Run models a, b, ...; those in `errors` raise."""

    def run(plan, pool):
        error = errors.get(plan.run.source.name)
        if error is not None:
            raise error
        return Outcome(measured=[plan.run.source.name])

    failures = ModelFailures()
    outcomes = run_models([plan(name) for name in "abc"], output, run, failures)
    return [name for outcome in outcomes for name in outcome.measured], failures


def test_a_model_that_cannot_be_used_costs_the_others_nothing(tmp_path):
    done, failures = run_with(Output(tmp_path), {"b": ModelError("b does not\nload")})
    assert done == ["a", "c"]
    assert failures.reasons == ["b does not load"]
    assert not failures.crashed
    assert not (tmp_path / "failures").exists()


class SafetensorError(Exception):
    """Not an error of ours, and not one of Python's."""


def test_an_unexpected_error_is_written_down_and_costs_the_others_nothing(tmp_path):
    done, failures = run_with(Output(tmp_path), {"a": SafetensorError("header\ntoo small")})
    assert done == ["b", "c"]
    (reason,) = failures.reasons
    path = tmp_path / "failures" / "model-a.txt"
    assert reason == f"model a: unexpected SafetensorError: header too small (details in {path})"
    assert "Traceback" in path.read_text()
    assert failures.crashed


def test_an_unexpected_error_ends_the_processes_that_worked_for_the_model(tmp_path):
    pools = []

    def run(plan, pool):
        pools.append(pool)
        if len(pools) == 1:
            raise RuntimeError("in the middle")
        return Outcome()

    run_models([plan("a"), plan("b"), plan("c")], Output(tmp_path), run, ModelFailures())
    assert pools[0] is not pools[1]
    assert pools[1] is pools[2]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StorageError("disk full")], ids=repr)
def test_what_concerns_all_models_ends_the_run(tmp_path, error):
    with pytest.raises(type(error)):
        run_with(Output(tmp_path), {"a": error})


@pytest.fixture
def truncated(tiny_model, tmp_path):
    """Its header is whole, so that only loading it shows the damage."""
    folder = shutil.copytree(tiny_model, tmp_path / "truncated")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    return folder


@pytest.fixture
def unreadable(tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model, tmp_path / "unreadable")
    (folder / "modules.json").write_text("{")
    return folder


def test_broken_files_among_several_models(
    truncated: Path, unreadable: Path, tiny_model: Path, tmp_path, capfd
):
    output = tmp_path / "out"
    models = [argument for path in (truncated, unreadable, tiny_model) for argument in ("-m", path)]
    code = main(
        [str(part) for part in ("run", *models, "-o", output, "--tasks", TASK, "-v", "dim=16")]
    )
    said = capfd.readouterr().err
    assert code == 2
    errors = [line for line in said.splitlines() if line.startswith("error:")]
    assert len(errors) == 2
    assert "Traceback" not in said
    assert any("truncated/model.safetensors is not a safetensors file" in line for line in errors)
    assert any("unreadable/modules.json is not JSON" in line for line in errors)
    assert [path.parent.parent.name for path in output.rglob(f"{TASK}.json")] == ["local__tiny"]


def test_only_broken_models_leave_nothing_behind(unreadable, tmp_path, capfd):
    assert main(["run", "-m", str(unreadable), "-o", str(tmp_path / "out")]) == 2
    assert capfd.readouterr().err.count("error:") == 1
    assert not (tmp_path / "out").exists()
