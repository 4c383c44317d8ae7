"""Family 7 of docs/silent-failures.md: a model that needs prompts runs without any.

The test plants the fault and expects a check, and the warning at run time, to notice.
"""

import pytest
from mteb.mocks import MOCK_TASK_TEST_GRID
from mteb.types import PromptType

import model.source
from harness.prompt_facts import prompt_facts
from harness.spec import RunSpec
from model.routing import make_routing

RETRIEVAL = next(t.metadata for t in MOCK_TASK_TEST_GRID if t.metadata.type == "Retrieval")
NAME = "intfloat/e5-small-v2"


def found(folder):
    """The model as it is resolved from the hub, where its configuration states no prompts."""
    return model.source._folder_source(folder, name=NAME, revision="a" * 40)


def check_prompts(folder):
    routing = make_routing("mteb", found(folder).prompts)
    assert routing.route(RETRIEVAL, PromptType.query).prompt == "query: "
    assert routing.route(RETRIEVAL, PromptType.document).prompt == "passage: "


def warning(folder):
    source = found(folder)
    return prompt_facts(RunSpec(model=NAME), source, make_routing("mteb", source.prompts)).warning


def test_07_known_prompts_that_are_not_applied_are_noticed_and_warned_of(tiny_model, monkeypatch):
    check_prompts(tiny_model)
    assert warning(tiny_model) is None
    monkeypatch.setattr(model.source, "registry_entry", lambda *_: None)
    with pytest.raises(AssertionError):
        check_prompts(tiny_model)
    assert f"{NAME} runs without any prompt" in warning(tiny_model)
