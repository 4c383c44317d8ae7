"""Bible: from a Spanish verse to its English translation."""

from __future__ import annotations

from datasets import Dataset
from mteb.abstasks import AbsTaskBitextMining
from mteb.abstasks.task_metadata import TaskMetadata

from tasks.starter.files import Row
from tasks.starter.reader import StarterTask, columns, dataset_entry


class BibleBitextMining(StarterTask, AbsTaskBitextMining):
    """Spanish verses of 1909, and the World English text of each."""

    data_file = "bible_verses"
    metadata = TaskMetadata(
        name="BibleBitextMining",
        dataset=dataset_entry(data_file),
        description="Verses of the Reina-Valera of 1909 and of the World English Bible.",
        type="BitextMining",
        category="t2t",
        reference="https://ebible.org/web/",
        eval_splits=["test"],
        eval_langs={"es-en": ["spa-Latn", "eng-Latn"]},
        main_score="f1",
        date=("1909-01-01", "2020-12-31"),
        domains=["Religious", "Written"],
        task_subtypes=[],
        license="https://ebible.org/web/copyright.htm",
        annotations_creators="derived",
        dialect=[],
        sample_creation="human-translated",
        bibtex_citation="",
    )

    def split_data(self, rows: list[Row], subset: str, split: str) -> Dataset:
        """Return the Spanish and English text of each verse."""
        return columns(rows, {"sentence1": "es", "sentence2": "web"})
