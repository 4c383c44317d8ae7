"""Where mistakes are planted: after a model was loaded, or between a task and its model."""

from collections.abc import Callable
from typing import Any

import pytest

__all__ = ["Plant", "after_loading", "encoder_of", "with_route"]

Plant = Callable[[pytest.MonkeyPatch], None]


def encoder_of(backend: Any) -> Any:
    """A backend's layers."""
    from model.packed_model import encoder_layers

    model = backend.model
    return encoder_layers(model[0].auto_model if hasattr(model, "__getitem__") else model)


def after_loading(patch: pytest.MonkeyPatch, change: Callable[[Any], None]) -> None:
    from model import backends

    original = backends.load_backend

    def load(*arguments: Any, **options: Any) -> Any:
        backend = original(*arguments, **options)
        change(backend)
        return backend

    patch.setattr(backends, "load_backend", load)
    patch.setattr("harness.jobs.load_backend", load)


def with_route(patch: pytest.MonkeyPatch, change: Callable[[Any], Any]) -> None:
    """The model is given another route than the one that is recorded."""
    from model.mteb_encoder import MtebEncoder

    for name in ("_encode", "_encode_chunks"):
        original = getattr(MtebEncoder, name)

        def encode(self, texts, route, original=original):
            return original(self, texts, change(route))

        patch.setattr(MtebEncoder, name, encode)
