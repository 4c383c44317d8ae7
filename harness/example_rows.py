"""What mteb measured of one split and subset becomes a row an example, by type of task.

These follow mteb 2.26.24; a test over all of its mock tasks notices when mteb moves on.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import EvaluationError
from harness.p_mrr import p_mrr_by_query
from harness.subqueries import PREFIX, scores_over_subqueries
from harness.trec_names import trec_name
from model.unanswered import is_answered
from results.examples import ExampleRows
from results.texts import example_ranks
from tasks.texts import multilabel_rows

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["MOST_SEARCHES", "Measured", "Rows", "example_rows"]

MOST_SEARCHES = 10_000
"""Queries of a task for which the best documents are kept."""

_BEST = 10


@dataclass(frozen=True)
class Measured:
    """What was measured of one split and subset.

    Attributes:
        task: mteb's task, or the part of an aggregate, after it was evaluated.
        split: The split.
        subset: The part's own name of the subset.
        predictions: mteb's, shaped by the task's type.
        metrics: mteb's metrics, the main score among them.
        query_scores: Of a search, the queries and the main score of each; None if it has none.
        draws: Of clustering, what mteb drew: from how many, and which.
        searches: Of a search, for how many queries the best documents are kept.
    """

    task: Any
    split: str
    subset: str
    predictions: Any
    metrics: Mapping[str, Any]
    query_scores: tuple[list[str], npt.NDArray[np.float64]] | None
    draws: Sequence[tuple[int, list[int]]]
    searches: int = MOST_SEARCHES

    @property
    def data(self) -> Any:
        """The data of the split and subset, as mteb takes them."""
        if getattr(self.task, "parallel_subsets", False):
            return self.task.dataset[self.split]
        return self.task.dataset.get(self.subset, self.task.dataset)[self.split]

    @property
    def main(self) -> str:
        """The name of the main score."""
        name: str = self.task.metadata.main_score
        return name


@dataclass(frozen=True)
class Rows:
    """Examples of one split and subset.

    Attributes:
        examples: The rows.
        metric: Name of mteb's metric whose mean the scores are; None if they are null.
    """

    examples: ExampleRows
    metric: str | None = None


def example_rows(measured: Measured) -> Rows:
    """A row an example, in the order in which mteb evaluates them.

    Ids are query ids; of pairs and texts the row number in the split; of clustering with sets of
    texts SET/PLACE. Where mteb takes a sample, of multilabel test sets and of texts to cluster,
    it is the row that the example has in the whole split.

    Raises:
        EvaluationError: If the type of the task is not known, or the predictions do not fit its
            data.
    """
    for base, rows in _by_class():
        if isinstance(measured.task, base):
            return rows(measured)
    raise EvaluationError(
        f"task {measured.task.metadata.name}: the examples of type "
        f"{measured.task.metadata.type} are not known"
    )


def _by_class() -> Iterable[tuple[type, Callable[[Measured], Rows]]]:
    """The first class that fits decides: multilabel classification is classification to mteb."""
    from mteb import abstasks
    from mteb.abstasks.clustering_legacy import AbsTaskClusteringLegacy

    return (
        (abstasks.AbsTaskRetrieval, _retrieval),
        (abstasks.AbsTaskRegression, _regression),
        (abstasks.AbsTaskMultilabelClassification, _multilabel),
        (abstasks.AbsTaskClassification, _classification),
        (abstasks.AbsTaskZeroShotClassification, _zero_shot),
        (abstasks.AbsTaskSTS, _sts),
        (abstasks.AbsTaskPairClassification, _pairs),
        (abstasks.AbsTaskSummarization, _summaries),
        (abstasks.AbsTaskBitextMining, _bitext),
        (abstasks.AbsTaskClustering, _clustering),
        (AbsTaskClusteringLegacy, _sets),
    )


def _retrieval(measured: Measured) -> Rows:
    """Gold is {document: grade} of the relevant ones, prediction {document: score} of the best."""
    judged = measured.data["relevant_docs"]
    ids = list(measured.data["queries"]["id"][:])  # those with judgements: mteb left out the others
    golds = _json(
        {document: grade for document, grade in judged[query].items() if grade > 0} for query in ids
    )
    hits = _hits(measured, ids)
    if measured.query_scores is None:
        scores = _over_groups(measured, ids)
        metric = None if scores is None else measured.main
        return Rows(ExampleRows(ids, scores, hits, golds), metric)
    queries, values = measured.query_scores
    if queries != ids:
        places = {query: row for row, query in enumerate(queries)}
        missing = [query for query in ids if query not in places]
        if missing:
            raise _misfit(measured, f"query {missing[0]!r} has no score")
        values = values[[places[query] for query in ids]]
    return Rows(ExampleRows(ids, values, hits, golds), measured.main)


def _over_groups(measured: Measured, ids: Sequence[str]) -> npt.NDArray[np.float64] | None:
    """What queries add to a score over groups of them; None for a score that is not known."""
    judged, score = measured.data["relevant_docs"], float(measured.metrics[measured.main])
    if measured.main == "p-MRR":
        return p_mrr_by_query(ids, judged, measured.predictions, score)
    name = trec_name(measured.main.removeprefix(PREFIX))
    if measured.main.startswith(PREFIX) and name is not None:
        return scores_over_subqueries(ids, judged, measured.predictions, name, score)
    return None


def _hits(measured: Measured, ids: Sequence[str]) -> list[str | None]:
    """The best documents of some queries spread over all, None for the others: they are large."""
    kept = np.argsort(example_ranks(measured.split, measured.subset, len(ids)))[: measured.searches]
    hits: list[str | None] = [None] * len(ids)
    for row in kept.tolist():
        hits[row] = _encode(_best(measured, measured.predictions.get(ids[row], {})))
    return hits


def _best(measured: Measured, found: Mapping[str, float]) -> dict[str, float]:
    """The best documents by score, six digits of it; among equals by id, as trec_eval has them."""
    if not is_answered(found):
        return {}
    if measured.task.skip_first_result:  # as mteb leaves it out before it scores
        found = dict(sorted(found.items(), key=lambda pair: pair[1], reverse=True)[1:])
    least = heapq.nlargest(_BEST, found.values())[-1:]
    best = sorted(
        ((score, document) for document, score in found.items() if score >= least[0]), reverse=True
    )
    return {document: float(f"{score:.6g}") for score, document in best[:_BEST]}


def _sts(measured: Measured) -> Rows:
    """Prediction: the similarity that the main score is about; distances are negated."""
    name = {
        "cosine": "cosine_scores",
        "manhattan": "manhattan_distances",  # negated by mteb
        "euclidean": "euclidean_distances",
    }.get(measured.main.split("_")[0], "similarity_scores")
    return _unscored(measured, measured.predictions[name], list(measured.data["score"]))


_SIMILARITIES = {
    "similarity": ("similarity_scores", 1),
    "cosine": ("cosine_scores", 1),
    "manhattan": ("manhattan_distances", -1),
    "euclidean": ("euclidean_distances", -1),
    "dot": ("dot_scores", 1),
}


def _pairs(measured: Measured) -> Rows:
    """Prediction: the similarity that gave the main score; distances are negated."""
    data = measured.data
    if len(data) == 1:  # all pairs in one row, as in data for mteb 1
        data = data[0]
    kind, _, metric = measured.main.partition("_")
    if kind == "max":
        best = measured.metrics[measured.main]
        kind = next(name for name in _SIMILARITIES if measured.metrics[f"{name}_{metric}"] == best)
    column, sign = _SIMILARITIES[kind]
    similarities = [sign * value for value in measured.predictions[column]]
    return _unscored(measured, similarities, list(data[measured.task.label_column_name]))


def _summaries(measured: Measured) -> Rows:
    """Score: a text's correlation. Prediction and gold: similarity and rating by summary."""
    found = measured.predictions
    kind = measured.main.split("_")[0]
    similarities = found[f"{kind}_scores" if kind in ("cosine", "dot") else "similarity_scores"]
    golds = list(measured.data[measured.task.relevancy_column_name])
    _same_length(measured, similarities, golds)
    scores = []
    for row in range(len(golds)):
        one = {name: [values[row]] for name, values in found.items()}
        # mteb's metrics are means over texts; it reads nothing of the evaluator.
        scores.append(measured.task.evaluator._calculate_metrics(None, one)[measured.main])
    return _numbered(scores, _json(similarities), _json(golds), measured.main)


def _classification(measured: Measured) -> Rows:
    """Score: the share of experiments that were right. Prediction: the label by experiment."""
    golds, found = _labels(measured), measured.predictions
    for labels in found:
        _same_length(measured, labels, golds)
    right = [[label == gold for label, gold in zip(one, golds, strict=True)] for one in found]
    by_text = list(zip(*found, strict=True))
    return _numbered(np.mean(right, axis=0), _json(by_text), _json(golds), "accuracy")


def _multilabel(measured: Measured) -> Rows:
    """As `_classification`; all labels must be right, or with LRAP as the main score, its value."""
    from sklearn.multioutput import MultiOutputClassifier
    from sklearn.preprocessing import MultiLabelBinarizer

    every = _labels(measured)
    rows = multilabel_rows(measured.task, every)
    golds = [every[row] for row in rows]
    binarizer = MultiLabelBinarizer()
    right = binarizer.fit_transform(golds)
    found = np.array(measured.predictions)
    if found.shape[1:] != right.shape:
        raise _misfit(measured, f"predictions of shape {found.shape}, labels of {right.shape}")
    # With such a classifier mteb ranks labels by probabilities, which are not kept: accuracy then.
    ranked = not isinstance(measured.task.evaluator_model, MultiOutputClassifier)
    if measured.main == "lrap" and ranked:
        metric, scores = "lrap", np.mean([_lrap(right, one) for one in found], axis=0)
    else:
        metric, scores = "accuracy", (found == right).all(axis=2).mean(axis=0)
    by_experiment = [binarizer.inverse_transform(one) for one in found]
    predictions = _json(zip(*by_experiment, strict=True))
    ids = np.array(rows, dtype=np.int64)
    return Rows(ExampleRows(ids, scores, predictions, _json(golds)), metric)


def _lrap(right: npt.NDArray[np.int64], found: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Label ranking average precision by row, computed once for rows that are alike.

    Args:
        right: 0 or 1, shape (rows, labels).
        found: Likewise.
    """
    from sklearn.metrics import label_ranking_average_precision_score

    alike, places = np.unique(np.hstack([right, found]), axis=0, return_inverse=True)
    halves = (np.split(row[None], 2, axis=1) for row in alike)
    values = [label_ranking_average_precision_score(*pair) for pair in halves]
    return np.array(values)[places.reshape(-1)]


def _regression(measured: Measured) -> Rows:
    """Prediction: the value by experiment."""
    by_text = list(zip(*measured.predictions, strict=True))
    return _unscored(measured, by_text, _labels(measured))


def _zero_shot(measured: Measured) -> Rows:
    """Prediction: the number of the likeliest label among the candidates; gold likewise."""
    task = measured.task
    golds = np.array(task._normalize_labels(_labels(measured), task.get_candidate_labels()))
    found = np.array(measured.predictions).argmax(axis=1)
    _same_length(measured, found, golds)
    return _numbered((found == golds).astype(np.float64), found, golds, "accuracy")


def _bitext(measured: Measured) -> Rows:
    """Prediction and gold: the row of the other side."""
    (matches,) = measured.predictions.values()
    data = measured.data
    found = np.array([match["corpus_id"] for match in matches], dtype=np.int64)
    golds = np.arange(len(data), dtype=np.int64)
    if isinstance(data, dict) and "gold" in data:  # BUCC: fewer pairs than texts
        golds = np.array([gold for _, gold in data["gold"]], dtype=np.int64)
    _same_length(measured, found, golds)
    return _numbered((found == golds).astype(np.float64), found, golds, "accuracy")


def _clustering(measured: Measured) -> Rows:
    """Prediction: {level: cluster by experiment}, null where the text was not drawn."""
    task, draws = measured.task, iter(measured.draws)
    column = _labels(measured)
    rows = list(range(len(column)))
    if (
        task.max_document_to_embed is not None
        or task.max_fraction_of_documents_to_embed is not None
    ):
        rows = _next_draw(measured, draws, len(column))
    golds = [column[row] for row in rows]
    levels: dict[str, list[list[int | None]]] = {}
    for number, (level, experiments) in enumerate(measured.predictions.items()):
        places = _of_level(golds, number)
        for clusters in experiments:
            drawn = _next_draw(measured, draws, len(places))
            _same_length(measured, clusters, drawn)
            by_text: list[int | None] = [None] * len(rows)
            for place, cluster in zip(drawn, clusters, strict=True):
                by_text[places[place]] = cluster
            levels.setdefault(level, []).append(by_text)
    by_level = [list(zip(*experiments, strict=True)) for experiments in levels.values()]
    predictions = _json(
        dict(zip(levels, clusters, strict=True)) for clusters in zip(*by_level, strict=True)
    )
    return Rows(ExampleRows(np.array(rows, dtype=np.int64), None, predictions, _json(golds)))


def _next_draw(
    measured: Measured, draws: Iterator[tuple[int, list[int]]], population: int
) -> list[int]:
    found, drawn = next(draws, (0, []))
    if found != population:
        raise _misfit(measured, f"drawn from {found} texts, where there are {population}")
    return drawn


def _of_level(golds: Sequence[Any], level: int) -> list[int]:
    """Places of the texts that have a label at a level, as mteb finds them."""
    labels = [gold if isinstance(gold, list) else [gold] for gold in golds]
    # In an array of texts, mteb's -1 for "none" becomes a text, and so counts as a label.
    found = np.array([label[level] if len(label) > level else -1 for label in labels])
    return [place for place, label in enumerate(found) if label != -1]


def _sets(measured: Measured) -> Rows:
    """Clustering of sets of texts; those with one label are not clustered and have no rows."""
    ids: list[str] = []
    golds: list[Any] = []
    for number, labels in enumerate(_labels(measured)):
        if len(set(labels)) > 1:
            ids.extend(f"{number}/{place}" for place in range(len(labels)))
            golds.extend(labels)
    clusters = [cluster for one in measured.predictions for cluster in one]
    _same_length(measured, clusters, golds)
    return Rows(ExampleRows(ids, None, _json(clusters), _json(golds)))


def _unscored(measured: Measured, predictions: Sequence[Any], golds: Sequence[Any]) -> Rows:
    _same_length(measured, predictions, golds)
    return _numbered(None, _json(predictions), _json(golds), None)


def _numbered(scores: Any, predictions: Any, golds: Any, metric: str | None) -> Rows:
    ids = np.arange(len(golds), dtype=np.int64)
    return Rows(ExampleRows(ids, scores, predictions, golds), metric)


def _labels(measured: Measured) -> list[Any]:
    return list(measured.data[measured.task.label_column_name][:])


def _same_length(measured: Measured, found: Sized, golds: Sized) -> None:
    if len(found) != len(golds):
        raise _misfit(measured, f"{len(found)} predictions of {len(golds)} examples")


def _misfit(measured: Measured, said: str) -> EvaluationError:
    return EvaluationError(
        f"task {measured.task.metadata.name}, subset {measured.subset!r}, "
        f"split {measured.split!r}: {said}"
    )


def _json(values: Iterable[Any]) -> list[str]:
    return [_encode(value) for value in values]


_encode = json.JSONEncoder(ensure_ascii=False, default=lambda value: value.item()).encode
