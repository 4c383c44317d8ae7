"""The exact adapter and prompt of each side of each task of every suite, written out by hand."""

import numpy as np
import pytest
from mteb.types import PromptType

from harness.plan import prompt_types
from model.backend import Encoded
from model.mteb_encoder import MtebEncoder, model_meta
from model.routing import PromptConfiguration, make_routing
from model.source import ModelSource
from model.task_vectors import TaskVectors
from model.views import View
from tasks.fresh import task_parts
from tasks.suites import get_suite, suite_names

PROMPTS = {
    "retrieval.query": "Represent the query for retrieving evidence documents: ",
    "retrieval.passage": "Represent the document for retrieval: ",
    "separation": "",
    "classification": "",
    "text-matching": "",
}
"""As published in the model's config.json, under task_instructions."""

SEARCH = ("retrieval.query", "retrieval.passage")
PAPER = {
    "Retrieval": SEARCH,
    "InstructionReranking": SEARCH,
    "Reranking": ("separation", "separation"),
    "Clustering": ("separation",),
    "Classification": ("classification",),
    "MultilabelClassification": ("classification",),
    "PairClassification": ("classification",),
    "STS": ("text-matching",),
    "BitextMining": ("text-matching",),
    "Summarization": ("text-matching",),
}
SYMMETRIC = ("ArguAna", "CQADupstack", "QuoraRetrieval", "LEMB")
"""Beginnings of the names of searches that the paper ran with text-matching on both sides."""

MTEB_LEAVES = ("InstructionReranking", "InstructionRetrieval", "Regression")
"""Types for which mteb's wrapper passes task=None: base weights and no prompt."""


class Recorder:
    """A model that notes what it reads."""

    width, max_length, device, precision, attention = 4, 10, "cpu", "float32", None

    def __init__(self):
        self.read = []

    def prepare(self, texts):
        pass

    def encode(self, texts, route, progress):
        self.read += [(route.adapter, route.prompt + text) for text in texts]
        return Encoded(np.ones((len(texts), 4), dtype=np.float32))


def every_task():
    found = {}
    for suite in suite_names():
        for task in get_suite(suite).tasks():
            for part in task_parts(task):
                found[part.metadata.name] = part
    return found


TASKS = every_task()


def expected(task, profile):
    name, kind = task.metadata.name, task.metadata.type
    if profile == "mteb" and kind in MTEB_LEAVES:
        return [(None, "the text")] * len(PAPER[kind])
    adapters = PAPER[kind]
    if profile == "paper" and name.startswith(SYMMETRIC):
        adapters = ("text-matching", "text-matching")
    return [(adapter, f"{PROMPTS[adapter]}the text") for adapter in adapters]


def test_all_suites_are_looked_at():
    assert len(TASKS) > 200
    assert set(PAPER) == {task.metadata.type for task in TASKS.values()}


@pytest.mark.parametrize("profile", ["paper", "compact", "mteb"])
def test_every_side_of_every_task_reads_exactly_this(profile):
    configuration = PromptConfiguration(prompts=PROMPTS, adapters=tuple(PROMPTS))
    source = ModelSource(kind="jina-embeddings-v3", name="a/b", revision="1", fingerprint="0")
    wrong = {}
    for name, task in TASKS.items():
        recorder = Recorder()
        encoder = MtebEncoder(
            recorder,
            make_routing(profile, configuration),
            model_meta(source, {}),
            view=View(),
            vectors=TaskVectors(10**6),
        )

        def encode(side, encoder=encoder, task=task):
            return encoder.encode(
                [{"text": ["the text"]}],
                task_metadata=task.metadata,
                hf_split="test",
                hf_subset="default",
                prompt_type=side,
            )

        sides = prompt_types(task)
        read = {side: len(recorder.read) + len(encode(side)) - 1 for side in sides}
        wanted = expected(task, "paper" if profile == "compact" else profile)
        if sides == (PromptType.query, PromptType.document):
            found = [recorder.read[0], recorder.read[-1]]
            # A text that both sides read alike is read once.
            assert len(recorder.read) == len(set(wanted))
        else:
            # The sides of a pair, where mteb tells them apart, are read alike.
            found = sorted(set(recorder.read))
            assert len(read) >= 1
        if found != wanted:
            wrong[name] = (found, wanted)
    assert not wrong
