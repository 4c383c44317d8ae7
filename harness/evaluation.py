"""One evaluation: a fresh task and an encoder in, mteb's scores out, or a named refusal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

from harness.class_labels import read_labels_once
from harness.errors import EvaluationError
from harness.examples import ExampleRecorder
from harness.predictions import UNUSED_FOLDER, PredictionRecorder
from harness.retrieval_scores import scored_in_processes
from results.provenance import Coverage

if TYPE_CHECKING:
    import pandas as pd
    from mteb.abstasks import AbsTask
    from mteb.models import EncoderProtocol
    from mteb.results import TaskResult

__all__ = ["Evaluation", "evaluate_task", "task_result_data"]


@dataclass(frozen=True)
class Evaluation:
    """What came out of evaluating one task.

    Attributes:
        task_result: mteb's result.
        score: The main score, mean over splits and subsets.
        coverage: How many examples should be scored, and how many were.
        examples: Score, prediction and gold of each, see `results.examples`.
    """

    task_result: TaskResult
    score: float
    coverage: Coverage
    examples: pd.DataFrame


def evaluate_task(
    task: AbsTask,
    encoder: EncoderProtocol,
    expected: dict[tuple[str, str], int],
    *,
    batch_size: int = 32,
    processes: int = 1,
) -> Evaluation:
    """Evaluate an encoder on a task with mteb's own evaluators.

    Args:
        task: A fresh task object with its data loaded; it is used up.
        encoder: mteb's encoder protocol.
        expected: Number of examples to be scored by (split, subset).
        batch_size: Texts that mteb hands over at a time.
        processes: Processes that may score at a time; they are forked from this one.

    Raises:
        EvaluationError: If an example was not scored, a main score is no number,
            or the examples do not add up to mteb's scores. A query for which
            nothing was found is scored 0.
    """
    import mteb

    recorder, examples = PredictionRecorder(task), ExampleRecorder(task)
    read_labels_once(task)
    # The evaluators' matrices are small: threads cost them more than they bring
    # (2 cores, clustering: 0.3 s with one, up to 8 s with two). torch keeps its own.
    with threadpool_limits(1, user_api="blas"), scored_in_processes(processes):
        results = mteb.evaluate(
            encoder,
            task,
            cache=None,
            co2_tracker=False,
            encode_kwargs={"batch_size": batch_size, "show_progress_bar": False},
            show_progress_bar=False,
            prediction_folder=UNUSED_FOLDER,
        )
    (result,) = results.task_results
    _check_scores(result)
    coverage = _coverage(task.metadata.name, expected, recorder.counts(), recorder.unanswered())
    return Evaluation(
        task_result=result,
        score=float(result.get_score()),
        coverage=coverage,
        examples=examples.table(recorder.predictions, expected),
    )


def task_result_data(result: TaskResult) -> dict[str, Any]:
    """Mteb's TaskResult as JSON data, as mteb writes it but unrounded.

    A metric that is not a number (undefined for these data) becomes null.
    """
    data: dict[str, Any] = result.model_dump(mode="json")
    data["date"] = result.date.timestamp() if result.date else None
    finite: dict[str, Any] = _finite(data)
    return finite


def _check_scores(result: TaskResult) -> None:
    for split, subsets in result.scores.items():
        for scores in subsets:
            value = scores["main_score"]
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise EvaluationError(
                    f"task {result.task_name}: the main score of subset {scores['hf_subset']!r}, "
                    f"split {split!r} is {value}, which is no score; are the vectors all alike?"
                )


def _coverage(
    name: str,
    expected: dict[tuple[str, str], int],
    scored: dict[tuple[str, str], int | None],
    unanswered: int,
) -> Coverage:
    for place, count in expected.items():
        found = scored.get(place, 0)
        if found is None:  # cannot be told, but the evaluator takes all texts or fails
            found = count
        if found < count:
            split, subset = place
            raise EvaluationError(
                f"task {name}: only {found} of {count} examples were scored "
                f"in subset {subset!r}, split {split!r}"
            )
    n_expected = sum(expected.values())
    return Coverage(n_expected=n_expected, n_scored=n_expected - unanswered)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
