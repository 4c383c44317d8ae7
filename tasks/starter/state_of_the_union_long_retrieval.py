"""State of the Union: from the first half of a speech to its second half."""

from __future__ import annotations

from mteb.abstasks import AbsTaskRetrieval
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
from mteb.abstasks.task_metadata import TaskMetadata

from tasks.starter.files import Row
from tasks.starter.reader import StarterTask, dataset_entry, retrieval_split


class StateOfTheUnionLongRetrieval(StarterTask, AbsTaskRetrieval):
    """First halves and second halves of speeches, each 4,096 to 8,192 tokens long."""

    data_file = "state_of_the_union"
    metadata = TaskMetadata(
        name="StateOfTheUnionLongRetrieval",
        dataset=dataset_entry(data_file),
        description=(
            "First and second halves of speeches of US presidents to Congress, 4,096 to 8,192 "
            "tokens each. Very hard: speeches share subjects, and halves of one differ in them."
        ),
        type="Retrieval",
        category="t2t",
        reference="https://www.presidency.ucsb.edu/",
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        main_score="ndcg_at_10",
        date=("1790-01-08", "2025-03-04"),
        domains=["Government", "Spoken"],
        task_subtypes=["Article retrieval"],
        license="mit",
        annotations_creators="derived",
        dialect=[],
        sample_creation="found",
        bibtex_citation="",
    )

    def split_data(self, rows: list[Row], subset: str, split: str) -> RetrievalSplitData:
        """Return the first halves as queries, the second halves as documents."""
        entries = {row["first"]: row["second"] for row in rows}
        return retrieval_split(entries, list(entries.values()))
