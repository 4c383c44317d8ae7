"""Encoders whose scores are known beforehand: one that knows the labels, and two that know nothing.

An evaluator that gives the first less than 1, or the others more than chance, is broken.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from mteb.abstasks import AbsTask
from mteb.models.abs_encoder import AbsEncoder
from mteb.models.model_meta import ModelMeta, ScoringFunction

Vectors = npt.NDArray[np.float32]
"""Shape (texts, dimensions)."""


class KnownEncoder(AbsEncoder):
    """Base of the encoders below: reads the texts of the batches and asks for a vector of each.

    Attributes:
        seen: every text that was to be encoded, in order, with its subset.
    """

    def __init__(self, name: str) -> None:
        self.mteb_model_meta = ModelMeta.create_empty(
            overwrites={
                "name": f"tests/{name}",
                "revision": "1",
                "similarity_fn_name": ScoringFunction.COSINE,
            }
        )
        self.seen: list[tuple[str, str]] = []

    def encode(
        self, inputs: Any, *, task_metadata: Any, hf_split: str, hf_subset: str, **kwargs: Any
    ) -> Vectors:
        texts = [text for batch in inputs for text in batch["text"]]
        self.seen.extend((hf_subset, text) for text in texts)
        return np.stack([self.vector(hf_subset, text) for text in texts]).astype(np.float32)

    def vector(self, subset: str, text: str) -> npt.NDArray[Any]:
        raise NotImplementedError


class ConstantEncoder(KnownEncoder):
    """Gives every text the same vector."""

    def __init__(self, dimensions: int = 8) -> None:
        super().__init__("constant")
        self._vector = np.ones(dimensions, dtype=np.float32)

    def vector(self, subset: str, text: str) -> npt.NDArray[Any]:
        return self._vector


class RandomEncoder(KnownEncoder):
    """Gives each text a random unit vector, which depends on the text and the seed alone."""

    def __init__(self, seed: int = 0, dimensions: int = 64) -> None:
        super().__init__(f"random-{seed}")
        self._seed, self._dimensions = seed, dimensions

    def vector(self, subset: str, text: str) -> npt.NDArray[Any]:
        digest = hashlib.sha256(f"{self._seed} {text}".encode()).digest()
        generator = np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))
        vector = generator.standard_normal(self._dimensions)
        return vector / np.linalg.norm(vector)


class OracleEncoder(KnownEncoder):
    """Knows the labels of a task: its vectors say nothing but what the task asks for."""

    def __init__(self, task: AbsTask) -> None:
        """Read the labels of `task`, loading it if need be."""
        super().__init__("oracle")
        if not task.data_loaded:
            task.load_data()
        known = _KNOWLEDGE[task.metadata.type]
        self._vectors: dict[tuple[str, str], npt.NDArray[Any]] = {}
        for subset in task.hf_subsets:
            splits = (task.dataset or {}).get(subset, task.dataset)
            for data in (splits or {}).values():
                for text, vector in known(data).items():
                    self._vectors[subset, text.strip()] = vector
        width = max(len(vector) for vector in self._vectors.values())
        self._vectors = {
            key: np.pad(vector, (0, width - len(vector))) for key, vector in self._vectors.items()
        }

    def vector(self, subset: str, text: str) -> npt.NDArray[Any]:
        return self._vectors[subset, text.strip()]


def _one_hot(places: Mapping[str, int]) -> dict[str, npt.NDArray[Any]]:
    width = max(places.values()) + 1
    return {text: np.eye(1, width, place)[0] for text, place in places.items()}


def _retrieval(data: Any) -> dict[str, npt.NDArray[Any]]:
    """Give a query the vector of its relevant document, and each document one of its own."""
    place = {document: i for i, document in enumerate(data["corpus"]["id"])}
    places = dict(zip(data["corpus"]["text"], place.values(), strict=True))
    for identifier, text in zip(data["queries"]["id"], data["queries"]["text"], strict=True):
        (document,) = data["relevant_docs"][identifier]
        places[text] = place[document]
    return _one_hot(places)


def _labelled(data: Any) -> dict[str, npt.NDArray[Any]]:
    """Give a text the sum of the unit vectors of its labels, which is one vector a label."""
    texts, labels = (
        (data["sentences"], data["labels"])
        if "sentences" in data.column_names
        else (data["text"], data["label"])
    )
    sets = [set(label) if isinstance(label, list) else {label} for label in labels]
    names = sorted(set().union(*sets))
    return {
        text: np.array([name in own for name in names], dtype=float)
        for text, own in zip(texts, sets, strict=True)
    }


def _pairs(data: Any) -> dict[str, npt.NDArray[Any]]:
    """Give the texts of a true pair one vector, and all others vectors of their own."""
    places: dict[str, int] = {}
    rows = sorted(data, key=lambda row: -row["labels"])
    for row in rows:
        first = places.setdefault(row["sentence1"], len(places))
        places.setdefault(row["sentence2"], first if row["labels"] else len(places))
    return _one_hot(places)


def _bitext(data: Any) -> dict[str, npt.NDArray[Any]]:
    places = {text: i for i, text in enumerate(data["sentence1"])}
    return _one_hot(places | {text: i for i, text in enumerate(data["sentence2"])})


def _ratings(data: Any) -> dict[str, npt.NDArray[Any]]:
    """Give texts vectors whose cosines are ordered, and tied, exactly as the ratings of the pairs.

    Each pair has a dimension of its own, in which both texts hold the rank of their rating. Four
    more dimensions a text, after Lagrange's theorem that each integer is a sum of four squares,
    bring all norms to 512. Numbers this small are exact in float32, hence so are all cosines.
    """
    ranks = {score: rank for rank, score in enumerate(sorted(set(data["score"])))}
    texts = list(dict.fromkeys([*data["sentence1"], *data["sentence2"]]))
    matrix = np.zeros((len(texts), len(data) + 4 * len(texts)))
    place = {text: i for i, text in enumerate(texts)}
    for pair, row in enumerate(data):
        for text in (row["sentence1"], row["sentence2"]):
            matrix[place[text], pair] = ranks[row["score"]]
    for i in range(len(texts)):
        start = len(data) + 4 * i
        matrix[i, start : start + 4] = _four_squares(512**2 - int((matrix[i] ** 2).sum()))
    return {text: matrix[i] for text, i in place.items()}


def _four_squares(total: int) -> tuple[int, int, int, int]:
    for a in range(math.isqrt(total), -1, -1):
        for b in range(math.isqrt(total - a * a), -1, -1):
            for c in range(math.isqrt(total - a * a - b * b), -1, -1):
                d = math.isqrt(rest := total - a * a - b * b - c * c)
                if d * d == rest:
                    return a, b, c, d
    raise AssertionError(total)


_KNOWLEDGE = {
    "Retrieval": _retrieval,
    "Reranking": _retrieval,
    "Classification": _labelled,
    "MultilabelClassification": _labelled,
    "Clustering": _labelled,
    "PairClassification": _pairs,
    "BitextMining": _bitext,
    "STS": _ratings,
}
