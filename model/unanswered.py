"""Queries for which nothing was found: they count 0 instead of leaving the mean.

trec_eval, and mteb with it, takes the mean over the queries that have results. A document that
no corpus has is therefore given to a query without any: every metric of it is 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["answer_all", "is_answered"]

# Two, since some tasks leave out each query's first result.
_NOTHING = {"(no document was found)": 0.0, "(nor a second one)": -1.0}


def answer_all(
    found: Mapping[str, dict[str, float]], queries: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Give every query a result.

    Args:
        found: Query to document to score.
        queries: All queries.
    """
    return {query: found.get(query) or dict(_NOTHING) for query in queries}


def is_answered(documents: Mapping[str, float]) -> bool:
    """Whether a query's results hold a document of the corpus."""
    return any(name not in _NOTHING for name in documents)
