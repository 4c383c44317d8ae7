"""What `task_texts` yields is what the encoder receives, for every type of text task in mteb."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import mteb
import pytest
from mteb.abstasks import AbsTask, AbsTaskClassification, AbsTaskClustering
from mteb.mocks import MOCK_TASK_TEST_GRID

from tasks.drawn import drawn_texts
from tasks.errors import UnsupportedTaskError
from tasks.fresh import fresh_task
from tasks.texts import content_hash, expected_examples, task_texts
from tests.tasks.encoders import RandomEncoder

PARTS = [
    part
    for task in MOCK_TASK_TEST_GRID
    for part in (task.metadata.tasks if task.is_aggregate else [task])  # type: ignore[attr-defined]
    if part.metadata.modalities == ["text"]
]


def loaded(task: AbsTask) -> AbsTask:
    task = fresh_task(task)
    task.load_data()
    return task


@pytest.mark.parametrize("mock", PARTS, ids=lambda task: task.metadata.name)
def test_the_encoder_receives_these_texts(mock: AbsTask) -> None:
    encoder = RandomEncoder()
    mteb.evaluate(encoder, fresh_task(mock), cache=None, show_progress_bar=False)
    received = set(encoder.seen)
    yielded = {(item.subset, item.text) for item in task_texts(loaded(mock))}
    if isinstance(mock, AbsTaskClassification | AbsTaskClustering):  # mteb draws samples
        assert received <= yielded
        assert received
    else:
        assert received == yielded
    drawn = {(item.subset, item.text) for item in drawn_texts(loaded(mock))}
    if isinstance(mock, AbsTaskClustering) and len(mock.hf_subsets) * len(mock.eval_splits) > 1:
        assert len(drawn) == len(received)  # from the second subset on, others may be drawn
    else:
        assert drawn == received


@pytest.mark.parametrize("mock", PARTS, ids=lambda task: task.metadata.name)
def test_hash_is_stable_and_counts_cover_every_subset(mock: AbsTask) -> None:
    task = loaded(mock)
    assert content_hash(task) == content_hash(loaded(mock))
    counts = expected_examples(task)
    assert set(counts) == set(task.eval_splits)
    for by_subset in counts.values():
        assert set(by_subset) == set(task.hf_subsets)
        assert all(count > 0 for count in by_subset.values())


def test_hash_sees_each_kind_of_change() -> None:
    retrieval = next(task for task in PARTS if task.metadata.name == "MockRetrievalTask")
    hashes = Counter([content_hash(loaded(retrieval))])
    for change in ("text", "id", "judgement"):
        task = loaded(retrieval)
        data = task.dataset["default"]["test"]  # type: ignore[index]
        if change == "judgement":
            query = next(iter(data["relevant_docs"]))
            data["relevant_docs"][query]["d1"] = 2
        else:
            rows = data["corpus"].to_list()
            rows[0][change] += "!"
            data["corpus"] = type(data["corpus"]).from_list(rows)
        hashes[content_hash(task)] += 1
    assert len(hashes) == 4


def test_hash_does_not_depend_on_the_process() -> None:
    code = (
        "from tasks.starter.udhr_bitext_mining import UdhrBitextMining as Task\n"
        "from tasks.texts import content_hash\n"
        "task = Task(); task.load_data(); print(content_hash(task))"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ".", "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(hashes) == 1


def test_queries_without_judgements_are_neither_yielded_nor_expected() -> None:
    task = loaded(next(task for task in PARTS if task.metadata.name == "MockRetrievalTask"))
    data = task.dataset["default"]["test"]  # type: ignore[index]
    (query, *_), total = data["relevant_docs"], len(data["queries"])
    data["relevant_docs"][query] = {}
    assert expected_examples(task)["test"] == {"default": total - 1}
    queries = [item for item in task_texts(task) if (item.split, item.role) == ("test", "query")]
    assert len(queries) == total - 1


def test_images_and_unloaded_tasks_are_refused() -> None:
    from mteb.mocks import MOCK_MIEB_TASK_GRID

    with pytest.raises(UnsupportedTaskError, match="encodes"):
        list(task_texts(MOCK_MIEB_TASK_GRID[0]))
    with pytest.raises(ValueError, match="not loaded"):
        content_hash(fresh_task(PARTS[0]))
