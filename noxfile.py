"""The project's commands: `nox -s eval`, `check`, `report`, `tests`, `lint`.

Installs are pinned by constraints.txt, and skipped while neither it nor
pyproject.toml has changed since the environment was made.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import nox

nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "tests"]

ROOMS = ("harness", "jina_eval", "model", "tasks", "results", "reports")
CONSTRAINTS = Path("constraints.txt")

DEVELOPMENT = Path(".nox", "development").resolve()
"""The environment of `lint`, `tests` and `coverage`: installed once for all three."""

EXTRAS = "starter,bench,chunking,e5,test,lint"
"""What the environment for development holds."""

THREADS = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}
"""Two processes run tests: with threads of their own each would wait for the other's."""


def digest(extras: str) -> str:
    """What an environment with these extras was made from."""
    sources = Path("pyproject.toml").read_bytes() + CONSTRAINTS.read_bytes()
    return hashlib.sha256(sources + extras.encode()).hexdigest()


def install(session: nox.Session, extras: str) -> None:
    """Install the project with some extras, once."""
    mark = Path(session.virtualenv.location) / "installed.sha256"
    if mark.exists() and mark.read_text() == digest(extras):
        return
    session.install("-c", str(CONSTRAINTS), "-e", f".[{extras}]")
    mark.write_text(digest(extras))


def develop(session: nox.Session, *command: str, **variables: str) -> None:
    """Run a command in the environment for development, which is made first."""
    programs = DEVELOPMENT / ("Scripts" if os.name == "nt" else "bin")
    mark = DEVELOPMENT / "installed.sha256"
    if not (mark.exists() and mark.read_text() == digest(EXTRAS)):
        session.run(sys.executable, "-m", "virtualenv", str(DEVELOPMENT), external=True)
        pip = (str(programs / "pip"), "install", "-c", str(CONSTRAINTS), "-e", f".[{EXTRAS}]")
        session.run(*pip, external=True)
        mark.write_text(digest(EXTRAS))
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "VIRTUAL_ENV": str(DEVELOPMENT), **variables}
    session.run(str(programs / command[0]), *command[1:], env=environment, external=True)


@nox.session
def eval(session: nox.Session) -> None:
    """Evaluate: `nox -s eval -- --model NAME --suite NAME`; see `jina-eval run --help`."""
    install(session, "starter")
    session.run("jina-eval", "run", *session.posargs)


@nox.session
def check(session: nox.Session) -> None:
    """Is it as good as the reference? Exit code 1 for a failure, 2 if it cannot be judged."""
    try:
        install(session, "starter")
        command = [Path(session.bin) / "jina-eval", "check", *session.posargs]
        code = subprocess.run(command, check=False).returncode
    except (Exception, SystemExit) as error:  # nox itself would exit with 1, a regression
        session.warn(f"nothing was judged: {error}")
        code = 2
    if code:
        sys.exit(code)


@nox.session
def report(session: nox.Session) -> None:
    """Draw the reports of stored runs again: `nox -s report -- runs/starter`."""
    install(session, "starter")
    session.run("jina-eval", "report", *session.posargs)


@nox.session
def example(session: nox.Session) -> None:
    """Make the example report in docs/example from nothing; goes on where it was stopped."""
    install(session, "starter,e5,test")  # test: what drives the browser for the screenshots
    session.run("python", "-m", "harness.example_report", *session.posargs)


# Neighbouring tests share fixtures: worksteal gives each process one half, in order, and lets the
# first to finish take over from the other.
PYTEST = ("pytest", "-n", "2", "--dist", "worksteal")


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """Run the tests: `nox -s tests -- tests/model -k views`."""
    develop(session, *PYTEST, "--durations=12", *session.posargs, **THREADS)


@nox.session(venv_backend="none")
def coverage(session: nox.Session) -> None:
    """Run the tests and say which lines they leave out; takes half as long again."""
    develop(session, "coverage", "erase")
    develop(session, *PYTEST, "--cov", "--cov-report=", *session.posargs, **THREADS)
    develop(session, "coverage", "report")


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Check style, types and the import rules between the packages."""
    develop(session, "ruff", "format", "--check", ".")
    develop(session, "ruff", "check", ".")
    develop(session, "mypy")
    develop(session, "lint-imports")
