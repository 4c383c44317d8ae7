"""A small hub on the loopback address: enough of its API to serve models and data sets.

Every request is noted, so that tests can say what was fetched and what was not; faults can be
ordered for any path.
"""

import gzip
import hashlib
import json
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub.constants
import pytest

from jina_eval.core import transfer
from jina_eval.core.transfer import Patience

__all__ = ["COMMIT", "HURRY", "Fault", "Hub", "Repository", "point_client_to", "serve_hub"]

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_LARGE = (".parquet", ".safetensors", ".gz", ".arrow")
"""Endings of the files that the hub keeps as large ones, with a SHA-256."""


@dataclass
class Repository:
    """A model, or a data set, at one commit."""

    folder: Path
    commit: str = COMMIT

    def files(self) -> dict[str, bytes]:
        """Content of every file by its path."""
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }


@dataclass(repr=False)
class Fault:
    """What goes wrong with some requests.

    Attributes:
        status: Answer with this code instead.
        retry_after: Seconds, or the date, to wait before asking again.
        cut: Break off in the middle of the body.
        reset: Reset the connection in the middle of the body.
        spoil: Send other bytes, of the same number.
        hang: Do not answer before the server stops.
        drip: Send the body byte by byte, with so many seconds in between.
        drip_head: Send the head so, too.
        page: Send an HTML page instead.
        gzip: Send this instead, compressed, though nobody asked for it.
        redirect: Send the client to this address.
        whole: Ignore that only a range is asked for.
        times: How often; None for always.
    """

    status: int | None = None
    retry_after: str | None = None
    cut: bool = False
    reset: bool = False
    spoil: bool = False
    hang: bool = False
    drip: float = 0.0
    drip_head: bool = False
    page: bool = False
    gzip: bytes | None = None
    redirect: str | None = None
    whole: bool = False
    times: int | None = 1

    def __repr__(self) -> str:
        """What differs from no fault, for the names of tests."""
        usual = ((part.name, part.default) for part in fields(self))
        said = {name: getattr(self, name) for name, value in usual if getattr(self, name) != value}
        return " ".join(f"{name}={str(value)[:20]}" for name, value in said.items())


@dataclass
class Hub:
    """A running server.

    Attributes:
        url: Its address.
        repositories: Models by "organisation/model", data sets by "datasets/organisation/name".
        refused: Status code to answer with, by repository.
        faults: What goes wrong, by the end of a request's path.
        requests: Path of every request.
        heads: Headers of every request, their names in lower case.
        body_bytes: Number of bytes of bodies that were sent.
    """

    url: str
    repositories: dict[str, Repository]
    refused: dict[str, int] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    body_bytes: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    def add_dataset(self, name: str, folder: Path, commit: str) -> None:
        """Serve a folder as a data set."""
        self.repositories[f"datasets/{name}"] = Repository(folder, commit)

    def fault(self, path: str) -> Fault | None:
        """The fault that befalls a request, which uses it up."""
        for end, fault in self.faults.items():
            if path.endswith(end) and (fault.times is None or fault.times > 0):
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, *arguments: object) -> None:
        pass

    def _answer(self) -> None:
        path = self.path.split("?")[0]
        self.hub.requests.append(path)
        self.hub.heads.append({name.lower(): text for name, text in self.headers.items()})
        # A fault strikes what has a body.
        fault = self.hub.fault(path) if self.command == "GET" else None
        if fault is not None and fault.hang:
            self.hub.stopping.wait()
            return
        if fault is not None and self._strike(fault):
            return
        parts = path.strip("/").split("/")
        if parts[0] == "api":
            kind, rest = parts[1], parts[2:]
        else:
            kind = "datasets" if parts[0] == "datasets" else "models"
            rest = parts[1:] if kind == "datasets" else parts
        name = "/".join(rest[:2])
        key = f"datasets/{name}" if kind == "datasets" else name
        if parts[0] == "api":
            self._answer_api(key, name, rest[2:], fault)
        else:
            self._answer_file(key, rest[3], "/".join(rest[4:]), fault)

    def _strike(self, fault: Fault) -> bool:
        """Send what a fault sends instead of the answer; False if it lets the answer begin."""
        if fault.drip_head:
            self._drip(b"HTTP/1.0 200 OK\r\nX-Slow: " + b"x" * 10_000, fault.drip)
        elif fault.status is not None:
            headers = _error_headers(fault.status)
            if fault.retry_after is not None:
                headers["Retry-After"] = fault.retry_after
            self._send(fault.status, b"{}", headers)
        elif fault.redirect is not None:
            self._send(302, b"", {"Location": fault.redirect})
        elif fault.page:
            page = b"<!doctype html><title>Log in to the network</title>"
            self._send(200, page, {"Content-Type": "text/html"})
        elif fault.gzip is not None:
            content = gzip.compress(fault.gzip)
            self._send(200, content, {"Content-Encoding": "gzip"})
        else:
            return False
        return True

    def _drip(self, content: bytes, seconds: float) -> None:
        for place in range(len(content)):
            if self.hub.stopping.wait(seconds):
                return
            try:
                self.wfile.write(content[place : place + 1])
            except OSError:  # the client has had enough
                return

    def _known(self, key: str, revision: str) -> Repository | None:
        if key in self.hub.refused:
            status = self.hub.refused[key]
            self._send(status, b"{}", _error_headers(status))
        elif key not in self.hub.repositories:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif revision not in ("main", self.hub.repositories[key].commit):
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        else:
            return self.hub.repositories[key]
        return None

    def _answer_api(self, key: str, name: str, rest: list[str], fault: Fault | None) -> None:
        repository = self._known(key, rest[1] if len(rest) > 1 else "main")
        if repository is None:
            return
        entries = [_entry(path, content) for path, content in repository.files().items()]
        answer: object = entries
        if rest[:1] != ["tree"]:
            siblings = [
                {"rfilename": entry["path"], "size": entry["size"], "blobId": entry["oid"]}
                | (
                    {
                        "lfs": {
                            "sha256": entry["lfs"]["oid"],
                            "size": entry["size"],
                            "pointerSize": 134,
                        }
                    }
                    if "lfs" in entry
                    else {}
                )
                for entry in entries
            ]
            answer = {"id": name, "sha": repository.commit, "siblings": siblings}
        self._send(200, json.dumps(answer).encode(), {}, fault)

    def _answer_file(self, key: str, revision: str, file: str, fault: Fault | None) -> None:
        repository = self._known(key, revision)
        if repository is None:
            return
        path = repository.folder / file
        if not path.is_file():
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        content = path.read_bytes()
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        headers = {"ETag": etag, "X-Repo-Commit": repository.commit, "Accept-Ranges": "bytes"}
        if fault is not None and fault.spoil:
            content = bytes(byte ^ 1 for byte in content)
        status, start = 200, 0
        asked = self.headers.get("Range", "")
        whole = fault is not None and fault.whole
        if asked.startswith("bytes=") and asked.endswith("-") and not whole:
            status, start = 206, int(asked[6:-1])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = content[start:]
        self._send(status, body, headers, fault)

    def _send(
        self, status: int, body: bytes, headers: dict[str, str], fault: Fault | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "GET":
            return
        if fault is not None and fault.drip:
            self._drip(body, fault.drip)
            return
        part = body[: len(body) // 2] if fault is not None and (fault.cut or fault.reset) else body
        self.wfile.write(part)
        self.hub.body_bytes += len(part)
        if fault is not None and fault.reset:
            self.wfile.flush()
            # Closed with a wait of zero seconds: TCP's reset instead of its end.
            wait = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, wait)
            os.close(self.connection.detach())


def _entry(path: str, content: bytes) -> dict[str, Any]:
    """A file as the hub lists it."""
    blob = f"blob {len(content)}\0".encode() + content
    oid = hashlib.sha1(blob, usedforsecurity=False).hexdigest()
    entry = {"type": "file", "path": path, "size": len(content), "oid": oid}
    if path.endswith(_LARGE):
        sha256 = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 134}
    return entry


def _error_headers(status: int) -> dict[str, str]:
    if status == 403:
        return {"X-Error-Code": "GatedRepo"}
    return {"Retry-After": "0"} if status == 429 else {}


HURRY = Patience(first_wait=0.01, longest_wait=5.0, answer=0.4, window=0.2)
"""Waits a test can afford."""


def point_client_to(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the hub's client of this process, which reads its settings on import, use a server."""
    monkeypatch.setattr(transfer, "PATIENCE", HURRY)
    settings = {
        "HF_HUB_CACHE": str(cache),
        "HF_HUB_OFFLINE": False,
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
    }
    for name, value in settings.items():
        monkeypatch.setattr(huggingface_hub.constants, name, value)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache / "datasets")


@contextmanager
def serve_hub(
    organisation: str = "org", commit: str = COMMIT, **repositories: Path
) -> Iterator[Hub]:
    """Serve folders as an organisation's models."""
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub = Hub(
        url=f"http://127.0.0.1:{server.server_address[1]}",
        repositories={
            f"{organisation}/{name}": Repository(path, commit)
            for name, path in repositories.items()
        },
    )
    handler.hub = hub  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.stopping.set()
        server.shutdown()
        server.server_close()
