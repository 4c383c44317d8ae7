"""What gets installed is decided here: every package at one version, build backend and nox too."""

import importlib.metadata
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
UNPINNED_EXTRAS = ("flash-attn", "flash-attn-3")
"""They need a GPU and its compiler; no session of nox installs them."""


def pins():
    """Version by canonical name."""
    found = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, equals, version = line.partition("==")
            assert equals and version, f"constraints.txt: {line!r} is no NAME==VERSION"
            assert canonicalize_name(name) not in found, f"constraints.txt has {name} twice"
            found[canonicalize_name(name)] = version
    return found


def wanted():
    """The project's requirements with all extras that a session installs, and nox."""
    extras = PROJECT["project"]["optional-dependencies"]
    lines = [*PROJECT["project"]["dependencies"], "nox"]
    lines += [line for name, part in extras.items() if name not in UNPINNED_EXTRAS for line in part]
    return [Requirement(line) for line in lines]


def test_the_build_backend_has_one_version():
    (line,) = PROJECT["build-system"]["requires"]
    (specifier,) = Requirement(line).specifier
    assert specifier.operator == "=="
    assert pins()[canonicalize_name(Requirement(line).name)] == specifier.version


def test_every_requirement_has_a_pin_that_it_allows():
    known = pins()
    for one in wanted():
        assert known[canonicalize_name(one.name)] in one.specifier, one


def test_what_requirements_bring_along_has_a_pin():
    """As far as it is installed here; what its own requirer pins exactly needs no other pin."""
    known, seen = pins(), set()
    waiting = [(one.name, extra) for one in wanted() for extra in (one.extras or {""})]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            lines = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for needed in map(Requirement, lines):
            exact = any(one.operator in ("==", "===") for one in needed.specifier)
            if exact or (needed.marker and not needed.marker.evaluate({"extra": extra})):
                continue
            assert canonicalize_name(needed.name) in known, f"{name} brings {needed}, unpinned"
            waiting += [(needed.name, more) for more in (needed.extras or {""})]


@pytest.mark.parametrize("path", [".ci/run", "README.md", "CONTRIBUTING.md", "docs/benchmarks.md"])
def test_nox_is_installed_at_its_pin(path):
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    installs = [line for line in lines if "pip install" in line and "nox" in line]
    assert installs
    assert all("-c constraints.txt" in line for line in installs), installs
