"""The sessions of nox: exit codes, and one installation for lint and tests."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]


class Session:
    """Notes what it is asked to run."""

    posargs = ("-k", "views")

    def __init__(self, folder):
        self.virtualenv = SimpleNamespace(location=str(folder))
        self.bin = str(folder)
        self.ran, self.environments, self.warned = [], [], []

    def install(self, *arguments):
        self.ran.append(("install", *arguments))

    def run(self, *command, env=None, external=False):
        self.ran.append(command)
        self.environments.append(env)

    def warn(self, text):
        self.warned.append(text)


@pytest.fixture
def nox(monkeypatch, tmp_path):
    """The file of sessions, in a folder with the files that it reads; nox itself is not needed."""

    def session(function=None, **options):
        return function or (lambda function: function)

    module = SimpleNamespace(options=SimpleNamespace(), session=session, Session=Session)
    monkeypatch.setitem(sys.modules, "nox", module)
    monkeypatch.chdir(tmp_path)
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    spec = importlib.util.spec_from_file_location("noxfile_here", ROOT / "noxfile.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    found.DEVELOPMENT.mkdir(parents=True)
    return found


@pytest.mark.parametrize("code", [0, 1, 2, -9])
def test_the_gates_exit_code_is_that_of_its_session(nox, tmp_path, monkeypatch, code):
    monkeypatch.setattr(nox.subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=code))
    if not code:
        nox.check(Session(tmp_path))
        return
    with pytest.raises(SystemExit) as caught:
        nox.check(Session(tmp_path))
    assert caught.value.code == code


@pytest.mark.parametrize("error", [RuntimeError("no network"), SystemExit(0), SystemExit(1)])
def test_an_installation_that_fails_is_no_regression_and_no_pass(nox, tmp_path, monkeypatch, error):
    def fail(*_, **__):
        raise error

    session = Session(tmp_path)
    monkeypatch.setattr(session, "install", fail)
    with pytest.raises(SystemExit) as caught:
        nox.check(session)
    assert caught.value.code == 2
    assert session.warned[0].startswith("nothing was judged")


def test_lint_and_tests_share_one_installation(nox, tmp_path):
    session = Session(tmp_path)
    nox.lint(session)
    nox.tests(session)
    installs = [command for command in session.ran if "install" in command]
    assert len(installs) == 1
    assert installs[0][2:4] == ("-c", "constraints.txt")
    (tmp_path / "constraints.txt").write_text("other==1\n")
    nox.tests(session)
    assert len([command for command in session.ran if "install" in command]) == 2


def test_two_processes_of_tests_have_a_thread_each(nox, tmp_path):
    session = Session(tmp_path)
    nox.tests(session)
    command, environment = session.ran[-1], session.environments[-1]
    assert Path(command[0]).name == "pytest"
    assert command[-2:] == ("-k", "views")
    assert "-n" in command
    for library in ("OMP", "MKL", "OPENBLAS"):
        assert environment[f"{library}_NUM_THREADS"] == "1"
