"""Records as a run would leave them, for tests of what compares them with published scores."""

from dataclasses import replace

from results.published.repository import PublishedScore
from tests.results.factories import make_record

__all__ = ["MINILM", "measured", "score"]

MINILM = "sentence-transformers/all-MiniLM-L6-v2"


def measured(
    score=0.82,
    *,
    task="STSBenchmark",
    type="STS",
    metric="cosine_spearman",
    routing="mteb",
    scores=None,
    facts=None,
    given=None,
    **identity,
):
    """A record; `scores` is split to subset to metrics, `facts` replace the provenance's."""
    if scores is None:
        scores = {"test": {"default": {metric: score, "main_score": score}}}
    splits = {split: tuple(subsets) for split, subsets in scores.items()}
    identity = {"model": MINILM, "task": task, "splits": splits} | identity
    record = make_record(score, **identity)
    provenance = record.provenance.model_copy(
        update={
            "task": record.provenance.task.model_copy(update={"type": type, "main_score": metric}),
            "run_spec": {"routing": routing},
            "run_spec_given": given or {},
            "text_count": record.provenance.text_count.model_copy(
                update={"truncated_texts": 0, "truncated_tokens": 0}
            ),
            **(facts or {}),
        }
    )
    data = {
        "task_name": task,
        "scores": {
            split: [{"hf_subset": name, **numbers} for name, numbers in subsets.items()]
            for split, subsets in scores.items()
        },
    }
    return replace(record, provenance=provenance, task_result=data)


def score(split, value, **changes):
    """A score of a checkout."""
    values = {
        "model": MINILM,
        "revision": "rev1",
        "task": "LEMBNeedleRetrieval",
        "split": split,
        "subset": "default",
        "metric": "ndcg_at_1",
        "score": value,
        "dataset_revision": "r",
        "mteb_version": "2",
    }
    return PublishedScore(**(values | changes))
