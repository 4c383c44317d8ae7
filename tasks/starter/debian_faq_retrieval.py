"""Debian FAQ: from a question to its answer, within one language."""

from __future__ import annotations

from mteb.abstasks import AbsTaskRetrieval
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
from mteb.abstasks.task_metadata import TaskMetadata

from tasks.starter.files import Row
from tasks.starter.languages import LANGUAGES
from tasks.starter.reader import StarterTask, dataset_entry, retrieval_split

FAQ_LANGUAGES = ("en", "de", "fr", "it", "ja", "ko", "nl", "pt", "ru", "zh-cn")


class DebianFaqRetrieval(StarterTask, AbsTaskRetrieval):
    """Each subset is one language: its questions, and the answers to all of them."""

    data_file = "debian_faq"
    metadata = TaskMetadata(
        name="DebianFaqRetrieval",
        dataset=dataset_entry(data_file),
        description="Questions of the Debian FAQ and their answers, in ten languages.",
        type="Retrieval",
        category="t2t",
        reference="https://www.debian.org/doc/manuals/debian-faq/",
        eval_splits=["test"],
        eval_langs={lang: [LANGUAGES[lang]] for lang in FAQ_LANGUAGES},
        main_score="ndcg_at_10",
        date=("1996-01-01", "2023-06-10"),
        domains=["Programming", "Written"],
        task_subtypes=["Question answering"],
        license="https://www.debian.org/doc/manuals/debian-faq/",
        annotations_creators="derived",
        dialect=[],
        sample_creation="human-translated",
        bibtex_citation="",
    )

    def split_data(self, rows: list[Row], subset: str, split: str) -> RetrievalSplitData:
        """Return the questions and answers of the language `subset`."""
        entries = {row["question"]: row["answer"] for row in rows if row["lang"] == subset}
        return retrieval_split(entries, list(entries.values()))
