"""Scores of searches whose queries have parts: each part finds, the query is scored.

As in MindSmallReranking, where a reader's clicked articles are the parts of one query. Computed as
mteb 2.26.24 does (`mteb._evaluators.retrieval_metrics.max_over_subqueries`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["PREFIX", "scores_over_subqueries", "whole_query"]

PREFIX = "max_over_subqueries_"
"""What mteb puts before the name of such a metric."""

_TOLERANCE = 1e-4
"""mteb rounds to five digits."""

Results = Mapping[str, Mapping[str, float]]
Judgements = Mapping[str, Mapping[str, int]]


def scores_over_subqueries(
    ids: Sequence[str], judged: Judgements, results: Results, trec_name: str, score: float
) -> npt.NDArray[np.float64] | None:
    """What each part adds to the score: its query's score, split evenly between the query's parts.

    Args:
        ids: The parts, n of them.
        judged: Grades by part and document.
        results: Scores by part and document.
        trec_name: trec_eval's name of the metric, such as "map_cut_1000".
        score: mteb's score.

    Returns:
        Shape (n,), with the mean `score`; None if mteb's score is another.
    """
    import pytrec_eval

    merged: dict[str, dict[str, float]] = {}
    grades: dict[str, Mapping[str, int]] = {}
    for part in ids:
        query = whole_query(part)
        best = merged.setdefault(query, {})
        for document, found in results.get(part, {}).items():
            best[document] = max(found, best.get(document, found))
        grades[query] = judged[part]
    metric, _, k = trec_name.rpartition("_")
    scores = pytrec_eval.RelevanceEvaluator(grades, {f"{metric}.{k}"}).evaluate(merged)
    sizes = Counter(map(whole_query, ids))
    each = len(ids) / len(merged)
    values = np.array(
        [scores[query][trec_name] * each / sizes[query] for query in map(whole_query, ids)]
    )
    return values if abs(float(values.mean()) - score) <= _TOLERANCE else None


def whole_query(part: str) -> str:
    """The id of the query that a part belongs to, as mteb takes it from the part's."""
    return part.rpartition("_")[0]
