"""Prompts, similarity and limits out of mteb's model registry."""

import json
import os
import subprocess
import sys
from pathlib import Path

import mteb
import numpy as np
import pytest
from mteb.mocks import MOCK_TASK_TEST_GRID
from mteb.types import PromptType

from model.errors import ModelError
from model.published import published_settings
from model.registry import RegistryEntry, entry_from_meta, registry_entry
from model.routing import PromptConfiguration, make_routing
from model.source import resolve_model

TASKS = {task.metadata.name: task.metadata for task in MOCK_TASK_TEST_GRID}.values()
SIDES = (PromptType.query, PromptType.document, None)
CONFIG = Path("config_sentence_transformers.json")


def test_e5_has_its_prompts_by_side():
    entry = registry_entry("intfloat/e5-small-v2")
    assert entry.prompts == {"query": "query: ", "document": "passage: "}
    assert entry.needs_prompts
    assert not entry.own_loader
    assert (entry.similarity, entry.not_applied) == ("cosine", ())


def test_a_model_that_mteb_does_not_know_has_no_entry():
    assert registry_entry("org/tiny") is None


def test_prompts_that_are_no_texts_are_not_taken_for_prompts():
    """jina-embeddings-v3's entry maps task types to adapters, for a loader of its own."""
    entry = registry_entry("jinaai/jina-embeddings-v3")
    assert entry.own_loader
    assert entry.remote_code
    assert entry.prompts is None
    assert entry.needs_prompts


def test_what_a_loader_is_told_beside_is_named():
    entry = registry_entry("GritLM/GritLM-7B")
    assert entry.instructions
    assert "include_prompt=False" in entry.not_applied


def test_the_registry_is_asked_once_for_each_model_and_version(tmp_path):
    code = (
        "import sys, model.registry as r\n"
        "e = r.registry_entry('intfloat/e5-small-v2')\n"
        "assert e.prompts['query'] == 'query: '\n"
        "print('mteb.models.model_implementations' in sys.modules, 'torch' in sys.modules)\n"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "JINA_EVAL_CACHE": str(tmp_path / "vectors"),
    }
    answers = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout.split()[0]
        for _ in range(2)
    ]
    assert answers == ["True", "False"]


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"format": 0}', b'{"format": 1, "entry": {}}'])
def test_a_damaged_file_is_asked_for_again(content):
    entry = registry_entry("intfloat/e5-small-v2")
    (path,) = Path(os.environ["JINA_EVAL_CACHE"] + "-models").rglob("*e5-small-v2.json")
    path.write_bytes(content)
    assert registry_entry("intfloat/e5-small-v2") == entry
    assert json.loads(path.read_bytes())["entry"]["loader"] == "SentenceTransformerEncoderWrapper"


@pytest.mark.parametrize(
    "name",
    ["intfloat/e5-small-v2", "BAAI/bge-small-en-v1.5", "ai-forever/FRIDA", "deepvk/USER2-small"],
)
def test_prompts_are_those_that_mtebs_wrapper_looks_up(name):
    """By task name, by type, by side, and empty ones too."""
    from mteb.models.abs_encoder import get_prompt_name

    theirs = mteb.get_model_meta(name).loader_kwargs["model_prompts"]
    entry = registry_entry(name)
    routing = make_routing("mteb", PromptConfiguration(registry=entry.prompts))
    tasks = [*TASKS, mteb.get_task("BrightBiologyRetrieval").metadata]
    tasks.append(mteb.get_task("HeadlineClassification").metadata)
    seen = set()
    for task in tasks:
        for side in SIDES:
            expected = theirs.get(get_prompt_name(theirs, task, side), "")
            assert routing.route(task, side).prompt == expected, (task.name, side)
            seen.add(expected)
    assert len(seen) > 1


@pytest.mark.parametrize(
    "name", ["intfloat/multilingual-e5-large-instruct", "sbintuitions/sarashina-embedding-v2-1b"]
)
def test_instructions_are_those_that_mtebs_wrapper_makes(name):
    """A template, and a function; with and without instructions for passages."""
    from mteb.models.instruct_wrapper import InstructSentenceTransformerModel

    given = []

    class Recorder:
        def encode(self, texts, prompt=None, **options):
            given.append(prompt)
            return np.zeros((len(texts), 1))

    options = mteb.get_model_meta(name).loader_kwargs
    wrapper = object.__new__(InstructSentenceTransformerModel)
    wrapper.model = Recorder()
    wrapper.instruction_template = options["instruction_template"]
    wrapper.prompts_dict = options.get("prompts_dict")
    wrapper.apply_instruction_to_passages = options["apply_instruction_to_passages"]
    from datasets import Dataset
    from torch.utils.data import DataLoader

    texts = DataLoader(Dataset.from_dict({"text": ["a"]}))
    routing = make_routing("mteb", PromptConfiguration(instructions_of=name))
    seen = set()
    for task in TASKS:
        for side in SIDES:
            wrapper.encode(texts, task_metadata=task, hf_split="", hf_subset="", prompt_type=side)
            ours = routing.route(task, side).prompt
            assert ours == (given[-1] or ""), (task.name, side)
            seen.add(ours)
    assert len(seen) > 3


def test_the_models_own_prompts_come_before_the_registrys():
    task = next(task for task in TASKS if task.type == "Retrieval")
    configuration = PromptConfiguration(
        prompts={"query": "own: "}, registry={"query": "known: ", "document": "text: "}
    )
    assert configuration.origin == "configuration"
    mine = make_routing("mteb", configuration)
    assert [mine.route(task, side).prompt for side in SIDES[:2]] == ["own: ", ""]
    theirs = make_routing("registry", configuration)
    assert [theirs.route(task, side).prompt for side in SIDES[:2]] == ["known: ", "text: "]
    with pytest.raises(ModelError, match="mteb's registry has no prompts for this model"):
        make_routing("registry", PromptConfiguration())


def settings(config, entry=None):
    return published_settings(config, CONFIG, entry, "org/name")


def test_empty_prompts_stay_where_they_hide_others():
    """mteb gives a classification the empty prompt of its type, not the default one."""
    found = settings({"prompts": {"Classification": "", "x": "X "}, "default_prompt_name": "x"})
    routing = make_routing(
        "mteb", PromptConfiguration(prompts=found.prompts, default=found.default_prompt)
    )
    by_type = {task.type: routing.route(task, None).prompt for task in TASKS}
    assert (by_type["Classification"], by_type["STS"]) == ("", "X ")


def test_an_empty_document_prompt_beside_passage_is_sentence_transformers_own():
    found = settings({"prompts": {"query": "q: ", "document": "", "passage": "p: "}})
    assert found.prompts == {"query": "q: ", "passage": "p: "}
    assert settings({"prompts": {"query": "", "document": ""}}).prompts == {}
    assert settings({}).prompts == {}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"prompts": ["a"]}, "prompts is ['a']; expected a table"),
        ({"prompts": {"query": 1}}, "prompt 'query' is 1; expected a text"),
        ({"default_prompt_name": 1}, "default_prompt_name is 1; expected a name"),
        ({"similarity_fn_name": "MaxSim"}, "states the similarity 'MaxSim'; allowed: cosine, dot"),
        ({"similarity_fn_name": 3}, "states the similarity 3; allowed: cosine, dot"),
    ],
)
def test_wrong_settings_are_named(config, said):
    with pytest.raises(ModelError) as error:
        settings(config)
    assert said in str(error.value)
    assert "config_sentence_transformers.json" in str(error.value)


def test_the_similarity_is_the_configurations_then_the_registrys_then_the_cosine():
    dot = RegistryEntry("2", None, "SentenceTransformerEncoderWrapper", similarity="dot")
    assert settings({"similarity_fn_name": "euclidean"}, dot).similarity == "euclidean"
    assert settings({"similarity_fn_name": None}, dot).similarity == "dot"
    assert settings({}).similarity == "cosine"
    with pytest.raises(ModelError, match="mteb's registry entry of org/name states"):
        settings({}, RegistryEntry("2", None, "x", similarity="MaxSim"))


def test_every_entry_of_the_registry_can_be_read():
    from mteb.models.get_model_meta import get_model_metas

    entries = [entry_from_meta(meta, "2") for meta in get_model_metas()]
    assert len(entries) > 900
    assert sum(entry.prompts is not None for entry in entries) > 40
    assert sum(entry.instructions for entry in entries) > 60
    json.dumps([entry.__dict__ for entry in entries])


def test_a_folder_is_not_looked_up(tiny_model):
    assert resolve_model(str(tiny_model)).registry is None
