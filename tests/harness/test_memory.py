"""Memory stays flat however many tasks are run: each task's data go with it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import ctypes, gc, sys, warnings, zlib
warnings.simplefilter("ignore")
from harness.console import quiet_libraries
quiet_libraries()
import numpy as np
from mteb.mocks import MOCK_TASK_TEST_GRID
from harness.evaluation import evaluate_task
from harness.jobs import CACHE_BYTES, LoadedTask
from model.backend import Encoded
from model.task_vectors import TaskVectors
from model.dense_search import DenseMtebEncoder
from model.mteb_encoder import model_meta
from model.routing import NoPrompts
from model.source import ModelSource
from model.views import View
from tasks.loading import load_fresh
from tasks.replay import ReplayText, replay_tasks
from tasks.suites import get_suite, select_tasks

class Backend:
    width, device = 512, "cpu"
    def encode(self, texts, route, progress):
        seeds = [zlib.crc32(text.encode()) for text in texts]
        rows = [np.random.default_rng(seed).standard_normal(512) for seed in seeds]
        return Encoded(np.stack(rows).astype(np.float32))

source = ModelSource(kind="sentence-transformers", name="a/b", revision="1", fingerprint="0")
(scidocs,) = select_tasks(get_suite("english"), ["SCIDOCS"])
text = ReplayText("river house tree engine bread window garden letter".split())

def resident():
    gc.collect()
    # What is free is given back: how much the allocator holds differs from round to round.
    ctypes.CDLL(None).malloc_trim(0)
    for line in open("/proc/self/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024

def evaluate(task):
    loaded = LoadedTask.of(task)
    encoder = DenseMtebEncoder(Backend(), NoPrompts(), model_meta(source, {}), view=View(),
                               vectors=TaskVectors(CACHE_BYTES))
    evaluate_task(loaded.copy(42), encoder, loaded.expected)

texts = [task for task in MOCK_TASK_TEST_GRID if task.metadata.modalities == ["text"]]
for start in range(0, 100, 25):
    for n in range(start, start + 24):
        evaluate(load_fresh(texts[n % len(texts)], 42))
    (search,) = replay_tasks(scidocs, 0.3, text)
    evaluate(search)
    del search
    print(round(resident()), flush=True)
"""


def test_memory_is_flat_over_a_hundred_tasks():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, *_, third, last = map(int, done.stdout.split())
    # One of the searches alone makes vectors of 16 MB, four times over.
    assert last - third < 20, done.stdout
    assert last - first < 60, done.stdout
