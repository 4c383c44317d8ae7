"""Records as one table, a row a record."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from results.record import Record

__all__ = ["COLUMNS", "records_table"]

COLUMNS = {
    "suite": "string",
    "model": "string",
    "revision": "string",
    "experiment": "string",
    "view": "string",
    "chunking": "string",
    "dim": "Int64",
    "embedding_dim": "Int64",
    "task": "string",
    "task_type": "string",
    "metric": "string",
    "score": "float64",
    "n_expected": "Int64",
    "n_scored": "Int64",
    "parameters": "Int64",
    "max_length": "Int64",
    "truncated_share": "Float64",
    "encoded_texts": "Int64",
    "encode_seconds": "Float64",
    "seconds": "Float64",
    "device": "string",
    "encoded_tokens": "Int64",
    "shared_texts": "Int64",
    "shared_seconds": "Float64",
    "shared_tokens": "Int64",
}
"""Name and dtype of each column of `records_table`."""


def records_table(records: Iterable[Record]) -> pd.DataFrame:
    """One row a record, columns as in `COLUMNS`; what was not measured is NA.

    `dim` is the width that was read and `embedding_dim` the model's full
    width: a record of the full view has both equal (or both NA, for a model
    without fixed width). `score` is the task's main score, between 0 and 1
    for most metrics (correlations go down to -1), the mean over subsets and
    splits. `truncated_share` is the share of distinct texts that were cut.
    The columns of cost are those of `results.provenance.Cost`.
    """
    rows = [_row(record) for record in records]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def _row(record: Record) -> dict[str, Any]:
    facts = record.provenance
    count = facts.text_count
    return {
        "suite": facts.suite,
        "model": facts.model.name,
        "revision": facts.model.revision,
        "experiment": record.ref.experiment,
        "view": facts.view,
        "chunking": facts.identity.chunking,
        "dim": facts.dim,
        "embedding_dim": facts.model.embedding_dim,
        "task": facts.task.name,
        "task_type": facts.task.type,
        "metric": facts.task.main_score,
        "score": facts.score,
        "n_expected": facts.coverage.n_expected,
        "n_scored": facts.coverage.n_scored,
        "parameters": facts.model.parameters,
        "max_length": facts.model.max_length,
        "truncated_share": None
        if count.truncated_texts is None
        else count.truncated_texts / max(count.distinct_texts, 1),
        "encoded_texts": facts.cost.encoded_texts,
        "encode_seconds": facts.cost.encode_seconds,
        "seconds": facts.cost.total_seconds,
        "device": facts.environment.device,
        "encoded_tokens": facts.cost.encoded_tokens,
        "shared_texts": facts.cost.shared_texts,
        "shared_seconds": facts.cost.shared_seconds,
        "shared_tokens": facts.cost.shared_tokens,
    }
