"""home-assistant-intents: from a sentence to a smart home to the intent it expresses."""

from __future__ import annotations

from datasets import Dataset
from mteb.abstasks import AbsTaskClassification
from mteb.abstasks.task_metadata import TaskMetadata

from tasks.starter.files import Row
from tasks.starter.languages import LANGUAGES
from tasks.starter.reader import StarterTask, columns, dataset_entry

INTENT_LANGUAGES = (
    "en", "ar", "de", "el", "es", "fr", "he", "hi", "ko", "ru", "th", "zh",
)  # fmt: skip


class HomeAssistantIntentClassification(StarterTask, AbsTaskClassification):
    """Each subset is one language, with six training and ten test texts for each of its labels."""

    data_file = "home_assistant_intents"
    extra_splits = ("train",)
    samples_per_label = 4
    n_experiments = 5
    metadata = TaskMetadata(
        name="HomeAssistantIntentClassification",
        dataset=dataset_entry(data_file),
        description="Orders to a smart home, labelled with their intent, in twelve languages.",
        type="Classification",
        category="t2c",
        reference="https://github.com/OHF-Voice/intents",
        eval_splits=["test"],
        eval_langs={lang: [LANGUAGES[lang]] for lang in INTENT_LANGUAGES},
        main_score="accuracy",
        date=("2022-12-01", "2026-10-27"),
        domains=["Constructed", "Spoken"],
        task_subtypes=["Intent classification"],
        license="apache-2.0",
        annotations_creators="human-annotated",
        dialect=[],
        sample_creation="created",
        bibtex_citation="",
    )

    def split_data(self, rows: list[Row], subset: str, split: str) -> Dataset:
        """Return the texts and labels of one language and split."""
        chosen = [row for row in rows if row["lang"] == subset and row["split"] == split]
        return columns(chosen, {"text": "text", "label": "label"})
