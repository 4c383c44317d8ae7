"""mteb's classification metrics are given lists; that they stay the same is test_evaluation's."""

import pytest
from datasets.arrow_dataset import Column
from mteb.mocks import MOCK_TASK_TEST_GRID

from harness.class_labels import read_labels_once
from harness.evaluation import evaluate_task
from harness.jobs import LoadedTask
from tasks.loading import load_fresh
from tests.tasks.encoders import RandomEncoder

KINDS = ("Classification", "Regression")
TASKS = [
    pytest.param(task, id=task.metadata.name)
    for task in MOCK_TASK_TEST_GRID
    if task.metadata.type in KINDS and "text" in task.metadata.modalities
]


@pytest.mark.parametrize("template", TASKS)
def test_metrics_see_lists(template, monkeypatch):
    seen = []
    compute = type(template)._calculate_scores

    def watch(task, labels, *predicted):
        seen.append(type(labels))
        return compute(task, labels, *predicted)

    monkeypatch.setattr(type(template), "_calculate_scores", watch)
    loaded = LoadedTask.of(load_fresh(template, 42))
    evaluate_task(loaded.copy(42), RandomEncoder(), loaded.expected)
    assert seen
    assert set(seen) == {list}


def test_without_it_every_look_would_decode_the_column():
    """If this fails, datasets or mteb have become quicker by themselves, and this can go."""
    template = next(task for task in MOCK_TASK_TEST_GRID if task.metadata.type == "Classification")
    loaded = LoadedTask.of(load_fresh(template, 42))
    task = loaded.copy(42)
    seen = []
    task._calculate_scores = lambda labels, predicted: seen.append(labels)
    train = task.dataset if "train" in task.dataset else next(iter(task.dataset.values()))
    labels = train["test"][task.label_column_name]
    assert isinstance(labels, Column)
    read_labels_once(task)
    task._calculate_scores(labels, labels)
    assert seen == [list(labels)]
