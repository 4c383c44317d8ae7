"""The same run spec gives the same scores: again, on other threads, in other batches."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TASKS = (
    "LeeDocumentSTS,DebianFaqReranking,PerlFaqRetrieval,"
    "WordNetSupersenseClustering,WordNetSupersenseClassification"
)


def run(folder, model, threads, *flags):
    """Scores by (task, view) of a run in a process of its own."""
    command = [sys.executable, "-m", "harness", "run", "--model", str(model), "--tasks", TASKS]
    views = ["--view", "dim=16", "--view", "dim=8,int8"]
    more = ["--cache", "off", "--quiet", "--output", str(folder), *views, *flags]
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads))
    subprocess.run([*command, *more], cwd=ROOT, env=environment, check=True, capture_output=True)
    found = {}
    for path in folder.glob("records/**/provenance.json"):
        facts = json.loads(path.read_text(encoding="utf-8"))
        assert facts["environment"]["threads"] == threads
        found[facts["task"]["name"], facts["view"]] = facts["score"]
    assert len(found) == 10
    return found


@pytest.fixture(scope="module")
def first(tiny_model, tmp_path_factory):
    return run(tmp_path_factory.mktemp("first"), tiny_model, 2)


def test_a_run_can_be_repeated(first, tiny_model, tmp_path):
    assert run(tmp_path, tiny_model, 2) == first


def test_threads_and_batches_decide_no_score(first, tiny_model, tmp_path):
    found = run(tmp_path, tiny_model, 1, "--token-budget", "500", "--workers", "2")
    assert found == pytest.approx(first, abs=1e-6)
