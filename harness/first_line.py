"""The first line of a run: what decides its scores beside the model's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.console import show_warning
from harness.prompt_facts import describe_prompts, registry_facts
from model.precision import uses_cuda
from model.similarity import COSINE

if TYPE_CHECKING:
    from harness.plan import ResolvedRun

__all__ = ["first_line", "remarks", "warn"]


def first_line(run: ResolvedRun) -> str:
    """One line: the model, its precision and device, where its prompts come from.

    The similarity is named where it is another than the cosine.
    """
    device = run.spec.device
    if device == "auto":
        device = "cuda" if uses_cuda(device) else "cpu"
    said = [f"{run.source.name}: {run.precision} on {device}"]
    if run.source.kind != "lexical":
        said.append(describe_prompts(run.prompts))
    if run.source.similarity != COSINE:
        said.append(f"similarity {run.source.similarity}")
    return "; ".join(said)


def remarks(run: ResolvedRun) -> tuple[str, ...]:
    """What mteb does with the model that this run does not do, a line each."""
    facts = registry_facts(run.source)
    return () if facts is None else facts.notes


def warn(run: ResolvedRun) -> None:
    """Say on standard error, quiet or not, that a model runs without the prompts it needs."""
    if run.prompts.warning is not None:
        show_warning(run.prompts.warning)
