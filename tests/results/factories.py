"""Records out of thin air, for tests of what is done with records."""

from typing import Any

import numpy as np
import pandas as pd

from results.examples import ExampleRows, examples_table
from results.provenance import (
    Cost,
    Coverage,
    Environment,
    Identity,
    ModelFacts,
    Provenance,
    RouteFacts,
    TaskFacts,
    TextCount,
)
from results.record import Record, RecordRef

__all__ = ["make_examples", "make_identity", "make_record"]


def make_identity(**changes: Any) -> Identity:
    """An identity; `changes` replace its fields."""
    values: dict[str, Any] = {
        "model": "org/model",
        "revision": "1",
        "fingerprint": "f" * 64,
        "backend": "sentence-transformers",
        "task": "TaskA",
        "dataset": "org/data",
        "dataset_revision": "r",
        "splits": {"test": ("default",)},
        "view": "dim=8",
        "routes": {"": RouteFacts(adapter=None, prompt="")},
        "precision": "float32",
        "max_length": 64,
        "seed": 42,
        "mteb_version": "2",
    }
    return Identity(**(values | changes))


def make_examples() -> pd.DataFrame:
    """Three examples of a task whose score is no mean, and two of one whose score is."""
    pairs = ExampleRows(np.arange(3), None, ["0.5", "0.25", "1"], ["1", "0", "5"])
    queries = ExampleRows(["q é", "r"], [0.5, 1.0], None, ['{"d": 1}', '{"ü": 2}'])
    return examples_table([("test", "default", pairs), ("test", "other", queries)])


def make_record(score: float = 0.5, experiment: str | None = None, **changes: Any) -> Record:
    """A record of one task; `changes` replace fields of its identity."""
    identity = make_identity(**changes)
    provenance = Provenance(
        identity=identity,
        key=identity.key(),
        suite="suite",
        suite_tasks={"TaskA": "STS", "TaskB": "STS"},
        run_spec_given={"model": "x"},
        run_spec={"model": identity.model},
        task=TaskFacts(
            name=identity.task,
            type="STS",
            main_score="cosine_spearman",
            languages=("eng-Latn",),
            dataset=identity.dataset,
            dataset_revision=identity.dataset_revision,
            splits=identity.splits,
            content_hash="c" * 64,
        ),
        model=ModelFacts(
            name=identity.model,
            revision=identity.revision,
            fingerprint=identity.fingerprint,
            backend=identity.backend,
            parameters=100,
            embedding_dim=8,
            max_length=identity.max_length,
        ),
        view=identity.view,
        dim=8,
        score=score,
        coverage=Coverage(n_expected=3, n_scored=3),
        text_count=TextCount(
            texts=6, distinct_texts=5, tokens=50, truncated_texts=1, truncated_tokens=4
        ),
        environment=Environment(
            python="3",
            platform="test",
            device="cpu",
            threads=1,
            precision="float32",
            attention=None,
            packages={"mteb": "2"},
            git_commit=None,
            git_dirty=None,
        ),
        cost=Cost(
            encoded_texts=5, encode_seconds=0.1, total_seconds=0.2, finished="2026-01-01T00:00:00Z"
        ),
    )
    ref = RecordRef(identity.model, identity.revision, experiment, identity.task)
    task_result = {"task_name": identity.task, "scores": {"test": [{"main_score": score}]}}
    return Record(ref=ref, task_result=task_result, provenance=provenance, examples=make_examples())
