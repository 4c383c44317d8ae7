"""Every errand of the project: `nox -s eval`, `check`, `report`, `tests`, `lint`.

Installs are pinned by constraints.txt, and skipped while neither it nor
pyproject.toml has changed since the session's environment was made.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

import nox

nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "tests"]

ROOMS = ("harness", "jina_eval", "model", "tasks", "results", "reports")
CONSTRAINTS = Path("constraints.txt")


def install(session: nox.Session, extras: str) -> None:
    """Install the project with some extras, once."""
    wanted = hashlib.sha256(
        Path("pyproject.toml").read_bytes() + CONSTRAINTS.read_bytes() + extras.encode()
    ).hexdigest()
    mark = Path(session.virtualenv.location) / "installed.sha256"
    if mark.exists() and mark.read_text() == wanted:
        return
    session.install("-c", str(CONSTRAINTS), "-e", f".[{extras}]")
    mark.write_text(wanted)


@nox.session
def eval(session: nox.Session) -> None:
    """Evaluate: `nox -s eval -- --model NAME --suite NAME`; see `jina-eval run --help`."""
    install(session, "starter")
    session.run("jina-eval", "run", *session.posargs)


@nox.session
def check(session: nox.Session) -> None:
    """Is it as good as the reference? Exit code 1 for a regression, 2 if it cannot be judged."""
    install(session, "starter")
    command = [Path(session.bin) / "jina-eval", "check", *session.posargs]
    code = subprocess.run(command, check=False).returncode
    if code:  # nox itself would make a 1, a regression, of every failure
        sys.exit(code)


@nox.session
def report(session: nox.Session) -> None:
    """Draw the reports of stored runs anew: `nox -s report -- runs/starter`."""
    install(session, "starter")
    session.run("jina-eval", "report", *session.posargs)


@nox.session
def example(session: nox.Session) -> None:
    """Make the example report in docs/example from nothing; goes on where it was stopped."""
    install(session, "starter,e5,test")  # test: what drives the browser for the screenshots
    session.run("python", "-m", "harness.example_report", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests: `nox -s tests -- tests/model -k views`."""
    install(session, "starter,bench,chunking,e5,test")
    session.run("pytest", "-n", "2", "--durations=12", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the tests and say which lines they leave out; takes half as long again."""
    install(session, "starter,bench,chunking,e5,test")
    session.run("coverage", "erase")
    session.run("pytest", "-n", "2", "--cov", "--cov-report=", *session.posargs)
    session.run("coverage", "report")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types and the arrows between the rooms."""
    install(session, "starter,bench,chunking,e5,test,lint")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy")
    session.run("lint-imports")
