"""What a loaded task gives to the encoder, how much of it is scored, and a hash of all of it.

These follow mteb 2.26.24; a test over all of its mock tasks notices when mteb moves on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tasks.errors import UnsupportedTaskError
from tasks.fresh import task_parts

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask, AbsTaskRetrieval
    from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
    from typing_extensions import TypeIs


_PIECE = 1000

_CANDIDATES = "candidate labels"
"""Our name for the labels of zero-shot classification, which are encoded but no column."""


class TaskText(NamedTuple):
    """One text as the encoder receives it.

    Attributes:
        subset: subset of the task; for bitext in parallel columns, the language of the column.
        split: split of the data, `train` for the texts that a classifier is fitted on.
        role: `query` and `document`; `first` and `second` of a pair; `human` and `machine` for
            summaries; `label` for the candidates of zero-shot classification; otherwise `text`.
        text: the text, with a document's title or a query's instruction joined as mteb does it.
    """

    subset: str
    split: str
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class TaskTable:
    """One dataset of a task: the columns that are encoded, by role, and those that are scored."""

    subset: str
    split: str
    data: Any
    encoded: tuple[tuple[str, str], ...]
    labels: tuple[str, ...]

    def column(self, name: str) -> list[Any]:
        """Return the values of a column, with lists inside rows flattened into one."""
        flat: list[Any] = []
        for value in self.data[name]:
            flat.extend(value if isinstance(value, list) else [value])
        return flat


def task_texts(task: AbsTask) -> Iterator[TaskText]:
    """Yield each text that evaluating a loaded task encodes, repeats included.

    Where mteb draws a sample, of training or clustering texts, all it can draw from are yielded.

    The texts of an aggregate are those of its parts.

    Raises:
        UnsupportedTaskError: the task is of a type that encodes no text.
        ValueError: the task is not loaded.
    """
    if task.is_aggregate:
        for part in task_parts(task):
            yield from task_texts(part)
        return
    _check(task)
    if is_retrieval(task):
        yield from _retrieval_texts(task)
        return
    for whole in task_tables(task):
        table = with_several_labels(whole) if _is_legacy_clustering(task) else whole
        for role, name in table.encoded:
            # Of parallel columns, each language is a subset.
            subset = name if role == "parallel" else table.subset
            for text in table.column(name):
                yield TaskText(subset, table.split, "text" if role == "parallel" else role, text)


def expected_examples(task: AbsTask) -> dict[str, dict[str, int]]:
    """Count the examples that are scored, by split and subset of a loaded task.

    An example is a query with at least one judged document, a pair, a text to classify or to
    cluster, a row of bitext, or a text with its summaries. Subsets of an aggregate's parts are
    called PART/SUBSET.

    Raises:
        UnsupportedTaskError: the task is of a type that encodes no text.
        ValueError: the task is not loaded.
    """
    if task.is_aggregate:
        joined: dict[str, dict[str, int]] = {}
        for part in task_parts(task):
            for split, subsets in expected_examples(part).items():
                named = {f"{part.metadata.name}/{subset}": n for subset, n in subsets.items()}
                joined.setdefault(split, {}).update(named)
        return joined
    _check(task)
    counts: dict[str, dict[str, int]] = {split: {} for split in task.eval_splits}
    if is_retrieval(task):
        for subset, split, data in retrieval_data(task):
            judged = {query for query, documents in data["relevant_docs"].items() if documents}
            counts[split][subset] = sum(query in judged for query in data["queries"]["id"][:])
        return counts
    for table in task_tables(task):
        if table.split in counts:
            for subset in _scored_subsets(task, table):
                counts[table.split][subset] = _scored(task, table)
    return counts


def content_hash(task: AbsTask) -> str:
    """Return the sha256 (hex) of the texts, labels and judgements of a loaded task.

    It depends on the order of rows, since samples do, but not on the order of subsets or of
    judgements, nor on the process.

    Raises:
        UnsupportedTaskError: the task is of a type that encodes no text.
        ValueError: the task is not loaded.
    """
    digest = hashlib.sha256()
    if task.is_aggregate:
        for part in task_parts(task):
            digest.update(f"{part.metadata.name} {content_hash(part)}\n".encode())
        return digest.hexdigest()
    _check(task)
    for values in _retrieval_rows(task) if is_retrieval(task) else _table_rows(task):
        digest.update(json.dumps(values, ensure_ascii=False, default=str).encode() + b"\n")
    return digest.hexdigest()


def _retrieval_rows(task: AbsTaskRetrieval) -> Iterator[tuple[object, ...]]:
    for subset, split, data in sorted(retrieval_data(task), key=lambda part: part[:2]):
        yield subset, split
        yield from identified_texts(data)
        for query, judged in sorted(data["relevant_docs"].items()):
            yield "relevant_docs", query, sorted(judged.items())
        for query, ranked in sorted((data["top_ranked"] or {}).items()):
            yield "top_ranked", query, list(ranked)


def _table_rows(task: AbsTask) -> Iterator[tuple[object, ...]]:
    for table in sorted(task_tables(task), key=lambda table: (table.subset, table.split)):
        yield table.subset, table.split
        for name in (*(name for _, name in table.encoded), *table.labels):
            yield (name,)
            for value in table.data[name]:
                yield (value,)


def _check(task: AbsTask) -> None:
    name = task.metadata.name
    if task.modalities != ["text"]:
        raise UnsupportedTaskError(f"{name} encodes {task.modalities}, not text")
    if not task.data_loaded:
        raise ValueError(f"{name} is not loaded: call its load_data() first")


def is_retrieval(task: AbsTask) -> TypeIs[AbsTaskRetrieval]:
    """Whether a task searches documents."""
    from mteb.abstasks import AbsTaskRetrieval

    return isinstance(task, AbsTaskRetrieval)


def _is_legacy_clustering(task: AbsTask) -> bool:
    from mteb.abstasks.clustering_legacy import AbsTaskClusteringLegacy

    return isinstance(task, AbsTaskClusteringLegacy)


# --- retrieval: queries, documents and judgements of one subset and split -----------------------


def retrieval_parts(task: AbsTask) -> Iterator[object]:
    """Yield the corpora, queries, judgements and candidates that a loaded task holds."""
    for part in task_parts(task):
        if is_retrieval(part):
            for _, _, data in retrieval_data(part):
                yield from data.values()


def retrieval_data(task: AbsTaskRetrieval) -> Iterator[tuple[str, str, RetrievalSplitData]]:
    """Yield subset, split and data of a loaded task."""
    task.convert_v1_dataset_format_to_v2(num_proc=None)  # As its evaluate() does first.
    for subset in task.hf_subsets:
        for split in task.eval_splits:
            yield subset, split, task.dataset[subset][split]


def _retrieval_texts(task: AbsTaskRetrieval) -> Iterator[TaskText]:
    for subset, split, data in retrieval_data(task):
        judged = {query for query, documents in data["relevant_docs"].items() if documents}
        for role, identifier, text in identified_texts(data):
            if role == "document" or identifier in judged:
                yield TaskText(subset, split, role, text)


def identified_texts(data: RetrievalSplitData) -> Iterator[tuple[str, str, str]]:
    """Yield role, id and text of the documents, then of the queries."""
    from mteb._create_dataloaders import _corpus_to_dict
    from mteb._create_dataloaders import _retrieval_texts as texts_as_encoded
    from mteb.types import PromptType

    # In pieces, because mapping a large corpus at once writes a file to the cache of datasets.
    corpus = data["corpus"]
    names = [name for name in ("id", "title", "text") if name in corpus.column_names]
    for piece in corpus.select_columns(names).iter(batch_size=_PIECE):
        for values in zip(*(piece[name] for name in names), strict=True):
            row = dict(zip(names, values, strict=True))
            yield "document", row["id"], _corpus_to_dict(row)["text"]
    queries = data["queries"]
    texts = texts_as_encoded(queries, PromptType.query)
    for identifier, text in zip(queries["id"][:], texts[:], strict=True):
        yield "query", identifier, text


# --- all other types: tables of columns ---------------------------------------------------------


def task_tables(task: Any) -> Iterator[TaskTable]:
    """Yield the tables of a task: those of training splits first, as mteb encodes them."""
    from mteb.abstasks import AbsTaskZeroShotClassification

    encoded, labels = encoded_columns(task)
    splits = list(task.eval_splits)
    train = getattr(task, "train_split", None)
    if train is not None and train not in splits:
        splits.insert(0, train)
    if getattr(task, "parallel_subsets", False):
        for split in splits:
            yield TaskTable("parallel", split, task.dataset[split], encoded, labels)
        return
    for subset in task.hf_subsets:
        parts = task.dataset.get(subset, task.dataset)
        for split in splits:
            data = parts[split]
            if isinstance(task, AbsTaskZeroShotClassification):
                data = {name: data[name] for name in (encoded[0][1], *labels)}
                data[_CANDIDATES] = task.get_candidate_labels()
            yield TaskTable(subset, split, data, encoded, labels)


def encoded_columns(task: AbsTask) -> tuple[tuple[tuple[str, Any], ...], tuple[str, ...]]:
    """Return the encoded columns as (role, name), and the names of the columns scored against."""
    from mteb.abstasks import (
        AbsTaskBitextMining,
        AbsTaskClassification,
        AbsTaskClustering,
        AbsTaskPairClassification,
        AbsTaskSTS,
        AbsTaskSummarization,
        AbsTaskZeroShotClassification,
    )
    from mteb.abstasks.clustering_legacy import AbsTaskClusteringLegacy

    # Multilabel classification and regression are classification to mteb.
    if isinstance(task, AbsTaskClassification | AbsTaskClustering | AbsTaskClusteringLegacy):
        return (("text", task.input_column_name),), (task.label_column_name,)
    if isinstance(task, AbsTaskZeroShotClassification):
        return (("text", task.input_column_name), ("label", _CANDIDATES)), (task.label_column_name,)
    if isinstance(task, AbsTaskPairClassification):
        pair = (("first", task.input1_column_name), ("second", task.input2_column_name))
        return pair, (task.label_column_name,)
    if isinstance(task, AbsTaskSTS):
        return tuple(zip(("first", "second"), task.column_names, strict=True)), ("score",)
    if isinstance(task, AbsTaskBitextMining):
        pairs = task._get_pairs(task.parallel_subsets)
        if task.parallel_subsets:
            names = dict.fromkeys(name for pair in pairs for name in pair)
            return tuple(("parallel", name) for name in names), ()
        return tuple(zip(("first", "second"), pairs[0], strict=True)), ()
    if isinstance(task, AbsTaskSummarization):
        human, machine = task.human_summaries_column_name, task.machine_summaries_column_name
        return (("human", human), ("machine", machine)), (task.relevancy_column_name,)
    raise UnsupportedTaskError(
        f"{task.metadata.name} is of type {task.metadata.type}, whose texts are not known"
    )


def with_several_labels(table: TaskTable) -> TaskTable:
    """Leave out the sets of one label, which mteb scores 1 without encoding them."""
    (_, texts), (labels,) = table.encoded[0], table.labels
    rows = [
        (sentences, label)
        for sentences, label in zip(table.data[texts], table.data[labels], strict=True)
        if len(set(label)) > 1
    ]
    data = {texts: [row[0] for row in rows], labels: [row[1] for row in rows]}
    return TaskTable(table.subset, table.split, data, table.encoded, table.labels)


def _scored_subsets(task: Any, table: TaskTable) -> Iterable[str]:
    return task.hf_subsets if table.subset == "parallel" else (table.subset,)


def _scored(task: Any, table: TaskTable) -> int:
    """Count the examples of one table that mteb scores."""
    if isinstance(table.data, dict) and "gold" in table.data:  # BUCC: fewer pairs than texts.
        return len(table.data["gold"])
    if task.metadata.type == "Summarization":
        return len(table.data[table.labels[0]])
    if _is_legacy_clustering(task):
        table = with_several_labels(table)
    if task.metadata.type == "MultilabelClassification":
        return len(multilabel_rows(task, table.data[table.labels[0]][:]))
    total = len(table.column(table.encoded[0][1]))
    most = None
    if task.metadata.type == "Clustering":
        most = getattr(task, "max_document_to_embed", None)
        share = getattr(task, "max_fraction_of_documents_to_embed", None)
        if share is not None:
            most = int(share * total)
    return total if most is None else min(total, most)


def multilabel_rows(task: Any, labels: list[list[Any]]) -> list[int]:
    """Rows of a split that mteb scores, in its order, of multilabel classification.

    A large split is cut by stratification. It gives roughly as many rows as it is asked for, and
    the same ones each time.

    Args:
        task: the task.
        labels: labels of each row of the split.
    """
    from datasets import Dataset, DatasetDict
    from mteb.abstasks.abstask import _multilabel_subsampling

    rows = list(range(len(labels)))
    if task.max_eval_samples is None or len(rows) <= task.max_eval_samples:
        return rows
    whole = DatasetDict({"all": Dataset.from_dict({"labels": labels, "row": rows})})
    cut = _multilabel_subsampling(
        whole, seed=task.seed, splits=["all"], label="labels", n_samples=task.max_eval_samples
    )
    return list(cut["all"]["row"][:])
