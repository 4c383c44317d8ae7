"""What counts as a regression: a policy file beside the reference.

A difference between two records of the same weights and seed is made by code or machine: nothing
was drawn anew, so that there is no chance to allow for, and little is allowed. Between other
weights a drop may be luck of the examples, and a test says whether it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jina_eval.core.errors import ReadError
from jina_eval.core.reading import read_toml
from results.errors import RecordError

__all__ = ["DEFAULT_POLICY", "Allowance", "Policy", "PolicyError", "Rule", "read_policy"]

Rule = Literal["absolute", "statistical", "both"]

Points = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Ratio = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class PolicyError(RecordError):
    """A policy that cannot be read; the message names the key and the allowed values."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Allowance(_Frozen):
    """What may be lost without its being a regression. Points are scores × 100.

    Attributes:
        rule: "absolute": a drop of more than the allowed points; "statistical": a drop that the
            paired permutation test tells from chance; "both": a drop that is both.
        allowed_drop: Points that a task may lose.
        types: Points that a task of some type may lose instead.
        tasks: Points that some task may lose instead.
        mean_task: Points that the mean over a view's tasks may lose.
        mean_type: Points that the mean over its types may lose.
        alpha: Below which p-value, corrected over all that is tested (Holm), a drop is none of
            chance.
    """

    rule: Rule = "both"
    allowed_drop: Points = 0.5
    types: dict[str, Points] = {}
    tasks: dict[str, Points] = {}
    mean_task: Points = 0.25
    mean_type: Points = 0.25
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05

    def points(self, task: str, task_type: str) -> float:
        """Points that a task may lose."""
        return self.tasks.get(task, self.types.get(task_type, self.allowed_drop))


class Policy(_Frozen):
    """The whole policy.

    Attributes:
        same_weights: For weights that are the reference's.
        other_weights: For all others.
        seed_margin: Where the seed is not the reference's: how many standard deviations over seeds
            a score may lie lower beside that, as measured when the reference was made.
        speed: Smallest share of the reference's speed; None if speed is not judged. Speed is texts
            a second as a multiple of sentence-transformers', measured in the same run.
        memory: Largest multiple of the reference's memory; None likewise. Memory is the largest
            that encoding took, as a multiple of sentence-transformers', measured in the same run.
    """

    same_weights: Allowance = Allowance(
        rule="absolute", allowed_drop=0.2, mean_task=0.1, mean_type=0.1
    )
    other_weights: Allowance = Allowance()
    seed_margin: Annotated[float, Field(ge=0, le=100)] = 6.0
    speed: Ratio | None = None
    memory: Ratio | None = None


DEFAULT_POLICY = """\
# What counts as a regression; points are scores × 100. Every key: docs/gate.md.

[same_weights]            # the reference's weights: a difference is made by code or machine
rule = "absolute"         # or "statistical", or "both"
allowed_drop = 0.2        # points that a task may lose
mean_task = 0.1           # points that the mean over the tasks of a view may lose
mean_type = 0.1

[same_weights.types]      # k-means on another processor may settle elsewhere
Clustering = 1.0

[other_weights]           # a new model: a drop may be luck of the examples
rule = "both"
allowed_drop = 0.5
mean_task = 0.25
mean_type = 0.25
alpha = 0.05              # of the paired permutation test, corrected over all that is tested
"""
"""The policy that a new reference is given."""


def read_policy(path: Path) -> Policy:
    """Read a policy file.

    Raises:
        PolicyError: If it cannot be read, a key is unknown or a value is wrong.
    """
    try:
        values = read_toml(path)
    except ReadError as error:
        raise PolicyError(f"policy {error}") from error
    # A section that states some keys keeps the section's own defaults for the others.
    defaults = Policy()
    for section in ("same_weights", "other_weights"):
        if isinstance(values.get(section), dict):
            values[section] = {**getattr(defaults, section).model_dump(), **values[section]}
    try:
        return Policy.model_validate(values)
    except ValidationError as error:
        raise PolicyError(f"policy {path}: {_explain(error)}") from error


def _explain(error: ValidationError) -> str:
    """The first problem in one line, with the allowed values."""
    problem = error.errors(include_url=False)[0]
    place = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        return f"unknown key {place!r}; allowed: {', '.join(_fields(problem['loc'][:-1]))}"
    if problem["type"] == "literal_error":
        return f"{place} is {problem['input']!r}; allowed: {', '.join(get_args(Rule))}"
    return f"{place} is {problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _fields(place: tuple[Any, ...]) -> list[str]:
    return list((Allowance if place else Policy).model_fields)
