"""Real mistakes, to be planted: each is one that somebody made, or would not see."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

__all__ = ["PLANTS", "planted"]

Plant = Callable[[pytest.MonkeyPatch], None]


def no_renormalisation(patch: pytest.MonkeyPatch) -> None:
    """Truncated vectors keep the length that they happen to have."""
    patch.setattr("model.views.truncate", lambda vectors, dim, *_: vectors[:, :dim].copy())


def int8_by_call(patch: pytest.MonkeyPatch) -> None:
    """Levels are fitted to whatever one call brings, as sentence-transformers does by default."""
    from model.quantization import Calibrator
    from model.views import View

    for name in ("read", "codes"):
        original = getattr(View, name)

        def by_call(self, vectors, calibration=None, unit=True, *, original=original):
            if self.needs_calibration:
                leading = self.read_float(vectors, unit)
                fit = Calibrator([leading.shape[1]])
                fit.add(leading)
                calibration = fit.finish()[leading.shape[1]]
            return original(self, vectors, calibration, unit)

        patch.setattr(View, name, by_call)


def swapped_layers(patch: pytest.MonkeyPatch) -> None:
    """Two layers' weights stand in each other's place."""
    import torch

    def swap(backend: Any) -> None:
        layers = encoder_of(backend)
        first, second = layers[1].state_dict(), layers[2].state_dict()
        held = {name: tensor.clone() for name, tensor in first.items()}
        with torch.no_grad():
            layers[1].load_state_dict(second)
            layers[2].load_state_dict(held)

    _after_loading(patch, swap)


def truncated_length(patch: pytest.MonkeyPatch) -> None:
    """Texts are cut after 32 tokens, whatever the run spec says."""

    def cut(backend: Any) -> None:
        backend.encoder.tokenizer._max_length = 32

    _after_loading(patch, cut)


def shuffled_ids(patch: pytest.MonkeyPatch) -> None:
    """Each document is found under the name of the one after it."""
    from model.dense_search import DenseMtebEncoder

    original = DenseMtebEncoder.search

    def search(self, *arguments: Any, **options: Any) -> Any:
        found = original(self, *arguments, **options)
        names = list(self._corpus["id"])
        after = dict(zip(names, [*names[1:], names[0]], strict=True))
        return {
            query: {after[name]: score for name, score in hits.items()}
            for query, hits in found.items()
        }

    patch.setattr(DenseMtebEncoder, "search", search)


def wrong_adapter(patch: pytest.MonkeyPatch) -> None:
    """Queries go through the passages' neighbour in the table of adapters."""

    def change(route: Any) -> Any:
        wrong = {"retrieval.query": "separation"}
        return replace(route, adapter=wrong.get(route.adapter, route.adapter))

    _with_route(patch, change)


def missing_prompt(patch: pytest.MonkeyPatch) -> None:
    """No text has its prompt before it."""
    _with_route(patch, lambda route: replace(route, prompt=""))


PLANTS: dict[str, Plant] = {
    plant.__name__: plant
    for plant in (
        no_renormalisation,
        int8_by_call,
        swapped_layers,
        truncated_length,
        shuffled_ids,
        wrong_adapter,
        missing_prompt,
    )
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The code with one of the mistakes in it."""
    with pytest.MonkeyPatch.context() as patch:
        PLANTS[name](patch)
        yield


def encoder_of(backend: Any) -> Any:
    """A backend's layers."""
    from model.packed_model import encoder_layers

    model = backend.model
    return encoder_layers(model[0].auto_model if hasattr(model, "__getitem__") else model)


def _after_loading(patch: pytest.MonkeyPatch, change: Callable[[Any], None]) -> None:
    from model import backends

    original = backends.load_backend

    def load(*arguments: Any, **options: Any) -> Any:
        backend = original(*arguments, **options)
        change(backend)
        return backend

    patch.setattr(backends, "load_backend", load)
    patch.setattr("harness.jobs.load_backend", load)


def _with_route(patch: pytest.MonkeyPatch, change: Callable[[Any], Any]) -> None:
    """The model is given another route than the one that is recorded."""
    from model.mteb_encoder import MtebEncoder

    for name in ("_encode", "_encode_chunks"):
        original = getattr(MtebEncoder, name)

        def encode(self, texts, route, original=original):
            return original(self, texts, change(route))

        patch.setattr(MtebEncoder, name, encode)
