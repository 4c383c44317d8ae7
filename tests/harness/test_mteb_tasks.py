"""Real mteb tasks, out of a hub on the loopback address, through fetching, loading and scoring."""

import math
from dataclasses import dataclass, field

import huggingface_hub.constants
import mteb
import pytest

from harness.evaluation import evaluate_task, task_result_data
from harness.plan import prompt_types
from results.identities import check_scores
from tasks.errors import DataUnavailableError
from tasks.fresh import task_parts
from tasks.identifiers import check_identifiers
from tasks.loading import data_sets, load_fresh
from tasks.texts import content_hash, expected_examples, task_texts
from tests.hub_server import serve_hub
from tests.mteb_data import LENGTHS, TASKS, serve_tasks
from tests.tasks.encoders import RandomEncoder

SUBSETS = {
    "STS17": ["en-en", "en-de"],
    "BUCC.v2": ["de-en", "fr-en"],
    "Tatoeba": ["deu-eng", "jpn-eng"],
    "NTREXBitextMining": ["afr_Latn-dan_Latn", "dan_Latn-afr_Latn", "afr_Latn-deu_Latn"],
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with serve_hub() as hub:
        serve_tasks(hub, tmp_path_factory.mktemp("repositories"))
        yield hub


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def online(hub, cache, monkeypatch):
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def get(name):
    task = mteb.get_task(name)
    if name in SUBSETS:
        task.hf_subsets = list(SUBSETS[name])
    return task


def load(name):
    task = load_fresh(get(name), 42)
    expected = {
        (split, subset): count
        for split, subsets in expected_examples(task).items()
        for subset, count in subsets.items()
    }
    return task, expected


@dataclass
class Sides:
    """The prompt types under which an encoder was called."""

    seen: set = field(default_factory=set)


class SideEncoder(RandomEncoder):
    def __init__(self):
        super().__init__(16)
        self.sides = set()

    def encode(self, inputs, *, prompt_type=None, **options):
        self.sides.add(prompt_type)
        return super().encode(inputs, **options)


@pytest.mark.parametrize("name", TASKS)
def test_a_real_task_is_fetched_loaded_and_scored_whole(name, hub):
    task, expected = load(name)
    check_identifiers(task)
    before = len(hub.requests)
    encoder = SideEncoder()
    texts = {item.text for item in task_texts(task)}
    digest = content_hash(task)
    evaluation = evaluate_task(task, encoder, expected)

    assert len(hub.requests) == before, "nothing is asked of the hub once a task is loaded"
    assert evaluation.coverage.n_scored == evaluation.coverage.n_expected > 0
    assert math.isfinite(evaluation.score)
    scores = evaluation.task_result.scores
    assert list(scores) == get(name).eval_splits
    assert all(task.metadata.main_score in part for parts in scores.values() for part in parts)
    check_scores(task_result_data(evaluation.task_result))
    assert encoder.sides == {side for part in task_parts(get(name)) for side in prompt_types(part)}
    assert {text for _, text in encoder.seen} <= texts
    again, _ = load(name)
    assert content_hash(again) == digest


def test_needles_are_scored_at_all_eight_lengths():
    task, expected = load("LEMBNeedleRetrieval")
    assert [split for split, _ in expected] == [f"test_{length}" for length in LENGTHS]
    lengths = {
        split: max(len(item.text) for item in task_texts(task) if item.split == split) / 4
        for split, _ in expected
    }
    for length in LENGTHS:
        assert 0.8 * length < lengths[f"test_{length}"] < 1.6 * length


def test_a_split_that_is_not_there_is_not_replaced_by_another(hub, cache):
    """mteb takes the only split of the judgements for the one that was asked for."""
    task = get("SciFact")
    (data,) = data_sets(task)
    folder = hub.repositories[f"datasets/{data.name}"].folder
    card = (folder / "README.md").read_text()
    try:
        (folder / "README.md").write_text(card.replace("  - split: test\n", "  - split: dev\n"))
        hub.add_dataset(data.name, folder, "d" * 40)
        task.metadata = task.metadata.model_copy(
            update={"dataset": {"path": data.name, "revision": "d" * 40}}
        )

        class Moved(type(task)):
            metadata = task.metadata

        with pytest.raises(DataUnavailableError, match="no judgements of split 'test'"):
            load_fresh(Moved(), 42)
    finally:
        (folder / "README.md").write_text(card)
