"""Debian FAQ: from a question in nine languages to the English answer."""

from __future__ import annotations

from mteb.abstasks import AbsTaskRetrieval
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
from mteb.abstasks.task_metadata import TaskMetadata

from tasks.starter.debian_faq_retrieval import FAQ_LANGUAGES, DebianFaqRetrieval
from tasks.starter.files import Row
from tasks.starter.languages import LANGUAGES
from tasks.starter.reader import StarterTask, retrieval_split


class DebianFaqCrossLingualRetrieval(StarterTask, AbsTaskRetrieval):
    """Subset `xx-en`: questions in xx, all English answers."""

    data_file = "debian_faq"
    metadata = TaskMetadata(
        **DebianFaqRetrieval.metadata.model_dump(exclude={"name", "description", "eval_langs"}),
        name="DebianFaqCrossLingualRetrieval",
        description="Questions of the Debian FAQ in nine languages and the English answers.",
        eval_langs={
            f"{lang}-en": [LANGUAGES[lang], LANGUAGES["en"]]
            for lang in FAQ_LANGUAGES
            if lang != "en"
        },
    )

    def split_data(self, rows: list[Row], subset: str, split: str) -> RetrievalSplitData:
        """Return the questions in the first language of `subset` with the English answers."""
        lang = subset.removesuffix("-en")
        answers = {row["id"]: row["answer"] for row in rows if row["lang"] == "en"}
        relevant = {row["question"]: answers[row["id"]] for row in rows if row["lang"] == lang}
        return retrieval_split(relevant, list(answers.values()))
