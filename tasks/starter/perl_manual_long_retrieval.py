"""Perl manual: from the one-line summary of a page to the page, 4,096 tokens or more."""

from __future__ import annotations

from mteb.abstasks import AbsTaskRetrieval
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
from mteb.abstasks.task_metadata import TaskMetadata

from tasks.starter.files import Row
from tasks.starter.reader import StarterTask, dataset_entry, retrieval_split


class PerlManualLongRetrieval(StarterTask, AbsTaskRetrieval):
    """Summaries and long manual pages; the start of a page tells as much as all of it."""

    data_file = "perl_manual"
    metadata = TaskMetadata(
        name="PerlManualLongRetrieval",
        dataset=dataset_entry(data_file),
        description=(
            "One-line summaries and manual pages of Perl, 4,096 to 12,288 tokens long. Pages begin "
            "with what they are about: a good score does not prove that a model reads far."
        ),
        type="Retrieval",
        category="t2t",
        reference="https://perldoc.perl.org/perl",
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        main_score="ndcg_at_10",
        date=("1987-12-18", "2022-05-28"),
        domains=["Programming", "Written"],
        task_subtypes=["Article retrieval"],
        license="https://dev.perl.org/licenses/",
        annotations_creators="derived",
        dialect=[],
        sample_creation="found",
        bibtex_citation="",
    )

    def split_data(self, rows: list[Row], subset: str, split: str) -> RetrievalSplitData:
        """Return all summaries and pages."""
        entries = {row["summary"]: row["text"] for row in rows}
        return retrieval_split(entries, list(entries.values()))
