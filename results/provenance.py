"""Where a score comes from: everything needed to trust it, repeat it and compare it.

`provenance.json` stands beside each task result. Its `identity` is what
decides the score: two records with equal identities are the same measurement,
and a rerun with another identity never passes for it. Its `cost` is what the
measurement took; it changes from run to run and decides nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

__all__ = [
    "CalibrationFacts",
    "Cost",
    "Coverage",
    "Environment",
    "Identity",
    "ModelFacts",
    "Provenance",
    "RouteFacts",
    "TaskFacts",
    "TextCount",
]


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

    def key(self) -> str:
        """SHA-256 over the canonical JSON of all fields."""
        fields = self.model_dump(mode="json")
        # As in the records from before there were these fields.
        if self.dim is None:
            del fields["dim"]
        if self.chunking == "none":
            del fields["chunking"]
        canonical = json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def differences(self, other: Identity) -> dict[str, tuple[Any, Any]]:
        """Fields in which the two differ: name to (own value, other's value)."""
        mine, theirs = self.model_dump(), other.model_dump()
        return {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}


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

    Attributes:
        encoded_texts: Texts that went through the model; the rest was at hand.
        encode_seconds: Time spent encoding them.
        total_seconds: Time from loading the data to the finished scores.
        finished: ISO 8601 time, UTC.
    """

    encoded_texts: int
    encode_seconds: float
    total_seconds: float
    finished: str


class Provenance(_Frozen):
    """All that stands beside a task result.

    Attributes:
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
        environment: Where it was measured.
        cost: What it took this time.
    """

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
    environment: Environment
    cost: Cost
