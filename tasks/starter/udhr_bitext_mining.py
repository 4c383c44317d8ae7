"""Universal Declaration of Human Rights: from 29 languages to English."""

from __future__ import annotations

from datasets import Dataset
from mteb.abstasks import AbsTaskBitextMining
from mteb.abstasks.task_metadata import TaskMetadata

from tasks.starter.files import Row
from tasks.starter.languages import LANGUAGES
from tasks.starter.reader import StarterTask, dataset_entry

UDHR_LANGUAGES = (
    "ar", "bn", "cs", "de", "el", "es", "fa", "fi", "fr", "he", "hi", "hu", "id", "it", "ja", "ko",
    "nl", "pl", "pt", "ro", "ru", "sv", "sw", "ta", "th", "tr", "uk", "vi", "zh",
)  # fmt: skip


class UdhrBitextMining(StarterTask, AbsTaskBitextMining):
    """Subset `xx-en`: paragraphs in xx, and the same paragraphs in English."""

    data_file = "udhr"
    metadata = TaskMetadata(
        name="UdhrBitextMining",
        dataset=dataset_entry(data_file),
        description="The Universal Declaration of Human Rights in 29 languages and in English.",
        type="BitextMining",
        category="t2t",
        reference="https://www.ohchr.org/en/universal-declaration-of-human-rights",
        eval_splits=["test"],
        eval_langs={f"{lang}-en": [LANGUAGES[lang], LANGUAGES["en"]] for lang in UDHR_LANGUAGES},
        main_score="f1",
        date=("1948-12-10", "2019-12-31"),
        domains=["Government", "Legal", "Written"],
        task_subtypes=[],
        license="https://www.ohchr.org/en/universal-declaration-of-human-rights",
        annotations_creators="derived",
        dialect=[],
        sample_creation="human-translated",
        bibtex_citation="",
    )

    def split_data(self, rows: list[Row], subset: str, split: str) -> Dataset:
        """Return the paragraphs of the two languages of `subset`."""
        texts = {(row["lang"], row["id"]): row["text"] for row in rows}
        lang = subset.removesuffix("-en")
        ids = [row["id"] for row in rows if row["lang"] == lang]
        return Dataset.from_dict(
            {
                "sentence1": [texts[lang, unit] for unit in ids],
                "sentence2": [texts["en", unit] for unit in ids],
            }
        )
