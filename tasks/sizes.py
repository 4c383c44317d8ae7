"""How large a task is, known without loading its data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.starter.files import DATA, SIZES

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

CHARACTERS_PER_TOKEN = 4
"""The estimate for tasks whose tokens nobody counted; scripts without spaces have fewer."""


@dataclass(frozen=True, slots=True)
class TaskSize:
    """What one evaluation of a task encodes, each distinct text counted once.

    Attributes:
        texts: number of distinct texts.
        characters: their characters.
        tokens: their tokens, before any truncation. For starter tasks counted with the tokenizer
            of XLM-RoBERTa, special tokens included; for others `characters / 4`.
    """

    texts: int
    characters: int
    tokens: int


def task_size(task: AbsTask) -> TaskSize | None:
    """Return the size of a task with its subset and split filters, or None where it is not known.

    The sizes of mteb's tasks come from its descriptive statistics, which count distinct texts for
    each subset, split and column apart. Starter tasks are known only as a whole.
    """
    if task.is_aggregate:
        return _sum([task_size(part) for part in task.metadata.tasks])  # type: ignore[attr-defined]
    recorded: Mapping[str, Any] = json.loads((DATA / SIZES).read_text(encoding="utf-8"))
    known = recorded.get(task.metadata.name)
    if known is not None and known["revision"] == task.metadata.revision:
        whole = set(task.hf_subsets) == set(task.metadata.hf_subsets)
        if not whole or set(task.eval_splits) != set(task.metadata.eval_splits):
            return None
        return TaskSize(known["texts"], known["characters"], known["tokens"])
    statistics = task.metadata.descriptive_stats
    return None if statistics is None else _from_statistics(task, statistics)


def _from_statistics(task: AbsTask, statistics: Mapping[str, Any]) -> TaskSize | None:
    train = getattr(task, "train_split", None)
    texts = characters = 0.0
    for split in dict.fromkeys([*task.eval_splits, *([train] if train else [])]):
        blocks = _blocks(statistics.get(split), task.hf_subsets)
        if blocks is None:
            return None
        for block in blocks:
            share = _encoded_share(task, block, split == train)
            for part in _text_statistics(block):
                texts += share * part["unique_texts"]
                characters += share * part["unique_texts"] * part["average_text_length"]
    if not texts:
        return None
    return TaskSize(round(texts), round(characters), round(characters / CHARACTERS_PER_TOKEN))


def _blocks(
    split: Mapping[str, Any] | None, subsets: Sequence[str]
) -> list[Mapping[str, Any]] | None:
    """Return the statistics of each subset of a split, or None if one is missing."""
    if split is None:
        return None
    by_subset = split.get("hf_subset_descriptive_stats")
    if by_subset is None:
        return [split]
    if not set(subsets) <= set(by_subset):
        return None
    return [by_subset[subset] for subset in subsets]


def _text_statistics(block: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for value in block.values():
        if isinstance(value, dict) and {"unique_texts", "average_text_length"} <= set(value):
            yield value


def _encoded_share(task: AbsTask, block: Mapping[str, Any], is_train: bool) -> float:
    """Return the share of the texts that mteb draws: all, but for training and clustering."""
    total = block["num_samples"]
    most: float | None = None
    if is_train and "label_statistics" in block:
        labels = block["label_statistics"]["unique_labels"]
        drawn = getattr(task, "samples_per_label", 0) * getattr(task, "n_experiments", 0)
        most = labels * drawn or None
    elif task.metadata.type == "Clustering":
        share = getattr(task, "max_fraction_of_documents_to_embed", None)
        most = getattr(task, "max_document_to_embed", None) if share is None else share * total
    return 1.0 if most is None or not total else min(1.0, most / total)


def _sum(sizes: Sequence[TaskSize | None]) -> TaskSize | None:
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes):
        return None
    return TaskSize(
        sum(size.texts for size in known),
        sum(size.characters for size in known),
        sum(size.tokens for size in known),
    )
