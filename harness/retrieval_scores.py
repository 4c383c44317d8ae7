"""Retrieval metrics of very many queries, by mteb's own functions in several processes.

mteb computes some sixty metrics of each query in Python: a fifth of a millisecond, which for the
2.4 million queries of MindSmallReranking is longer than a GPU needs for all texts of the suite.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    from mteb.types import RelevantDocumentsType, RetrievalEvaluationResult

    Results = Mapping[str, Mapping[str, float]]

__all__ = ["MANY_QUERIES", "QueryScores", "scored_in_processes"]

MANY_QUERIES = 20_000
"""With fewer, starting processes would take longer than they save."""

_PLACE = "mteb._evaluators.retrieval_evaluator.calculate_retrieval_scores"
_PIECES_EACH = 4
_GROUPS = ("ndcg_cut", "map_cut", "recall", "P", "success")


@contextmanager
def scored_in_processes(processes: int) -> Iterator[None]:
    """While this lasts, mteb scores searches of many queries in forked processes.

    Args:
        processes: How many; with 1 nothing changes.
    """
    if processes < 2:
        yield
        return
    from mteb._evaluators.retrieval_metrics import calculate_retrieval_scores

    def calculate(
        results: Results,
        qrels: RelevantDocumentsType,
        k_values: Sequence[int],
        skip_first_result: bool = False,
    ) -> RetrievalEvaluationResult:
        if len(results) < MANY_QUERIES or skip_first_result:
            return calculate_retrieval_scores(results, qrels, k_values, skip_first_result)
        return _calculate(results, qrels, k_values, processes)

    with mock.patch(_PLACE, calculate):
        yield


class QueryScores(Mapping[str, dict[str, float]]):
    """Each query's metrics by trec_eval's names, made into dictionaries when they are read."""

    def __init__(
        self, columns: Mapping[str, npt.NDArray[np.float64]], names: Sequence[str]
    ) -> None:
        self._columns = columns
        self._places = {name: row for row, name in enumerate(names)}

    def column(self, name: str) -> npt.NDArray[np.float64]:
        """One metric of all queries, in their order: float64 of shape (queries,)."""
        return self._columns[name]

    def __getitem__(self, query: str) -> dict[str, float]:
        row = self._places[query]
        return {name: float(column[row]) for name, column in self._columns.items()}

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _calculate(
    results: Results, qrels: RelevantDocumentsType, k_values: Sequence[int], processes: int
) -> RetrievalEvaluationResult:
    """What mteb's `calculate_retrieval_scores` gives, number for number."""
    from mteb.types import RetrievalEvaluationResult

    names = list(results)
    bounds = np.linspace(0, len(names), _PIECES_EACH * processes + 1).astype(int).tolist()
    pieces = list(itertools.pairwise(bounds))
    with _shared((results, qrels, k_values, names)):
        parts = _in_processes(_score_piece, pieces, processes)
    trec, reciprocal, confidence = (_join([part[i] for part in parts]) for i in range(3))
    for column in (*trec.values(), *reciprocal.values(), *confidence.values()):
        if len(column) != len(names):
            raise ValueError(f"{len(column)} of {len(names)} queries were scored")

    def mean(group: str, name: str) -> dict[str, float]:
        # Added up as mteb does it, one after the other.
        return {
            f"{name}@{k}": round(sum(trec[f"{group}_{k}"].tolist()) / len(names), 5)
            for k in k_values
        }

    rates = {
        f"{name}@{k}": trec[f"{group}_{k}"]
        for group, name in zip(_GROUPS[:-1], ("NDCG", "MAP", "Recall", "P"), strict=True)
        for k in k_values
    }
    with _shared((confidence, {**rates, **reciprocal})):
        found = dict(_in_processes(_abstention, [*rates, *reciprocal], processes))
    return RetrievalEvaluationResult(
        all_scores=QueryScores(trec, names),  # type: ignore[arg-type]
        ndcg=mean("ndcg_cut", "NDCG"),
        map=mean("map_cut", "MAP"),
        recall=mean("recall", "Recall"),
        precision=mean("P", "P"),
        naucs={key: value for name in rates for key, value in found[name].items()},
        mrr={name: sum(column.tolist()) / len(names) for name, column in reciprocal.items()},
        naucs_mrr={key: value for name in reciprocal for key, value in found[name].items()},
        hit_rate=mean("success", "HitRate"),
    )


_data: list[Any] = []
"""What forked processes read; they get it with the memory that they share."""


@contextmanager
def _shared(data: Any) -> Iterator[None]:
    _data.append(data)
    try:
        yield
    finally:
        _data.pop()


def _in_processes(work: Callable[[Any], Any], items: Sequence[Any], processes: int) -> list[Any]:
    with ProcessPoolExecutor(processes, mp_context=get_context("fork")) as pool:
        return list(pool.map(work, items))


def _score_piece(piece: tuple[int, int]) -> tuple[dict[str, npt.NDArray[np.float64]], ...]:
    """Metrics of some queries: trec_eval's, reciprocal ranks, confidences; an array each."""
    import pytrec_eval
    from mteb._evaluators.retrieval_metrics import confidence_scores, mrr

    results, qrels, k_values, names = _data[-1]
    own = {name: results[name] for name in names[slice(*piece)]}
    judged = {name: qrels[name] for name in own}
    cuts = ",".join(map(str, k_values))
    scores = pytrec_eval.RelevanceEvaluator(
        judged, {f"{group}.{cuts}" for group in _GROUPS}
    ).evaluate(own)
    if list(scores) != list(own):
        raise ValueError("trec_eval gave no scores for some of the queries, or in another order")
    confidences = [confidence_scores(list(found.values())) for found in own.values()]
    return (
        _columns(list(scores.values())),
        {name: np.array(values) for name, values in mrr(judged, own, k_values).items()},
        _columns(confidences),
    )


def _abstention(name: str) -> tuple[str, dict[str, float]]:
    """One metric's normalised areas under the abstention curve."""
    from mteb._evaluators.retrieval_metrics import nauc

    confidence, metrics = _data[-1]
    return name, {
        f"nAUC_{name}_{kind}": nauc(scores, metrics[name]) for kind, scores in confidence.items()
    }


def _columns(rows: Sequence[Mapping[str, float]]) -> dict[str, npt.NDArray[np.float64]]:
    return {name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else ())}


def _join(
    parts: Sequence[Mapping[str, npt.NDArray[np.float64]]],
) -> dict[str, npt.NDArray[np.float64]]:
    filled = [part for part in parts if part]
    return {name: np.concatenate([part[name] for part in filled]) for name in filled[0]}
