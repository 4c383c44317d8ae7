"""Whether each weight of a loaded model came from its file.

transformers fills weights that a file lacks with random numbers, and leaves out
those that the architecture has no place for; it only logs both. Modules of
sentence-transformers' own check theirs themselves.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from transformers import PreTrainedModel

from model.errors import ModelError

__all__ = ["Load", "check_loads", "recorded_loads"]

_POOLER = "pooler"
"""A layer over the first token that transformers adds to BERT's kin. Embedding models that pool
token vectors do not use it, and their files often lack it."""

_HEADS = frozenset(
    {
        _POOLER,
        # For masked language modelling, as the architectures call it.
        *("cls", "lm_head", "predictions", "vocab_transform", "vocab_layer_norm"),
        *("vocab_projector", "generator_predictions", "generator_lm_head", "head", "decoder"),
        *("discriminator_predictions", "lm_predictions", "mask_predictions", "lm_loss"),
        # For classes, spans and the order of sentences.
        *("classifier", "score", "qa_outputs", "sop_classifier"),
    }
)
"""Layers after the encoder that a file may hold and an embedding model has no place for."""

_PROBE = "a text"


@dataclass(frozen=True)
class Load:
    """A transformers model that was loaded, and how its weights met those of the file.

    Attributes:
        model: The model.
        missing: Names that the file lacks; tied weights and those that the architecture
            itself computes do not count.
        unexpected: Names that the model has no place for.
        mismatched: Name, shape in the file and shape in the model.
        errors: Anything else that went wrong.
    """

    model: PreTrainedModel
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]
    errors: tuple[str, ...]


@contextmanager
def recorded_loads() -> Iterator[list[Load]]:
    """The models that transformers loads within the block, in a list that grows.

    sentence-transformers does not pass on what transformers knows of missing weights
    (`output_loading_info`), so `from_pretrained` is wrapped. Not for several threads.
    """
    found: list[Load] = []
    plain = PreTrainedModel.__dict__["from_pretrained"]

    def recording(cls: type[PreTrainedModel], *arguments: Any, **options: Any) -> PreTrainedModel:
        # Other shapes are an error as well, but one that names no tensor.
        options |= {"output_loading_info": True, "ignore_mismatched_sizes": True}
        model: PreTrainedModel
        model, info = plain.__func__(cls, *arguments, **options)
        found.append(_load(model, info))
        return model

    setattr(PreTrainedModel, "from_pretrained", classmethod(recording))  # noqa: B010
    logger = logging.getLogger("transformers.modeling_utils")
    logger.addFilter(_is_no_report)
    try:
        yield found
    finally:
        logger.removeFilter(_is_no_report)
        setattr(PreTrainedModel, "from_pretrained", plain)  # noqa: B010


def check_loads(model: SentenceTransformer, loads: list[Load]) -> None:
    """Refuse a model that has weights which are not those of its file.

    Args:
        model: The loaded model.
        loads: From `recorded_loads`.

    Raises:
        ModelError: If a weight is missing, has another shape, or was not expected; the
            message names it.
    """
    recorded = {id(part) for load in loads for part in load.model.modules()}
    for part in model.modules():
        if isinstance(part, PreTrainedModel) and id(part) not in recorded:
            raise ModelError(f"where the weights of {type(part).__name__} come from is not known")
    for load in loads:
        _check(model, load)


def _check(model: SentenceTransformer, load: Load) -> None:
    if load.errors:
        raise ModelError(" ".join(load.errors[0].split()))
    for name, found, expected in load.mismatched:
        raise ModelError(f"tensor {name} has shape {list(found)}, expected {list(expected)}")
    missing = [name for name in load.missing if not _is_pooler(name)]
    if missing:
        raise ModelError(f"tensor {missing[0]}{_more(missing)} is missing")
    unexpected = [name for name in load.unexpected if not _is_head(load.model, name)]
    if unexpected:
        raise ModelError(f"tensor {unexpected[0]}{_more(unexpected)} was not expected")
    if load.missing and _influence(model, load):
        raise ModelError(f"tensor {load.missing[0]}{_more(load.missing)} is missing")


def _is_pooler(name: str) -> bool:
    return _POOLER in name.split(".")[:-1]


def _is_head(model: PreTrainedModel, name: str) -> bool:
    """Whether a tensor belongs to a layer after the encoder, which the model does not have."""
    steps = name.split(".")
    if steps[0] == model.base_model_prefix:
        steps = steps[1:]
    return steps[0] in _HEADS and getattr(model, steps[0], None) is None


@torch.inference_mode()
def _influence(model: SentenceTransformer, load: Load) -> bool:
    """Whether missing weights change vectors: tried out with NaN, which nothing hides."""
    weights = load.model.state_dict()
    before = model.encode([_PROBE], prompt="", show_progress_bar=False)
    kept = {name: weights[name].clone() for name in load.missing}
    for name in load.missing:
        weights[name].fill_(float("nan"))
    after = model.encode([_PROBE], prompt="", show_progress_bar=False)
    for name, weight in kept.items():
        weights[name].copy_(weight)
    return bool((before != after).any())


def _load(model: PreTrainedModel, info: Mapping[str, Any]) -> Load:
    return Load(
        model=model,
        missing=tuple(sorted(info["missing_keys"])),
        unexpected=tuple(sorted(info["unexpected_keys"])),
        mismatched=tuple(
            (name, tuple(found), tuple(expected))
            for name, found, expected in sorted(info["mismatched_keys"])
        ),
        errors=tuple(info["error_msgs"]),
    )


def _more(names: tuple[str, ...] | list[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""


def _is_no_report(record: logging.LogRecord) -> bool:
    """Leave out transformers' report of several lines; what is wrong of it becomes an error."""
    return "LOAD REPORT" not in record.getMessage()
