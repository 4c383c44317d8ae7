"""Synthetic: find the document that holds a person's passkey in filler, by length."""

from __future__ import annotations

from mteb.abstasks import AbsTaskRetrieval
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
from mteb.abstasks.task_metadata import TaskMetadata

from tasks.starter.files import Row
from tasks.starter.reader import StarterTask, dataset_entry, retrieval_split


class SyntheticPasskeyRetrieval(StarterTask, AbsTaskRetrieval):
    """One split a length in tokens: `test_256` to `test_8192`."""

    data_file = "synthetic_passkey"
    metadata = TaskMetadata(
        name="SyntheticPasskeyRetrieval",
        dataset=dataset_entry(data_file),
        description=(
            "Synthetic, after the passkey test of LongEmbed: a person's invented passkey in "
            "repeated filler, and a question. Splits are named by the length in XLM-R tokens."
        ),
        type="Retrieval",
        category="t2t",
        reference="https://arxiv.org/abs/2404.12096",
        eval_splits=[f"test_{length}" for length in (256, 512, 1024, 2048, 4096, 8192)],
        eval_langs=["eng-Latn"],
        main_score="ndcg_at_1",
        date=("2026-11-01", "2026-11-01"),
        domains=["Constructed"],
        task_subtypes=["Article retrieval"],
        license="cc0-1.0",
        annotations_creators="algorithmic",
        dialect=[],
        sample_creation="created",
        bibtex_citation=r"""
@article{zhu2024longembed,
  author = {Zhu, Dawei and Wang, Liang and Yang, Nan and Song, Yifan and Wu, Wenhao and Wei, Furu
    and Li, Sujian},
  journal = {arXiv preprint arXiv:2404.12096},
  title = {LongEmbed: Extending Embedding Models for Long Context Retrieval},
  year = {2024},
}
""",
    )

    def split_data(self, rows: list[Row], subset: str, split: str) -> RetrievalSplitData:
        """Return the queries and documents of one length."""
        entries = {row["query"]: row["document"] for row in rows if row["split"] == split}
        return retrieval_split(entries, list(entries.values()))
