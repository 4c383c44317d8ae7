"""Families 31 to 34 and 36 of docs/silent-failures.md: splits, lengths, versions, draws, goldens.

Each test plants the fault and expects a check, or a guard, to notice; the same check passes
without it.
"""

import dataclasses
import logging

import mteb
import numpy as np
import pytest
from mteb.abstasks.classification import AbsTaskClassification
from mteb.mocks import MOCK_TASK_TEST_GRID

import harness.suite_tables
import tasks.loading
import tasks.sizes
from harness.evaluation import evaluate_task
from harness.jobs import LoadedTask
from harness.suite_tables import describe_command
from model import tokenization
from model.backends import load_backend
from model.routing import Route
from model.source import resolve_model
from results.errors import ImpossibleScoresError
from results.store import RecordStore
from tasks.errors import DataUnavailableError
from tasks.fresh import fresh_task
from tasks.loading import load_fresh
from tasks.suites import Suite
from tests import mteb_data
from tests.results.factories import make_record
from tests.silent_failures.small import Recorder, evaluate, make_encoder
from tests.silent_failures.test_prompts_and_tokens import check_token_ids
from tests.tasks.encoders import RandomEncoder


@pytest.fixture(scope="module")
def without_test(tmp_path_factory):
    """A search whose data have judgements of another split only."""
    folder = tmp_path_factory.mktemp("data") / "search"
    folder.mkdir()
    mteb_data.TASKS["SciFact"](folder)
    card = folder / "README.md"
    card.write_text(card.read_text().replace("  - split: test\n", "  - split: dev\n"))
    (folder / "qrels" / "train.jsonl").unlink()
    lines = card.read_text().splitlines()
    at = lines.index("  - split: train")
    card.write_text("\n".join([*lines[:at], *lines[at + 2 :]]) + "\n")
    template = mteb.get_task("SciFact")
    metadata = template.metadata.model_copy(
        update={"dataset": {"path": str(folder), "revision": "1"}, "name": "Moved"}
    )
    return type("Moved", (type(template),), {"metadata": metadata})()


def test_31_split_that_stands_for_another_is_refused(without_test, monkeypatch):
    """The guard at run time. Without it mteb takes the only split that is there."""
    with pytest.raises(DataUnavailableError, match=r"no judgements of split 'test', .*: dev"):
        load_fresh(without_test, 42)
    monkeypatch.setattr(tasks.loading, "check_judged_splits", lambda *_: None)
    scored = LoadedTask.of(load_fresh(without_test, 42))
    assert evaluate(scored, make_encoder(Recorder()))["ndcg_at_10"] >= 0


LENGTHS = tuple(f"test_{length}" for length in mteb_data.LENGTHS)
LONG_EMBED = {
    "LEMBNeedleRetrieval": ("ndcg_at_1", LENGTHS),
    "LEMBPasskeyRetrieval": ("ndcg_at_1", LENGTHS),
    "LEMBNarrativeQARetrieval": ("ndcg_at_10", ("test",)),
    "LEMBQMSumRetrieval": ("ndcg_at_10", ("test",)),
    "LEMBSummScreenFDRetrieval": ("ndcg_at_10", ("validation",)),
    "LEMBWikimQARetrieval": ("ndcg_at_10", ("test",)),
}
"""Metric and splits of each task of LongEmbed (arXiv 2404.12096), as mteb has them."""


def check_long_embed():
    for name, (metric, splits) in LONG_EMBED.items():
        task = mteb.get_task(name)
        assert (task.metadata.main_score, tuple(sorted(task.eval_splits))) == (
            metric,
            tuple(sorted(splits)),
        ), name


def test_32_another_main_score_or_length_of_long_embed_is_noticed(monkeypatch):
    check_long_embed()
    kind = type(mteb.get_task("LEMBNeedleRetrieval"))
    for change in ({"main_score": "ndcg_at_10"}, {"eval_splits": ["test_256"]}):
        with monkeypatch.context() as patch:
            patch.setattr(kind, "metadata", kind.metadata.model_copy(update=change))
            with pytest.raises(AssertionError, match="LEMBNeedleRetrieval"):
                check_long_embed()


@pytest.mark.parametrize(
    ("mains", "score", "said"),
    [
        ((0.9, 0.8), 0.85, "the main score is 0.9, but ndcg_at_1 is 0.7"),  # those of ndcg_at_10
        ((0.7, 0.6), 0.7, "the score is 0.7, but the mean of the main scores is 0.65"),
    ],
)
def test_32_score_by_another_metric_or_rule_is_refused(mains, score, said, tmp_path):
    """The guard at run time: the task's metric, and the mean over its lengths."""
    lengths = {
        "test_256": {"ndcg_at_1": 0.7, "ndcg_at_10": 0.9},
        "test_512": {"ndcg_at_1": 0.6, "ndcg_at_10": 0.8},
    }

    def write(mains, score):
        record = make_record(score)
        facts = record.provenance.task.model_copy(update={"main_score": "ndcg_at_1"})
        scores = {
            split: [{**found, "main_score": main, "hf_subset": "default"}]
            for (split, found), main in zip(lengths.items(), mains, strict=True)
        }
        RecordStore(tmp_path).write(
            dataclasses.replace(
                record,
                task_result={"task_name": "TaskA", "scores": scores},
                provenance=record.provenance.model_copy(update={"task": facts}),
            ),
            {},
        )

    write((0.7, 0.6), 0.65)
    with pytest.raises(ImpossibleScoresError, match=said.replace(".", r"\.")):
        write(mains, score)


def check_description(capfd, monkeypatch):
    """The version of the data, what it is superseded by, and how many documents are repeated."""
    suite = Suite("touche", "Touche", "two versions of one task", ())
    tasks = [mteb.get_task(name) for name in ("Touche2020", "Touche2020Retrieval.v3")]
    monkeypatch.setattr(Suite, "tasks", lambda self, seed=42: tuple(map(fresh_task, tasks)))
    monkeypatch.setattr(harness.suite_tables, "get_suite", lambda _: suite)
    capfd.readouterr()
    assert describe_command("touche") == 0
    text = " ".join(capfd.readouterr().out.split())
    for task in tasks:
        assert task.metadata.revision[:8] in text
    assert "Superseded in mteb: Touche2020 by Touche2020Retrieval.v3." in text
    assert "is judged: Touche2020 2,986" in text


def test_33_versions_and_duplicates_that_are_not_shown_are_noticed(capfd, monkeypatch):
    for plant in (None, "_superseded", "_repeated"):
        with monkeypatch.context() as patch:
            if plant is None:
                check_description(capfd, patch)
                continue
            patch.setattr(harness.suite_tables, plant, lambda tasks: ())
            with pytest.raises(AssertionError):
                check_description(capfd, patch)


@pytest.fixture(scope="module")
def classification():
    """Fifty texts of two labels to train on, of which each experiment draws eight a label."""
    from datasets import Dataset, DatasetDict

    template = next(t for t in MOCK_TASK_TEST_GRID if t.metadata.name == "MockClassificationTask")
    rows = {"text": [f"text {n}" for n in range(50)], "label": [n % 2 for n in range(50)]}

    class Drawn(type(template)):
        n_experiments = 5
        samples_per_label = 8

        def load_data(self, **kwargs):
            data = Dataset.from_dict(rows)
            self.dataset = DatasetDict({"train": data, "test": data})
            self.data_loaded = True

    task = Drawn()
    task.load_data()
    return LoadedTask.of(task)


def check_draws(loaded, monkeypatch):
    """Each experiment is trained on a sample of its own."""
    original, drawn = AbsTaskClassification._undersample_data, []

    def noted(self, *arguments):
        found = original(self, *arguments)
        drawn.append(tuple(sorted(found[2])))
        return found

    monkeypatch.setattr(AbsTaskClassification, "_undersample_data", noted)
    evaluate_task(loaded.copy(42), RandomEncoder(16), loaded.expected)
    assert len(drawn) == len(set(drawn)) == 5


def test_34_experiments_that_all_draw_alike_are_noticed(classification, monkeypatch):
    with monkeypatch.context() as patch:
        check_draws(classification, patch)
    original = AbsTaskClassification._undersample_data

    def same_seed(self, dataset, number, idxs=None):
        return original(self, dataset, number, None)

    monkeypatch.setattr(AbsTaskClassification, "_undersample_data", same_seed)
    with pytest.raises(AssertionError):
        check_draws(classification, monkeypatch)


def wrong_bytes(patch):
    """As in nanochat: the tokenizer reads other bytes than the text's."""
    original = tokenization._encode

    def encode(tokenizer, texts, **options):
        return original(tokenizer, [t.encode().decode("latin-1") for t in texts], **options)

    patch.setattr(tokenization, "_encode", encode)


def test_36_tokenizer_that_reads_other_bytes_is_noticed(tmp_path, monkeypatch):
    check_token_ids(tmp_path / "sound")
    wrong_bytes(monkeypatch)
    with pytest.raises(AssertionError):
        check_token_ids(tmp_path / "planted")


def test_36_tokenizer_that_reads_other_bytes_never_decides_a_vector(
    tiny_model, monkeypatch, caplog
):
    """The guard at run time: probes differ from the padded path, which is taken instead."""
    source = resolve_model(str(tiny_model))

    def encode():
        backend = load_backend(source, device="cpu")
        return backend, backend.encode(["é 東"], Route(), lambda _: None).vectors

    _, expected = encode()
    wrong_bytes(monkeypatch)
    with caplog.at_level(logging.INFO, logger="model"):
        backend, found = encode()
    assert backend.encoder is None
    assert "runs padded: " in caplog.text
    np.testing.assert_allclose(found, expected, atol=2e-6)
