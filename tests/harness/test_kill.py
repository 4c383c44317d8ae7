"""Kill a run at random moments; the rerun must come to what an uninterrupted one comes to."""

import json
import multiprocessing
import random
import signal
import time

import pytest

from harness.output import Output
from harness.plan import make_plan, resolve_run
from harness.spec import RunSpec

TASKS = (
    "PerlFaqRetrieval",
    "DebianFaqReranking",
    "WordNetSupersenseClustering",
    "LeeDocumentSTS",
    "BibleBitextMining",
)


class Silent:
    """Observes nothing."""

    def __getattr__(self, name):
        return lambda *arguments: None


def run(folder, spec):
    """One run of a spec in a process of its own, which may be killed at any moment."""
    import torch

    from harness.executors.pool import WorkerPool
    from harness.run import execute

    torch.set_num_threads(1)
    output = Output(folder)
    with output.locked(), WorkerPool() as pool:
        plan = make_plan(resolve_run(spec), output.store)
        outcome = execute(plan, output, Silent(), pool)
        assert not outcome.refused, outcome.refused


def contents(folder):
    """All stored files but for times, costs and the hashes over them."""
    found = {}
    for path in sorted((folder / "records").rglob("*")):
        # A kill in the middle of a write may leave its temporary file; nothing reads it.
        if not path.is_file() or path.name == "manifest.json" or path.suffix == ".part":
            continue
        name = str(path.relative_to(folder))
        if path.suffix == ".parquet":
            found[name] = path.read_bytes()
            continue
        data = json.loads(path.read_bytes())
        for changing in ("date", "evaluation_time", "evaluation_phases", "cost"):
            data.pop(changing, None)
        found[name] = json.dumps(data)
    return found


@pytest.fixture(scope="module")
def start():
    """Starts processes quickly: a server imports the libraries once and is forked from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["harness.jobs", "model.backends.sentence_transformers"])

    def begin(*arguments):
        process = context.Process(target=run, args=arguments)
        process.start()
        return process

    return begin


@pytest.mark.parametrize(("workers", "times"), [(0, 20), (2, 5)])
def test_kills_change_nothing(start, tiny_model, tmp_path, workers, times):
    spec = RunSpec(model=str(tiny_model), tasks=TASKS, views=("dim=16", "dim=8"), workers=workers)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    process = start(whole, spec)
    process.join()
    assert process.exitcode == 0
    began = time.monotonic()
    process = start(tmp_path / "timed", spec)
    process.join()
    duration = time.monotonic() - began

    store = Output(killed).store
    rng = random.Random(7)
    kills, progress = 0, set()
    while kills < times:
        process = start(killed, spec)
        if workers:  # they take long to get ready: wait until something is stored
            enough = len(store.references()) + rng.randint(1, 4)
            while process.is_alive() and len(store.references()) < enough:
                time.sleep(0.002)
        else:
            process.join(rng.uniform(0.05, 1.0) * duration)
        process.kill()  # does nothing to a process that has just finished
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        if process.exitcode:
            kills += 1
            progress.add(len(store.references()))
        if len(store.references()) == len(TASKS) * 2 and kills < times:
            # Finished early: forget some records, so that there is something left to kill.
            for ref in rng.sample(store.references(), 6):
                (store.folder(ref) / ref.task / "manifest.json").unlink()
    process = start(killed, spec)
    process.join()
    assert process.exitcode == 0
    assert len(progress) > min(2, times // 3), "the kills all fell at the same moment"
    assert contents(killed).keys() - contents(whole).keys() == set()
    assert contents(killed) == contents(whole)
    assert len(contents(whole)) == len(TASKS) * (2 * 3 + 1) + 2  # texts: a file a task
