"""What counts as a failure of the gate: a policy file beside the reference.

A difference between two records of the same weights and seed is made by code or machine: nothing
was drawn again, so there is no chance to allow for, and little is allowed, down or up. Between
other weights a drop may be luck of the examples, and a test says whether it is.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jina_eval.core.errors import ReadError
from jina_eval.core.reading import read_toml
from results.errors import RecordError

__all__ = [
    "DEFAULT_POLICY",
    "Allowance",
    "Policy",
    "PolicyError",
    "Rule",
    "SameWeights",
    "read_policy",
]

Rule = Literal["absolute", "statistical", "both"]

# Strict: `true` and "0.2" are no numbers.
Points = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False, strict=True)]
Ratio = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
Level = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False, strict=True)]


class PolicyError(RecordError):
    """A policy that cannot be read; the message names the key and the allowed values."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Allowance(_Frozen):
    """What may be lost without its being a regression. Points are scores × 100.

    Attributes:
        rule: "absolute": a drop of more than the allowed points; "statistical": a drop that the
            paired test (`results.stats.paired`) finds significant; "both": a drop that is both.
        allowed_drop: Points that a task may lose.
        types: Points that a task of some type may lose instead.
        tasks: Points that some task may lose instead.
        mean_task: Points that the mean over a view's tasks may lose.
        mean_type: Points that the mean over its types may lose.
        alpha: Level of the test. A drop is significant if its p-value, corrected over all records
            and means (Holm), is below it.
    """

    rule: Rule = "both"
    allowed_drop: Points = 0.5
    types: dict[str, Points] = {}
    tasks: dict[str, Points] = {}
    mean_task: Points = 0.25
    mean_type: Points = 0.25
    alpha: Level = 0.05

    def points(self, task: str, task_type: str) -> float:
        """Points that a task may lose."""
        return self.tasks.get(task, self.types.get(task_type, self.allowed_drop))


class SameWeights(Allowance):
    """What may change where the weights are the reference's.

    Attributes:
        allowed_rise: Points that a task or a mean may gain where nothing was drawn again; None for
            as many as it may lose. More is "better than possible".
        measured_differently: "fail" if a record fails because it was measured in another way than
            the reference (prompts, texts and tokens read, packed or padded input), whatever its
            score; "show" if the difference is only named.
    """

    rule: Rule = "absolute"
    allowed_drop: Points = 0.2
    mean_task: Points = 0.1
    mean_type: Points = 0.1
    allowed_rise: Points | None = None
    measured_differently: Literal["fail", "show"] = "fail"


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

    same_weights: SameWeights = SameWeights()
    other_weights: Allowance = Allowance()
    seed_margin: Points = 6.0
    speed: Ratio | None = None
    memory: Ratio | None = None

    def names(self) -> Iterable[tuple[str, str, str]]:
        """What it names: section, "tasks" or "types", and the name."""
        for section in ("same_weights", "other_weights"):
            allowance: Allowance = getattr(self, section)
            for kind in ("tasks", "types"):
                for name in getattr(allowance, kind):
                    yield section, kind, name


DEFAULT_POLICY = """\
# What counts as a failure; points are scores × 100. Every key: docs/gate.md.

[same_weights]            # the reference's weights: a difference is made by code or machine
rule = "absolute"         # or "statistical", or "both"
allowed_drop = 0.2        # points that a task may lose, or gain unless allowed_rise says otherwise
mean_task = 0.1           # points that the mean over the tasks of a view may lose
mean_type = 0.1

[same_weights.types]      # k-means on another processor may settle elsewhere
Clustering = 1.0

[other_weights]           # a new model: a drop may be luck of the examples
rule = "both"
allowed_drop = 0.5
mean_task = 0.25
mean_type = 0.25
alpha = 0.05              # of the paired test, corrected over all records and means
"""
"""The policy that a new reference is given."""


def read_policy(path: Path, known: Mapping[str, Collection[str]] | None = None) -> Policy:
    """Read a policy file.

    Args:
        path: The file.
        known: The names that "tasks" and "types" may hold; None to accept any. The types of
            `DEFAULT_POLICY` are always accepted.

    Raises:
        PolicyError: If it cannot be read, a key or a name is unknown, or a value is wrong.
    """
    try:
        values = read_toml(path)
    except ReadError as error:
        raise PolicyError(f"policy {error}") from error
    try:
        policy = Policy.model_validate(values)
    except ValidationError as error:
        raise PolicyError(f"policy {path}: {_explain(error)}") from error
    if known is not None:
        _check_names(path, policy, known)
    return policy


def _check_names(path: Path, policy: Policy, known: Mapping[str, Collection[str]]) -> None:
    """Refuse the name of a task or type that the reference does not have."""
    # A new reference gets the default policy, whether or not it has tasks of these types.
    defaults = Policy.model_validate(tomllib.loads(DEFAULT_POLICY))
    allowed = {kind: set(known[kind]) for kind in ("tasks", "types")}
    for _, kind, name in defaults.names():
        allowed[kind].add(name)
    for section, kind, name in policy.names():
        if name not in allowed[kind]:
            what = kind.removesuffix("s")
            raise PolicyError(
                f"policy {path}: {section}.{kind} names the unknown {what} {name!r};"
                f"{_hint(name, allowed[kind])} allowed: {', '.join(sorted(allowed[kind]))}"
            )


def _explain(error: ValidationError) -> str:
    """The first problem in one line, with the allowed values."""
    problem = error.errors(include_url=False)[0]
    place = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        fields = _fields(problem["loc"][:-1])
        hint = _hint(str(problem["loc"][-1]), fields)
        return f"unknown key {place!r};{hint} allowed: {', '.join(fields)}"
    if problem["type"] == "literal_error":
        allowed = problem["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
        return f"{place} is {problem['input']!r}; allowed: {allowed}"
    return f"{place} is {problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _hint(name: str, allowed: Iterable[str]) -> str:
    by_lower = {one.lower(): one for one in sorted(allowed)}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f" did you mean {by_lower[near[0]]!r}?" if near else ""


def _fields(place: tuple[Any, ...]) -> list[str]:
    model = {"same_weights": SameWeights, "other_weights": Allowance}
    return list((model[place[0]] if place else Policy).model_fields)
