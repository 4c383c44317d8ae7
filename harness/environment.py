"""Where a run happens: versions, machine, state of the code."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from results.provenance import Environment

if TYPE_CHECKING:
    from model.backend import Backend

__all__ = ["describe_environment"]

_PACKAGES = (
    "jina-eval",
    "mteb",
    "torch",
    "transformers",
    "sentence-transformers",
    "tokenizers",
    "datasets",
    "numpy",
    "scipy",
    "scikit-learn",
    "bm25s",
    "triton",
    "flash-attn",
    "fa3-fwd",
    "semantic-text-splitter",
)


def describe_environment(backend: Backend) -> Environment:
    """The environment of a loaded model; packages that are not installed are left out."""
    import torch

    commit, dirty = _git_state()
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        device=_device_name(backend.device),
        threads=torch.get_num_threads(),
        precision=backend.precision,
        attention=backend.attention,
        compiled=backend.compiled,
        fused_gelu=backend.fused_gelu,
        packages=_versions(),
        git_commit=commit,
        git_dirty=dirty,
    )


@functools.cache
def _versions() -> dict[str, str]:
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _device_name(device: str) -> str:
    if not device.startswith("cuda"):
        return device
    import torch

    return f"{device} ({torch.cuda.get_device_name(device)})"


@functools.cache
def _git_state() -> tuple[str | None, bool | None]:
    """Commit of this code, and whether files differ from it; None where git cannot tell."""
    folder = Path(__file__).resolve().parent.parent
    commands = (
        ("rev-parse", "--show-toplevel"),
        ("rev-parse", "HEAD"),
        ("status", "--porcelain", "--untracked-files=no"),
    )
    answers = []
    for command in commands:
        try:
            done = subprocess.run(  # fixed command, no shell
                ["git", "-C", os.fspath(folder), *command],  # noqa: S607
                capture_output=True,
                text=True,
                timeout=20,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None, None
        answers.append(done.stdout.strip())
    top, commit, changes = answers
    if Path(top).resolve() != folder:  # installed inside somebody else's repository
        return None, None
    return commit, bool(changes)
