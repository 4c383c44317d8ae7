"""`jina-eval encode`: one's own texts to vectors, the way an evaluation takes."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from harness.console import encode_progress, make_console
from harness.errors import RunError
from harness.text_input import InputText, read_texts
from model.backends import check_settings, load_backend
from model.errors import ModelError
from model.guards import check_texts, check_vectors
from model.mixed import encode_mixed
from model.routing import Route
from model.source import ModelSource, resolve_model
from model.views import View, resolve_views

if TYPE_CHECKING:
    from model.backend import Backend, Progress

__all__ = ["EncodeRequest", "encode_command"]

_SHARD = 65_536
"""Texts whose vectors are held in memory at a time."""


@dataclass(frozen=True)
class EncodeRequest:
    """What `jina-eval encode` was asked for.

    Attributes:
        model: As in a run spec.
        revision: As in a run spec.
        source: Path of the input, or "-".
        kind: Format of the input, or None.
        output: Path of the .npy file.
        adapter: Adapter for rows that name none; "none" for the plain model.
        prompt: Whether the adapter's, or the model's default, prompt is put before each text.
        view: What is kept of each vector.
        settings: Keyword arguments of `load_backend`.
    """

    model: str
    revision: str | None
    source: str
    kind: str | None
    output: Path
    adapter: str | None
    prompt: bool
    view: str
    settings: Mapping[str, Any]


def encode_command(request: EncodeRequest, *, quiet: bool) -> int:
    """Encode a file of texts and write the vectors. Returns the exit code."""
    if request.output.suffix != ".npy":
        raise RunError(f"output {str(request.output)!r}: vectors are written as .npy")
    view = View.parse(request.view)
    if view.by_route:
        raise RunError(f"view '{view}': only tasks have routes; allowed: dim=N or dim=full")
    if view.needs_calibration:
        raise RunError(
            f"view '{view}': there is no corpus to calibrate 8 bits on; allowed here: float16, "
            "binary, ubinary"
        )
    if view.rescore is not None:
        raise RunError(f"view '{view}': only searches are rescored")
    source = resolve_model(request.model, request.revision)
    if source.kind == "lexical":
        raise ModelError("model 'lexical' has no vectors that stand for themselves")
    check_settings(source, **request.settings)
    (view,) = resolve_views([view], source.width)
    rows = read_texts(request.source, request.kind)
    check_texts([row.text for row in rows])
    routes = [_route(row, source, request) for row in rows]
    backend = load_backend(source, **request.settings)
    console = make_console(stderr=True)
    started = time.perf_counter()
    with encode_progress(console, len(rows), quiet=quiet) as progress:
        reader = partial(view.codes, unit=source.truncates_to_unit)
        counts = _write(backend, rows, routes, reader, request.output, progress)
    if not quiet:
        seconds = time.perf_counter() - started
        cut = f", {counts.truncated:,} cut at {backend.max_length:,}" if counts.truncated else ""
        console.print(
            f"{len(rows):,} texts, {counts.tokens:,} tokens{cut}, {seconds:.1f} s on "
            f"{backend.device} in {backend.precision} ({backend.attention}) "
            f"→ {request.output}, {len(rows):,} × {counts.width} {counts.kind}",
            soft_wrap=True,
        )
    return 0


def _route(row: InputText, source: ModelSource, request: EncodeRequest) -> Route:
    """Adapter and prompt of a row."""
    published = source.prompts
    if not published.adapters:
        if (row.adapter or request.adapter) not in (None, "none"):
            raise ModelError(
                f"adapter {row.adapter or request.adapter!r}: {source.name} has no adapters"
            )
        default = published.prompts.get(published.default or "", "")
        return Route(prompt=default if request.prompt else "")
    name = row.adapter or request.adapter
    allowed = f"allowed: {', '.join(published.adapters)}, or none"
    if name is None:
        raise ModelError(f"{source.name} has several adapters: name one with --adapter; {allowed}")
    if name == "none":
        return Route()
    if name not in published.adapters:
        raise ModelError(f"unknown adapter {name!r}; {allowed}")
    return Route(adapter=name, prompt=published.prompts.get(name, "") if request.prompt else "")


@dataclass
class _Counts:
    width: int = 0
    kind: str = "float32"
    tokens: int = 0
    truncated: int = 0


def _write(
    backend: Backend,
    rows: Sequence[InputText],
    routes: Sequence[Route],
    read: Callable[[npt.NDArray[np.float32]], npt.NDArray[Any]],
    output: Path,
    progress: Progress,
) -> _Counts:
    """Encode shard by shard into a file that appears when it is whole."""
    counts = _Counts()
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
    except OSError as error:
        raise RunError(f"output {output}: {error.strerror or error}") from error
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for start in range(0, len(rows), _SHARD):
                here = slice(start, start + _SHARD)
                texts = [row.text for row in rows[here]]
                encoded = encode_mixed(backend, texts, routes[here], progress)
                check_vectors(encoded.vectors, texts, backend.width)
                vectors = read(encoded.vectors)
                if start == 0:
                    counts.width, counts.kind = vectors.shape[1], vectors.dtype.name
                    _write_header(file, vectors.dtype, (len(rows), counts.width))
                file.write(np.ascontiguousarray(vectors).tobytes())
                if encoded.tokens is not None and encoded.truncated is not None:
                    counts.tokens += int(encoded.tokens.sum())
                    counts.truncated += int((encoded.truncated > 0).sum())
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(output)
    except OSError as error:
        raise RunError(f"output {output}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return counts


def _write_header(file: BinaryIO, dtype: np.dtype[Any], shape: tuple[int, int]) -> None:
    """The head of a .npy file, whose rows follow as they are made."""
    np.lib.format.write_array_header_1_0(
        file, {"descr": dtype.str, "fortran_order": False, "shape": shape}
    )
