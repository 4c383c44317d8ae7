"""On every starter task an oracle scores 1, and encoders that know nothing stay at chance."""

from __future__ import annotations

import math
import warnings

import mteb
import numpy as np
import pytest
from mteb.abstasks import AbsTask

from tasks.fresh import fresh_task
from tasks.starter.suite import TASKS
from tests.tasks.chance import chance_bound, chernoff, expected_ndcg, label_counts, ranking
from tests.tasks.encoders import ConstantEncoder, KnownEncoder, OracleEncoder, RandomEncoder

NAMES = [task.metadata.name for task in TASKS]


@pytest.fixture(scope="module", params=TASKS, ids=NAMES)
def task(request: pytest.FixtureRequest) -> AbsTask:
    """Return a loaded task, to read from; scores are taken of fresh ones."""
    loaded: AbsTask = request.param()
    loaded.load_data()
    return loaded


def score(encoder: KnownEncoder, task: AbsTask) -> float:
    """Evaluate under plain mteb, and check that all splits and subsets are scored."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Constant vectors make sklearn and scipy complain.
        result = mteb.evaluate(encoder, fresh_task(task), cache=None, show_progress_bar=False)
    (scored,) = result.task_results
    found = {split: {row["hf_subset"] for row in rows} for split, rows in scored.scores.items()}
    assert found == {split: set(task.hf_subsets) for split in task.eval_splits}
    return float(scored.get_score())


def test_an_oracle_scores_one(task: AbsTask) -> None:
    assert score(OracleEncoder(task), task) == pytest.approx(1, abs=1e-5)


def test_a_random_encoder_stays_at_chance(task: AbsTask) -> None:
    assert abs(score(RandomEncoder(), task)) <= chance_bound(task)


def test_a_constant_encoder_stays_at_chance(task: AbsTask) -> None:
    found = score(ConstantEncoder(), task)
    match task.metadata.type:
        case "STS":  # A correlation with a constant is undefined, and no number is made up.
            assert math.isnan(found)
        case "Clustering":
            assert found == 0
        case "PairClassification":  # Half of the pairs are true.
            assert found == pytest.approx(0.5, abs=1e-5)
        case "Classification":  # One label for all texts.
            expected = np.mean([1 / number for number in label_counts(task).values()])
            assert found == pytest.approx(expected, abs=1e-5)
        case "Retrieval":  # Each document is relevant to one query, so each rank occurs once.
            assert found == pytest.approx(expected_ndcg(*ranking(task)), abs=1e-5)
        case _:
            assert found <= chance_bound(task)


def test_the_oracle_is_above_what_chance_explains(task: AbsTask) -> None:
    assert chance_bound(task) < 0.6


def test_the_chernoff_bound_holds() -> None:
    """Compare with the exact tail of a binomial distribution, which it must not understate."""
    from scipy.stats import binom

    bound = chernoff([1.0] + [0.0] * 9, 200)
    assert binom.sf(bound * 200 - 1, 200, 0.1) < 1e-6
    assert 0.1 < bound < 0.3
