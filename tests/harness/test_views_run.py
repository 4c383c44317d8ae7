"""Runs over views and chunkings: one encode serves all, and each says what it read."""

import json

import numpy as np
import pytest

from harness.calibration import calibrate
from harness.errors import RunError
from harness.executors.pool import WorkerPool
from harness.jobs import LoadedTask
from harness.output import Output
from harness.plan import make_plan, resolve_run
from harness.run import execute
from harness.spec import RunSpec
from model.backend import Encoded
from model.backends.sentence_transformers import SentenceTransformersBackend
from model.cache.maintenance import holdings
from model.dense_search import DenseMtebEncoder
from model.errors import ModelError, ViewError
from model.mteb_encoder import model_meta
from model.routing import NoPrompts
from model.source import ModelSource
from model.task_vectors import TaskVectors
from model.views import View
from tasks.loading import load_fresh
from tasks.suites import get_suite
from tasks.texts import task_texts
from tests.harness.test_kill import Silent

TASKS = ("PerlFaqRetrieval", "DebianFaqReranking", "LeeDocumentSTS", "BibleVersePairClassification")
VIEWS = ("dim=16", "dim=8", "dim=16,int8", "dim=8,uint8", "dim=16,float16", "dim=8,binary")


def run(folder, spec, workers=0):
    output = Output(folder)
    plan = make_plan(resolve_run(spec), output.store)
    with output.locked(), WorkerPool() as pool:
        outcome = execute(plan, output, Silent(), pool if workers else None)
    assert not outcome.refused, outcome.refused
    return {
        (record.ref.task, record.provenance.view, record.provenance.identity.chunking): record
        for record in output.store.records()
    }


def scores(records):
    return {place: record.provenance.score for place, record in records.items()}


@pytest.fixture
def spec(tiny_model, tmp_path):
    def make(**more):
        values = {"model": str(tiny_model), "tasks": TASKS, "cache": str(tmp_path / "vectors")}
        return RunSpec(**(values | more))

    return make


def test_every_view_is_read_from_one_encode(spec, tmp_path):
    records = run(tmp_path / "run", spec(views=VIEWS))
    assert len(records) == len(TASKS) * len(VIEWS)
    encoded = sum(record.provenance.cost.encoded_texts for record in records.values())
    assert encoded == sum(holding.texts for holding in holdings(tmp_path / "vectors"))
    # A later run in other views encodes nothing, and comes to the same scores as one without.
    again = run(tmp_path / "again", spec(views=("dim=16", "dim=4", "dim=16,int8")))
    assert sum(record.provenance.cost.encoded_texts for record in again.values()) == 0
    bare = run(tmp_path / "bare", spec(views=("dim=16", "dim=4", "dim=16,int8"), cache="off"))
    assert scores(again) == pytest.approx(scores(bare), abs=1e-6)
    for place in again.keys() & records.keys():
        assert scores(again)[place] == scores(records)[place]


def test_workers_change_no_score(spec, tmp_path):
    views = (*VIEWS, "dim=16,binary,rescore=2")
    chunkings = ("none", "late:fixed=8", "naive:sentences=1")
    here = run(tmp_path / "here", spec(views=views, chunkings=chunkings, workers=0))
    there = spec(views=views, chunkings=chunkings, workers=2, cache=str(tmp_path / "other"))
    elsewhere = run(tmp_path / "there", there, workers=2)
    assert scores(elsewhere) == scores(here)
    assert {place[2] for place in here} == set(chunkings)


def test_eight_bits_are_calibrated_once_and_that_is_recorded(spec, tmp_path):
    records = run(tmp_path / "run", spec(views=VIEWS))
    facts = {place[:2]: record.provenance.calibration for place, record in records.items()}
    assert facts["PerlFaqRetrieval", "dim=16"] is None
    documents = facts["PerlFaqRetrieval", "dim=16,int8"]
    assert (documents.fitted_on, documents.dim) == ("documents", 16)
    assert documents.texts == 150
    assert facts["LeeDocumentSTS", "dim=8,uint8"].fitted_on == "all texts"
    classified = run(
        tmp_path / "c", spec(tasks=("WordNetSupersenseClassification",), views=("dim=8,int8",))
    )
    (record,) = classified.values()
    assert record.provenance.calibration.fitted_on == "training texts"
    stored = next((tmp_path / "c" / "records").rglob("provenance.json"))
    assert json.loads(stored.read_text())["calibration"]["sha256"]


class Fixed:
    """A vector for each text, whatever it is asked with."""

    width, max_length, device, precision = 4, None, "cpu", "float32"

    def encode(self, texts, route, progress):
        rows = [np.random.default_rng(len(text)).standard_normal(4) for text in texts]
        return Encoded(np.array(rows, dtype=np.float32))


def test_a_calibration_is_over_the_documents_alone():
    (task,) = (t for t in get_suite("starter").tasks() if t.metadata.name == "PerlFaqRetrieval")
    loaded = LoadedTask.of(load_fresh(task, 42))
    source = ModelSource(kind="sentence-transformers", name="a/b", revision="1", fingerprint="0")
    encoder = DenseMtebEncoder(
        Fixed(),
        NoPrompts(),
        model_meta(source, {}),
        view=View(4, precision="int8"),
        vectors=TaskVectors(10**9),
    )
    found = calibrate(loaded.task, encoder, [4, 2])
    documents = {item.text for item in task_texts(loaded.task) if item.role == "document"}
    vectors = Fixed().encode(sorted(documents), None, None).vectors
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert found.by_dim[4].texts == len(documents)
    np.testing.assert_allclose(found.by_dim[4].lower, vectors.min(axis=0), atol=1e-6)
    half = unit[:, :2] / np.linalg.norm(unit[:, :2], axis=1, keepdims=True)
    np.testing.assert_allclose(found.by_dim[2].upper, half.max(axis=0), atol=1e-6)


def test_chunks_of_all_sizes_come_from_one_pass_over_each_document(spec, tmp_path):
    chunkings = ("none", "late:fixed=8", "late:fixed=4", "late:sentences=1")
    tasks = ("PerlFaqRetrieval",)
    records = run(tmp_path / "run", spec(tasks=tasks, views=("dim=16",), chunkings=chunkings))
    encoded = {place[2]: record.provenance.cost.encoded_texts for place, record in records.items()}
    assert encoded == {
        "none": 300,
        "late:fixed=8": 150,
        "late:fixed=4": 0,
        "late:sentences=1": 0,
    }
    distinct = {record.provenance.text_count.distinct_texts for record in records.values()}
    assert distinct == {300}
    assert len({round(score, 9) for score in scores(records).values()}) > 1
    refs = {record.ref.experiment for record in records.values()}
    assert refs == {
        None,
        "chunking_late-fixed-8",
        "chunking_late-fixed-4",
        "chunking_late-sentences-1",
    }


def test_only_searches_are_cut(spec, tmp_path):
    asked = spec(chunkings=("none", "late:fixed=8"), views=("dim=16",))
    plan = make_plan(resolve_run(asked), Output(tmp_path).store)
    cut = [job.ref.task for job in plan.jobs if str(job.chunking) != "none"]
    assert cut == ["PerlFaqRetrieval", "DebianFaqReranking"]
    with pytest.raises(RunError, match="only documents of searches are cut"):
        resolve_run(spec(tasks=("LeeDocumentSTS",), chunkings=("late:fixed=8",)))


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"views": ("dim=64",)}, ViewError, "'dim=64' is wider than the model"),
        ({"views": ("dim=8,int3",)}, ViewError, "int3"),
        ({"views": ("all",)}, ViewError, "unknown view 'all'.*mrl, sweep"),
        ({"chunkings": ("late:fixed=0",)}, ModelError, "late:fixed=0"),
        ({"chunkings": ("late:fixed=100000",)}, ModelError, "the model reads"),
        ({"cache_size": "lots"}, ModelError, "size 'lots'"),
        (
            {"model": "lexical", "views": ("dim=full,int8",)},
            ViewError,
            "is not fixed",
        ),
        ({"model": "lexical", "chunkings": ("late:fixed=8",)}, RunError, "model 'lexical'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_encoded(spec, more, error, message):
    with pytest.raises(error, match=message):
        resolve_run(spec(**more))


def test_chunks_that_do_not_fit_behind_a_tasks_prompt_are_refused_first(
    spec, tmp_path, monkeypatch
):
    """The model reads 64 tokens, two of them special and two of this prompt."""
    monkeypatch.setattr(SentenceTransformersBackend, "encode_chunks", None)
    table = tmp_path / "prompts.toml"
    table.write_text('[types.Retrieval]\nquery = { prompt = "q " }\ndocument = { prompt = "p q " }')
    asked = spec(
        tasks=("PerlFaqRetrieval",), chunkings=("naive:fixed=61",), routing=str(table), cache="off"
    )
    with pytest.raises(ModelError, match="2 the prompt's; allowed: fixed=60 at most"):
        run(tmp_path / "run", asked)


def test_a_cache_of_another_version_is_refused_first(spec, tmp_path):
    (tmp_path / "vectors").mkdir()
    (tmp_path / "vectors" / "cache.json").write_text('{"format": 0}')
    with pytest.raises(ModelError, match="has format 0"):
        resolve_run(spec())
