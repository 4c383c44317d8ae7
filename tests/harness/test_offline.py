"""Fetch once, then run without a network: no socket is opened, and what is missing is named."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from results.store import RecordStore
from tests.hub_server import Fault, serve_hub
from tests.mteb_data import LENGTHS, serve_tasks
from tests.tiny_jina import make_jina_checkpoints

ROOT = Path(__file__).parents[2]
NO_NETWORK = """
import socket, sys
usual = socket.socket.__init__
def refuse(self, family=-1, *arguments, **options):
    if family != socket.AF_UNIX:
        raise AssertionError("a socket was opened")
    usual(self, family, *arguments, **options)
socket.socket.__init__ = refuse
from harness.cli import main
sys.exit(main(sys.argv[1:]))
"""
NORMAL = "import sys; from harness.cli import main; sys.exit(main(sys.argv[1:]))"
LONG = "LEMBNeedleRetrieval,LEMBWikimQARetrieval"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return make_jina_checkpoints(tmp_path_factory.mktemp("jina"), max_positions=1026)


@pytest.fixture(scope="module")
def hub(tmp_path_factory, folders):
    with serve_hub(tiny=folders.native) as hub:
        names = ["LEMBNeedleRetrieval", "STSBenchmark", "Banking77Classification"]
        serve_tasks(hub, tmp_path_factory.mktemp("repositories"), names)
        yield hub


@pytest.fixture
def call(hub, tmp_path):
    """Runs a command in a process of its own: the hub's client reads its settings on import."""

    def run(*arguments, program=NORMAL):
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_OFFLINE": "0",
            "NO_PROXY": "127.0.0.1",
        }
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run


def test_what_was_fetched_runs_without_a_network(call, hub, tmp_path):
    fetched = call("fetch", "long-context", "--tasks", LONG, "--model", "org/tiny")
    assert fetched.returncode == 0, fetched.stderr
    assert "2 tasks, 1 data sets on the hub, 0 here already" in fetched.stderr
    assert "dwzhu/LongEmbed at 6e346642" in fetched.stderr
    assert "org/tiny at" in fetched.stderr
    before = len(hub.requests)
    again = call("fetch", "long-context", "--tasks", LONG)
    assert "1 here already, 0.00 GB to fetch" in again.stderr
    assert not [path for path in hub.requests[before:] if "resolve" in path]

    done = call(
        *("run", "--suite", "long-context", "--tasks", LONG, "--model", "org/tiny"),
        *("--offline", "--output", "out", "--view", "dim=32"),
        program=NO_NETWORK,
    )
    assert done.returncode == 0, done.stderr
    records = {
        record.ref.task: record for record in RecordStore(tmp_path / "out/records").records()
    }
    assert set(records) == set(LONG.split(","))
    needle = records["LEMBNeedleRetrieval"]
    assert list(needle.task_result["scores"]) == [f"test_{length}" for length in LENGTHS]
    by_split = needle.provenance.text_count_by_split
    cut = {length: by_split[f"test_{length}"].truncated_texts for length in LENGTHS}
    # The tiny tokenizer makes about a token of a character; 1024 fit.
    assert all(cut[length] == 3 for length in LENGTHS[3:])
    tokens = [by_split[f"test_{length}"].tokens for length in LENGTHS]
    assert tokens == sorted(tokens)
    assert needle.provenance.text_count.texts == sum(part.texts for part in by_split.values())


def test_what_was_not_fetched_is_named_and_the_rest_is_measured(call, tmp_path):
    tasks = ("--tasks", "STSBenchmark,Banking77Classification", "--model", "minilm")
    assert call("fetch", "english", "--tasks", "STSBenchmark").returncode == 0
    done = call(
        "run", "--suite", "english", *tasks, "--offline", "--output", "out", program=NO_NETWORK
    )
    assert done.returncode == 2
    assert "Banking77Classification: no score: data mteb/banking77 at 0fd18e25" in done.stderr
    assert "fetch it first: jina-eval fetch" in done.stderr
    stored = {record.ref.task for record in RecordStore(tmp_path / "out/records").records()}
    assert stored == {"STSBenchmark"}

    online = call("run", "--suite", "english", *tasks, "--output", "out")
    assert online.returncode == 0, online.stderr
    assert "fetching mteb/banking77 at 0fd18e25" in online.stderr
    assert "5 records to measure, 5 stored already" in online.stderr


def test_a_model_that_was_not_fetched_is_named(call):
    done = call("run", "--model", "org/tiny", "--offline", program=NO_NETWORK)
    assert done.returncode == 2
    assert "'org/tiny': the hub cannot be reached (offline), and there is no copy" in done.stderr


def test_what_the_hub_does_not_give_costs_nothing_else(call, hub, tmp_path):
    hub.faults["test.jsonl"] = Fault(status=404, times=None)
    try:
        fetched = call("fetch", "english", "--tasks", "STSBenchmark,Banking77Classification")
        assert fetched.returncode == 2
        assert "error: data mteb/banking77 at 0fd18e25" in fetched.stderr
        assert "mteb/stsbenchmark-sts at" in fetched.stderr
        done = call(
            *("run", "--suite", "english", "--tasks", "STSBenchmark,Banking77Classification"),
            *("--model", "minilm", "--output", "out", "--view", "dim=384"),
        )
    finally:
        hub.faults.clear()
    assert done.returncode == 2
    assert "Banking77Classification: no score: data mteb/banking77" in done.stderr
    stored = {record.ref.task for record in RecordStore(tmp_path / "out/records").records()}
    assert stored == {"STSBenchmark"}
