"""The workflow and the action under .github: what their steps run is run here."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTION = ROOT / ".github" / "actions" / "check" / "action.yml"
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"


def load(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def run_check(tmp_path, code, *, verdict=True, **inputs):
    """The action's step with a jina-eval that notes its arguments; gives exit code and notes."""
    program = tmp_path / "bin" / "jina-eval"
    program.parent.mkdir()
    lines = ["#!/bin/sh", f'printf "%s\\n" "$@" > "{tmp_path}/arguments"', f"exit {code}"]
    if verdict:
        lines.insert(1, "echo verdict > junit.xml")
    program.write_text("\n".join(lines) + "\n")
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


def test_an_exit_without_a_verdict_is_no_success(tmp_path):
    (tmp_path / "junit.xml").write_text("of an earlier step")
    assert run_check(tmp_path, 0, verdict=False)[0] == 2
    assert (tmp_path / "output").read_text() == "exit-code=2\n"


@pytest.mark.parametrize(
    ("install", "arguments"),
    [
        ("action", ["-c", f"{ROOT}/constraints.txt", f"{ROOT}[starter]"]),
        ("-e .[starter]", ["-c", f"{ROOT}/constraints.txt", "-e", ".[starter]"]),
        ("jina-eval==1; touch x", ["-c", f"{ROOT}/constraints.txt", "jina-eval==1;", "touch", "x"]),
    ],
)
def test_the_action_installs_the_pinned_versions(tmp_path, install, arguments):
    program = tmp_path / "bin" / "python"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{tmp_path}/arguments"\n')
    program.chmod(0o755)
    (step,) = [one for one in load(ACTION)["runs"]["steps"] if "INSTALL" in one.get("env", {})]
    environment = {
        **os.environ,
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "ACTION_PATH": str(ACTION.parent),
        "INSTALL": install,
    }
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    subprocess.run(command, env=environment, cwd=tmp_path, check=True)
    found = (tmp_path / "arguments").read_text().splitlines()
    assert found == ["-m", "pip", "install", *arguments]


USES = re.compile(r"^\s*-?\s*uses:\s*(\S+)", re.MULTILINE)
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")


def unpinned(text):
    """What a workflow, or an example of one, uses other than by a commit; its own files aside."""
    return [
        one for one in USES.findall(text) if not (one.startswith("./") or PINNED.fullmatch(one))
    ]


def test_every_action_is_pinned_by_its_commit():
    files = [*(ROOT / ".github").rglob("*.yml"), *(ROOT / ".github").rglob("*.yaml")]
    assert len(files) >= 2
    assert {str(path): unpinned(path.read_text("utf-8")) for path in files} == {
        str(path): [] for path in files
    }


@pytest.mark.parametrize("uses", ["actions/checkout@v4", "a/b@main", "a/b@11bd719", "a/b"])
def test_a_tag_or_branch_is_no_pin(uses):
    assert unpinned(f"steps:\n  - uses: {uses}\n") == [uses]
    assert not unpinned(f"      - uses: a/b@{'0' * 40}  # v1\n      - uses: ./here\n")


def test_examples_of_workflows_are_pinned_too():
    found = unpinned((ROOT / "docs" / "gate.md").read_text("utf-8"))
    assert found == ["OWNER/jina-eval/.github/actions/check@COMMIT"]


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
