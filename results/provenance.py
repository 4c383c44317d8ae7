"""Where a score comes from: everything needed to trust it, repeat it and compare it.

`provenance.json` stands beside each task result. Its `identity` is what
decides the score: two records with equal identities are the same measurement,
and a rerun with another identity never passes for it. Its `cost` is what the
measurement took; it changes from run to run and decides nothing. Its
`schema_version` says which fields there may be.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from results.errors import NewerRecordError

__all__ = [
    "SCHEMA_VERSION",
    "CalibrationFacts",
    "Cost",
    "Coverage",
    "Environment",
    "Identity",
    "ModelFacts",
    "PromptFacts",
    "Provenance",
    "RegistryFacts",
    "RouteFacts",
    "TaskFacts",
    "TextCount",
    "read_provenance",
]

SCHEMA_VERSION = 2
"""Of the provenance that this version writes. It is raised whenever a field is added or changes
its meaning. Records without one, from before there was a version, count as version 1."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RouteFacts(_Frozen):
    """The adapter and prompt that one side of a task received.

    Attributes:
        adapter: Name of the adapter, or None where the model has none.
        prompt: The text put before each input; empty for none.
    """

    adapter: str | None
    prompt: str


class TaskFacts(_Frozen):
    """What was measured.

    Attributes:
        name: mteb's task name.
        type: mteb's task type.
        main_score: Name of the metric that is the task's score.
        languages: ISO 639-3 codes with script, such as "eng-Latn".
        dataset: Path or hub name of the data.
        dataset_revision: Its revision.
        splits: Evaluated splits, each with its evaluated subsets.
        content_hash: SHA-256 over texts and labels as loaded.
    """

    name: str
    type: str
    main_score: str
    languages: tuple[str, ...]
    dataset: str
    dataset_revision: str
    splits: Mapping[str, tuple[str, ...]]
    content_hash: str


class ModelFacts(_Frozen):
    """Which model was measured.

    Attributes:
        name: "organisation/model", as in mteb's result folders.
        revision: Hub commit, or a name derived from the weights.
        fingerprint: SHA-256 over weights, configuration and tokenizer; for a
            model without files, over the code's version.
        backend: What turned text into vectors.
        parameters: Number of weights; None for a model without any.
        embedding_dim: Full width of a vector; None where it is not fixed.
        max_length: Longest input in tokens; None for no limit.
    """

    name: str
    revision: str
    fingerprint: str
    backend: str
    parameters: int | None
    embedding_dim: int | None
    max_length: int | None


class Identity(_Frozen):
    """Everything that decides a score. Equal identities, equal scores.

    `format` stands for this project's own code: it is raised whenever a change
    of ours moves a score or the meaning of a field, so that older records are
    recognised as stale.

    A field that is added later has a default, which stands for what all records
    before it were measured with. At its default a field is no part of the key,
    so that those records keep theirs.
    """

    format: Literal[1] = 1
    model: str
    revision: str
    fingerprint: str
    backend: str
    task: str
    dataset: str
    dataset_revision: str
    splits: Mapping[str, tuple[str, ...]]
    view: str
    routes: Mapping[str, RouteFacts]
    precision: str
    max_length: int | None
    seed: int
    mteb_version: str
    dim: int | None = None
    """Coordinates read of each vector where the route decides it; None where the view does."""
    chunking: str = "none"
    """How documents become vectors."""
    similarity: Literal["cosine", "dot", "euclidean", "manhattan"] = "cosine"
    """How two vectors are compared."""

    def key(self) -> str:
        """SHA-256 over the canonical JSON of `format` and all fields that are not at their default.

        The format is always part of it: it says what the other fields mean.
        """
        fields = {"format": self.format, **self.model_dump(mode="json", exclude_defaults=True)}
        canonical = json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def differences(self, other: Identity) -> dict[str, tuple[Any, Any]]:
        """Fields in which the two differ: name to (own value, other's value)."""
        mine, theirs = self.model_dump(), other.model_dump()
        return {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}


class PromptFacts(_Frozen):
    """Where the prompts of a run come from. The prompts themselves are the identity's routes.

    Attributes:
        origin: What decided: the run spec, the model's own configuration, mteb's registry, or
            nothing, which means no prompts.
        configuration: Prompts of the model's configuration by name, without empty ones.
        registry: Prompts of mteb's registry entry by name, likewise.
        instructions: Whether the registry's entry makes a prompt of each task's instruction.
        warning: What the run warned of; None for nothing.
    """

    origin: Literal["run spec", "configuration", "registry", "none"]
    configuration: Mapping[str, str] = {}
    registry: Mapping[str, str] = {}
    instructions: bool = False
    warning: str | None = None

    @property
    def differ(self) -> bool:
        """Whether configuration and registry both have prompts, and not the same ones."""
        if not self.configuration:
            return False
        if self.instructions:
            return True
        return bool(self.registry) and _by_side(self.configuration) != _by_side(self.registry)


def _by_side(prompts: Mapping[str, str]) -> dict[str, str]:
    """Prompts by mteb's names; sentence-transformers knows documents by two others as well."""
    names = {"passage": "document", "corpus": "document"}
    return {names.get(name, name): text for name, text in prompts.items()}


class RegistryFacts(_Frozen):
    """What mteb's registry says of a model of the hub.

    Attributes:
        mteb_version: Version of mteb that the registry came with.
        revision: Commit that it pins the model to.
        loader: Name of the class or function that loads the model in mteb.
        similarity: As it states it; None for nothing.
        max_length: Longest input in tokens that the loader sets; None for nothing.
        notes: What mteb does with the model that the run did not do.
    """

    mteb_version: str
    revision: str | None
    loader: str
    similarity: str | None
    max_length: int | None
    notes: tuple[str, ...] = ()


class Coverage(_Frozen):
    """How many examples should be scored, and for how many there was something to score.

    An example is a query, a pair, a test text, a clustered text or a bitext row. A query for which
    no document was found counts 0 in the score and is not among the scored ones.
    """

    n_expected: int
    n_scored: int


class TextCount(_Frozen):
    """What the task gave the model to read.

    Attributes:
        texts: Texts asked for, repeats included.
        distinct_texts: Different (route, text) pairs among them.
        tokens: Tokens of the distinct texts before truncation, prompt and
            special tokens included; None where the model has no tokenizer.
        truncated_texts: Distinct texts longer than the model's maximum length.
        truncated_tokens: Tokens cut off from them.
    """

    texts: int
    distinct_texts: int
    tokens: int | None
    truncated_texts: int | None
    truncated_tokens: int | None


class CalibrationFacts(_Frozen):
    """Between which numbers the levels of an 8-bit view lie.

    Attributes:
        fitted_on: "documents" of searches, the "training texts" of classifiers, or "all texts".
        texts: Number of vectors among them.
        dim: Number of dimensions.
        sha256: The first 16 hexadecimal digits over both ends of all dimensions.
    """

    fitted_on: Literal["documents", "training texts", "all texts"]
    texts: int
    dim: int
    sha256: str


class Environment(_Frozen):
    """Where it was measured.

    Attributes:
        python: Version.
        platform: System and processor.
        device: Where the model ran.
        threads: CPU threads of torch.
        precision: Number format of the model's arithmetic.
        attention: The attention kernels in use; None where there is none.
        compiled: Whether the model's layers were compiled; None in records
            from before this was noted.
        fused_gelu: Whether linear layers and the GELU after them were one
            kernel; None likewise.
        packages: Versions by name.
        git_commit: Commit of this code; None where git cannot tell.
        git_dirty: Whether files differed from it.
    """

    python: str
    platform: str
    device: str
    threads: int
    precision: str
    attention: str | None
    compiled: bool | None = None
    fused_gelu: bool | None = None
    packages: Mapping[str, str]
    git_commit: str | None
    git_dirty: bool | None

    @property
    def path(self) -> Literal["packed", "padded"] | None:
        """How texts of different lengths went through the model together.

        Backends name a padded attention "…, padded"; every other one reads packed input. None for
        a model without attention.
        """
        if self.attention is None:
            return None
        return "padded" if self.attention.endswith("padded") else "packed"


class Cost(_Frozen):
    """What it took this time. Not part of the result.

    Views and chunkings of a task read vectors of the same passes through the model. Each pass is
    the own cost of one record, the first that reads from it, and a shared cost of the others. Own
    costs add up over records; own and shared cost together are what a record would cost alone.
    Vectors that were cached cost nothing.

    Attributes:
        encoded_texts: Texts that went through the model for this record first.
        encode_seconds: Time spent encoding them.
        encoded_tokens: Tokens read for that, prompts and special tokens included, after
            truncation; a text read in windows or chunks counts all of them. None without a
            tokenizer, and in records from before this was counted.
        shared_texts: Texts whose passes are another record's own cost; None in records from
            before this was counted, whose chunkings may bear the cost of others or none.
        shared_seconds: Time that these took; None likewise.
        shared_tokens: Tokens read for them; None as of `encoded_tokens`.
        shared_with: Other records that the same run measures from these passes; None likewise.
        total_seconds: Time from the loaded data to the finished scores, own passes included and
            shared ones not.
        finished: ISO 8601 time, UTC.
    """

    encoded_texts: int
    encode_seconds: float
    total_seconds: float
    finished: str
    encoded_tokens: int | None = None
    shared_texts: int | None = None
    shared_seconds: float | None = None
    shared_tokens: int | None = None
    shared_with: int | None = None

    @property
    def read_texts(self) -> int:
        """Texts that went through the model for this record, alone or with others."""
        return self.encoded_texts + (self.shared_texts or 0)

    @property
    def read_seconds(self) -> float:
        """Time that this took, as it would have for this record alone."""
        return self.encode_seconds + (self.shared_seconds or 0.0)

    @property
    def read_tokens(self) -> int | None:
        """Tokens read for it; None where they were not counted."""
        if self.encoded_tokens is None or self.shared_tokens is None:
            return None
        return self.encoded_tokens + self.shared_tokens


class Provenance(_Frozen):
    """All that stands beside a task result.

    Attributes:
        schema_version: See `SCHEMA_VERSION`; 1 in records that do not state it.
        identity: What decides the score.
        key: The identity's key.
        suite: Name of the suite that the task was measured for.
        suite_tasks: All tasks of the suite, name to type: what a complete row has.
        run_spec_given: The run spec as the user gave it.
        run_spec: The run spec with every choice made.
        task: What was measured.
        model: Which model was measured.
        view: What was read of each vector.
        dim: Number of dimensions that the view reads; None where it is not fixed.
        score: The main score, mean over splits and subsets.
        coverage: How many examples were scored.
        text_count: What the model was given to read.
        text_count_by_split: The same for each split, where there are several
            (a text of two splits counts in both).
        calibration: Of a view in 8 bits.
        prompts: Where its prompts come from; None in records from before this was noted.
        registry: What mteb's registry says of the model; None where it says nothing.
        environment: Where it was measured.
        cost: What it took this time.
    """

    schema_version: int = 1
    identity: Identity
    key: str
    suite: str
    suite_tasks: Mapping[str, str]
    run_spec_given: Mapping[str, Any]
    run_spec: Mapping[str, Any]
    task: TaskFacts
    model: ModelFacts
    view: str
    dim: int | None
    score: float
    coverage: Coverage
    text_count: TextCount
    text_count_by_split: Mapping[str, TextCount] = {}
    calibration: CalibrationFacts | None = None
    prompts: PromptFacts | None = None
    registry: RegistryFacts | None = None
    environment: Environment
    cost: Cost

    @property
    def speed(self) -> tuple[int, float] | None:
        """Texts that went through the model, and seconds; None where that says nothing.

        It says nothing where all vectors were cached, and in records from before shared passes
        were told apart if several chunkings were measured together: one of them bears the cost
        of all.
        """
        cost = self.cost
        together = cost.shared_seconds is None and len(self.run_spec.get("chunkings", ())) > 1
        if together or cost.read_texts <= 0 or cost.read_seconds <= 0:
            return None
        return cost.read_texts, cost.read_seconds


def read_provenance(content: Any) -> Provenance:
    """Provenance from JSON data.

    Args:
        content: What `provenance.json` holds.

    Raises:
        NewerRecordError: If a newer version of this project wrote it.
        ValueError: If it is not what this version or an older one writes.
    """
    version = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise NewerRecordError(
            f"it has record schema {version}, and this version of jina-eval reads up to "
            f"{SCHEMA_VERSION}; upgrade jina-eval to read it"
        )
    return Provenance.model_validate(content)
