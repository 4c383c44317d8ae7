"""Perl FAQ: from a question to its answer."""

from __future__ import annotations

from mteb.abstasks import AbsTaskRetrieval
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
from mteb.abstasks.task_metadata import TaskMetadata

from tasks.starter.files import Row
from tasks.starter.reader import StarterTask, dataset_entry, retrieval_split


class PerlFaqRetrieval(StarterTask, AbsTaskRetrieval):
    """Questions of perlfaq, and the answers to all of them."""

    data_file = "perl_faq"
    metadata = TaskMetadata(
        name="PerlFaqRetrieval",
        dataset=dataset_entry(data_file),
        description="Questions of the Perl FAQ and their answers, in English.",
        type="Retrieval",
        category="t2t",
        reference="https://perldoc.perl.org/perlfaq",
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        main_score="ndcg_at_10",
        date=("1995-01-01", "2022-05-28"),
        domains=["Programming", "Written"],
        task_subtypes=["Question answering"],
        license="https://dev.perl.org/licenses/",
        annotations_creators="derived",
        dialect=[],
        sample_creation="found",
        bibtex_citation="",
    )

    def split_data(self, rows: list[Row], subset: str, split: str) -> RetrievalSplitData:
        """Return all questions and answers."""
        entries = {row["question"]: row["answer"] for row in rows}
        return retrieval_split(entries, list(entries.values()))
