"""Speed and memory for the gate: ours beside sentence-transformers', taken in turns in one run."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from harness.console import make_console
from harness.cost_probe import OURS, PEER
from harness.errors import RunError
from results.gate.reference import Cost

if TYPE_CHECKING:
    from harness.plan import ResolvedRun

__all__ = ["measure_cost"]

_ROUNDS = 2
_TEXTS = {"cpu": 300, "cuda": 1000}
"""Some seconds of work."""


def measure_cost(run: ResolvedRun, *, quiet: bool, texts: int | None = None) -> Cost:
    """Measure texts a second and memory as multiples of sentence-transformers'.

    The two take turns, each in processes of its own, and the best of each counts: another load on
    the machine then hits both.

    Args:
        run: Which model, in which settings.
        quiet: Say nothing.
        texts: How many texts to encode; what suits the device if left out.

    Raises:
        RunError: If one of them cannot be measured.
    """
    from model.device import choose_device

    spec = run.spec
    device = choose_device(spec.device).type
    count = texts or _TEXTS.get(device, _TEXTS["cpu"])
    console = make_console(stderr=True)
    answers: dict[str, list[dict[str, Any]]] = {OURS: [], PEER: []}
    for number in range(_ROUNDS):
        for method, found in answers.items():
            if not quiet:
                console.print(f"speed and memory: {method}, {number + 1} of {_ROUNDS}")
            found.append(_ask(run, method, count))
    seconds = {name: min(one["seconds"] for one in found) for name, found in answers.items()}
    peaks = {name: max(one["bytes"] for one in found) for name, found in answers.items()}
    return Cost(
        speed=round(seconds[PEER] / seconds[OURS], 3),
        memory=round(peaks[OURS] / peaks[PEER], 3),
        device=answers[OURS][0]["device"],
        texts=count,
    )


def _ask(run: ResolvedRun, method: str, texts: int) -> dict[str, Any]:
    question = {
        "method": method,
        "model": run.spec.model,
        "revision": run.spec.revision,
        "texts": texts,
        "settings": run.settings(),
    }
    done = subprocess.run(
        [sys.executable, "-m", "harness.cost_probe"],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise RunError(f"speed of {method} could not be measured: {last}")
    answer: dict[str, Any] = json.loads(done.stdout)
    if "error" in answer:
        raise RunError(f"speed of {method} could not be measured: {answer['error']}")
    return answer
