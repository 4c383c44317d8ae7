"""How large a task is, known without loading its data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.fresh import task_parts
from tasks.starter.files import DATA, SIZES

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

CHARACTERS_PER_TOKEN = 4
"""The estimate for tasks whose tokens nobody counted; scripts without spaces have fewer."""


_SECOND = ("sentence2", "text2", "machine")
"""How columns begin that hold the second text of a pair."""


@dataclass(frozen=True, slots=True)
class SizePart:
    """The texts of one column, subset and split.

    Attributes:
        role: as of `tasks.texts.TaskText`, as far as a column's name says it: `query`, `document`
            or `text`; `second` for the second of two columns.
        languages: their languages, such as `deu-Latn`.
        texts: number of distinct texts that are encoded.
        characters: characters of these.
    """

    role: str
    languages: tuple[str, ...]
    texts: float
    characters: float


@dataclass(frozen=True, slots=True)
class TaskSize:
    """What one evaluation of a task encodes.

    Attributes:
        asked: number of texts that mteb hands over, repeats included.
        texts: number of distinct texts among them.
        characters: characters of the distinct texts.
        tokens: their tokens, before any truncation. For starter tasks counted with the tokenizer
            of XLM-RoBERTa, special tokens included; for others `characters / 4`.
        parts: the same by column; empty for starter tasks.
    """

    asked: int
    texts: int
    characters: int
    tokens: int
    parts: tuple[SizePart, ...] = ()


def task_size(task: AbsTask) -> TaskSize | None:
    """Return the size of a task with its subset and split filters, or None where it is not known.

    The sizes of mteb's tasks come from its descriptive statistics, which count distinct texts for
    each subset, split and column apart. Columns of one language that agree in number and length
    of their texts, as in bitext of many languages, are taken for the same texts. Starter tasks
    are known only as a whole.
    """
    if task.is_aggregate:
        return _sum([task_size(part) for part in task_parts(task)])
    recorded: Mapping[str, Any] = json.loads((DATA / SIZES).read_text(encoding="utf-8"))
    known = recorded.get(task.metadata.name)
    if known is not None and known["revision"] == task.metadata.revision:
        whole = set(task.hf_subsets) == set(task.metadata.hf_subsets)
        if not whole or set(task.eval_splits) != set(task.metadata.eval_splits):
            return None
        return TaskSize(known["asked"], known["texts"], known["characters"], known["tokens"])
    statistics = task.metadata.descriptive_stats
    return None if statistics is None else _from_statistics(task, statistics)


def repeated_documents(task: AbsTask) -> int | None:
    """Return how many documents of a search have the text of another one.

    At most one of several equal documents is usually judged, so that finding another one counts
    as a mistake (https://github.com/CoIR-team/coir/issues/18). The numbers are from mteb's
    descriptive statistics, over the task's subsets and splits; None for other tasks, and where
    there are no statistics.
    """
    if task.is_aggregate:
        found = [repeated_documents(part) for part in task_parts(task)]
        return None if None in found else sum(count for count in found if count is not None)
    statistics = task.metadata.descriptive_stats
    if statistics is None:
        return None
    repeated = 0
    for split in task.eval_splits:
        blocks = _blocks(statistics.get(split), task.hf_subsets)
        parts: list[Any] = [block.get("documents_text_statistics") for _, block in blocks or ()]
        if not parts or not all(parts):
            return None
        for part in parts:
            length = part["average_text_length"]
            count = round(part["total_text_length"] / length) if length else part["unique_texts"]
            repeated += count - part["unique_texts"]
    return repeated


def _from_statistics(task: AbsTask, statistics: Mapping[str, Any]) -> TaskSize | None:
    train = getattr(task, "train_split", None)
    asked = texts = characters = 0.0
    seen: set[tuple[str, str, int, int]] = set()
    parts: list[SizePart] = []
    for split in dict.fromkeys([*task.eval_splits, *([train] if train else [])]):
        blocks = _blocks(statistics.get(split), task.hf_subsets)
        if blocks is None:
            return None
        for subset, block in blocks:
            share = _encoded_share(task, block, split == train)
            for column, part in _text_statistics(task, block):
                count, length = part["unique_texts"], part["average_text_length"]
                asked += share * (part["total_text_length"] / length if length else count)
                same = (split, _language(task, subset, column), count, part["total_text_length"])
                if same[1] and same in seen:
                    continue
                seen.add(same)
                texts += share * count
                characters += share * count * length
                role, languages = _role(column), _languages(task, subset, column)
                parts.append(SizePart(role, languages, share * count, share * count * length))
    if not texts:
        return None
    tokens = round(characters / CHARACTERS_PER_TOKEN)
    return TaskSize(round(asked), round(texts), round(characters), tokens, tuple(parts))


def _role(column: str) -> str:
    if column.startswith(("quer", "document")):
        return "query" if column.startswith("quer") else "document"
    return "second" if column.startswith(_SECOND) else "text"


def _languages(task: AbsTask, subset: str, column: str) -> tuple[str, ...]:
    """The languages of a column; of two that a subset has, the first is that of its first side."""
    by_subset = task.metadata.eval_langs
    if not isinstance(by_subset, Mapping):
        return tuple(by_subset)
    found = tuple(by_subset.get(subset, ()))
    if len(found) == 2:
        return (found[1 if column.startswith(("document", *_SECOND)) else 0],)
    return found


def _language(task: AbsTask, subset: str, column: str) -> str:
    """The language of a column of bitext, by the subset's name; empty for other columns."""
    if task.metadata.type != "BitextMining":
        return ""
    first, dash, second = subset.partition("-")
    if not dash:
        return ""
    return first if column == "sentence1_statistics" else second


def _blocks(
    split: Mapping[str, Any] | None, subsets: Sequence[str]
) -> list[tuple[str, Mapping[str, Any]]] | None:
    """Return each subset with its statistics, or None if they are missing."""
    if split is None:
        return None
    by_subset = split.get("hf_subset_descriptive_stats")
    if by_subset is None:
        return [("", split)]
    if not set(subsets) <= set(by_subset):
        return None
    return [(subset, by_subset[subset]) for subset in subsets]


def _text_statistics(
    task: AbsTask, block: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, value in block.items():
        if task.metadata.type == "Summarization" and name == "text_statistics":
            continue  # the summarised texts are not encoded, only their summaries
        if isinstance(value, dict) and {"unique_texts", "average_text_length"} <= set(value):
            yield name, value


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
        sum(size.asked for size in known),
        sum(size.texts for size in known),
        sum(size.characters for size in known),
        sum(size.tokens for size in known),
        tuple(part for size in known for part in size.parts),
    )
