"""Encode some texts in this process and say how long it took and how much memory it needed.

Run as `python -m harness.cost_probe`, a process a method, so that neither sees the other's memory.
The question is JSON on standard input, the answer JSON on standard output.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["OURS", "PEER", "probe"]

OURS, PEER = "ours", "sentence-transformers"

_REPEATS = 2
_BATCH = 32
"""What mteb asks sentence-transformers for unless told otherwise."""


def probe(question: dict[str, Any]) -> dict[str, Any]:
    """Measure one method.

    Args:
        question: `method`, `model`, `revision`, `texts` (how many) and the model's `settings`.

    Returns:
        `seconds` for all texts, the best of some repeats; `bytes`, the most memory in use: the
        device's on a GPU, else the process's; `device` by name.
    """
    import torch

    from harness.bench_encode import device_name
    from harness.bench_measure import wait
    from harness.bench_texts import make_texts
    from harness.errors import RunError
    from model.source import resolve_model

    source = resolve_model(question["model"], question["revision"])
    if source.folder is None:
        raise RunError(f"{source.name} has no encoder whose speed could be measured")
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(source.folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    texts = make_texts("real", question["texts"], tokenizer, source.max_length or 512)
    encode, device = _method(question, source)
    encode(texts[: max(2, len(texts) // 10)])
    times = []
    for _ in range(_REPEATS):
        wait(device)
        started = time.perf_counter()
        encode(texts)
        wait(device)
        times.append(time.perf_counter() - started)
    peak = (
        torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _most_resident_bytes()
    )
    return {"seconds": min(times), "bytes": peak, "device": device_name(device)}


def _method(question: dict[str, Any], source: Any) -> tuple[Callable[[Sequence[str]], Any], Any]:
    from harness.bench_peer import load_peer
    from model.backends import load_backend
    from model.device import choose_device
    from model.routing import Route

    settings = question["settings"]
    device = choose_device(settings["device"])
    if question["method"] == OURS:
        backend = load_backend(source, **settings)
        return (lambda texts: backend.encode(texts, Route(), lambda _: None)), device
    peer = load_peer(source, settings["precision"], device)
    return (lambda texts: peer.encode(list(texts), batch_size=_BATCH)), device


def _most_resident_bytes() -> int:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


if __name__ == "__main__":
    from harness.console import quiet_libraries
    from harness.errors import is_user_error, one_line

    quiet_libraries()
    try:
        answer = probe(json.load(sys.stdin))
    except ValueError as error:
        if not is_user_error(error):
            raise
        answer = {"error": one_line(error)}
    json.dump(answer, sys.stdout)
