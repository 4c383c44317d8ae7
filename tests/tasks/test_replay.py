"""Replayed tasks: the numbers, lengths and repeats of the real ones, and every type evaluates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mteb
import numpy as np
import pytest

from harness.evaluation import evaluate_task
from harness.jobs import LoadedTask
from tasks.errors import UnsupportedTaskError
from tasks.replay import ReplayText, replay_tasks
from tasks.suites import get_suite
from tasks.texts import task_texts
from tests.tasks.encoders import RandomEncoder

WORDS = [
    "river",
    "house",
    "tree",
    "engine",
    "bread",
    "window",
    "garden",
    "letter",
    "ship",
    "mountain",
]
KINDS = [
    "STSBenchmark",
    "SciFact",
    "AskUbuntuDupQuestions",
    "Core17InstructionRetrieval",
    "Banking77Classification",
    "MalteseNewsClassification",
    "TwentyNewsgroupsClustering.v2",
    "TwentyNewsgroupsClustering",
    "SprintDuplicateQuestions",
    "SummEvalSummarization.v2",
    "BUCC.v2",
    "CQADupstackRetrieval",
    "LEMBNeedleRetrieval",
]


@pytest.fixture
def text() -> ReplayText:
    return ReplayText(WORDS, length=1 << 18)


@pytest.mark.parametrize("name", KINDS)
def test_every_type_can_be_replayed_and_scored(name: str, text: ReplayText) -> None:
    task = mteb.get_task(name)
    before = task.data_loaded
    for replay in replay_tasks(task, 0.01, text):
        loaded = LoadedTask.of(replay)
        evaluation = evaluate_task(loaded.copy(42), RandomEncoder(8), loaded.expected)
        assert evaluation.coverage.n_scored == evaluation.coverage.n_expected > 0
        assert list(evaluation.task_result.scores) == list(replay.eval_splits)
    assert task.data_loaded is before


def statistics(name: str, column: str) -> Mapping[str, Any]:
    task = mteb.get_task(name)
    known = task.metadata.descriptive_stats
    assert known is not None
    found: Mapping[str, Any] = known[task.eval_splits[0]][column]
    return found


@pytest.mark.parametrize(
    ("name", "column", "role"),
    [
        ("SciFact", "documents_text_statistics", "document"),
        ("SciFact", "queries_text_statistics", "query"),
        ("STSBenchmark", "text1_statistics", "first"),
        ("SprintDuplicateQuestions", "text1_statistics", "first"),
        ("SprintDuplicateQuestions", "text2_statistics", "second"),
    ],
)
def test_amounts_are_those_of_the_statistics(
    name: str, column: str, role: str, text: ReplayText
) -> None:
    known = statistics(name, column)
    (replay,) = replay_tasks(mteb.get_task(name), 0.5, text)
    texts = [item.text for item in task_texts(replay) if item.role == role]
    total = known["total_text_length"] / known["average_text_length"]
    assert len(texts) == pytest.approx(total / 2, rel=0.01)
    assert len(set(texts)) == pytest.approx(known["unique_texts"] / 2, rel=0.02)
    lengths = np.array([len(item) for item in texts])
    assert lengths.mean() == pytest.approx(known["average_text_length"], rel=0.1)
    assert lengths.max() <= 1.2 * known["max_text_length"]


def test_the_same_seed_draws_the_same_texts() -> None:
    drawn = [
        [
            item.text
            for replay in replay_tasks(mteb.get_task("STSBenchmark"), 0.02, ReplayText(WORDS, seed))
            for item in task_texts(replay)
        ]
        for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_task_without_statistics_is_named(text: ReplayText) -> None:
    task, *_ = get_suite("starter").tasks()
    with pytest.raises(UnsupportedTaskError, match=r"Retrieval: mteb has no statistics"):
        replay_tasks(task, 0.1, text)
