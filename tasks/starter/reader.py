"""What every starter task shares: it builds its datasets in memory from one data file.

Nothing is written, no cache of `datasets` and no network is used.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from datasets import Dataset, DatasetDict
from mteb.abstasks import AbsTask
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
from mteb.abstasks.task_metadata import MetadataDatasetDict

from tasks.starter.files import PATH_PREFIX, Row, read_rows, revision


def dataset_entry(data_file: str) -> MetadataDatasetDict:
    """Return the `dataset` entry of a task's metadata: the file and the hash of its content."""
    return MetadataDatasetDict(path=PATH_PREFIX + data_file, revision=revision(data_file))


class StarterTask(AbsTask):
    """Base of the starter tasks: a subclass says how rows become the data of a split.

    Attributes:
        data_file: name of the data file in `tasks/starter/data`.
        extra_splits: splits that are read but not scored, such as a training split.
    """

    data_file: ClassVar[str]
    extra_splits: ClassVar[tuple[str, ...]] = ()

    def rows(self) -> list[Row]:
        """Read the data the task is made from.

        Raises:
            DataFileError: the file is missing or changed.
        """
        return read_rows(self.data_file)

    @abstractmethod
    def split_data(self, rows: list[Row], subset: str, split: str) -> Dataset | RetrievalSplitData:
        """Return the data of one subset and split, in the columns that mteb expects."""

    def load_data(self, num_proc: int | None = None, **kwargs: Any) -> None:
        """Build `self.dataset`; a second call does nothing.

        Args:
            num_proc: ignored, the data is small.
            kwargs: ignored, accepted because mteb passes a timer.

        Raises:
            DataFileError: the data file is missing or changed.
        """
        if self.data_loaded:
            return
        rows = self.rows()
        splits = (*self.eval_splits, *self.extra_splits)
        data: dict[str, Any] = {
            subset: {split: self.split_data(rows, subset, split) for split in splits}
            for subset in self.hf_subsets
        }
        if self.metadata.type not in ("Retrieval", "Reranking"):
            data = {subset: DatasetDict(parts) for subset, parts in data.items()}
            if not self.metadata.is_multilingual:
                # mteb keeps the splits of a task without subsets at the top.
                data = data["default"]
        self.dataset = data
        self.data_loaded = True


def text_id(kind: str, text: str) -> str:
    """Name a text by its hash, so that the name says nothing about what the text is relevant to.

    Retrieval metrics break ties by document id: with ids numbered alike on both sides, an
    encoder that returns one constant vector would score above chance.

    Args:
        kind: first letter of the id, which keeps queries and documents apart.
        text: the text to name.
    """
    return kind + hashlib.sha256(text.encode()).hexdigest()[:16]


def retrieval_split(
    relevant: Mapping[str, str],
    documents: Sequence[str],
    candidates: Mapping[str, Iterable[str]] | None = None,
) -> RetrievalSplitData:
    """Build retrieval data in which each query has one relevant document.

    Args:
        relevant: query text to the text of its relevant document.
        documents: texts of the corpus, without duplicates.
        candidates: for reranking, query text to the document texts to be ranked.
    """
    queries = {text_id("q", query): query for query in relevant}
    corpus = {text_id("d", document): document for document in documents}
    return RetrievalSplitData(
        queries=Dataset.from_dict({"id": list(queries), "text": list(queries.values())}),
        corpus=Dataset.from_dict({"id": list(corpus), "text": list(corpus.values())}),
        relevant_docs={
            text_id("q", query): {text_id("d", document): 1} for query, document in relevant.items()
        },
        top_ranked=None
        if candidates is None
        else {
            text_id("q", query): sorted(text_id("d", text) for text in texts)
            for query, texts in candidates.items()
        },
    )


def columns(rows: Iterable[Row], names: Mapping[str, str]) -> Dataset:
    """Build a dataset of some fields of `rows`, whose field `names[c]` becomes column `c`."""
    kept = list(rows)
    return Dataset.from_dict({name: [row[field] for row in kept] for name, field in names.items()})
