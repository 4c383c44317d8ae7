"""Worker processes: the same scores, and no fault that costs more than its task."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from harness.errors import RunError
from harness.executors.local import work_here
from harness.executors.parcel import Desk, Failure, Finished, Started
from harness.executors.pool import WorkerPool
from harness.run import worker_count
from model.backend import Encoded
from model.errors import ModelError
from model.routing import Route
from model.top_k import ExactSearch

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork")

TASKS = "PerlFaqRetrieval,DebianFaqReranking,WordNetSupersenseClustering,BibleBitextMining"


class Letters:
    """A model whose vectors count letters; it refuses texts with a "!" in them."""

    width = 26
    max_length = 512
    device = "cpu"
    precision = "float32"
    attention = None
    compiled = fused_gelu = False

    def encode(self, texts, route, progress):
        if any("!" in text for text in texts):
            raise ModelError("text 'a!' cannot be read")
        if any("?" in text for text in texts):
            raise KeyError("?")
        if any("z" in text for text in texts):
            time.sleep(0.5)
        progress(len(texts))
        counts = [[1 + text.count(chr(97 + letter)) for letter in range(26)] for text in texts]
        lengths = np.array([len(text) for text in texts])
        return Encoded(np.array(counts, dtype=np.float32), tokens=lengths)


@dataclass(frozen=True)
class Encoding:
    """Gives the vectors of some texts."""

    texts: tuple[str, ...]

    def work(self, desk):
        yield desk.backend.encode(self.texts, Route(), lambda done: None)


@dataclass(frozen=True)
class Searching:
    """Searches documents in two lots."""

    def work(self, desk):
        queries, documents = (
            np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32)
            for seed, count in ((0, 5), (1, 8192 + 100))
        )
        search = desk.open_search(queries, 3)
        search.add(documents[:8192])
        search.add(documents[8192:])
        scores, places = search.best()
        order = np.argsort(-scores, axis=1)
        yield tuple(np.take_along_axis(found, order, axis=1) for found in (scores, places))


@dataclass(frozen=True)
class Timed:
    """Encodes while another does; gives what its own clock says that took."""

    texts: tuple[str, ...]

    def work(self, desk):
        started, began = desk.clock(), time.perf_counter()
        desk.backend.encode(self.texts, Route(), lambda done: None)
        yield desk.clock() - started, time.perf_counter() - began


@dataclass(frozen=True)
class Dying:
    """Yields once, then ends its process as a lack of memory would."""

    def work(self, desk):
        yield "first"
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Raising:
    """Meets an error of its own."""

    expected: bool

    def work(self, desk):
        yield from ()
        raise RunError("two\nlines") if self.expected else KeyError("x")


def outcome(parcels, workers, backend=None):
    """What came of each parcel, in order."""
    with WorkerPool() as pool:
        pool.start(workers)
        events = pool.work(
            parcels,
            backend or Letters(),
            progress=lambda done, of: None,
            fetching=lambda data: None,
        )
        found = [[] for _ in parcels]
        for event in events:
            found[event.parcel].append(event.what)
    return found


def test_vectors_counts_and_searches_are_those_of_the_model_itself():
    parcels = [Encoding(("abc", "b", "üz")), Searching(), Encoding(("",) * 3000)]
    found = outcome(parcels, 2)
    desk = Desk(Letters(), open_search=lambda *asked: ExactSearch(*asked[:2], "cpu", *asked[2:]))
    here = [[] for _ in parcels]
    for event in work_here(parcels, desk):
        here[event.parcel].append(event.what)
    for there, own in zip(found, here, strict=True):
        assert there[0] == own[0] == Started()
        assert there[2] == own[2] == Finished()
    for number in (0, 2):
        there, own = found[number][1], here[number][1]
        assert np.array_equal(there.vectors, own.vectors)
        assert there.vectors.dtype == np.float32
        assert np.array_equal(there.tokens, own.tokens)
        assert there.truncated is None
    for there, own in zip(found[1][1], here[1][1], strict=True):
        assert np.array_equal(there, own)


def test_a_worker_that_dies_costs_its_task_alone():
    found = outcome([Dying(), Encoding(("a",)), Encoding(("b",)), Encoding(("c",))], 2)
    assert found[0][1] == "first"
    assert "worker process has ended" in found[0][-1].reason
    assert "--workers" in found[0][-1].reason
    assert found[0][-1].expected
    for events in found[1:]:
        assert isinstance(events[-1], Finished)


def test_without_any_worker_left_what_remains_is_refused():
    found = outcome([Dying(), Dying(), Encoding(("a",)), Encoding(("b",))], 2)
    for events in found:
        assert isinstance(events[-1], Failure)
        assert "worker process has ended" in events[-1].reason


def test_errors_of_tasks_and_of_the_model_are_reported_as_without_workers():
    parcels = [
        Raising(expected=True),
        Raising(expected=False),
        Encoding(("a!",)),
        Encoding(("a?",)),
        Encoding(("a",)),
    ]
    found = outcome(parcels, 2)
    here = [[] for _ in parcels]
    for event in work_here(parcels, Desk(Letters())):
        here[event.parcel].append(event.what)
    for there, own in zip(found[:4], here[:4], strict=True):
        assert (there[-1].reason, there[-1].expected) == (own[-1].reason, own[-1].expected)
    assert found[2][-1].reason == "text 'a!' cannot be read"
    assert "in encode" in found[3][-1].trace, "where in the model it happened is lost"
    assert isinstance(found[4][-1], Finished)


def test_waiting_for_the_model_is_nobodys_time():
    found = outcome([Timed(("z",)), Timed(("z",)), Timed(("z",))], 3)
    times = [events[1] for events in found]
    for own, _ in times:
        assert 0.4 < own < 0.9
    assert max(passed for _, passed in times) > 0.9, "nobody had to wait"


@pytest.mark.parametrize(
    ("asked", "tasks", "expected"),
    [(0, 50, 0), (3, 50, 3), (3, 2, 2), (1, 1, 1), (None, 1, 0), (None, 3, 0)],
)
def test_worker_counts(asked, tasks, expected):
    assert worker_count(asked, tasks) == expected


def test_as_many_workers_as_cores_but_not_too_many(monkeypatch):
    monkeypatch.setattr("harness.run.usable_cores", lambda: 3)
    assert worker_count(None, 50) == 3
    monkeypatch.setattr("harness.run.usable_cores", lambda: 64)
    assert worker_count(None, 50) == 8


def command(model, output, *more):
    return [
        sys.executable,
        *("-m", "harness", "run", "-m", str(model), "-o", str(output), "--tasks", TASKS),
        *("-v", "dim=16", "-v", "dim=8", "--quiet", *more),
    ]


def environment():
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def scores(output):
    found = {}
    for path in (output / "records").rglob("*.json"):
        if path.name in ("manifest.json", "provenance.json", "model_meta.json"):
            continue
        data = json.loads(path.read_text())
        for split, subsets in data["scores"].items():
            for subset in subsets:
                for metric, value in subset.items():
                    if isinstance(value, int | float):
                        key = (path.relative_to(output), split, subset["hf_subset"], metric)
                        found[tuple(map(str, key))] = value
    return found


def test_scores_do_not_depend_on_workers(tiny_model, tmp_path):
    found = []
    for workers in ("0", "2"):
        subprocess.run(
            command(tiny_model, tmp_path / workers, "--workers", workers, "-m", "lexical"),
            env=environment(),
            check=True,
            timeout=300,
            stdout=subprocess.DEVNULL,
        )
        found.append(scores(tmp_path / workers))
    alone, helped = found
    assert len(alone) > 100
    assert alone.keys() == helped.keys()
    assert max(abs(alone[key] - helped[key]) for key in alone) <= 1e-6


def test_an_interrupt_stops_the_workers_and_keeps_what_is_there(tiny_model, tmp_path):
    process = subprocess.Popen(
        command(tiny_model, tmp_path / "out", "--workers", "2"),
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    records = tmp_path / "out" / "records"
    deadline = time.monotonic() + 120
    while not list(records.rglob("manifest.json")) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.02)
    workers = worker_processes(process.pid)
    assert len(workers) == 3, "the one they are forked from, and two"
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; what was stored is kept" in error
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < deadline, "a worker goes on"
        time.sleep(0.05)
    assert list(records.rglob("manifest.json"))


def worker_processes(parent):
    """Processes that `parent` started, and those that they started."""
    if not Path("/proc/self/task").exists():
        pytest.skip("needs /proc")
    children = Path(f"/proc/{parent}/task/{parent}/children")
    found = [int(child) for child in children.read_text().split()]
    return found + [grandchild for child in found for grandchild in worker_processes(child)]
