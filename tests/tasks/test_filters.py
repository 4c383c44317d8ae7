"""Unions of suites, and tasks by type, language and size."""

import pytest

from tasks.errors import JoinError, NoTaskError, UnknownNameError
from tasks.filters import TaskFilter, filter_tasks
from tasks.sizes import task_size
from tasks.suites import get_suite

STARTER = get_suite("starter")


def names(tasks):
    return [task.metadata.name for task in tasks]


def test_nothing_asked_for_leaves_all():
    assert names(filter_tasks(STARTER, TaskFilter())) == names(STARTER.tasks())


def test_types():
    tasks = filter_tasks(STARTER, TaskFilter(types=("STS", "Clustering")))
    assert names(tasks) == ["WordNetSupersenseClustering", "LeeDocumentSTS"]
    with pytest.raises(UnknownNameError, match="unknown task type 'Sts'; allowed: Bitext"):
        filter_tasks(STARTER, TaskFilter(types=("Sts",)))


def test_languages_leave_the_subsets_that_speak_them():
    tasks = {
        task.metadata.name: task for task in filter_tasks(STARTER, TaskFilter(languages=("deu",)))
    }
    assert "DebianFaqRetrieval" in tasks
    assert "PerlFaqRetrieval" not in tasks
    for task in tasks.values():
        assert 0 < len(task.hf_subsets) < len(task.metadata.hf_subsets)
        spoken = task.metadata.hf_subsets_to_langscripts
        assert all(any(code.startswith("deu") for code in spoken[s]) for s in task.hf_subsets)
    # The templates that all runs share are as they were.
    assert len(get_suite("starter").tasks()[0].hf_subsets) > 1
    with pytest.raises(UnknownNameError, match="unknown language 'german'"):
        filter_tasks(STARTER, TaskFilter(languages=("german",)))


def test_sizes():
    tasks = filter_tasks(STARTER, TaskFilter(max_texts=1000))
    assert 0 < len(tasks) < 16
    assert all(task_size(task).texts <= 1000 for task in tasks)


def test_filters_work_together_and_must_leave_something():
    wanted = TaskFilter(types=("Retrieval",), languages=("eng",), max_texts=500)
    assert {task.metadata.type for task in filter_tasks(STARTER, wanted)} == {"Retrieval"}
    nothing = TaskFilter(names=("LeeDocumentSTS",), types=("Retrieval",))
    message = "suite 'starter': no task fits tasks LeeDocumentSTS with types Retrieval"
    with pytest.raises(NoTaskError, match=message):
        filter_tasks(STARTER, nothing)


def test_suites_are_joined_without_repeats():
    both = get_suite("starter+long-context")
    assert both.name == "starter+long-context"
    assert names(both.tasks()) == names(STARTER.tasks()) + names(get_suite("LongEmbed").tasks())
    assert names(get_suite("starter + starter").tasks()) == names(STARTER.tasks())
    assert get_suite("LongEmbed+starter").name == "long-context+starter"
    with pytest.raises(UnknownNameError, match="unknown suite 'starte'"):
        get_suite("english+starte")


def test_suites_that_measure_a_task_differently_are_not_joined():
    joined = get_suite("english+multilingual")
    with pytest.raises(JoinError, match=r"its parts have task .* with different subsets or splits"):
        joined.tasks()
