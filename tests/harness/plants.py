"""Real mistakes, to be planted: each is one that somebody made, or would not see."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from tests.harness.more_plants import CAUGHT
from tests.harness.more_plants import UNSEEN as UNSEEN_PLANTS
from tests.harness.planting import Plant, after_loading, encoder_of, with_route

__all__ = ["PLANTS", "UNSEEN", "planted"]


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

    after_loading(patch, swap)


def truncated_length(patch: pytest.MonkeyPatch) -> None:
    """Texts are cut after 32 tokens, whatever the run spec says."""

    def cut(backend: Any) -> None:
        backend.encoder.tokenizer._max_length = 32

    after_loading(patch, cut)


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

    with_route(patch, change)


def missing_prompt(patch: pytest.MonkeyPatch) -> None:
    """No text has its prompt before it."""
    with_route(patch, lambda route: replace(route, prompt=""))


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
        *CAUGHT,
        *UNSEEN_PLANTS,
    )
}

UNSEEN = tuple(plant.__name__ for plant in UNSEEN_PLANTS)
"""Names of mistakes that the gate does not see."""


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The code with one of the mistakes in it."""
    with pytest.MonkeyPatch.context() as patch:
        PLANTS[name](patch)
        yield
