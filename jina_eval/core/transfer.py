"""HTTP requests to the hub that always end: bounded in time, in size and in attempts.

Requests go through the session of `huggingface_hub`, so that its settings (proxies, certificates,
offline mode, a client factory of the user's own) apply. Waiting, retrying and reading are done
here: the hub's client waits as long as a server asks it to, accepts any speed, and inflates what
a server sends compressed.
"""

from __future__ import annotations

import email.utils
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

from jina_eval.core.errors import FetchError

__all__ = ["PATIENCE", "Patience", "ask", "ask_json", "download", "patiently"]

_T = TypeVar("_T")

_JSON_BYTES = 64 << 20
"""A listing of 200,000 files has about half as many."""

_MESSAGE_BYTES = 4096


@dataclass(frozen=True)
class Patience:
    """How long and how often a request is tried.

    Attributes:
        attempts: Attempts in a row without progress before giving up.
        first_wait: Seconds before the second attempt; doubled before each further one.
        longest_wait: Largest number of seconds that is waited because a server asks for it
            (`Retry-After`). A server that asks for more is not waited for.
        answer: Seconds within which an answer must begin.
        window: Seconds over which the speed of a transfer is measured.
        min_rate: Bytes per second below which a transfer counts as stalled.
        progress: Bytes after which an attempt that broke off does not count as a failed one.
    """

    attempts: int = 4
    first_wait: float = 1.0
    longest_wait: float = 120.0
    answer: float = 30.0
    window: float = 30.0
    min_rate: float = 1000.0
    progress: int = 8 << 20


PATIENCE = Patience()
"""What is used unless a caller states something else."""


def patiently(
    attempt: Callable[[], _T],
    patience: Patience,
    stop: threading.Event | None = None,
    progressed: Callable[[], bool] = lambda: False,
) -> _T:
    """Do something, and again after failures that may pass.

    Args:
        attempt: What to do.
        patience: How often, and how long to wait in between.
        stop: Ends the waiting when set.
        progressed: Whether the last attempt brought enough to start counting again.

    Raises:
        FetchError: If it fails for good; the message says how often it was tried.
    """
    failures = 0
    while True:
        try:
            return attempt()
        except FetchError as error:
            failures = 1 if progressed() else failures + 1
            if not error.may_pass or (stop is not None and stop.is_set()):
                raise
            if failures >= patience.attempts:
                raise FetchError(f"{error}, in {failures} attempts", error.failure) from error
            wait = patience.first_wait * 2 ** (failures - 1)
            if error.wait is not None:
                if error.wait > patience.longest_wait:
                    raise FetchError(
                        f"{error} and asks to wait {error.wait:.0f} s, more than the "
                        f"{patience.longest_wait:.0f} s that are waited; try again later",
                        error.failure,
                    ) from error
                wait = max(wait, error.wait)
        if stop is not None:
            stop.wait(wait)
        else:
            time.sleep(wait)


def ask_json(url: str, patience: Patience) -> Any:
    """Ask the hub's API for a JSON document.

    Raises:
        FetchError: If it does not answer with one.
    """

    def attempt() -> Any:
        with ask(url, patience) as response:
            content = b"".join(_body(response, _JSON_BYTES, patience))
            kind = response.headers.get("content-type", "no content type")
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise FetchError(
                f"{_host(url)} answered with something that is no JSON ({kind[:60]}); "
                "is a login page or a proxy in between?",
                "content",
            ) from error

    return patiently(attempt, patience)


def download(
    url: str,
    file: BinaryIO,
    size: int,
    patience: Patience,
    told: Callable[[int], None],
    stop: threading.Event | None = None,
) -> None:
    """Append the rest of a file to what is there of it.

    Args:
        url: Where the file is.
        file: Open for writing; its length is what is there already, at most `size` bytes. It is
            emptied where the server sends the file from its beginning.
        size: Bytes of the whole file.
        patience: How long to wait.
        told: Told the number of bytes of each piece as it is written.
        stop: Ends the transfer when set.

    Raises:
        FetchError: If fewer, or more, than `size` bytes come.
        OSError: If the file cannot be written.
    """
    start = file.seek(0, 2)
    headers = {"Range": f"bytes={start}-"} if start else {}
    with ask(url, patience, headers) as response:
        if start and not _continues(response, start, size):
            start = 0
            file.seek(0)
            file.truncate()
        _check_announced(url, response, size - start)
        for piece in _body(response, size - start, patience):
            file.write(piece)
            start += len(piece)
            told(len(piece))
            if stop is not None and stop.is_set():
                raise FetchError("stopped", "unreachable")
    if start != size:
        raise FetchError(
            f"{_host(url)} broke off after {start} of {size} bytes", "unreachable", may_pass=True
        )


@contextmanager
def ask(url: str, patience: Patience, headers: Mapping[str, str] | None = None) -> Iterator[Any]:
    """Send a GET request; gives the response, of which only the head has been read.

    The token of the user, if there is one, goes to the hub alone: it is left out where the hub
    redirects to another host.

    Raises:
        FetchError: If the server cannot be reached or answers with an error.
    """
    from huggingface_hub.utils import (  # type: ignore[attr-defined,unused-ignore]
        build_hf_headers,
    )

    sent = {**build_hf_headers(), "Accept-Encoding": "identity", **(headers or {})}
    with _one_line(url), _opened(url, sent, patience) as response:
        if response.status_code >= 400:
            raise _refusal(url, response, patience)
        coding = response.headers.get("content-encoding", "identity")
        if coding != "identity":
            # Never inflated: a few kilobytes may stand for gigabytes.
            raise FetchError(
                f"{_host(url)} sent {coding[:20]} content, which was not asked for", "content"
            )
        yield response


@contextmanager
def _opened(url: str, headers: Mapping[str, str], patience: Patience) -> Iterator[Any]:
    """The response to a request; the head must be there in time, however slowly it drips in."""
    from huggingface_hub import get_session

    stream = get_session().stream("GET", url, headers=dict(headers), timeout=patience.answer)
    response = _within(patience.answer * 2, stream.__enter__, lambda _: stream.__exit__(*_NONE))
    if response is None:
        raise FetchError(f"{_host(url)} does not answer", "slow", may_pass=True)
    try:
        yield response
    finally:
        stream.__exit__(*_NONE)


_NONE = (None, None, None)


def _within(seconds: float, call: Callable[[], _T], late: Callable[[_T], object]) -> _T | None:
    """What a call returns, or None if it takes longer; `late` gets what it returns afterwards."""
    lock = threading.Lock()
    ended = threading.Event()
    outcome: list[_T] = []
    errors: list[BaseException] = []
    given_up = False

    def work() -> None:
        try:
            value = call()
        except BaseException as error:  # raised again in the thread that waits
            errors.append(error)
        else:
            with lock:
                outcome.append(value)
                if given_up:
                    late(value)
        ended.set()

    threading.Thread(target=work, daemon=True, name="ask-hub").start()
    ended.wait(seconds)
    with lock:
        given_up = not ended.is_set() and not outcome
    if errors:
        raise errors[0]
    return outcome[0] if outcome else None


def _body(response: Any, most: int, patience: Patience) -> Iterator[bytes]:
    """The body piece by piece as it was sent; ends in an error if it is slow or too long."""
    total = in_window = 0
    started = time.monotonic()
    for piece in response.iter_raw():
        total += len(piece)
        if total > most:
            raise FetchError(
                f"{_host(str(response.url))} sends more than the {most} bytes expected", "content"
            )
        yield piece
        in_window += len(piece)
        seconds = time.monotonic() - started
        if seconds >= patience.window:
            if in_window < patience.min_rate * seconds:
                raise FetchError(
                    f"{_host(str(response.url))} sends only {in_window / seconds:.0f} bytes "
                    f"per second (at least {patience.min_rate:.0f} are expected)",
                    "slow",
                    may_pass=True,
                )
            in_window, started = 0, time.monotonic()


def _continues(response: Any, start: int, size: int) -> bool:
    """Whether a response holds the rest of the file that was asked for."""
    stated = response.headers.get("content-range", "")
    return response.status_code == 206 and stated in (
        f"bytes {start}-{size - 1}/{size}",
        f"bytes {start}-{size - 1}/*",
    )


def _check_announced(url: str, response: Any, expected: int) -> None:
    """Refuse a body whose stated length is not the file's, before it is read."""
    stated = response.headers.get("content-length")
    if stated is None or stated == str(expected):
        return
    kind = response.headers.get("content-type", "")
    if kind.startswith("text/html"):
        raise FetchError(
            f"{_host(url)} sent an HTML page instead of the file; "
            "is a login page or a proxy in between?",
            "content",
        )
    raise FetchError(
        f"{_host(url)} announces {stated[:20]} bytes, expected {expected}", "content", may_pass=True
    )


@contextmanager
def _one_line(url: str) -> Iterator[None]:
    """Errors of the HTTP library as errors of ours; which library it is depends on the version."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled as error:
        raise FetchError("the hub may not be asked (offline)", "offline") from error
    except Exception as error:
        library = type(error).__module__.split(".")[0]
        if not library.startswith("http") and not isinstance(error, ConnectionError | TimeoutError):
            raise
        kind = type(error).__name__
        if "Timeout" in kind:
            reason = f"{_host(url)} does not answer in time"
            raise FetchError(reason, "slow", may_pass=True) from error
        said = " ".join(str(error).split()) or kind
        may_pass = kind not in ("InvalidURL", "UnsupportedProtocol", "TooManyRedirects")
        raise FetchError(
            f"{_host(url)} cannot be reached, or broke off ({said[:200]})",
            "unreachable",
            may_pass=may_pass,
        ) from error


def _refusal(url: str, response: Any, patience: Patience) -> FetchError:
    """What a status code of 400 and above means."""
    status, code = response.status_code, response.headers.get("x-error-code", "")
    host = _host(url)
    if code == "GatedRepo":
        return FetchError(
            "the hub asks to accept its terms and log in (hf auth login)", "no access"
        )
    if code == "RevisionNotFound":
        return FetchError("the hub has the repository, but not this revision", "no revision")
    if status == 401:
        if "Invalid credentials" in response.headers.get("x-error-message", ""):
            return FetchError("the hub does not accept the token; hf auth login", "no access")
        # The hub does not tell strangers whether a private repository exists.
        return FetchError(
            "there is no such public repository; for a private one the hub asks to log in "
            "(hf auth login)",
            "no repository",
        )
    if code == "RepoNotFound":
        return FetchError("the hub has no such public repository", "no repository")
    if status == 429:
        reason = f"{host} limits the rate of requests (429)"
        return FetchError(reason, "rate limit", may_pass=True, wait=_retry_after(response))
    if status == 408 or status >= 500:
        reason = f"{host} answered {status}"
        return FetchError(reason, "status", may_pass=True, wait=_retry_after(response))
    return FetchError(f"{host} answered {status}", "status")


def _retry_after(response: Any) -> float | None:
    """Seconds that a server asks to wait, stated as a number or as a date (RFC 9110, 10.2.3)."""
    stated = response.headers.get("retry-after", "").strip()
    if stated.isdecimal():
        return float(stated[:12])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(stated).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _host(url: str) -> str:
    """The server of an address: user names, passwords and signatures are not for messages."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"{parts.hostname or 'the hub'}{port}"
