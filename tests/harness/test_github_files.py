"""The workflow and the action under .github: what their steps run is run here."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTION = ROOT / ".github" / "actions" / "check" / "action.yml"
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"


def load(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def run_check(tmp_path, code, **inputs):
    """The action's step with a jina-eval that notes its arguments; gives exit code and notes."""
    program = tmp_path / "bin" / "jina-eval"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{tmp_path}/arguments"\nexit {code}\n')
    program.chmod(0o755)
    (step,) = [one for one in load(ACTION)["runs"]["steps"] if one.get("id") == "check"]
    known = {name.upper() for name in ("model", "reference", "policy", "arguments")}
    assert set(step["env"]) == known
    environment = {
        **os.environ,
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        **dict.fromkeys(known, ""),
        **{name.upper(): value for name, value in inputs.items()},
    }
    # As GitHub runs a step whose shell is bash.
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    done = subprocess.run(command, env=environment, cwd=tmp_path, check=False)
    return done.returncode, (tmp_path / "arguments").read_text().splitlines()


@pytest.mark.parametrize("code", [0, 1, 2])
def test_the_action_fails_as_the_gate_does(tmp_path, code):
    found, arguments = run_check(tmp_path, code)
    assert found == code
    assert arguments == ["check", "--junit", "junit.xml", "--markdown", "check.md"]
    assert (tmp_path / "output").read_text() == f"exit-code={code}\n"


def test_inputs_become_flags_and_no_commands(tmp_path):
    model = "./my model; touch planted $(touch planted)"
    inputs = {"model": model, "reference": "ci/r", "policy": "p.toml", "arguments": "--view dim=64"}
    _, arguments = run_check(tmp_path, 0, **inputs)
    flags = ["--model", model, "--reference", "ci/r", "--policy", "p.toml", "--view", "dim=64"]
    assert arguments[1:9] == flags
    assert not (tmp_path / "planted").exists()


def test_no_step_has_an_input_in_its_command():
    for step in load(ACTION)["runs"]["steps"]:
        assert "${{" not in step.get("run", "")


def test_the_workflow_uses_what_is_here():
    jobs = load(WORKFLOW)["jobs"]
    used = [step.get("uses", "") for job in jobs.values() for step in job["steps"]]
    assert "./.github/actions/check" in used
    assert load(ACTION)["runs"]["using"] == "composite"
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert commands == ["bash .ci/run"]
    assert (ROOT / ".ci" / "run").exists()
    (given,) = [one["with"] for one in jobs["check"]["steps"] if one["uses"].startswith("./")]
    assert set(given) <= set(load(ACTION)["inputs"])
