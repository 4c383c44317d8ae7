"""WordNet: from a definition to the supersense of the noun."""

from __future__ import annotations

from datasets import Dataset
from mteb.abstasks import AbsTaskClassification
from mteb.abstasks.task_metadata import TaskMetadata

from tasks.starter.files import Row
from tasks.starter.reader import StarterTask, columns, dataset_entry


class WordNetSupersenseClassification(StarterTask, AbsTaskClassification):
    """Twenty labels, twenty training and forty test texts each."""

    data_file = "wordnet_supersenses"
    extra_splits = ("train",)
    samples_per_label = 16
    n_experiments = 5
    metadata = TaskMetadata(
        name="WordNetSupersenseClassification",
        dataset=dataset_entry(data_file),
        description="Definitions of nouns in WordNet, labelled with their lexicographer files.",
        type="Classification",
        category="t2c",
        reference="https://wordnet.princeton.edu/documentation/lexnames5wn",
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        main_score="accuracy",
        date=("1985-01-01", "2006-12-01"),
        domains=["Encyclopaedic", "Written"],
        task_subtypes=["Topic classification"],
        license="https://wordnet.princeton.edu/license-and-commercial-use",
        annotations_creators="expert-annotated",
        dialect=[],
        sample_creation="found",
        bibtex_citation="",
    )

    def split_data(self, rows: list[Row], subset: str, split: str) -> Dataset:
        """Return the texts and labels of one split."""
        chosen = [row for row in rows if row["split"] == split]
        return columns(chosen, {"text": "text", "label": "label"})
