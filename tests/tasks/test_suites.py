"""Suites, selections and fresh task objects."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import mteb
import pytest

from tasks.errors import DataUnavailableError, UnknownNameError
from tasks.fresh import fresh_task
from tasks.loading import load_fresh
from tasks.sizes import task_size
from tasks.suites import get_suite, select_tasks, suite_names

COUNTS = {
    "starter": 16,
    "english": 41,
    "english-v1": 56,
    "multilingual": 131,
    "multilingual-v1": 132,
    "long-context": 6,
    "MTEB(deu, v1)": 19,
}


def test_importing_loads_nothing_heavy() -> None:
    code = (
        "import sys, tasks, tasks.suites, tasks.sizes, tasks.texts, tasks.fresh\n"
        "print(sorted({'mteb', 'torch', 'datasets', 'numpy'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "[]\n"


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_suites_have_their_tasks_and_say_so(name: str, count: int) -> None:
    suite = get_suite(name)
    tasks = suite.tasks()
    assert len(tasks) == count
    assert suite.name == name
    assert suite.title
    assert suite.description
    types = {task.metadata.type for task in tasks}
    if name != "starter" and name in suite_names():
        assert f"{count} " in suite.description
    if " types" in suite.description and name != "starter":
        assert f"{len(types)} types" in suite.description


def test_the_starter_description_is_true() -> None:
    tasks = get_suite("starter").tasks()
    assert len({task.metadata.type for task in tasks}) == 8
    assert len({lang for task in tasks for lang in task.metadata.languages}) == 30
    assert "eight types in 30 languages" in get_suite("starter").description


def test_our_names_and_mtebs_lead_to_the_same_suite() -> None:
    assert set(suite_names()) == set(COUNTS) - {"MTEB(deu, v1)"}
    assert get_suite("MTEB(eng, v2)") == get_suite("english")
    assert get_suite("jina-eval(starter)") == get_suite("starter")


def test_unknown_suites_are_refused_with_close_names() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'english'") as raised:
        get_suite("englsh")
    message = str(raised.value)
    assert "\n" not in message
    assert "'englsh'" in message
    assert "starter" in message
    assert raised.value.close[0] == "english"


def test_selection_keeps_the_order_of_the_suite() -> None:
    suite = get_suite("starter")
    chosen = select_tasks(suite, ["UdhrBitextMining", "PerlFaqRetrieval", "UdhrBitextMining"])
    assert [task.metadata.name for task in chosen] == ["PerlFaqRetrieval", "UdhrBitextMining"]
    with pytest.raises(UnknownNameError, match="did you mean 'PerlFaqRetrieval'"):
        select_tasks(suite, ["PerlFaqRetrival"])
    with pytest.raises(ValueError, match="non-empty list"):
        select_tasks(suite, [])
    with pytest.raises(ValueError, match="non-empty list"):
        select_tasks(suite, "PerlFaqRetrieval")


def test_tasks_are_fresh_each_time() -> None:
    suite = get_suite("starter")
    for first, second in zip(suite.tasks(), suite.tasks(seed=3), strict=True):
        assert first is not second
        assert first.rng_state is not second.rng_state
        assert first.np_rng is not second.np_rng
        assert (first.seed, second.seed) == (42, 3)


def test_fresh_tasks_keep_filters_and_share_no_state() -> None:
    task = mteb.get_task("STS22.v2", languages=["deu"], eval_splits=["test"])
    task.rng_state.random()
    fresh = fresh_task(task, seed=42)
    assert fresh.hf_subsets == task.hf_subsets
    assert fresh.hf_subsets is not task.hf_subsets
    assert list(fresh.eval_splits) == ["test"]
    assert fresh.rng_state.getstate() == fresh_task(task, seed=42).rng_state.getstate()
    assert fresh.rng_state.getstate() != task.rng_state.getstate()
    assert not fresh.data_loaded


def test_parts_of_an_aggregate_are_fresh_too() -> None:
    task = mteb.get_task("CQADupstackRetrieval")
    fresh = fresh_task(task, seed=5)
    parts = zip(task.metadata.tasks, fresh.metadata.tasks, strict=True)  # type: ignore[attr-defined]
    for old, new in parts:
        assert old is not new
        assert type(old) is type(new)
        assert new.seed == 5
    assert type(task).metadata is task.metadata


def test_sizes_are_known_or_none_and_never_zero() -> None:
    for name in ("english", "long-context"):
        for task in get_suite(name).tasks():
            size = task_size(task)
            assert size is not None
            assert min(size.texts, size.characters, size.tokens) > 0
    assert task_size(mteb.get_task("CQADupstackRetrieval")) is not None
    part = mteb.get_task("STS22.v2", languages=["deu"])
    whole = mteb.get_task("STS22.v2")
    sizes = task_size(part), task_size(whole)
    assert sizes[0] is not None
    assert sizes[1] is not None
    assert sizes[0].texts < sizes[1].texts


def test_the_size_of_part_of_a_starter_task_is_not_known() -> None:
    (task,) = select_tasks(get_suite("starter"), ["UdhrBitextMining"])
    assert task_size(task) is not None
    task.filter_languages(["deu"])
    assert task_size(task) is None


def test_data_that_cannot_be_had_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (task,) = select_tasks(get_suite("english"), ["STSBenchmark"])

    def unreadable(self: object, *args: object, **kwargs: object) -> None:
        raise ValueError("Couldn't find\nsplit 'test'")

    monkeypatch.setattr(type(task), "load_data", unreadable)
    monkeypatch.setattr("tasks.loading.find_dataset", lambda _: tmp_path)
    with pytest.raises(
        DataUnavailableError, match=r"data mteb/stsbenchmark-sts at b0fddb56.*split 'test'"
    ) as error:
        load_fresh(task, 42)
    assert "\n" not in str(error.value)


def test_data_that_are_not_here_are_not_loaded_offline(tmp_path: Path) -> None:
    (task,) = select_tasks(get_suite("english"), ["STSBenchmark"])
    with pytest.raises(DataUnavailableError, match=r"mteb/stsbenchmark-sts at .*jina-eval fetch"):
        load_fresh(task, 42)


def test_data_is_loaded_into_a_new_object() -> None:
    (task,) = select_tasks(get_suite("starter"), ["PerlFaqRetrieval"])
    loaded = load_fresh(task, 42)
    assert loaded.data_loaded and not task.data_loaded
    assert type(loaded) is type(task)


def test_a_task_of_mteb_is_a_suite_and_can_be_joined() -> None:
    suite = get_suite("SciFact")
    assert [task.metadata.name for task in suite.tasks()] == ["SciFact"]
    joined = get_suite("SciFact+STSBenchmark+MTEB(deu, v1)")
    assert len(joined.tasks()) == 2 + COUNTS["MTEB(deu, v1)"]
    with pytest.raises(UnknownNameError, match="unknown suite 'SciFacts'"):
        get_suite("SciFacts")
