"""The run spec: everything that decides a run's scores, as a user writes it.

It is read from a TOML file, from flags, or from both (flags win), and is
checked here as far as that needs neither model nor data.
"""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, ValidationError

from harness.errors import SpecError
from jina_eval.core.errors import ReadError
from jina_eval.core.paths import shareable_path
from jina_eval.core.reading import read_toml
from model.cache.limits import DEFAULT_SIZE
from tasks.filters import TaskFilter

__all__ = ["DEFAULT_MODELS", "Precision", "RunSpec", "given_values", "load_specs"]

DEFAULT_MODELS = ("minilm", "lexical")
"""What is evaluated when nobody names a model: a small embedding model and a lexical baseline."""

_LEXICAL = "lexical"

_SETTINGS = ("device", "precision", "max_length", "batch_size", "attention", "token_budget")

_OF_EMBEDDING_MODELS = ("views", "chunkings", "routing", "cache", "cache_size", *_SETTINGS)

_MAY_BE_PATHS = ("model", "routing", "cache")

Precision = Literal["auto", "float32", "bfloat16", "float16", "float8"]


_Name = Annotated[StrictStr, Field(min_length=1)]
"""Empty, it would stand for the current folder wherever a folder may be named."""


class RunSpec(BaseModel):
    """One model on one suite.

    Attributes:
        model: Built-in name, folder, or "organisation/model" on the hub.
        revision: Branch, tag or commit of a hub model; None for its main branch.
        suite: Name of a suite, or of any mteb benchmark, or several joined by "+".
        tasks: Names of the suite's tasks to run; empty for all.
        types: Task types to run; empty for all.
        languages: ISO 639-3 codes of the languages to run; empty for all.
        max_texts: Leave out tasks with more texts; None for none.
        views: What is read of each vector, such as "dim=128" or "dim=64,int8", or the sets "mrl"
            and "sweep"; empty for the full vector and the Matryoshka sizes below it.
        chunkings: How documents of searches become vectors, such as "late:fixed=256"; empty for
            "none".
        routing: Name of the routing profile; None for the model's own.
        precision: Number format of the model's arithmetic; "auto" for the checkpoint's own on a
            GPU and float32 on a CPU.
        max_length: Longest input in tokens; None for the model's own limit.
        seed: Seed of every random choice in the evaluation (mteb's is 42).
        device: "auto", "cpu", "cuda", "cuda:N" or "mps". Does not decide scores.
        batch_size: Texts a batch, for models that cannot read packed input.
            Does not decide scores.
        attention: "auto" for the quickest kernel, or one by name. Does not
            decide scores beyond their last digits.
        token_budget: Tokens a batch, for models that read packed input; None
            for what suits the device. Does not decide scores.
        cache: Folder in which vectors are kept from run to run; "auto" for the
            user's own, "off" for none. Does not decide scores.
        cache_size: How large that folder may become, such as "20GB".
        workers: Processes that read data, search and score beside the one with
            the model; 0 for none, None for as many as there is use for. Does
            not decide scores.
        texts: Whether the beginnings of texts are kept beside the records, so
            that single queries can be looked at. Does not decide scores.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: _Name = DEFAULT_MODELS[0]
    revision: StrictStr | None = None
    suite: _Name = "starter"
    tasks: tuple[StrictStr, ...] = ()
    types: tuple[StrictStr, ...] = ()
    languages: tuple[StrictStr, ...] = ()
    max_texts: Annotated[StrictInt, Field(ge=1)] | None = None
    views: tuple[StrictStr, ...] = ()
    chunkings: tuple[StrictStr, ...] = ()
    routing: _Name | None = None
    precision: Precision = "auto"
    max_length: Annotated[StrictInt, Field(ge=1)] | None = None
    seed: Annotated[StrictInt, Field(ge=0, lt=2**32)] = 42
    device: StrictStr = "auto"
    batch_size: Annotated[StrictInt, Field(ge=1)] = 32
    attention: StrictStr = "auto"
    token_budget: Annotated[StrictInt, Field(ge=1)] | None = None
    cache: _Name = "auto"
    cache_size: StrictStr = DEFAULT_SIZE
    workers: Annotated[StrictInt, Field(ge=0, le=256)] | None = None
    texts: StrictBool = True

    def task_filter(self) -> TaskFilter:
        """Which of the suite's tasks are to run."""
        return TaskFilter(
            names=self.tasks,
            types=self.types,
            languages=self.languages,
            max_texts=self.max_texts,
        )

    def settings(self) -> dict[str, Any]:
        """How the model is asked to be run: arguments of `model.backends.load_backend`."""
        return self.model_dump(include=set(_SETTINGS))

    def given(self) -> dict[str, Any]:
        """Only what was set, as JSON data."""
        return self.model_dump(mode="json", exclude_unset=True)

    def shareable(self) -> dict[str, Any]:
        """Only what was set, for records: without the names of the user's folders."""
        values = self.given()
        for name in _MAY_BE_PATHS:
            if isinstance(values.get(name), str):
                values[name] = shareable_path(values[name])
        return values


def load_specs(file: Path | None, flags: Mapping[str, Any]) -> tuple[RunSpec, ...]:
    """Make one run spec for each model that is asked for.

    Args:
        file: A TOML file with the keys of `RunSpec`; `model` may be a list.
        flags: Values that win over the file's; None means not given.

    Raises:
        SpecError: If the file cannot be read, a key is unknown or a value is wrong.
    """
    values = given_values(file, flags)
    models = values.pop("model", DEFAULT_MODELS)
    if isinstance(models, str):
        models = (models,)
    if not isinstance(models, list | tuple) or not models:
        raise SpecError(f"run spec: model is {models!r}; expected a name, or a list of names")
    if len(set(map(str, models))) < len(models):
        raise SpecError(f"run spec: model names one twice: {', '.join(map(str, models))}")
    return tuple(_make({"model": model, **_applicable(model, models, values)}) for model in models)


def given_values(file: Path | None, flags: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that a file and flags state, unchecked; see `load_specs`.

    Raises:
        SpecError: If the file cannot be read.
    """
    values = _read(file) if file is not None else {}
    return values | {name: value for name, value in flags.items() if value is not None}


def _applicable(model: Any, models: Sequence[Any], values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values that concern a model.

    Where the lexical baseline is compared with embedding models, what only
    those have does not concern it; asked of it alone, it is an error later on.
    """
    if model != _LEXICAL or len(models) == 1:
        return values
    return {name: value for name, value in values.items() if name not in _OF_EMBEDDING_MODELS}


def _read(file: Path) -> dict[str, Any]:
    try:
        return read_toml(file)
    except ReadError as error:
        raise SpecError(f"run spec {error}") from error


def _make(values: Mapping[str, Any]) -> RunSpec:
    try:
        return RunSpec.model_validate(values)
    except ValidationError as error:
        raise SpecError(_explain(error, values)) from error


def _explain(error: ValidationError, values: Mapping[str, Any]) -> str:
    """The first problem in one line, with the allowed values."""
    problem = error.errors(include_url=False)[0]
    key = str(problem["loc"][0])
    if problem["type"] == "extra_forbidden":
        allowed = tuple(RunSpec.model_fields)
        near = difflib.get_close_matches(key, allowed, n=1)
        hint = f" did you mean {near[0]!r}?" if near else ""
        return f"run spec: unknown key {key!r};{hint} allowed: {', '.join(allowed)}"
    message = problem["msg"][0].lower() + problem["msg"][1:]
    if key == "precision":
        message = f"allowed: {', '.join(get_args(Precision))}"
    return f"run spec: {key} is {values[key]!r}: {message}"
