"""The data of LongEmbed, which mteb's own loader cannot read any more.

The repository has a configuration for each task, whose splits are corpus, queries and judgements:
tables of different columns, which `datasets` 5 refuses to load together. What follows makes of
the files what mteb's classes make of them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

__all__ = ["LONG_EMBED", "load_long_embed"]

LONG_EMBED = "dwzhu/LongEmbed"
"""Name of the data set on the hub."""


def load_long_embed(task: AbsTask, folder: Path) -> None:
    """Load a task of this data set.

    Args:
        task: the task, not loaded; changed in place.
        folder: the data set as fetched.

    Raises:
        OSError: a file is missing.
        KeyError: a row lacks a column.
    """
    config = folder / task.metadata.dataset["name"]
    corpus, queries, judged = (_rows(config / f"{n}.jsonl") for n in ("corpus", "queries", "qrels"))
    loaded: Any = task
    loaded.corpus, loaded.queries, loaded.relevant_docs = {}, {}, {}
    for split in task.eval_splits:
        # A split of one length is called after it: test_256.
        length = int(split.split("_")[1]) if "_" in split else None

        def wanted(row: dict[str, Any], length: int | None = length) -> bool:
            return length is None or row["context_length"] == length

        loaded.corpus[split] = {r["doc_id"]: {"text": r["text"]} for r in corpus if wanted(r)}
        loaded.queries[split] = {r["qid"]: r["text"] for r in queries if wanted(r)}
        loaded.relevant_docs[split] = {r["qid"]: {r["doc_id"]: 1} for r in judged if wanted(r)}
    task.data_loaded = True


def _rows(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]
