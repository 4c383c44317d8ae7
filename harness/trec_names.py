"""mteb's names of retrieval metrics in trec_eval's terms."""

import re

__all__ = ["trec_name"]

_AT_K = re.compile(r"(ndcg|map|recall|precision|hit_rate)_at_(\d+)")
_TREC = {
    "ndcg": "ndcg_cut",
    "map": "map_cut",
    "recall": "recall",
    "precision": "P",
    "hit_rate": "success",
}


def trec_name(metric: str) -> str | None:
    """trec_eval's name of a metric such as "ndcg_at_10"; None if trec_eval has none."""
    match = _AT_K.fullmatch(metric)
    return None if match is None else f"{_TREC[match[1]]}_{match[2]}"
