"""References and records of a gate out of thin air."""

from dataclasses import replace

import numpy as np

from results.examples import ExampleRows, examples_table
from results.gate.reference import GateReference, Place, Update, place_of
from tests.results.measured import measured

__all__ = ["Examples", "gate_record", "make_reference"]


def gate_record(task, scores, *, type="Retrieval", metric="ndcg_at_10", view="dim=8", **identity):
    """A record whose score is the mean of its examples' scores."""
    record = measured(float(np.mean(scores)), task=task, type=type, metric=metric, **identity)
    facts = record.provenance
    identity = facts.identity.model_copy(update={"view": view})
    facts = facts.model_copy(update={"view": view, "identity": identity, "key": identity.key()})
    rows = ExampleRows(np.arange(len(scores)), np.asarray(scores, dtype=float), None, None)
    split, subsets = next(iter(record.task_result["scores"].items()))
    table = examples_table([(split, subsets[0]["hf_subset"], rows)])
    return replace(record, provenance=facts, examples=table)


class Examples:
    """Gives the examples of records, by place."""

    def __init__(self, records):
        self.by_place = {place_of(record): record.examples for record in records}

    def __call__(self, record):
        return self.by_place[place_of(record) if not isinstance(record, Place) else record]


def make_reference(records, **changes):
    """A reference of some records."""
    records = tuple(records)
    values = {
        "run_spec": {"model": "minilm", "views": ["dim=8"], "seed": 42},
        "seed": 42,
        "records": records,
        "spread": {},
        "spread_seeds": 0,
        "cost": None,
        "history": (
            Update(
                date="2026-11-25",
                reason="first",
                model="m",
                revision="1",
                git_commit=None,
                mean_task=0.5,
            ),
        ),
        "tables": Examples(records),
    }
    return GateReference(**(values | changes))
