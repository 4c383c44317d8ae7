"""Bible: are two English texts translations of the same verse?"""

from __future__ import annotations

from datasets import Dataset
from mteb.abstasks import AbsTaskPairClassification
from mteb.abstasks.task_metadata import TaskMetadata

from tasks.starter.files import Row
from tasks.starter.reader import StarterTask, dataset_entry


class BibleVersePairClassification(StarterTask, AbsTaskPairClassification):
    """Each verse twice: with its other translation, and with the nearest verse of the chapter."""

    data_file = "bible_verses"
    metadata = TaskMetadata(
        name="BibleVersePairClassification",
        dataset=dataset_entry(data_file),
        description=(
            "Verses of the World English Bible, each paired with the King James text of the same "
            "verse and of the lexically nearest other verse in the chapter."
        ),
        type="PairClassification",
        category="t2t",
        reference="https://ebible.org/web/",
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        main_score="max_ap",
        date=("1611-01-01", "2020-12-31"),
        domains=["Religious", "Written"],
        task_subtypes=["Duplicate Detection"],
        license="https://ebible.org/web/copyright.htm",
        annotations_creators="derived",
        dialect=[],
        sample_creation="found",
        bibtex_citation="",
    )

    def split_data(self, rows: list[Row], subset: str, split: str) -> Dataset:
        """Return the pairs, the true one of each verse before the false one."""
        pairs = [
            {"sentence1": row["web"], "sentence2": row[other], "labels": int(other == "kjv")}
            for row in rows
            for other in ("kjv", "other")
        ]
        return Dataset.from_list(pairs)
