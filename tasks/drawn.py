"""The texts that one evaluation of a task encodes, with mteb's samples drawn as it draws them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tasks.fresh import task_parts
from tasks.texts import (
    TaskTable,
    TaskText,
    identified_texts,
    is_retrieval,
    multilabel_rows,
    retrieval_data,
    task_tables,
    task_texts,
)

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask, AbsTaskRetrieval

__all__ = ["drawn_texts"]


def drawn_texts(task: AbsTask) -> Iterator[TaskText]:
    """Yield each text that evaluating a loaded task once encodes, repeats included.

    Where `task_texts` yields all that mteb can draw from, here are the training texts that
    classifiers are fitted on, the sample that is clustered, the rows that multilabel
    classification scores, and of documents to rerank the candidates.

    Draws are those of mteb 2.26.24 for a task that was just made. Only a clustering task of
    several subsets or splits may draw other texts from the second on, as many of them: scoring
    takes random numbers in between.

    Args:
        task: a task from `load_fresh` that nobody evaluates: its random state is used up.

    Raises:
        UnsupportedTaskError: the task is of a type that encodes no text.
        ValueError: the task is not loaded.
    """
    from mteb.abstasks import AbsTaskClassification, AbsTaskClustering

    for part in task_parts(task):
        if is_retrieval(part):
            yield from _searched(part)
        elif isinstance(part, AbsTaskClassification) and not part.is_cross_validation:
            yield from _classified(part)
        elif isinstance(part, AbsTaskClustering):
            yield from _clustered(part)
        else:
            yield from task_texts(part)


def _searched(task: AbsTaskRetrieval) -> Iterator[TaskText]:
    for subset, split, data in retrieval_data(task):
        judged = {query for query, documents in data["relevant_docs"].items() if documents}
        ranked = data["top_ranked"]
        wanted = None
        if ranked is not None:
            wanted = {name for query in judged for name in ranked.get(query, ())}
        for role, identifier, text in identified_texts(data):
            if identifier in judged if role == "query" else wanted is None or identifier in wanted:
                yield TaskText(subset, split, role, text)


def _classified(task: Any) -> Iterator[TaskText]:
    tables = {(table.subset, table.split): table for table in task_tables(task)}
    for split in task.eval_splits:
        for subset in task.hf_subsets:
            train, scored = tables[subset, task.train_split], tables[subset, split]
            yield from _rows(train, _training_rows(task, train))
            rows: Iterable[int] = range(len(scored.data))
            if task.metadata.type == "MultilabelClassification":
                rows = multilabel_rows(task, scored.data[task.label_column_name][:])
            yield from _rows(scored, rows)


def _training_rows(task: Any, table: TaskTable) -> list[int]:
    """The rows that any of the experiments fits its classifier on."""
    drawn: set[int] = set()
    if task.metadata.type == "MultilabelClassification":
        labels = table.data[task.label_column_name][:]
        for _ in range(task.n_experiments):
            rows, _ = task._undersample_data_indices(labels, task.samples_per_label, None)
            drawn.update(map(int, rows))
        return sorted(drawn)
    shuffled = None
    for number in range(task.n_experiments):
        _, shuffled, rows = task._undersample_data(table.data, number, shuffled)
        drawn.update(rows)
    return sorted(drawn)


def _clustered(task: Any) -> Iterator[TaskText]:
    for table in task_tables(task):
        count = len(table.data)
        most = task.max_document_to_embed
        if task.max_fraction_of_documents_to_embed is not None:
            most = int(task.max_fraction_of_documents_to_embed * count)
        if most is None:
            yield from _rows(table, range(count))
        else:
            yield from _rows(table, task.rng_state.sample(range(count), k=min(count, most)))


def _rows(table: TaskTable, rows: Iterable[int]) -> Iterator[TaskText]:
    ((role, column),) = table.encoded
    texts = table.data[column][:]
    for row in rows:
        yield TaskText(table.subset, table.split, role, texts[row])
