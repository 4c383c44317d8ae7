"""Tasks with synthetic text in the true amounts: as many texts, as long, as often repeated.

The amounts are those of mteb's descriptive statistics. Scores mean nothing; how long an
evaluation takes, and what the time goes into, does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.errors import UnsupportedTaskError
from tasks.fresh import task_parts

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

__all__ = ["ReplayText", "replay_tasks"]

_LEAST_ROWS = 16
_PAIRS = (("text1", "text2"), ("sentence1", "sentence2"))


class ReplayText:
    """Cuts texts out of a long row of words."""

    def __init__(self, words: Sequence[str], seed: int = 0, length: int = 1 << 22) -> None:
        """Draw the row.

        Args:
            words: words to draw from.
            seed: seed of all draws.
            length: characters of the row; longer texts repeat it.
        """
        self.rng = np.random.default_rng(seed)
        count = 2 + length // max(1, min(map(len, words)))
        self._row = " ".join(self.rng.choice(words, size=count))[:length]

    def texts(self, statistics: Mapping[str, Any], count: int) -> list[str]:
        """Draw texts.

        Args:
            statistics: mteb's statistics of a text column.
            count: how many; distinct in the share that the statistics state.
        """
        mean, low, high = (statistics[f"{name}_text_length"] for name in ("average", "min", "max"))
        total = statistics["total_text_length"] / mean if mean else statistics["unique_texts"]
        distinct = max(1, min(count, round(count * statistics["unique_texts"] / max(1, total))))
        lengths = self._lengths(distinct, mean, low, high)
        found = [self._cut(number, length) for number, length in enumerate(lengths)]
        repeats = self.rng.integers(distinct, size=count - distinct)
        return [*found, *(found[row] for row in repeats)]

    def _lengths(self, count: int, mean: float, low: float, high: float) -> list[int]:
        """Log-normal lengths within bounds and of about this mean."""
        spread = min(1.0, max(0.05, math.log(max(high, 1) / max(mean, 1)) / 3))
        drawn = self.rng.lognormal(math.log(max(mean, 1)) - spread**2 / 2, spread, count)
        drawn = np.clip(drawn, max(1, low), max(1, high))
        return [round(length) for length in drawn * (mean / drawn.mean())]

    def _cut(self, number: int, length: int) -> str:
        start = int(self.rng.integers(len(self._row)))
        name = f"{number:x} "
        body = self._row[start : start + length]
        while len(body) < length:
            body += self._row[: length - len(body)]
        return (name + body)[: max(length, len(name) - 1)]


def replay_tasks(task: AbsTask, fraction: float, text: ReplayText) -> tuple[AbsTask, ...]:
    """Return stand-ins of a task, or of an aggregate's parts, with synthetic data loaded.

    Args:
        task: a task of mteb; it is not changed.
        fraction: share of the rows, above 0 and at most 1. Few rows are kept at least.
        text: draws the texts.

    Raises:
        UnsupportedTaskError: mteb has no statistics of the task.
    """
    found = []
    for part in task_parts(task):
        statistics = part.metadata.descriptive_stats
        if statistics is None:
            raise UnsupportedTaskError(f"{part.metadata.name}: mteb has no statistics of its texts")
        replay = _stand_in(part)
        _scale(replay, fraction)
        train = getattr(part, "train_split", None)
        splits = dict.fromkeys([*part.eval_splits, *([train] if train else [])])
        data: dict[str, dict[str, Any]] = {}
        for split in splits:
            for subset in part.hf_subsets:
                block = _block(statistics, split, subset, part)
                data.setdefault(subset, {})[split] = _rows(replay, block, fraction, text)
        _place(replay, data)
        found.append(replay)
    return tuple(found)


def _stand_in(task: AbsTask) -> AbsTask:
    """An object of a class like the task's that needs no data of the hub."""
    from mteb.abstasks import AbsTaskRetrieval

    members: dict[str, Any] = {"load_data": lambda self, **_: None}
    if isinstance(task, AbsTaskRetrieval):  # scores of its own need data that are not replayed
        members["task_specific_scores"] = AbsTaskRetrieval.task_specific_scores
        members["metadata"] = task.metadata.model_copy(
            update={} if task.metadata.main_score in _RANKED else {"main_score": "ndcg_at_10"}
        )
    replay: AbsTask = type(f"Replay{task.metadata.name}", (type(task),), members)()
    replay.hf_subsets = list(task.hf_subsets)
    replay._eval_splits = list(task.eval_splits)
    return replay


def _scale(task: Any, fraction: float) -> None:
    """Scale what an evaluator draws from the data: experiments, sampled and clustered texts."""
    for name in _DRAWN:
        value = getattr(task, name, None)
        if value is not None:
            least = 1 if name.startswith("n_") else _LEAST_ROWS
            setattr(task, name, max(least, round(fraction * value)))


_DRAWN = ("n_experiments", "n_clusters", "max_document_to_embed", "max_documents_per_cluster")
# mteb calls the number of clustering experiments n_clusters.

_RANKED = ("ndcg_at_10", "ndcg_at_1", "ndcg_at_3", "map_at_1000", "mrr_at_10", "recall_at_5")


def _block(statistics: Mapping[str, Any], split: str, subset: str, task: AbsTask) -> Any:
    found = statistics.get(split, statistics[task.eval_splits[0]])
    by_subset = found.get("hf_subset_descriptive_stats")
    return found if by_subset is None else by_subset.get(subset, next(iter(by_subset.values())))


def _count(block: Mapping[str, Any], fraction: float, least: int) -> int:
    total = block["num_samples"]
    return int(min(total, max(least, round(fraction * total))))


def _rows(task: Any, block: Mapping[str, Any], fraction: float, text: ReplayText) -> Any:
    """The data of one subset and split, in the columns of the task's type."""
    from datasets import Dataset
    from mteb.abstasks import AbsTaskRetrieval
    from mteb.abstasks.clustering_legacy import AbsTaskClusteringLegacy

    if isinstance(task, AbsTaskRetrieval):
        return _searches(block, fraction, text)
    share = getattr(task, "max_fraction_of_documents_to_embed", None) or 1.0
    count = _count(block, fraction, math.ceil(_LEAST_ROWS / share))
    kind = task.metadata.type
    if isinstance(task, AbsTaskClusteringLegacy):
        return Dataset.from_list(_clustered_sets(task, block, fraction, text))
    if kind in ("Classification", "MultilabelClassification", "Clustering", "Regression"):
        texts = text.texts(block["text_statistics"], count)
        labels = _labels(kind, block, count, text)
        return Dataset.from_dict({task.input_column_name: texts, task.label_column_name: labels})
    if kind == "Summarization":
        return Dataset.from_list(_summaries(task, block, count, text))
    if kind not in ("STS", "PairClassification", "BitextMining"):
        raise UnsupportedTaskError(f"{task.metadata.name}: {kind} tasks cannot be replayed")
    first, second = next(pair for pair in _PAIRS if f"{pair[0]}_statistics" in block)
    sides = [text.texts(block[f"{name}_statistics"], count) for name in (first, second)]
    return _pairs(task, sides, count, text)


def _pairs(task: Any, sides: Sequence[list[str]], count: int, text: ReplayText) -> Any:
    from datasets import Dataset

    if task.metadata.type == "STS":
        names = (*task.column_names, "score")
        scores = text.rng.uniform(0, 5, count).tolist()
        return Dataset.from_dict(dict(zip(names, (*sides, scores), strict=True)))
    if task.metadata.type == "PairClassification":
        names = (task.input1_column_name, task.input2_column_name, task.label_column_name)
        labels = (np.arange(count) % 2).tolist()
        return Dataset.from_dict(dict(zip(names, (*sides, labels), strict=True)))
    return Dataset.from_dict({"sentence1": sides[0], "sentence2": sides[1]})


def _labels(kind: str, block: Mapping[str, Any], count: int, text: ReplayText) -> list[Any]:
    known = block.get("label_statistics") or block.get("labels_statistics") or {}
    classes = max(2, min(known.get("unique_labels", 10), count // 2))
    labels = text.rng.permutation(np.arange(count) % classes)
    if kind == "MultilabelClassification":
        return [sorted({int(label), int((label * 7 + 1) % classes)}) for label in labels]
    if kind == "Regression":
        return [float(label) for label in labels]
    return [int(label) for label in labels]


def _clustered_sets(
    task: Any, block: Mapping[str, Any], fraction: float, text: ReplayText
) -> list[dict[str, Any]]:
    """Sets of about a thousand texts, as the first clustering tasks have them."""
    known = block["text_statistics"]
    mean = known["average_text_length"]
    total = round(known["total_text_length"] / mean) if mean else known["unique_texts"]
    count = max(2 * _LEAST_ROWS, round(fraction * total))
    rows = []
    for start in range(0, count, 1000):
        size = max(_LEAST_ROWS, min(1000, count - start))
        labels = [str(label) for label in _labels("Clustering", block, size, text)]
        rows.append(
            {
                task.input_column_name: text.texts(known, size),
                task.label_column_name: labels,
            }
        )
    return rows


def _summaries(
    task: Any, block: Mapping[str, Any], count: int, text: ReplayText
) -> list[dict[str, Any]]:
    rows = []
    for _ in range(count):
        row: dict[str, Any] = {"text": text.texts(block["text_statistics"], 1)[0]}
        for side, column in (
            ("human", task.human_summaries_column_name),
            ("machine", task.machine_summaries_column_name),
        ):
            known = block[f"{side}_summaries_statistics"]
            each = max(2, round(known["unique_texts"] / block["num_samples"]))
            row[column] = text.texts(known, each)
        ratings = text.rng.uniform(1, 5, len(row[task.machine_summaries_column_name]))
        row[task.relevancy_column_name] = ratings.tolist()
        rows.append(row)
    return rows


def _searches(block: Mapping[str, Any], fraction: float, text: ReplayText) -> dict[str, Any]:
    from datasets import Dataset

    sizes = {}
    for side in ("documents", "queries"):
        known = block[f"{side}_text_statistics"]
        mean = known["average_text_length"]
        total = round(known["total_text_length"] / mean) if mean else known["unique_texts"]
        sizes[side] = int(min(total, max(_LEAST_ROWS, round(fraction * total))))
    documents = [f"d{number}" for number in range(sizes["documents"])]
    queries = [f"q{number}" for number in range(sizes["queries"])]
    each = block["relevant_docs_statistics"]["average_relevant_docs_per_query"]
    judged = max(1, min(len(documents), round(each)))
    ranked = block.get("top_ranked_statistics")
    candidates = round(ranked["average_top_ranked_per_query"]) if ranked else 0
    data: dict[str, Any] = {
        "corpus": Dataset.from_dict(
            {
                "id": documents,
                "text": text.texts(block["documents_text_statistics"], len(documents)),
            }
        ),
        "queries": Dataset.from_dict(
            {"id": queries, "text": text.texts(block["queries_text_statistics"], len(queries))}
        ),
        "relevant_docs": {},
        "top_ranked": {} if candidates else None,
    }
    # Neighbours in a row of the documents at random, begun anywhere: different ones, quickly drawn.
    row = [documents[number] for number in text.rng.permutation(len(documents))] * 2
    most = min(len(documents), max(judged, candidates))
    for query, first in zip(
        queries, text.rng.integers(len(documents), size=len(queries)).tolist(), strict=True
    ):
        data["relevant_docs"][query] = dict.fromkeys(row[first : first + judged], 1)
        if candidates:
            data["top_ranked"][query] = row[first : first + most]
    return data


def _place(task: Any, data: dict[str, dict[str, Any]]) -> None:
    """Put data where a loaded task of its type has them."""
    from datasets import Dataset, DatasetDict
    from mteb.abstasks import AbsTaskRetrieval

    if isinstance(task, AbsTaskRetrieval):
        task.dataset = data
    elif getattr(task, "parallel_subsets", False):
        columns: dict[str, dict[str, list[str]]] = {}
        for subset, splits in data.items():
            for split, rows in splits.items():
                for name, side in zip(subset.split("-"), ("sentence1", "sentence2"), strict=True):
                    columns.setdefault(split, {}).setdefault(name, rows[side])
        shortest = {split: min(map(len, named.values())) for split, named in columns.items()}
        task.dataset = DatasetDict(
            {
                split: Dataset.from_dict({n: list(v)[: shortest[split]] for n, v in named.items()})
                for split, named in columns.items()
            }
        )
    else:
        dicts = {subset: DatasetDict(splits) for subset, splits in data.items()}
        task.dataset = dicts if task.metadata.is_multilingual else dicts["default"]
    task.data_loaded = True
