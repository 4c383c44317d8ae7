"""Independent units: found from keys, and counted once."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from results.stats.influence import spearman_contributions
from results.stats.sign_flip import flip_p_value
from results.stats.units import Design, Sample, sample_of
from tests.results.factories import make_record


def sample(keys, groups=None):
    """Examples by their lists of keys."""
    rows = np.repeat(np.arange(len(keys)), [len(one) for one in keys])
    flat = np.array([key for one in keys for key in one], dtype=np.uint64)
    groups = np.zeros(len(keys), dtype=np.int64) if groups is None else np.asarray(groups)
    return Sample("x", groups, rows, flat)


def p_value(design, *differences):
    parts = [design.reduce(task, np.asarray(one)) for task, one in enumerate(differences)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    residuals, shares = design.flips(total)
    return flip_p_value(residuals + shares * total.mean)


def test_without_keys_every_example_is_a_unit():
    differences = np.array([0.3, 0.1, -0.2, 0.5])
    design = Design([sample([[]] * 4)], [1.0])
    assert design.units == 4
    assert p_value(design, differences) == flip_p_value(differences)


def test_examples_that_share_a_key_directly_or_not_are_one_unit():
    # Of three in a row the first two share a text, and the last two another.
    chains = ([[2 * i], [2 * i, 2 * i + 1], [2 * i + 1]] for i in range(60))
    design = Design([sample([keys for chain in chains for keys in chain])], [1.0])
    assert design.units == 60
    values = np.random.default_rng(0).normal(size=180)
    assert p_value(design, values) == pytest.approx(
        flip_p_value(values.reshape(60, 3).sum(axis=1)), rel=1e-9
    )


def test_parallel_subsets_count_a_section_once():
    """The same 40 differences in ten languages are no more sure than in one."""
    rng = np.random.default_rng(1)
    one = rng.normal(0.3, 1, size=40)
    alone = p_value(Design([sample([[]] * 40)], [1.0]), one)
    keys = [[row] for _ in range(10) for row in range(40)]
    groups = np.repeat(np.arange(10), 40)
    ten = p_value(Design([sample(keys, groups)], [1.0]), np.tile(one, 10))
    assert ten == pytest.approx(alone, rel=1e-9)
    unlinked = p_value(Design([sample([[]] * 400, groups)], [1.0]), np.tile(one, 10))
    assert unlinked < 1e-4 < alone


def test_units_of_all_subsets_alike_have_the_exact_test():
    """Eleven queries at six lengths: ties count in full, as when units are exchanged."""
    hits = np.random.default_rng(9).integers(-1, 2, size=(11, 6)).astype(float)
    hits[:7] = np.abs(hits[:7])
    keys = [[row] for _ in range(6) for row in range(11)]
    design = Design([sample(keys, np.repeat(np.arange(6), 11))], [1.0])
    assert p_value(design, hits.T.ravel()) == pytest.approx(flip_p_value(hits.sum(axis=1)))


def test_tasks_of_the_same_questions_are_linked_in_a_mean():
    rng = np.random.default_rng(2)
    one = rng.normal(0.35, 1, size=50)
    keys = [[row] for row in range(50)]
    linked = p_value(Design([sample(keys), sample(keys)], [0.5, 0.5]), one, one)
    apart = p_value(Design([sample([[]] * 50)] * 2, [0.5, 0.5]), one, one)
    assert linked == pytest.approx(flip_p_value(one), rel=0.2)
    assert apart < linked / 4


def test_large_differences_between_subsets_are_not_chance():
    """Better in one language and worse in the other, each for sure: the mean is 0 for sure."""
    groups = np.repeat([0, 1], 100)
    rng = np.random.default_rng(3)
    differences = np.where(groups == 0, 0.5, -0.45) + rng.normal(0, 0.1, size=200)
    assert p_value(Design([sample([[]] * 200, groups)], [1.0]), differences) < 0.01


def test_all_pairs_of_a_few_documents_raise_few_false_alarms():
    """Noise of the documents is shared by their pairs: counted one by one they alarm too often."""
    documents = 50
    rng = np.random.default_rng(4)
    first, second = np.array(list(combinations(range(documents), 2))).T
    base = rng.normal(size=(documents, 16))
    gold = (base[first] * base[second]).sum(axis=1)
    design = Design([sample(np.stack([first, second], axis=1).tolist())], [1.0])
    naive = Design([sample([[]] * len(first))], [1.0])
    assert design.units == documents

    def model():
        noisy = base + 0.1 * rng.normal(size=base.shape)
        return spearman_contributions(gold, (noisy[first] * noisy[second]).sum(axis=1))

    alarms = np.zeros(2)
    for _ in range(300):
        difference = model() - model()
        alarms += [p_value(one, difference) < 0.05 for one in (design, naive)]
    assert alarms[0] <= 0.085 * 300 < alarms[1]


def test_more_units_than_needed_are_joined():
    differences = np.random.default_rng(5).normal(0.05, 1, size=3000)
    design = Design([sample([[]] * 3000)], [1.0], most=500)
    assert design.units == 500
    assert p_value(design, differences) == pytest.approx(flip_p_value(differences), rel=0.5)


def table(ids, units=None, subset="default"):
    return pd.DataFrame(
        {
            "split": "test",
            "subset": subset,
            "id": ids,
            "score": 0.5,
            "prediction": None,
            "gold": None,
            "units": units,
        }
    )


def record(kind):
    made = make_record()
    task = made.provenance.task.model_copy(update={"type": kind})
    return type(made)(made.ref, {}, made.provenance.model_copy(update={"task": task}))


def test_keys_are_read_in_the_order_of_contributions():
    found = sample_of(record("STS"), table(["1", "0"], ["0000000a 0000000b", None]))
    assert (found.rows.tolist(), found.keys.tolist()) == ([1, 1], [10, 11])


def test_older_records_link_queries_of_one_id_and_nothing_else():
    both = pd.concat([table(["q1", "q2"]), table(["q2", "q1"], subset="other")])
    found = sample_of(record("Retrieval"), both)
    assert len(set(found.keys.tolist())) == 2
    assert len(sample_of(record("STS"), both).keys) == 0
