"""The fetcher against a faulty hub on the loopback address: every fault ends, and soon."""

from __future__ import annotations

import email.utils
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import huggingface_hub.constants
import pytest

from jina_eval.core import transfer
from jina_eval.core.errors import FetchError
from jina_eval.core.fetching import Selection, fetch, find
from jina_eval.core.hub_files import Repository
from tests.hub_server import COMMIT, HURRY, Fault, Hub, point_client_to, serve_hub

DATA = Repository("dataset", "org/data")
LARGE, SMALL, LISTING = "weights.safetensors", "config.json", f"revision/{COMMIT}"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def served(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / LARGE).write_bytes(bytes(range(256)) * 80)
    (folder / SMALL).write_text('{"hidden_size": 16}' + " " * 400)
    return folder


@pytest.fixture
def hub(cache: Path, served: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serve_hub() as hub:
        hub.add_dataset("org/data", served, COMMIT)
        point_client_to(hub, cache, monkeypatch)
        yield hub


def assert_fetched(folder: Path, served: Path) -> None:
    for name in (LARGE, SMALL):
        assert (folder / name).read_bytes() == (served / name).read_bytes()


def resolved(hub: Hub) -> list[str]:
    return [path.rsplit("/", 1)[-1] for path in hub.requests if "resolve" in path]


@pytest.mark.parametrize("place", [LARGE, SMALL, LISTING])
@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500, times=3),
        Fault(status=502),
        Fault(status=503, retry_after="0"),
        Fault(status=408),
        Fault(status=429, retry_after="soon", times=3),
        Fault(hang=True),
        Fault(drip=0.05, drip_head=True),
    ],
    ids=repr,
)
def test_what_may_pass_is_tried_again(hub: Hub, served: Path, place: str, fault: Fault) -> None:
    hub.faults[place] = fault
    started = time.monotonic()
    folder, commit = fetch(DATA, COMMIT)
    assert commit == COMMIT
    assert_fetched(folder, served)
    assert fault.times == 0
    assert time.monotonic() - started < 3


def test_retry_after_is_honoured(hub: Hub, served: Path) -> None:
    hub.faults[SMALL] = Fault(status=429, retry_after="1")
    started = time.monotonic()
    folder, _ = fetch(DATA, COMMIT)
    assert 1 <= time.monotonic() - started < 3
    assert_fetched(folder, served)


@pytest.mark.parametrize("date", [False, True])
@pytest.mark.parametrize("status", [429, 503])
def test_a_long_retry_after_is_refused_instead_of_waited_for(
    hub: Hub, status: int, date: bool
) -> None:
    wait = email.utils.formatdate(time.time() + 36_000, usegmt=True) if date else "36000"
    hub.faults[SMALL] = Fault(status=status, retry_after=wait, times=None)
    started = time.monotonic()
    with pytest.raises(FetchError, match=r"asks to wait 3[56]\d{3} s, more than the 5 s") as error:
        fetch(DATA, COMMIT)
    assert time.monotonic() - started < 2
    assert (error.value.failure == "rate limit") == (status == 429)


def test_a_rate_limit_is_called_one(hub: Hub) -> None:
    hub.faults[SMALL] = Fault(status=429, times=None)
    with pytest.raises(FetchError, match=r"limits the rate of requests \(429\), in 4 attempts"):
        fetch(DATA, COMMIT)


@pytest.mark.parametrize("place", [LARGE, LISTING])
def test_a_transfer_that_only_drips_is_ended(hub: Hub, place: str) -> None:
    hub.faults[place] = Fault(drip=0.05, times=None)
    started = time.monotonic()
    with pytest.raises(FetchError, match=r"sends only \d+ bytes per second .*in 4 attempts"):
        fetch(DATA, COMMIT)
    assert time.monotonic() - started < 4


@pytest.mark.parametrize("fault", [Fault(cut=True), Fault(reset=True)], ids=repr)
def test_what_broke_off_is_continued(hub: Hub, served: Path, fault: Fault) -> None:
    hub.faults[LARGE] = fault
    folder, _ = fetch(DATA, COMMIT)
    assert_fetched(folder, served)
    ranges = [head["range"] for head in hub.heads if "range" in head]
    assert ranges
    assert all(0 < int(asked[6:-1]) <= 10_240 for asked in ranges)
    assert hub.body_bytes < 1.5 * (served / LARGE).stat().st_size + 5_000


def test_a_server_that_ignores_ranges_is_read_from_the_start(hub: Hub, served: Path) -> None:
    hub.faults[LARGE] = Fault(cut=True)
    hub.faults[f"{COMMIT}/{LARGE}"] = Fault(whole=True)
    folder, _ = fetch(DATA, COMMIT)
    assert_fetched(folder, served)


def test_progress_is_no_failure(hub: Hub, monkeypatch: pytest.MonkeyPatch, served: Path) -> None:
    monkeypatch.setattr(transfer, "PATIENCE", replace(HURRY, attempts=2, progress=1000))
    hub.faults[LARGE] = Fault(cut=True, times=4)
    folder, _ = fetch(DATA, COMMIT)
    assert_fetched(folder, served)


def test_a_partial_file_of_an_earlier_process_is_continued(
    hub: Hub, served: Path, cache: Path
) -> None:
    hub.faults[LARGE] = Fault(cut=True, times=None)
    with pytest.raises(FetchError, match=r"weights.safetensors: .* broke off"):
        fetch(DATA, COMMIT)
    assert list(cache.glob("*/blobs/*.jina-eval"))
    assert find(DATA, COMMIT) is None
    hub.faults.clear()
    folder, _ = fetch(DATA, COMMIT)
    assert_fetched(folder, served)
    assert not list(cache.glob("*/blobs/*.jina-eval"))


def test_a_partial_file_of_other_content_is_started_again(
    hub: Hub, served: Path, cache: Path
) -> None:
    hub.faults[LARGE] = Fault(cut=True, times=None)
    with pytest.raises(FetchError):
        fetch(DATA, COMMIT)
    hub.faults.clear()
    (partial,) = cache.glob("*/blobs/*.jina-eval")
    partial.write_bytes(b"other bytes")
    folder, _ = fetch(DATA, COMMIT)
    assert_fetched(folder, served)


@pytest.mark.parametrize(
    ("place", "said"),
    [(LARGE, "HTML page instead of the file"), (LISTING, r"no JSON \(text/html\)")],
)
def test_a_login_page_is_no_answer(hub: Hub, place: str, said: str) -> None:
    hub.faults[place] = Fault(page=True, times=None)
    with pytest.raises(FetchError, match=said) as error:
        fetch(DATA, COMMIT)
    assert "\n" not in str(error.value)


def test_a_reset_of_the_listing_is_one_line(hub: Hub) -> None:
    hub.faults[LISTING] = Fault(reset=True, times=None)
    with pytest.raises(FetchError, match="cannot be reached, or broke off") as error:
        fetch(DATA, COMMIT)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("place", [SMALL, LISTING])
def test_compressed_content_is_neither_asked_for_nor_inflated(hub: Hub, place: str) -> None:
    hub.faults[place] = Fault(gzip=b"0" * 30_000_000, times=None)
    with pytest.raises(FetchError, match="gzip content, which was not asked for"):
        fetch(DATA, COMMIT)
    assert {head["accept-encoding"] for head in hub.heads} == {"identity"}


def test_more_than_the_stated_size_is_not_read(hub: Hub, served: Path) -> None:
    folder = hub.repositories["datasets/org/data"]
    listed = folder.files()
    folder.files = lambda: listed  # type: ignore[method-assign]
    (served / LARGE).write_bytes(b"0" * 50_000_000)
    with pytest.raises(FetchError, match="announces 50000000 bytes, expected 20480"):
        fetch(DATA, COMMIT)


@pytest.mark.parametrize("name", [LARGE, SMALL])
def test_a_spoiled_file_in_the_cache_is_fetched_again(hub: Hub, served: Path, name: str) -> None:
    folder, _ = fetch(DATA, COMMIT)
    before = len(hub.requests)
    content = (folder / name).read_bytes()
    (folder / name).resolve().write_bytes(content[:-1] + b"?")
    assert find(DATA, COMMIT) is None
    folder, _ = fetch(DATA, COMMIT)
    assert_fetched(folder, served)
    assert resolved(hub)[before - 1 :] == [name]


def test_damage_that_left_no_trace_is_healed_when_asked(hub: Hub, served: Path) -> None:
    import os

    folder, _ = fetch(DATA, COMMIT)
    blob = (folder / SMALL).resolve()
    times = blob.stat()
    blob.write_bytes(b"?" * times.st_size)
    os.utime(blob, ns=(times.st_atime_ns, times.st_mtime_ns))
    folder, _ = fetch(DATA, COMMIT, heal=True)
    assert_fetched(folder, served)


def test_damage_without_a_connection_is_named(
    hub: Hub, served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = fetch(DATA, COMMIT)
    (folder / SMALL).resolve().write_text("{")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(FetchError, match=r"config.json is missing or damaged in the cache"):
        fetch(DATA, COMMIT, heal=True)


def test_a_copied_cache_is_checked_and_used(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    fetch(DATA, COMMIT)
    copied = cache.with_name("copied")
    shutil.copytree(cache, copied, symlinks=True, copy_function=shutil.copyfile)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(copied))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    folder, _ = fetch(DATA, COMMIT)
    assert folder.is_relative_to(copied)


def test_the_hubs_own_client_finds_what_was_fetched(hub: Hub, cache: Path) -> None:
    fetch(DATA, "main")
    found = huggingface_hub.snapshot_download(
        "org/data", repo_type="dataset", revision="main", local_files_only=True, cache_dir=cache
    )
    assert json.loads((Path(found) / SMALL).read_text()) == {"hidden_size": 16}


def test_what_the_hubs_own_client_fetched_is_checked_and_used(hub: Hub, cache: Path) -> None:
    found = huggingface_hub.snapshot_download("org/data", repo_type="dataset", revision=COMMIT)
    before = len(resolved(hub))
    folder, _ = fetch(DATA, COMMIT)
    assert folder == Path(found)
    assert len(resolved(hub)) == before


def test_a_branch_falls_back_to_its_copy_during_an_outage(
    hub: Hub, served: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fetch(DATA)
    hub.faults["revision/main"] = Fault(status=500, times=None)
    folder, commit = fetch(DATA)
    assert commit == COMMIT
    assert_fetched(folder, served)
    assert "using the copy at" in caplog.text


def test_an_unfinished_copy_is_no_copy(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.faults[LARGE] = Fault(cut=True, times=None)
    with pytest.raises(FetchError):
        fetch(DATA, COMMIT)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(FetchError, match="no copy in the cache"):
        fetch(DATA, COMMIT)


def test_another_selection_is_fetched_too(hub: Hub, served: Path) -> None:
    only = Selection("only small", lambda name: name == SMALL)
    folder, _ = fetch(DATA, COMMIT, only)
    assert not (folder / LARGE).exists()
    assert find(DATA, COMMIT) is None
    folder, _ = fetch(DATA, COMMIT)
    assert_fetched(folder, served)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../b", "a\\b", "a//b", "c:d"])
def test_a_listed_path_that_leads_elsewhere_is_refused(hub: Hub, cache: Path, name: str) -> None:
    repository = hub.repositories["datasets/org/data"]
    repository.files = lambda: {name: b"x"}  # type: ignore[method-assign]
    with pytest.raises(FetchError, match="not a usable path"):
        fetch(DATA, COMMIT)
    assert not list(cache.rglob("*"))


def test_a_full_disk_is_one_line(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "/cache/blobs/x")

    monkeypatch.setattr("jina_eval.core.fetching.transfer.download", full)
    with pytest.raises(FetchError, match="No space left on device") as error:
        fetch(DATA, COMMIT)
    assert error.value.failure == "disk"


def test_the_token_goes_to_the_hub_alone(
    hub: Hub, served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str | None] = []
    content = (served / LARGE).read_bytes()

    class Storage(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization"))
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    storage = HTTPServer(("127.0.0.1", 0), Storage)
    threading.Thread(target=storage.handle_request, daemon=True).start()
    url = f"http://127.0.0.1:{storage.server_address[1]}/part?signature=secret"
    hub.faults[LARGE] = Fault(redirect=url)
    folder, _ = fetch(DATA, COMMIT)
    storage.server_close()
    assert_fetched(folder, served)
    assert seen == [None]
    assert {head.get("authorization") for head in hub.heads} == {"Bearer hf_secret"}


def test_no_message_holds_a_signature_or_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PATIENCE", replace(HURRY, attempts=1))
    with (
        pytest.raises(FetchError) as error,
        transfer.ask("http://name:pass@127.0.0.1:9/file?signature=secret", transfer.PATIENCE),
    ):
        pass
    assert "secret" not in str(error.value)
    assert "pass" not in str(error.value)
