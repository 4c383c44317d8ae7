"""The bridge to mteb: a loaded model as mteb's EncoderProtocol.

The way of a text: mteb's batch → route (adapter, prompt) → what is at hand →
only the misses through the model → checks → view → mteb's evaluator.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from mteb.models.abs_encoder import AbsEncoder
from mteb.models.model_meta import ModelMeta, ScoringFunction
from mteb.similarity_functions import cos_sim, dot_score, pairwise_cos_sim

from model.backend import Backend, Encoded, Progress, measured
from model.chunking import WHOLE, Chunking
from model.guards import check_texts, check_vectors
from model.pair_scores import paired
from model.quantization import Calibration
from model.routing import Route, Routing
from model.similarity import COSINE, Similarity, distances
from model.source import ModelSource
from model.task_vectors import TaskVectors
from model.usage import Usage
from model.views import View
from model.work import joined_work

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.types import PromptType

__all__ = ["EncodeProgress", "MtebEncoder", "model_meta"]

EncodeProgress = Callable[[int, int], None]
"""Called with (texts encoded since the last call, texts to encode in all); first with 0."""


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
        vectors: TaskVectors,
        calibration: Calibration | None = None,
        chunking: Chunking = WHOLE,
        chunkings: Sequence[Chunking] = (),
        similarity: Similarity = COSINE,
        unit: bool = True,
        progress: EncodeProgress | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Bind a loaded model to what an evaluation reads of it.

        Args:
            backend: The loaded model.
            routing: Decides adapter and prompt.
            meta: mteb's metadata, see `model_meta`.
            view: What is read of each vector.
            vectors: Vectors of the same task that are at hand already.
            calibration: The levels of a view in 8 bits.
            chunking: How documents of a search become vectors.
            chunkings: What else documents will be read in: one pass of the model serves all.
            similarity: How two vectors are compared.
            unit: Whether truncated vectors are brought back to unit length.
            progress: Told how far each call is.
            clock: What times are measured with, in seconds.
        """
        self.backend = backend
        self.routing = routing
        self.mteb_model_meta = meta
        self.view = view
        self.calibration = calibration
        self.similarity_name = similarity
        self.unit = unit
        self.chunking = chunking
        self.usage = Usage()
        self.clock = clock
        self._at_hand = vectors
        self._chunkings = dict.fromkeys((chunking, *chunkings))
        self._progress = progress

    def encode(
        self,
        inputs: Iterable[Mapping[str, Any]],
        *,
        task_metadata: TaskMetadata,
        hf_split: str,
        hf_subset: str,
        prompt_type: PromptType | None = None,
        **kwargs: Any,
    ) -> npt.NDArray[np.float32]:
        """Turn mteb's batches into vectors.

        Args:
            inputs: Batches, each with its texts under "text".
            task_metadata: The task.
            hf_split: Its split.
            hf_subset: Its subset.
            prompt_type: The side of a search; None for other tasks.
            kwargs: What mteb says besides; ignored.

        Returns:
            Shape (number of texts, dimension of the view), float32.

        Raises:
            ModelError: If a text is no text, or a vector is no embedding.
        """
        texts: list[str] = [text for batch in inputs for text in batch["text"]]
        encoded, rows = self.read(texts, task_metadata, hf_split, prompt_type)
        assert encoded.counts is None, "chunks are for searches, which read them themselves"
        return self.view.read(encoded.vectors, self.calibration, self.unit)[rows]

    def similarity(self, embeddings1: Any, embeddings2: Any) -> torch.Tensor:
        """Similarities of all pairs, as mteb's evaluators ask for them.

        Args:
            embeddings1: Shape (n, dim), or (dim,) for one vector.
            embeddings2: Shape (m, dim), or (dim,).

        Returns:
            Shape (n, m), float32.
        """
        if self.similarity_name == "cosine":
            return cos_sim(embeddings1, embeddings2)
        if self.similarity_name == "dot":
            return dot_score(embeddings1, embeddings2)
        left, right = (_rows(one) for one in (embeddings1, embeddings2))
        return -distances(left, right, self.similarity_name)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> torch.Tensor:
        """Similarities row by row; both of shape (n, dim), the result of shape (n,), float32."""
        if self.similarity_name == "cosine":
            return torch.as_tensor(pairwise_cos_sim(embeddings1, embeddings2))
        return paired(_tensor(embeddings1), _tensor(embeddings2), self.similarity_name)

    def read(
        self,
        texts: Sequence[str],
        task_metadata: TaskMetadata,
        split: str,
        prompt_type: PromptType | None,
    ) -> tuple[Encoded, npt.NDArray[np.int64]]:
        """Whole vectors of the different ones among some texts, and which is each text's.

        Where documents are cut into chunks, each document has the vectors of its chunks.

        Args:
            texts: The texts.
            task_metadata: The task.
            split: Its split.
            prompt_type: The side of a search; None for other tasks.

        Returns:
            The vectors, and for each text its place among them, shape (texts,).

        Raises:
            ModelError: If a text is no text, or a vector is no embedding.
        """
        route = self.routing.route(task_metadata, prompt_type)
        side = "" if prompt_type is None else str(prompt_type.value)
        self.usage.routes[side] = self.usage.task_routes[task_metadata.name, side] = route
        check_texts(texts)
        place = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        distinct = list(place)
        chunked = self.chunking != WHOLE and _is_document(prompt_type)
        encoded = self._at_hand.read(
            (route, self.chunking) if chunked else route,
            distinct,
            lambda texts: (
                self._encode_chunks(texts, route) if chunked else self._encode(texts, route)
            ),
        )
        self.usage.count(split, len(texts), route, distinct, encoded)
        self.usage.used.update(dict.fromkeys(encoded.work))
        return encoded, np.array([place[text] for text in texts], dtype=np.int64)

    def _encode(self, texts: list[str], route: Route) -> Encoded:
        (encoded,) = self._through_model(
            texts, lambda report: (self.backend.encode(texts, route, report),)
        )
        return encoded

    def _encode_chunks(self, texts: list[str], route: Route) -> Encoded:
        """The texts by this chunking; by the others too, if they will be asked for."""
        others = [
            chunking
            for chunking in self._chunkings
            if chunking not in (WHOLE, self.chunking)
            and not any(self._at_hand.holds((route, chunking), text) for text in texts)
        ]
        chunkings = (self.chunking, *others)
        own, *rest = self._through_model(
            texts, lambda report: self.backend.encode_chunks(texts, route, chunkings, report)
        )
        for chunking, encoded in zip(others, rest, strict=True):
            self._at_hand.add((route, chunking), texts, encoded)
        return own

    def _through_model(
        self, texts: list[str], encode: Callable[[Progress], tuple[Encoded, ...]]
    ) -> tuple[Encoded, ...]:
        def report(done: int) -> None:
            if self._progress is not None:
                self._progress(done, len(texts))

        report(0)
        started = self.clock()
        found = encode(report)
        for encoded in found:
            check_vectors(encoded.vectors, texts, self.backend.width, encoded.counts)
        seconds = self.clock() - started
        self.usage.encode_seconds += seconds
        found = measured(found, seconds)
        self.usage.made.update(dict.fromkeys(joined_work(encoded.work for encoded in found)))
        computed = found[0].computed
        self.usage.encoded_texts += len(texts) if computed is None else computed
        return found


def _tensor(vectors: Any) -> torch.Tensor:
    return torch.as_tensor(vectors, dtype=torch.float32)


def _rows(vectors: Any) -> torch.Tensor:
    """Shape (n, dim); one vector is one row."""
    found = _tensor(vectors)
    return found[None] if found.ndim == 1 else found


def _is_document(prompt_type: PromptType | None) -> bool:
    return prompt_type is not None and prompt_type.value == "document"


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
            "similarity_fn_name": ScoringFunction(source.similarity),
            "open_weights": True,
            "framework": ["Sentence Transformers", "PyTorch"]
            if source.kind == "sentence-transformers"
            else [],
            "experiment_kwargs": dict(experiment) or None,
        }
    )
