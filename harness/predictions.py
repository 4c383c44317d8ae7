"""What a task predicted, taken from mteb before it is averaged away.

mteb hands each evaluator's predictions to one method of the task, which would
write them to a file. `PredictionRecorder` takes that method's place, so that
coverage can be counted for every task type in one way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import EvaluationError
from model.unanswered import is_answered
from tasks.fresh import task_parts

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

__all__ = ["PredictionRecorder", "count_predictions", "count_unanswered"]

UNUSED_FOLDER = Path("predictions-are-not-written")
"""mteb records predictions only if it is given a folder; nothing is written to this one."""


class PredictionRecorder:
    """Keeps the predictions of one evaluation of one task.

    Attributes:
        predictions: mteb's predictions by (split, subset); subsets of an
            aggregate's parts are called PART/SUBSET.
    """

    def __init__(self, task: AbsTask) -> None:
        """Take the place of the task's own writer.

        Args:
            task: A task object that is evaluated once and thrown away.
        """
        self.predictions: dict[tuple[str, str], Any] = {}
        self._type = task.metadata.type
        for part in task_parts(task):
            prefix = f"{part.metadata.name}/" if task.is_aggregate else ""
            part._save_task_predictions = self._keep(prefix)  # type: ignore[method-assign]

    def _keep(self, prefix: str) -> Callable[..., None]:
        def keep(
            predictions: Any,
            model: object,
            prediction_folder: Path,
            hf_split: str,
            hf_subset: str,
        ) -> None:
            self.predictions[hf_split, prefix + hf_subset] = predictions

        return keep

    def unanswered(self) -> int:
        """Number of queries for which nothing was found."""
        found = self.predictions.values()
        return sum(count_unanswered(self._type, predictions) for predictions in found)

    def counts(self) -> dict[tuple[str, str], int | None]:
        """Number of scored examples by (split, subset), see `count_predictions`."""
        counts: dict[tuple[str, str], int | None] = {}
        for (split, subset), predictions in self.predictions.items():
            # Bitext in parallel columns comes at once; its directions are the subsets.
            parts = predictions if subset == "parallel" else {subset: predictions}
            for name, part in parts.items():
                found = {name: part} if subset == "parallel" else part
                counts[split, name] = count_predictions(self._type, found)
        return counts


def count_unanswered(task_type: str, predictions: Any) -> int:
    """Number of queries for which nothing was found; they count 0."""
    if task_type not in _RETRIEVAL:
        return 0
    return sum(not is_answered(found) for found in predictions.values())


def count_predictions(task_type: str, predictions: Any) -> int | None:
    """Number of examples that mteb's predictions cover; None where they cannot tell.

    Clustering draws samples with repeats from the embedded texts, so that its
    predictions say how many were drawn, not which.

    Args:
        task_type: mteb's task type; predictions are shaped by it.
        predictions: Retrieval {query: {document: score}}; pair tasks {measure:
            [score]}; classification [experiment][label]; bitext mining
            {direction: [match]}.

    Raises:
        EvaluationError: If they have no shape that is known for the type.
    """
    if task_type in _RETRIEVAL and isinstance(predictions, Mapping):
        return sum(bool(found) for found in predictions.values())
    if task_type == "BitextMining" and isinstance(predictions, Mapping):
        return sum(len(matches) for matches in predictions.values())
    if task_type in ("STS", "PairClassification", "Summarization"):
        return min(len(scores) for scores in predictions.values())
    if task_type == "Clustering":
        return None
    if task_type in ("Classification", "MultilabelClassification", "Regression"):
        return min(len(experiment) for experiment in predictions)
    if task_type == "ZeroShotClassification":
        return len(predictions)
    raise EvaluationError(f"predictions of a {task_type} task have an unknown shape")


_RETRIEVAL = (
    "Retrieval",
    "Reranking",
    "InstructionRetrieval",
    "InstructionReranking",
)
