"""A small hub on the loopback address: enough of its API to serve model folders.

Every request is noted, so that tests can say what was fetched and what was not.
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

__all__ = ["Hub", "serve_hub"]

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """A running server.

    Attributes:
        url: Its address.
        repositories: Folder of each repository, by "organisation/model".
        commit: The commit that every repository is at.
        refused: Status code to answer with, by repository.
        requests: Path of every request.
    """

    url: str
    repositories: dict[str, Path]
    commit: str = COMMIT
    refused: dict[str, int] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, *arguments: object) -> None:
        pass

    def _answer(self, *, with_body: bool) -> None:
        path = self.path.split("?")[0]
        self.hub.requests.append(path)
        parts = path.strip("/").split("/")
        if parts[0] == "api":
            name, revision, file = "/".join(parts[2:4]), (parts[5:6] or ["main"])[0], None
        else:
            name, revision, file = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
        if name in self.hub.refused:
            self._send(self.hub.refused[name], b"{}", {})
        elif name not in self.hub.repositories:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif revision not in ("main", self.hub.commit):
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        elif file is None:
            self._send_listing(name, with_body, tree=parts[4:5] == ["tree"])
        else:
            self._send_file(self.hub.repositories[name] / file, with_body)

    def _send_listing(self, name: str, with_body: bool, *, tree: bool) -> None:
        folder = self.hub.repositories[name]
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        answer: object = {
            "id": name,
            "sha": self.hub.commit,
            "siblings": [{"rfilename": file} for file in files],
        }
        if tree:
            answer = [
                {
                    "type": "file",
                    "path": file,
                    "size": len(content),
                    "oid": hashlib.sha1(content, usedforsecurity=False).hexdigest(),
                }
                for file, content in files.items()
            ]
        self._send(200, json.dumps(answer).encode(), {}, with_body=with_body)

    def _send_file(self, path: Path, with_body: bool) -> None:
        if not path.is_file():
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        content = path.read_bytes()
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        headers = {"ETag": etag, "X-Repo-Commit": self.hub.commit, "Accept-Ranges": "bytes"}
        self._send(200, content, headers, with_body=with_body)

    def _send(
        self, status: int, body: bytes, headers: dict[str, str], *, with_body: bool = True
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body and self.command == "GET":
            self.wfile.write(body)


@contextmanager
def serve_hub(
    organisation: str = "org", commit: str = COMMIT, **repositories: Path
) -> Iterator[Hub]:
    """Serve folders as an organisation's repositories."""
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub = Hub(
        url=f"http://127.0.0.1:{server.server_address[1]}",
        repositories={f"{organisation}/{name}": path for name, path in repositories.items()},
        commit=commit,
    )
    handler.hub = hub  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
