"""Debian FAQ: rank the twenty lexically nearest answers and the true one among them."""

from __future__ import annotations

from mteb.abstasks import AbsTaskRetrieval
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
from mteb.abstasks.task_metadata import TaskMetadata

from tasks.starter.debian_faq_retrieval import DebianFaqRetrieval
from tasks.starter.files import Row
from tasks.starter.languages import LANGUAGES
from tasks.starter.reader import StarterTask, dataset_entry, retrieval_split


class DebianFaqReranking(StarterTask, AbsTaskRetrieval):
    """Each subset is one language: its questions, each with candidates fixed in the data."""

    data_file = "debian_faq"
    metadata = TaskMetadata(
        **DebianFaqRetrieval.metadata.model_dump(
            exclude={"name", "dataset", "description", "type", "eval_langs"}
        ),
        name="DebianFaqReranking",
        dataset=dataset_entry(data_file),
        description="Questions of the Debian FAQ, each with the true and 19 similar answers.",
        type="Reranking",
        eval_langs={lang: [LANGUAGES[lang]] for lang in ("en", "de", "ja")},
    )

    def split_data(self, rows: list[Row], subset: str, split: str) -> RetrievalSplitData:
        """Return questions, answers and candidates of the language `subset`."""
        entries = [row for row in rows if row["lang"] == subset]
        answers = {row["id"]: row["answer"] for row in entries}
        return retrieval_split(
            {row["question"]: row["answer"] for row in entries},
            list(answers.values()),
            {row["question"]: [answers[i] for i in row["candidates"]] for row in entries},
        )
