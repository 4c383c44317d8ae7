"""Data sets from a hub: the real client against a small server on the loopback address."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest

from tasks.errors import DataUnavailableError
from tasks.hub import DataSet, dataset_bytes, fetch_dataset, find_dataset
from tests.hub_server import COMMIT, Fault, Hub, point_client_to, serve_hub

DATA = DataSet("org/data", COMMIT)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def hub(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    folder = tmp_path / "repository"
    (folder / "data").mkdir(parents=True)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    (folder / ".gitattributes").write_text("*.parquet filter=lfs\n")
    (folder / "data" / "test.jsonl").write_text('{"text": "one"}\n' * 500)
    (folder / "data" / "train.parquet").write_bytes(bytes(range(256)) * 40)
    with serve_hub() as hub:
        hub.add_dataset("org/data", folder, COMMIT)
        point_client_to(hub, cache, monkeypatch)
        yield hub


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_data_set_is_fetched_whole_once(hub: Hub) -> None:
    assert find_dataset(DATA) is None
    size = dataset_bytes(DATA)
    done: list[int] = []
    folder = fetch_dataset(DATA, done.append)

    served = contents(hub.repositories["datasets/org/data"].folder)
    del served[".gitattributes"]
    assert contents(folder) == served
    assert sum(done) == size == sum(map(len, served.values()))
    assert min(done) >= 0
    assert find_dataset(DATA) == folder
    before = len(hub.requests)
    assert fetch_dataset(DATA) == folder
    assert not [path for path in hub.requests[before:] if "resolve" in path]


def test_bytes_are_told_as_they_come(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.faults["data/test.jsonl"] = Fault(cut=True)
    done: list[int] = []
    fetch_dataset(DATA, done.append)
    assert len(done) >= 4  # the file that broke off came in two parts
    assert sum(done) == dataset_bytes(DATA)


def test_what_was_fetched_is_found_without_the_hub_and_where_the_cache_was_moved_to(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_dataset(DATA)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    before = len(hub.requests)
    moved = cache.rename(cache.with_name("moved"))
    assert find_dataset(DATA) is None
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(moved))
    folder = find_dataset(DATA)
    assert folder is not None
    assert folder.is_relative_to(moved)
    assert len(hub.requests) == before
    with pytest.raises(DataUnavailableError, match=r"org/none.*jina-eval fetch"):
        fetch_dataset(DataSet("org/none", COMMIT))


def test_a_file_that_is_lost_later_is_missed(hub: Hub) -> None:
    folder = fetch_dataset(DATA)
    (folder / "data" / "test.jsonl").unlink()
    assert find_dataset(DATA) is None
    assert fetch_dataset(DATA) == folder
    assert find_dataset(DATA) == folder


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500),
        Fault(status=500, times=2),
        Fault(status=503),
        Fault(status=429),
        Fault(cut=True),
        Fault(cut=True, times=3),
        Fault(spoil=True),
        Fault(spoil=True, times=2),
    ],
    ids=repr,
)
@pytest.mark.parametrize("file", ["data/test.jsonl", "data/train.parquet"])
def test_what_passes_is_tried_again(hub: Hub, fault: Fault, file: str) -> None:
    hub.faults[file] = fault
    folder = fetch_dataset(DATA)
    served = hub.repositories["datasets/org/data"].folder
    assert (folder / file).read_bytes() == (served / file).read_bytes()
    assert hub.faults[file].times == 0


@pytest.mark.parametrize(
    ("path", "fault", "said"),
    [
        ("data/test.jsonl", Fault(status=500, times=None), "answered 500, in 4 attempts"),
        ("data/test.jsonl", Fault(status=404, times=None), "answered 404"),
        ("data/test.jsonl", Fault(spoil=True, times=None), "came 3 times with another checksum"),
        (f"revision/{COMMIT}", Fault(status=401, times=None), "the hub asks to log in"),
        (f"revision/{COMMIT}", Fault(status=403, times=None), "accept its terms and log in"),
        (
            f"revision/{COMMIT}",
            Fault(status=429, times=None),
            "limits the rate of requests (429), in 4 attempts",
        ),
    ],
)
def test_what_does_not_pass_is_said_in_one_line_and_the_rest_is_kept(
    hub: Hub, path: str, fault: Fault, said: str
) -> None:
    hub.faults[path] = fault
    with pytest.raises(DataUnavailableError, match=re.escape(said)) as error:
        fetch_dataset(DATA)
    assert str(error.value).startswith(f"data org/data at {COMMIT}: ")
    assert "\n" not in str(error.value)
    assert find_dataset(DATA) is None

    hub.faults.clear()
    before = len(hub.requests)
    assert find_dataset(DATA) is None
    fetch_dataset(DATA)
    again = [p for p in hub.requests[before:] if "resolve" in p and "train.parquet" in p]
    if path.startswith("data"):
        assert len(again) <= 1  # asked for, but not sent again
    assert find_dataset(DATA) is not None


def test_a_hub_that_hangs_ends_in_an_error(hub: Hub) -> None:
    hub.faults["data/test.jsonl"] = Fault(hang=True, times=None)
    with pytest.raises(DataUnavailableError, match="does not answer in time, in 4 attempts"):
        fetch_dataset(DATA)


def test_a_moved_revision_is_refused(hub: Hub) -> None:
    hub.add_dataset("org/data", hub.repositories["datasets/org/data"].folder, "f" * 40)
    with pytest.raises(DataUnavailableError, match="not this revision"):
        fetch_dataset(DATA)


def test_a_manifest_that_is_no_manifest_counts_as_none(hub: Hub, cache: Path) -> None:
    fetch_dataset(DATA)
    (manifest,) = cache.glob("datasets--org--data/jina-eval/*.json")
    for content in ("", "[]", "{}", json.dumps({"folder": 3, "files": {}})):
        manifest.write_text(content)
        assert find_dataset(DATA) is None
