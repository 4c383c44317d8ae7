"""web-features: from the description of a web platform feature to its groups."""

from __future__ import annotations

from datasets import Dataset
from mteb.abstasks import AbsTaskMultilabelClassification
from mteb.abstasks.task_metadata import TaskMetadata
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

from tasks.starter.files import Row
from tasks.starter.reader import StarterTask, columns, dataset_entry


class WebFeaturesMultilabelClassification(StarterTask, AbsTaskMultilabelClassification):
    """Eleven labels, one or more a text."""

    data_file = "web_features"
    extra_splits = ("train",)
    samples_per_label = 16
    n_experiments = 5
    # One linear classifier a label. The five nearest neighbours of mteb's default outvote the
    # rarer combinations of labels, so that even a perfect embedding stays below 1. The weak
    # penalty lets it separate labels that the small training samples hold a few times.
    evaluator_model = MultiOutputClassifier(LogisticRegression(C=10.0, max_iter=200))
    metadata = TaskMetadata(
        name="WebFeaturesMultilabelClassification",
        dataset=dataset_entry(data_file),
        description="Descriptions of web platform features, labelled with their groups.",
        type="MultilabelClassification",
        category="t2c",
        reference="https://github.com/web-platform-dx/web-features",
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        main_score="f1",
        date=("2022-01-01", "2026-10-31"),
        domains=["Programming", "Written"],
        task_subtypes=["Topic classification"],
        license="apache-2.0",
        annotations_creators="human-annotated",
        dialect=[],
        sample_creation="found",
        bibtex_citation="",
    )

    def split_data(self, rows: list[Row], subset: str, split: str) -> Dataset:
        """Return the texts and label lists of one split."""
        chosen = [row for row in rows if row["split"] == split]
        return columns(chosen, {"text": "text", "label": "labels"})
