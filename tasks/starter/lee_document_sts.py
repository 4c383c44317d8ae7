"""Lee: how similar people judge two short news texts to be, read from the package gensim.

The ratings may not be redistributed, so they are not in this repository.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

from datasets import Dataset
from mteb.abstasks import AbsTaskSTS
from mteb.abstasks.task_metadata import TaskMetadata

from tasks.errors import DataFileError
from tasks.starter.files import PATH_PREFIX, Row
from tasks.starter.reader import StarterTask, columns

TEXTS, RATINGS = "lee.cor", "similarities0-1.txt"
SHA256 = {
    TEXTS: "a878f9a58f6743c32985c56c2f2f75988386216b38a4023a01fd3bcf7884d93e",
    RATINGS: "23762bc6b728897144dda3d324a2c032dc1e059e1009806226d64b6dd123ed79",
}


def lee_file(name: str) -> str:
    """Return the text of one of gensim's test files, without importing gensim.

    Raises:
        DataFileError: gensim is not installed, or its file is another one.
    """
    spec = find_spec("gensim")
    if spec is None or spec.origin is None:
        raise DataFileError('LeeDocumentSTS needs gensim: pip install "jina-eval[starter]"')
    path = Path(spec.origin).parent / "test/test_data" / name
    content = path.read_bytes() if path.is_file() else b""
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256[name]:
        raise DataFileError(f"{path} is not the file of gensim 4.4.0: sha256 {found}")
    return content.decode("latin-1")


class LeeDocumentSTS(StarterTask, AbsTaskSTS):
    """Fifty news texts in all 1,225 pairs, each with the mean of about ten human ratings."""

    min_score, max_score = 0, 1
    metadata = TaskMetadata(
        name="LeeDocumentSTS",
        dataset={
            "path": f"{PATH_PREFIX}lee",
            "revision": hashlib.sha256("".join(SHA256.values()).encode()).hexdigest()[:40],
        },
        description="Pairs of fifty news texts, and how similar people judged them to be.",
        type="STS",
        category="t2t",
        reference="https://escholarship.org/uc/item/48g155nq",
        eval_langs=["eng-Latn"],
        main_score="cosine_spearman",
        date=("2001-01-01", "2005-07-21"),
        domains=["News", "Written"],
        task_subtypes=[],
        license="not specified",
        annotations_creators="human-annotated",
        dialect=[],
        sample_creation="found",
        bibtex_citation="",
    )

    def rows(self) -> list[Row]:
        """Read the pairs: each unordered pair of two different texts once."""
        texts = [line.strip() for line in lee_file(TEXTS).split("\n") if line.strip()]
        ratings = [line.split() for line in lee_file(RATINGS).split("\n") if line.strip()]
        return [
            {"first": texts[i], "second": texts[j], "score": float(ratings[i][j])}
            for i, j in combinations(range(len(texts)), 2)
        ]

    def split_data(self, rows: list[Row], subset: str, split: str) -> Dataset:
        """Return the pairs and their ratings, 0 to 1."""
        return columns(rows, {"sentence1": "first", "sentence2": "second", "score": "score"})
