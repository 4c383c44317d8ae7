"""Families 1 to 4 of docs/silent-failures.md: a score or vector that belongs to something else.

Each test plants the fault and expects a check to fail; the same check passes without it.
"""

import dataclasses
import hashlib

import numpy as np
import pytest

import harness.plan
from harness.plan import make_plan, resolve_run
from harness.spec import RunSpec
from model.backend import Encoded
from model.cache.space import Space
from model.cache.store import VectorCache
from model.cached_backend import CachedBackend
from model.chunking import Chunking
from model.routing import Route
from model.source import ModelSource
from model.task_vectors import TaskVectors
from results.errors import ImpossibleScoresError, StaleRecordError
from results.provenance import Identity, RouteFacts
from results.store import RecordStore
from tasks.suites import get_suite
from tests.model import test_mteb_encoder
from tests.results import test_store
from tests.results.factories import make_identity, make_record

DECIDING = {
    "model": "org/other",
    "revision": "2",
    "views": ("dim=8",),
    "chunkings": ("late:fixed=8",),
    "routing": "FILE",
    "precision": "bfloat16",
    "max_length": 32,
    "seed": 43,
    "languages": ("deu",),
}
"""Keys of the run spec that decide a score, with a value other than the default."""

CHOOSING = {"suite": "other", "tasks": ("PerlFaqRetrieval",), "types": ("Retrieval",)}
CHOOSING |= {"max_texts": 700}
"""Keys that only choose among tasks; the score of a task that is chosen stays the same."""

NEUTRAL = {
    "device": "cpu",
    "batch_size": 7,
    "attention": "sdpa",
    "token_budget": 99,
    "cache": "off",
    "cache_size": "1GB",
    "workers": 0,
    "texts": False,
}
"""Keys that decide no score."""

TASKS = ("PerlFaqRetrieval", "UdhrBitextMining")


@pytest.fixture(scope="module")
def routing_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("routing") / "prompts.toml"
    path.write_text('[types.Retrieval]\nprompt = "find: "\n[types.BitextMining]\nprompt = ""\n')
    return str(path)


@pytest.fixture
def found_models(monkeypatch):
    """Any model name is found, with weights of its own for each name and revision."""

    def find(name, revision=None):
        digest = hashlib.sha256(f"{name} {revision}".encode()).hexdigest()
        return ModelSource(
            kind="sentence-transformers",
            name=name,
            revision=revision or "1",
            fingerprint=digest,
            width=16,
            max_length=64,
        )

    monkeypatch.setattr(harness.plan, "resolve_model", find)


def keys_of(values, resolve):
    """The identity key of each job, by task and by what its record is called besides."""
    values = {"model": "org/model", "views": ("dim=16",), "tasks": TASKS} | values
    run = resolve(RunSpec(**values))
    return {
        task.metadata.name: run.identity(task, run.views[0], run.chunkings_of(task)[0]).key()
        for task in run.tasks
        if run.chunkings_of(task)
    }


def check_wiring(name, value, resolve=resolve_run):
    """A key of the run spec that decides scores must change the identity key."""
    changed, plain = keys_of({name: value}, resolve), keys_of({}, resolve)
    different = [task for task in changed if changed[task] != plain[task]]
    assert different, f"{name} does not reach the identity"


def test_01_identity_every_key_of_the_run_spec_is_classified():
    """A new key fails here until somebody has said whether it decides a score."""
    assert {*DECIDING, *CHOOSING, *NEUTRAL} == set(RunSpec.model_fields)


@pytest.mark.parametrize("name", DECIDING)
def test_01_identity_a_run_spec_key_that_never_arrives_is_noticed(name, found_models, routing_file):
    value = routing_file if DECIDING[name] == "FILE" else DECIDING[name]

    def without(spec):
        default = RunSpec.model_fields[name].get_default()
        return resolve_run(spec.model_copy(update={name: default}))

    check_wiring(name, value)
    with pytest.raises(AssertionError, match="does not reach the identity"):
        check_wiring(name, value, without)


@pytest.mark.parametrize("name", [*CHOOSING, *NEUTRAL])
def test_01_identity_other_keys_leave_a_score_what_it_is(name, found_models, monkeypatch):
    plain = keys_of({}, resolve_run)
    if name == "suite":
        other = dataclasses.replace(get_suite("starter"), name="other")
        monkeypatch.setattr(harness.plan, "get_suite", lambda _: other)
    changed = keys_of({name: (CHOOSING | NEUTRAL)[name]}, resolve_run)
    assert changed
    assert all(changed[task] == plain[task] for task in changed)


FIELDS = {
    "model": "org/other",
    "revision": "2",
    "fingerprint": "0" * 64,
    "backend": "lexical",
    "task": "TaskB",
    "dataset": "org/other",
    "dataset_revision": "s",
    "splits": {"test": ("default",), "dev": ("default",)},
    "view": "dim=4",
    "routes": {"": RouteFacts(adapter=None, prompt="query: ")},
    "precision": "bfloat16",
    "max_length": None,
    "seed": 43,
    "mteb_version": "3",
    "dim": 4,
    "chunking": "late:fixed=8",
    "similarity": "dot",
}
"""Fields of an identity with a value other than that of `make_identity`."""


def check_field_is_in_the_key(field):
    assert make_identity(**{field: FIELDS[field]}).key() != make_identity().key()


def test_01_identity_every_field_is_looked_at():
    assert set(Identity.model_fields) - {"format"} <= FIELDS.keys()


@pytest.mark.parametrize("field", sorted(FIELDS.keys() & Identity.model_fields.keys()))
def test_01_identity_a_field_that_is_left_out_of_the_key_is_noticed(field, monkeypatch):
    original, plain = Identity.key, getattr(make_identity(), field)
    check_field_is_in_the_key(field)
    monkeypatch.setattr(
        Identity, "key", lambda self: original(self.model_copy(update={field: plain}))
    )
    with pytest.raises(AssertionError):
        check_field_is_in_the_key(field)


SOURCE = ModelSource(kind="sentence-transformers", name="a/b", revision="1", fingerprint="0")
OTHERS = {
    "fingerprint": (dataclasses.replace(SOURCE, fingerprint="1"), "float32", 64, Route(), None),
    "backend": (dataclasses.replace(SOURCE, kind="lexical"), "float32", 64, Route(), None),
    "precision": (SOURCE, "bfloat16", 64, Route(), None),
    "max_length": (SOURCE, "float32", 32, Route(), None),
    "adapter": (SOURCE, "float32", 64, Route(adapter="a"), None),
    "prompt": (SOURCE, "float32", 64, Route(prompt="query: "), None),
    "chunking": (SOURCE, "float32", 64, Route(), "naive:fixed=16"),
}
"""What else may hold a text's vector, each different in one field of a cache's space."""


class Counting:
    """Counts the texts that it encodes; every call gives other vectors."""

    width, device, attention, compiled, fused_gelu = 4, "cpu", None, False, False

    def __init__(self, precision, max_length):
        self.precision, self.max_length, self.encoded = precision, max_length, 0

    def encode(self, texts, route, progress):
        self.encoded += len(texts)
        return Encoded(np.ones((len(texts), 4), dtype=np.float32))

    def encode_chunks(self, texts, route, chunkings, progress):
        self.encoded += len(texts)
        ones = np.ones(len(texts), dtype=np.int64)
        return (Encoded(np.ones((len(texts), 4), dtype=np.float32), counts=ones),)


def check_cache(folder, field):
    """A vector in the cache must not serve a model that differs in one field."""
    first = (SOURCE, "float32", 64, Route(), "naive:fixed=8" if field == "chunking" else None)
    for source, precision, length, route, chunking in (first, first, OTHERS[field]):
        backend = Counting(precision, length)
        cached = CachedBackend(backend, source, VectorCache(folder, 10**9))
        if chunking is None:
            cached.encode(["a text"], route, lambda _: None)
        else:
            cached.encode_chunks(["a text"], route, [Chunking.parse(chunking)], lambda _: None)
    assert backend.encoded == 1, f"a vector of another {field} was read"


@pytest.mark.parametrize("field", OTHERS)
def test_01_cache_a_field_that_is_left_out_of_the_key_is_noticed(field, tmp_path, monkeypatch):
    check_cache(tmp_path / "sound", field)
    original = Space.key
    plain = {"fingerprint": "0", "backend": "sentence-transformers", "precision": "float32"}
    plain |= {"max_length": 64, "adapter": None, "prompt": "", "chunking": "none"}
    monkeypatch.setattr(
        Space, "key", lambda self: original(dataclasses.replace(self, **{field: plain[field]}))
    )
    with pytest.raises(AssertionError, match="was read"):
        check_cache(tmp_path / "planted", field)


def test_01_record_of_another_identity_is_refused(tmp_path, found_models):
    """The guard at run time: records lie by name and settings, and the key is compared on top."""
    store = RecordStore(tmp_path)
    run = resolve_run(RunSpec(model="org/model", tasks=TASKS[:1], views=("dim=16",)))
    (job,) = make_plan(run, store).jobs
    record = make_record()
    facts = record.provenance.model_copy(update={"identity": job.identity, "key": "0" * 64})
    store.write(dataclasses.replace(record, ref=job.ref, provenance=facts), {})
    with pytest.raises(StaleRecordError):
        make_plan(run, store)


def test_02_query_whose_text_is_a_documents_gets_a_vector_of_its_own(monkeypatch):
    check = test_mteb_encoder.test_the_same_text_on_both_sides_is_two_texts
    check()
    original = TaskVectors.read
    monkeypatch.setattr(TaskVectors, "read", lambda self, key, *more: original(self, 0, *more))
    with pytest.raises(AssertionError):
        check()


def test_03_rerun_that_keeps_old_metrics_is_refused(tmp_path, monkeypatch):
    """The guard at run time: the new score does not go with the old metrics."""
    original = RecordStore.write

    def merged(self, record, meta):
        old = self.read(record.ref)
        return original(self, dataclasses.replace(record, task_result=old.task_result), meta)

    store = RecordStore(tmp_path)
    store.write(make_record(0.5), {})
    store.write(make_record(0.75), {})
    monkeypatch.setattr(RecordStore, "write", merged)
    with pytest.raises(ImpossibleScoresError, match=r"the mean of the main scores is 0.75"):
        store.write(make_record(0.25), {})


def test_03_rerun_that_keeps_the_old_record_is_noticed(tmp_path, monkeypatch):
    check = test_store.test_rewriting_replaces_the_record_whole
    check(RecordStore(tmp_path / "sound"))
    original = RecordStore.write

    def merged(self, record, meta):
        old = self.read(record.ref) if self._manifest(record.ref).exists() else record
        return original(self, old, meta)

    monkeypatch.setattr(RecordStore, "write", merged)
    with pytest.raises(AssertionError):
        check(RecordStore(tmp_path / "planted"))


def test_03_cache_that_never_hits_is_noticed(tmp_path, monkeypatch):
    from model.cache.store import SpaceCache
    from tests.model import test_cache

    check = test_cache.test_only_what_is_not_there_goes_through_the_model
    check(tmp_path / "sound")
    monkeypatch.setattr(
        SpaceCache, "find", lambda self, hashes: np.full(len(hashes), -1, dtype=np.int64)
    )
    with pytest.raises(AssertionError):
        check(tmp_path / "planted")


def test_04_metrics_of_two_runs_in_one_record_are_refused(tmp_path):
    """As on the public leaderboard: MRR@1 0.859 beside P@1 0.179."""
    scores = {"main_score": 0.36851, "ndcg_at_10": 0.36851, "precision_at_1": 0.179}
    scores |= {"mrr_at_1": 0.179, "hit_rate_at_1": 0.179, "hf_subset": "default"}
    record = make_record(0.36851)
    store = RecordStore(tmp_path)

    def write(**changes):
        result = {"task_name": "TaskA", "scores": {"test": [scores | changes]}}
        store.write(dataclasses.replace(record, task_result=result), {})

    write()
    with pytest.raises(ImpossibleScoresError, match=r"mrr is 0.859"):
        write(mrr_at_1=0.859)


def test_04_leaderboard_of_different_data_is_refused_and_its_lack_noticed(monkeypatch):
    from reports import leaderboard
    from tests.reports import test_leaderboard

    check = test_leaderboard.test_records_of_different_data_are_never_compared
    check()
    monkeypatch.setattr(leaderboard, "_check_data", lambda *_: None)
    with pytest.raises(pytest.fail.Exception):
        check()
