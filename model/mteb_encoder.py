"""The bridge to mteb: a loaded model as mteb's EncoderProtocol.

The way of a text: mteb's batch → route (adapter, prompt) → what is at hand →
only the misses through the model → checks → view → mteb's evaluator.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from mteb.models.abs_encoder import AbsEncoder
from mteb.models.model_meta import ModelMeta, ScoringFunction

from model.backend import Backend
from model.cache import CachedText, VectorCache
from model.guards import check_texts, check_vectors
from model.routing import Route, Routing
from model.source import ModelSource
from model.views import View

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.types import BatchedInput, PromptType
    from torch.utils.data import DataLoader

__all__ = ["EncodeProgress", "MtebEncoder", "Usage", "model_meta"]

EncodeProgress = Callable[[int, int], None]
"""Called with (texts encoded since the last call, texts to encode in all); first with 0."""


@dataclass
class Usage:
    """What one evaluation asked of the model.

    Attributes:
        routes: The route of each prompt type ("query", "document", "" for the only side).
        texts: Texts asked for, repeats included.
        distinct_texts: Different (route, text) pairs among them.
        tokens: Tokens of the distinct texts; None without a tokenizer.
        truncated_texts: Distinct texts that were cut; None likewise.
        truncated_tokens: Tokens cut off from them; None likewise.
        encoded_texts: Texts that went through the model, the others were at hand.
        encode_seconds: Time this took.
    """

    routes: dict[str, Route] = field(default_factory=dict)
    texts: int = 0
    distinct_texts: int = 0
    tokens: int | None = None
    truncated_texts: int | None = None
    truncated_tokens: int | None = None
    encoded_texts: int = 0
    encode_seconds: float = 0.0


class MtebEncoder(AbsEncoder):  # type: ignore[misc,unused-ignore]  # Any where mteb is not installed
    """One model, routing and view, for one evaluation of one task."""

    mteb_model_meta: ModelMeta

    def __init__(
        self,
        backend: Backend,
        routing: Routing,
        meta: ModelMeta,
        *,
        view: View,
        cache: VectorCache,
        progress: EncodeProgress | None = None,
    ) -> None:
        """Bind a loaded model to what an evaluation reads of it.

        Args:
            backend: The loaded model.
            routing: Decides adapter and prompt.
            meta: mteb's metadata, see `model_meta`.
            view: What is read of each vector.
            cache: Vectors of the same task that are at hand already.
            progress: Told how far each call is.
        """
        self.backend = backend
        self.routing = routing
        self.mteb_model_meta = meta
        self.view = view
        self.usage = Usage()
        self._cache = cache
        self._progress = progress
        self._seen: set[bytes] = set()

    def encode(
        self,
        inputs: DataLoader[BatchedInput],
        *,
        task_metadata: TaskMetadata,
        hf_split: str,
        hf_subset: str,
        prompt_type: PromptType | None = None,
        **kwargs: Any,
    ) -> npt.NDArray[np.float32]:
        """Turn mteb's batches into vectors.

        Returns:
            Shape (number of texts, dimension of the view), float32.

        Raises:
            ModelError: If a text is no text, or a vector is no embedding.
        """
        texts: list[str] = [text for batch in inputs for text in batch["text"]]
        route = self.routing.route(task_metadata, prompt_type)
        self.usage.routes["" if prompt_type is None else str(prompt_type.value)] = route
        check_texts(texts)
        distinct = list(dict.fromkeys(texts))
        at_hand = self._cache.find(route, distinct)
        missing = [text for text in distinct if text not in at_hand]
        if missing:
            at_hand |= self._encode(missing, route)
        self._count(texts, distinct, route, at_hand)
        return self.view.read(np.stack([at_hand[text].vector for text in texts]))

    def _encode(self, texts: list[str], route: Route) -> dict[str, CachedText]:
        def report(done: int) -> None:
            if self._progress is not None:
                self._progress(done, len(texts))

        report(0)
        started = time.perf_counter()
        encoded = self.backend.encode(texts, route, report)
        check_vectors(encoded.vectors, texts, self.backend.width)
        self.usage.encode_seconds += time.perf_counter() - started
        self.usage.encoded_texts += len(texts)
        return self._cache.add(route, texts, encoded)

    def _count(
        self,
        texts: list[str],
        distinct: list[str],
        route: Route,
        at_hand: Mapping[str, CachedText],
    ) -> None:
        usage = self.usage
        usage.texts += len(texts)
        for text in distinct:
            digest = hashlib.blake2b(repr((route, text)).encode(), digest_size=16).digest()
            if digest in self._seen:
                continue
            self._seen.add(digest)
            usage.distinct_texts += 1
            entry = at_hand[text]
            if entry.tokens is not None:
                usage.tokens = (usage.tokens or 0) + entry.tokens
            if entry.truncated is not None:
                usage.truncated_texts = (usage.truncated_texts or 0) + (entry.truncated > 0)
                usage.truncated_tokens = (usage.truncated_tokens or 0) + entry.truncated


def model_meta(source: ModelSource, experiment: Mapping[str, Any]) -> ModelMeta:
    """The metadata that mteb keeps of a model, under some settings.

    Args:
        source: The model.
        experiment: Settings that are not the model's defaults, by mteb's
            names where it has one (`embed_dim`).
    """
    return ModelMeta.create_empty(
        overwrites={
            "name": source.name,
            "revision": source.revision,
            "n_parameters": source.parameters,
            "embed_dim": source.width,
            "max_tokens": source.max_length,
            "similarity_fn_name": ScoringFunction.COSINE,
            "open_weights": True,
            "framework": ["Sentence Transformers", "PyTorch"]
            if source.kind == "sentence-transformers"
            else [],
            "experiment_kwargs": dict(experiment) or None,
        }
    )
