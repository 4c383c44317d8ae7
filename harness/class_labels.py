"""Labels of a classification's test texts, read once and not for every metric.

mteb hands its metrics a column of the data set, which decodes each label anew whenever it is looked
at: scikit-learn looks a hundred times, which takes four times as long as all else that scores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks.fresh import task_parts

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

__all__ = ["read_labels_once"]


def read_labels_once(task: AbsTask) -> None:
    """Have a task's metrics computed on plain lists of labels.

    Args:
        task: A task object that is evaluated once and thrown away.
    """
    from mteb.abstasks.classification import AbsTaskClassification

    for part in task_parts(task):
        if isinstance(part, AbsTaskClassification):
            _read_once(part)


def _read_once(part: Any) -> None:
    calculate = part._calculate_scores

    def on_list(labels: Any, *predicted: Any) -> Any:
        return calculate(labels[:], *predicted)  # a slice of a column is a list

    part._calculate_scores = on_list
