"""A small hub on the loopback address: enough of its API to serve models and data sets.

Every request is noted, so that tests can say what was fetched and what was not; faults can be
ordered for any path.
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import datasets
import huggingface_hub.constants
import pytest

__all__ = ["COMMIT", "Fault", "Hub", "Repository", "point_client_to", "serve_hub"]

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


@dataclass
class Fault:
    """What goes wrong with some requests.

    Attributes:
        status: Answer with this code instead.
        cut: Break off in the middle of the body.
        spoil: Send other bytes, of the same number.
        hang: Do not answer before the server stops.
        times: How often; None for always.
    """

    status: int | None = None
    cut: bool = False
    spoil: bool = False
    hang: bool = False
    times: int | None = 1


@dataclass
class Hub:
    """A running server.

    Attributes:
        url: Its address.
        repositories: Models by "organisation/model", data sets by "datasets/organisation/name".
        refused: Status code to answer with, by repository.
        faults: What goes wrong, by the end of a request's path.
        requests: Path of every request.
    """

    url: str
    repositories: dict[str, Repository]
    refused: dict[str, int] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
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
        # A fault strikes what has a body.
        fault = self.hub.fault(path) if self.command == "GET" else None
        if fault is not None and fault.hang:
            self.hub.stopping.wait()
            return
        if fault is not None and fault.status is not None:
            self._send(fault.status, b"{}", _error_headers(fault.status))
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
            self._answer_api(key, name, rest[2:])
        else:
            self._answer_file(key, rest[3], "/".join(rest[4:]), fault)

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

    def _answer_api(self, key: str, name: str, rest: list[str]) -> None:
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
        self._send(200, json.dumps(answer).encode(), {})

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
        if asked.startswith("bytes=") and asked.endswith("-"):
            status, start = 206, int(asked[6:-1])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = content[start:]
        self._send(status, body, headers, cut=fault is not None and fault.cut)

    def _send(
        self, status: int, body: bytes, headers: dict[str, str], *, cut: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[: len(body) // 2] if cut else body)


def _entry(path: str, content: bytes) -> dict:
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
    return {"Retry-After": "1"} if status == 429 else {}


def point_client_to(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the hub's client of this process, which reads its settings on import, use a server."""
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
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.stopping.set()
        server.shutdown()
        server.server_close()
