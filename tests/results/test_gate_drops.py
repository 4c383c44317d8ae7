"""Which drops the gate finds among many records, and which it cannot."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from results.examples import ExampleRows, examples_table
from results.gate.judge import judge_records
from results.gate.policy import Allowance, Policy
from tests.results.gate import Examples, gate_record, make_reference

OTHER = "e" * 64
RNG = np.random.default_rng(3)
RATINGS = RNG.uniform(0, 5, 120)


def pairs(task, noise, *, view="dim=8", **identity):
    """A record of similarities, as good as their noise lets them."""
    values = RATINGS + np.random.default_rng(7).normal(0, noise, len(RATINGS))
    score = float(pd.Series(RATINGS).corr(pd.Series(values), method="spearman"))
    made = gate_record(
        task, [score] * 2, type="STS", metric="cosine_spearman", view=view, **identity
    )
    found, golds = ([json.dumps(float(one)) for one in side] for side in (values, RATINGS))
    rows = ExampleRows(np.arange(len(RATINGS)), None, found, golds)
    return replace(made, examples=examples_table([("test", "default", rows)]))


def judged(was, now, policy=None):
    held = make_reference(was)
    return judge_records(
        held, now, policy or Policy(), Examples(now), places=held.places, refused={}
    )


def test_a_fall_of_a_correlation_is_a_regression_among_any_number_of_records():
    views = [f"dim={n}" for n in range(1, 321)]
    was = [pairs("A", 1, view=view) for view in views]
    now = [pairs("A", 4 if view == "dim=7" else 1, view=view, fingerprint=OTHER) for view in views]
    found, _ = judged(was, now)
    (fallen,) = (one for one in found if one.place.view == "dim=7")
    assert fallen.points < -20
    assert (fallen.status, fallen.reason) == ("regression", "")
    assert fallen.p < 0.01
    assert {one.status for one in found} == {"regression", "equal"}


def test_where_no_outcome_could_be_significant_no_test_is_pretended():
    names = [f"T{number}" for number in range(40)]
    scores = [0.9, 0.8, 0.9, 0.8, 0.9, 0.8, 0.9]
    was = [gate_record(name, scores) for name in names]
    now = [
        gate_record(name, [0.1] * 7 if name == "T0" else scores, fingerprint=OTHER)
        for name in names
    ]
    found, _ = judged(was, now)
    assert (found[0].status, found[0].p) == ("regression", None)
    assert "7 independent examples are too few to test 41 scores" in found[0].reason
    rule = Policy(other_weights=Allowance(rule="statistical"))
    assert judged(was, now, rule)[0][0].status == "not judged"


@pytest.mark.parametrize("over", ["tasks", "types"])
def test_means_are_of_the_family_and_share_their_verdict_with_a_single_task(over):
    base = RNG.uniform(0, 1, 200)
    worse = base - 0.02 + RNG.normal(0, 0.05, 200)
    found, means = judged([gate_record("A", base)], [gate_record("A", worse, fingerprint=OTHER)])
    (mean,) = (one for one in means if one.over == over)
    assert (mean.p, mean.status) == (found[0].p, found[0].status)
    assert mean.status == "regression"
