"""Real mteb tasks, out of a hub on the loopback address, through fetching, loading and scoring."""

import csv
import json
import math
import os
import zlib
from pathlib import Path
from typing import ClassVar

import mteb
import numpy as np
import pytest

from harness.evaluation import evaluate_task, task_result_data
from harness.example_units import ExampleUnits
from harness.jobs import LoadedTask
from harness.plan import prompt_types
from model.backend import Encoded
from model.backends import load_backend
from model.dense_search import DenseMtebEncoder
from model.mteb_encoder import model_meta
from model.routing import NoPrompts
from model.source import ModelSource, resolve_model
from model.task_vectors import TaskVectors
from model.views import View
from results.identities import check_scores
from results.stats.paired import mean_difference, pair_task
from tasks.drawn import drawn_texts
from tasks.errors import DataUnavailableError
from tasks.fresh import fresh_task, task_parts
from tasks.hub import find_dataset
from tasks.loading import data_sets, load_fresh
from tasks.texts import task_texts
from tests.hub_server import point_client_to, serve_hub
from tests.mteb_data import LENGTHS, TASKS, serve_tasks, write_card, write_rows
from tests.results.factories import make_record
from tests.tasks.encoders import RandomEncoder

SUBSETS = {
    "STS17": ["en-en", "en-de"],
    "BUCC.v2": ["de-en", "fr-en"],
    "Tatoeba": ["deu-eng", "jpn-eng"],
    "NTREXBitextMining": ["afr_Latn-dan_Latn", "dan_Latn-afr_Latn", "afr_Latn-deu_Latn"],
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with serve_hub() as hub:
        serve_tasks(hub, tmp_path_factory.mktemp("repositories"))
        yield hub


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def online(hub, cache, monkeypatch):
    point_client_to(hub, cache, monkeypatch)


def get(name):
    task = mteb.get_task(name)
    if name in SUBSETS:
        task.hf_subsets = list(SUBSETS[name])
    return task


def load(name):
    return LoadedTask.of(load_fresh(get(name), 42))


class SideEncoder(RandomEncoder):
    def __init__(self):
        super().__init__(16)
        self.sides = set()

    def encode(self, inputs, *, prompt_type=None, **options):
        self.sides.add(prompt_type)
        return super().encode(inputs, **options)


@pytest.mark.parametrize("name", TASKS)
def test_a_real_task_is_fetched_loaded_and_scored_whole(name, hub):
    loaded = load(name)
    task = loaded.copy(42)
    before = len(hub.requests)
    encoder = SideEncoder()
    texts = {item.text for item in task_texts(task)}
    evaluation = evaluate_task(task, encoder, loaded.expected)

    assert len(hub.requests) == before, "nothing is asked of the hub once a task is loaded"
    assert evaluation.coverage.n_scored == evaluation.coverage.n_expected > 0
    assert math.isfinite(evaluation.score)
    scores = evaluation.task_result.scores
    assert list(scores) == get(name).eval_splits
    assert all(task.metadata.main_score in part for parts in scores.values() for part in parts)
    check_scores(task_result_data(evaluation.task_result))
    assert encoder.sides == {side for part in task_parts(get(name)) for side in prompt_types(part)}
    assert {text for _, text in encoder.seen} <= texts
    drawn = {item.text for item in drawn_texts(load_fresh(get(name), 42))}
    assert {text for _, text in encoder.seen} == drawn
    assert load(name).content_hash == loaded.content_hash
    check_test(task.metadata, evaluation, ExampleUnits(loaded.task).add(evaluation.examples))


def check_test(metadata, evaluation, examples):
    """The score can be taken apart, and no two records of it differ."""
    made = make_record(evaluation.score)
    named = {"type": metadata.type, "main_score": metadata.main_score}
    facts = made.provenance
    facts = facts.model_copy(update={"task": facts.task.model_copy(update=named)})
    record = type(made)(made.ref, {}, facts)
    found = mean_difference([pair_task((record, examples), (record, examples))], [1.0])
    assert (found.mean, found.p, found.n) == (0, 1, len(examples))
    assert 0 < found.units <= found.n


@pytest.mark.parametrize(
    "name", ["BUCC.v2", "NTREXBitextMining", "STS17", "SprintDuplicateQuestions"]
)
def test_each_distinct_text_is_encoded_once(name):
    class Backend:
        width, device = 16, "cpu"
        seen: ClassVar[list] = []

        def encode(self, texts, route, progress):
            self.seen.extend(texts)
            seeds = [zlib.crc32(text.encode()) for text in texts]
            rows = [np.random.default_rng(seed).standard_normal(16) for seed in seeds]
            return Encoded(np.stack(rows).astype(np.float32))

    loaded = load(name)
    source = ModelSource(kind="sentence-transformers", name="a/b", revision="1", fingerprint="0")
    backend = Backend()
    encoder = DenseMtebEncoder(
        backend, NoPrompts(), model_meta(source, {}), view=View(), vectors=TaskVectors(10**8)
    )
    evaluate_task(loaded.copy(42), encoder, loaded.expected)
    distinct = {item.text for item in task_texts(loaded.task)}
    assert sorted(backend.seen) == sorted(distinct)
    assert encoder.usage.total.distinct_texts == len(distinct)


def test_minilm_gets_its_published_score_on_the_real_sts_benchmark(hub, tmp_path):
    folder = os.environ.get("JINA_EVAL_STSBENCHMARK")
    if not folder:
        pytest.skip("JINA_EVAL_STSBENCHMARK names no folder with the real test.csv")
    with (Path(folder) / "test.csv").open(encoding="utf-8", newline="") as file:
        rows = [
            {"sentence1": a, "sentence2": b, "score": float(score)}
            for a, b, score in csv.reader(file)
        ]
    assert len(rows) == 1379
    write_rows(tmp_path / "real" / "test.jsonl.gz", rows)

    class Real(type(get("STSBenchmark"))):
        metadata = get("STSBenchmark").metadata.model_copy(
            update={"dataset": {"path": "mteb/stsbenchmark-real", "revision": "e" * 40}}
        )

    hub.add_dataset("mteb/stsbenchmark-real", tmp_path / "real", "e" * 40)
    source = resolve_model("minilm")
    loaded = LoadedTask.of(load_fresh(Real(), 42))
    encoder = DenseMtebEncoder(
        load_backend(source, device="cpu"),
        NoPrompts(),
        model_meta(source, {}),
        view=View(),
        vectors=TaskVectors(10**8),
    )
    evaluation = evaluate_task(loaded.copy(42), encoder, loaded.expected)
    assert evaluation.coverage.n_scored == 1379
    assert round(100 * evaluation.score, 2) == 82.03


def test_needles_are_scored_at_all_eight_lengths():
    loaded = load("LEMBNeedleRetrieval")
    assert [split for split, _ in loaded.expected] == [f"test_{length}" for length in LENGTHS]
    lengths = {
        split: max(len(item.text) for item in task_texts(loaded.task) if item.split == split) / 4
        for split, _ in loaded.expected
    }
    for length in LENGTHS:
        assert 0.8 * length < lengths[f"test_{length}"] < 1.6 * length


def test_longembed_is_loaded_as_mteb_does_where_it_can(tmp_path):
    """With all columns in all rows, datasets loads the three tables as one."""
    name = "LEMBNeedleRetrieval"
    ours = load(name)
    (data,) = data_sets(get(name))
    needle = tmp_path / "all-columns" / "needle"
    needle.mkdir(parents=True)
    folder = find_dataset(data)
    for path in (folder / "needle").iterdir():
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        write_rows(needle / path.name, [{"qid": "", "doc_id": "", "text": ""} | r for r in rows])
    parts = ("corpus", "queries", "qrels")
    write_card(needle.parent, {"needle": {part: f"needle/{part}.jsonl" for part in parts}})
    task = fresh_task(get(name))
    task.metadata = task.metadata.model_copy(
        update={"dataset": {"path": str(needle.parent), "name": "needle", "revision": "0" * 40}}
    )
    task.load_data()
    assert LoadedTask.of(task).content_hash == ours.content_hash


def test_a_table_without_its_split_is_refused(hub, tmp_path):
    TASKS["Banking77Classification"](tmp_path / "data")
    (tmp_path / "data" / "test.jsonl").rename(tmp_path / "data" / "validation.jsonl")
    hub.add_dataset("mteb/banking-moved", tmp_path / "data", "c" * 40)

    class Moved(type(get("Banking77Classification"))):
        metadata = get("Banking77Classification").metadata.model_copy(
            update={"dataset": {"path": "mteb/banking-moved", "revision": "c" * 40}}
        )

    with pytest.raises(
        DataUnavailableError,
        match=r"moved at c+ have no split 'test' of .*: train, validation",
    ):
        load_fresh(Moved(), 42)


def test_a_split_that_is_not_there_is_not_replaced_by_another(hub, cache):
    """mteb takes the only split of the judgements for the one that was asked for."""
    task = get("SciFact")
    (data,) = data_sets(task)
    folder = hub.repositories[f"datasets/{data.name}"].folder
    card = (folder / "README.md").read_text()
    try:
        (folder / "README.md").write_text(card.replace("  - split: test\n", "  - split: dev\n"))
        hub.add_dataset(data.name, folder, "d" * 40)
        task.metadata = task.metadata.model_copy(
            update={"dataset": {"path": data.name, "revision": "d" * 40}}
        )

        class Moved(type(task)):
            metadata = task.metadata

        said = r"scifact at d+ have no judgements of split 'test', .*dev"
        with pytest.raises(DataUnavailableError, match=said):
            load_fresh(Moved(), 42)
    finally:
        (folder / "README.md").write_text(card)


def test_a_subset_that_is_not_there_and_a_broken_file_are_named(hub, tmp_path):
    task = get("BUCC.v2")
    task.hf_subsets = ["de-en", "zh-en"]
    with pytest.raises(DataUnavailableError, match="have no subset 'zh-en'; there are: de-en"):
        load_fresh(task, 42)

    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "test.parquet").write_bytes(b"PAR1 and then nothing")
    hub.add_dataset("mteb/broken", tmp_path / "data", "b" * 40)

    class Broken(type(get("STSBenchmark"))):
        metadata = get("STSBenchmark").metadata.model_copy(
            update={"dataset": {"path": "mteb/broken", "revision": "b" * 40}}
        )

    with pytest.raises(DataUnavailableError, match=r"data mteb/broken at b+ cannot be loaded"):
        load_fresh(Broken(), 42)


def test_two_data_sets_of_one_commit_and_card_are_not_taken_for_each_other(hub, tmp_path):
    """The cache of datasets knows a folder by its last name, here the commit, and its card."""
    hashes = set()
    for name in ("SciFact", "ArguAna"):
        TASKS[name](tmp_path / name)
        hub.add_dataset(f"mteb/same-{name}", tmp_path / name, "a" * 40)

        class Same(type(get("SciFact"))):
            metadata = get("SciFact").metadata.model_copy(
                update={"dataset": {"path": f"mteb/same-{name}", "revision": "a" * 40}}
            )

        hashes.add(LoadedTask.of(load_fresh(Same(), 42)).content_hash)
    assert len(hashes) == 2
