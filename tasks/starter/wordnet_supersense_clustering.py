"""WordNet: definitions fall into clusters by the supersense of the noun."""

from __future__ import annotations

from datasets import Dataset
from mteb.abstasks import AbsTaskClustering
from mteb.abstasks.task_metadata import TaskMetadata

from tasks.starter.files import Row
from tasks.starter.reader import StarterTask, columns, dataset_entry


class WordNetSupersenseClustering(StarterTask, AbsTaskClustering):
    """All texts of both splits; ten samples with replacement are clustered."""

    data_file = "wordnet_supersenses"
    # mteb would embed four texts of a hundred; the data is small, so all are embedded.
    max_fraction_of_documents_to_embed = None
    max_documents_per_cluster = 1200
    metadata = TaskMetadata(
        name="WordNetSupersenseClustering",
        dataset=dataset_entry(data_file),
        description="Definitions of nouns in WordNet, clustered by their lexicographer files.",
        type="Clustering",
        category="t2c",
        reference="https://wordnet.princeton.edu/documentation/lexnames5wn",
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        main_score="v_measure",
        date=("1985-01-01", "2006-12-01"),
        domains=["Encyclopaedic", "Written"],
        task_subtypes=["Thematic clustering"],
        license="https://wordnet.princeton.edu/license-and-commercial-use",
        annotations_creators="expert-annotated",
        dialect=[],
        sample_creation="found",
        bibtex_citation="",
    )

    def split_data(self, rows: list[Row], subset: str, split: str) -> Dataset:
        """Return all texts and labels."""
        return columns(rows, {"sentences": "text", "labels": "label"})
