"""Per-example scores of one evaluation, taken from mteb while it scores and checked against it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from harness.errors import EvaluationError
from harness.example_rows import MOST_SEARCHES, Measured, Rows, example_rows
from harness.retrieval_scores import QueryScores
from harness.trec_names import trec_name
from results.examples import examples_table
from tasks.fresh import task_parts

if TYPE_CHECKING:
    import numpy.typing as npt
    from mteb.abstasks import AbsTask

    from results.examples import ExampleRows

    Place = tuple[str, str]

__all__ = ["ExampleRecorder", "per_query_scores"]

_TOLERANCE = 1e-4
"""mteb rounds retrieval metrics to five digits."""

_MRR_AT_K = re.compile(r"mrr_at_(\d+)")


class ExampleRecorder:
    """Keeps what one evaluation of one task has beside its predictions.

    Subsets of an aggregate's parts are called PART/SUBSET.
    """

    def __init__(self, task: AbsTask) -> None:
        """Listen to the task's own methods and random state.

        Args:
            task: A task object that is evaluated once and thrown away.
        """
        from mteb.abstasks import AbsTaskClustering, AbsTaskRetrieval

        self._task = task
        self._parts: dict[str, AbsTask] = {}
        self._metrics: dict[Place, Mapping[str, Any]] = {}
        self._query_scores: dict[Place, tuple[list[str], npt.NDArray[np.float64]]] = {}
        self._draws: dict[Place, list[tuple[int, list[int]]]] = {}
        self._drawn: list[tuple[int, list[int]]] = []
        for part in task_parts(task):
            prefix = f"{part.metadata.name}/" if task.is_aggregate else ""
            self._parts[prefix] = part
            self._keep_metrics(part, prefix)
            if isinstance(part, AbsTaskRetrieval):
                self._keep_query_scores(part, prefix)
            if isinstance(part, AbsTaskClustering):
                self._keep_draws(part)

    def table(
        self, predictions: Mapping[Place, Any], expected: Mapping[Place, int]
    ) -> pd.DataFrame:
        """The examples as of `results.examples`.

        Args:
            predictions: mteb's by (split, subset), as `PredictionRecorder` keeps them.
            expected: Number of examples by (split, subset).

        Raises:
            EvaluationError: If a split and subset has another number of examples, one id twice, or
                scores whose mean is not mteb's.
        """
        return examples_table(
            (split, subset, self._checked(split, subset, rows, expected.get((split, subset))))
            for split, subset, rows in self._rows(predictions)
        )

    def _rows(self, predictions: Mapping[Place, Any]) -> Iterator[tuple[str, str, Rows]]:
        searches = max(1, MOST_SEARCHES // max(1, len(predictions)))
        for (split, named), found in predictions.items():
            part, subset, prefix = self._part(named)
            # Bitext in parallel columns comes at once; its directions are the subsets.
            directions = found if subset == "parallel" else {subset: found}
            for name in directions:
                place = split, prefix + name
                measured = Measured(
                    task=part,
                    split=split,
                    subset=name,
                    predictions={name: found[name]} if subset == "parallel" else found,
                    metrics=self._metrics[place],
                    query_scores=self._query_scores.get(place),
                    draws=self._draws.get(place, []),
                    searches=searches,
                )
                yield *place, example_rows(measured)

    def _part(self, named: str) -> tuple[Any, str, str]:
        """A part, the subset's own name, and what stands before it."""
        for prefix, part in self._parts.items():
            if named.startswith(prefix):
                return part, named.removeprefix(prefix), prefix
        raise EvaluationError(f"task {self._task.metadata.name}: no part has subset {named!r}")

    def _checked(self, split: str, subset: str, rows: Rows, count: int | None) -> ExampleRows:
        examples = rows.examples
        n, said = len(examples.ids), f"examples of subset {subset!r}, split {split!r}"
        name = self._task.metadata.name
        if count is not None and n != count:
            raise EvaluationError(f"task {name}: {n} {said}, expected were {count}")
        if not pd.Index(examples.ids).is_unique:
            raise EvaluationError(f"task {name}: two {said} have one id")
        if rows.metric is None or examples.scores is None or n == 0:
            return examples
        mean = float(np.mean(examples.scores))
        score = float(self._metrics[split, subset][rows.metric])
        if not abs(mean - score) <= _TOLERANCE:
            raise EvaluationError(
                f"task {name}: the scores of the {said} have the mean {mean}, "
                f"mteb's {rows.metric} is {score}"
            )
        return examples

    def _keep_metrics(self, part: Any, prefix: str) -> None:
        evaluate = part._evaluate_subset

        def keep(*args: Any, hf_split: str, hf_subset: str, **kwargs: Any) -> Any:
            self._drawn = []
            metrics = evaluate(*args, hf_split=hf_split, hf_subset=hf_subset, **kwargs)
            found = metrics if hf_subset == "parallel" else {hf_subset: metrics}
            for name, values in found.items():
                self._metrics[hf_split, prefix + name] = values
            self._draws[hf_split, prefix + hf_subset] = self._drawn
            return metrics

        part._evaluate_subset = keep

    def _keep_query_scores(self, part: Any, prefix: str) -> None:
        compute = part.task_specific_scores

        def keep(scores: Any, qrels: Any, results: Any, hf_split: str, hf_subset: str) -> Any:
            found = per_query_scores(part, scores, qrels, results)
            if found is not None:
                self._query_scores[hf_split, prefix + hf_subset] = found
            return compute(scores, qrels, results, hf_split=hf_split, hf_subset=hf_subset)

        part.task_specific_scores = keep

    def _keep_draws(self, part: Any) -> None:
        def kept(draw: Callable[..., list[int]]) -> Callable[..., list[int]]:
            def keep(population: Sequence[int], *args: Any, **kwargs: Any) -> list[int]:
                drawn = draw(population, *args, **kwargs)
                self._drawn.append((len(population), drawn))
                return drawn

            return keep

        part.rng_state.sample = kept(part.rng_state.sample)
        part.rng_state.choices = kept(part.rng_state.choices)


def per_query_scores(
    task: Any,
    scores: Mapping[str, Mapping[str, float]],
    qrels: Mapping[str, Mapping[str, int]],
    results: Mapping[str, Mapping[str, float]],
) -> tuple[list[str], npt.NDArray[np.float64]] | None:
    """Each query's value of a search's main score.

    Args:
        task: mteb's retrieval task.
        scores: trec_eval's metrics by query.
        qrels: Grades by query and document.
        results: What was found, by query and document.

    Returns:
        The queries and a float64 array of their values; None if the main score is no mean over
        queries, as p-MRR, or is not given by query.
    """
    from mteb._evaluators.retrieval_metrics import mrr

    main = "recall_at_1" if task.metadata.main_score == "accuracy" else task.metadata.main_score
    match = _MRR_AT_K.fullmatch(main)
    if match is not None:
        if task.skip_first_result:  # mteb drops results that are still here
            return None
        return list(results), np.array(mrr(qrels, results, [int(match[1])])[f"MRR@{match[1]}"])
    name = trec_name(main)
    if name is None:
        return None
    if isinstance(scores, QueryScores):
        return list(scores), scores.column(name)
    return list(scores), np.array([values[name] for values in scores.values()])
