"""Calibrate the 8-bit views of a task once, on its corpus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from mteb.types import PromptType

from harness.plan import is_search, prompt_types
from model.distinct import DistinctCounter
from model.errors import ViewError
from model.quantization import Calibration, Calibrator
from model.usage import hash_texts
from results.provenance import CalibrationFacts
from tasks.fresh import task_parts
from tasks.texts import task_texts

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

    from model.mteb_encoder import MtebEncoder

__all__ = ["FittedOn", "TaskCalibration", "calibrate"]

FittedOn = Literal["documents", "training texts", "all texts"]

_PIECE = 4096
"""Texts that are read at a time."""


@dataclass(frozen=True)
class TaskCalibration:
    """The calibrations of a task.

    Attributes:
        by_dim: By number of dimensions.
        fitted_on: What they were fitted on.
    """

    by_dim: dict[int, Calibration]
    fitted_on: FittedOn

    def facts(self, dim: int) -> CalibrationFacts:
        """What a record says of one of them."""
        return CalibrationFacts(fitted_on=self.fitted_on, **self.by_dim[dim].summary())


def calibrate(task: AbsTask, encoder: MtebEncoder, dims: Iterable[int]) -> TaskCalibration:
    """Fit calibrations on the vectors that an index of the task would hold.

    For searches these are the documents of all its subsets and splits, for classification the
    texts that classifiers are trained on, for other tasks all texts: there each text is both.

    Args:
        task: Loaded, never evaluated.
        encoder: Gives the whole vectors.
        dims: Numbers of dimensions.

    Raises:
        ViewError: If there is nothing to calibrate on.
    """
    calibrator = Calibrator(dims, encoder.unit)
    parts = [part.metadata for part in task_parts(task)]
    fitted_on, corpus = _corpus(task)
    for (split, side), texts in _pieces(corpus):
        if len({encoder.routing.route(part, side) for part in parts}) > 1:
            raise ViewError(
                f"task {task.metadata.name}: its parts have different prompts, so that 8 bits "
                "have no common levels; allowed: float32, float16, binary, ubinary"
            )
        encoded, _ = encoder.read(texts, parts[0], split, side)
        calibrator.add(encoded.vectors)
    return TaskCalibration(calibrator.finish(), fitted_on)


Text = tuple[str, PromptType | None, str]
"""Split, side and text."""


def _corpus(task: AbsTask) -> tuple[FittedOn, Iterator[Text]]:
    texts = task_texts(task)
    if all(map(is_search, task_parts(task))):
        documents = (item for item in texts if item.role == "document")
        return "documents", ((item.split, PromptType.document, item.text) for item in documents)
    if getattr(task, "train_split", None) is not None:
        return "training texts", (
            (item.split, None, item.text) for item in texts if item.split == "train"
        )
    sides = prompt_types(task_parts(task)[0])
    second = {"second": sides[-1]}
    return "all texts", ((item.split, second.get(item.role, sides[0]), item.text) for item in texts)


def _pieces(corpus: Iterator[Text]) -> Iterator[tuple[tuple[str, PromptType | None], list[str]]]:
    """Distinct texts in pieces of one split and side."""
    seen: dict[Any, DistinctCounter] = {}
    while rows := list(islice(corpus, _PIECE)):
        groups: dict[tuple[str, PromptType | None], list[str]] = {}
        for split, side, text in rows:
            groups.setdefault((split, side), []).append(text)
        for place, texts in groups.items():
            hashes = hash_texts(None, texts)
            new = seen.setdefault(place[1], DistinctCounter()).add(hashes)
            distinct = [text for text, first in zip(texts, new.tolist(), strict=True) if first]
            if distinct:
                yield place, distinct
