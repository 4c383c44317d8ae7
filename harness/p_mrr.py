"""p-MRR by query: how far documents fall whose relevance an instruction takes away.

Weller et al., FollowIR, 2024, https://arxiv.org/abs/2403.15246; computed as mteb 2.26.24 does
(`mteb._evaluators.retrieval_metrics.calculate_pmrr`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["AFTER", "BEFORE", "p_mrr_by_query"]

BEFORE, AFTER = "-og", "-changed"
"""What mteb adds to a query's id before and after its instruction changed."""

_TOLERANCE = 1e-6

Results = Mapping[str, Mapping[str, float]]
Judgements = Mapping[str, Mapping[str, int]]


def p_mrr_by_query(
    ids: Sequence[str], judged: Judgements, results: Results, score: float
) -> npt.NDArray[np.float64] | None:
    """The p-MRR of each query, the same for its two forms.

    Which documents an instruction takes the relevance from is a table of its own in mteb's data
    sets; here it follows from the judgements of the two forms.

    Args:
        ids: Queries, in both forms.
        judged: Grades by query and document.
        results: Scores by query and document.
        score: mteb's score, their mean.

    Returns:
        Shape (n,), each between -1 and 1; None where the mean is not mteb's, as where the
        judgements do not tell which documents changed, or a query has one form only.
    """
    bases = [_base(name) for name in ids]
    if len(ids) != 2 * len(set(bases)):
        return None
    values: dict[str, float] = {}
    for base in dict.fromkeys(bases):
        before, after = base + BEFORE, base + AFTER
        if any(name not in judged or name not in results for name in (before, after)):
            return None
        changed = [
            document
            for document, grade in judged[before].items()
            if grade > 0 and judged[after].get(document, 0) <= 0
        ]
        if not changed:
            return None
        old, new = _ranks(results[before]), _ranks(results[after])
        values[base] = float(np.mean([_change(old, new, document) for document in changed]))
    found = np.array([values[base] for base in bases])
    return found if abs(float(found.mean()) - score) <= _TOLERANCE else None


def _base(name: str) -> str:
    for form in (BEFORE, AFTER):
        name = name.removesuffix(form)
    return name


def _ranks(found: Mapping[str, float]) -> dict[str, int]:
    """Ranks from 1; among equals by id, descending."""
    order = sorted(found.items(), key=lambda pair: (pair[1], pair[0]), reverse=True)
    return {document: rank for rank, (document, _) in enumerate(order, 1)}


def _change(before: Mapping[str, int], after: Mapping[str, int], document: str) -> float:
    old, new = (ranks.get(document, len(ranks) + 1) for ranks in (before, after))
    return new / old - 1 if old >= new else 1 - old / new
