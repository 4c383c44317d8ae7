import json
from pathlib import Path

import numpy as np
import pytest
from mteb.mocks import MOCK_TASK_TEST_GRID
from mteb.types import PromptType

from model.checkpoint import ADAPTERS, PROMPTS
from model.errors import ModelError
from model.routing import PromptConfiguration, Route, make_routing
from model.source import PINNED_REVISIONS

TASKS = {task.metadata.type: task.metadata for task in MOCK_TASK_TEST_GRID}
RETRIEVAL = TASKS["Retrieval"]
STS = TASKS["STS"]


def prompt(prompts, task, side, **options):
    routing = make_routing("mteb", PromptConfiguration(prompts=prompts, **options))
    return routing.route(task, side).prompt


def test_mteb_order_of_precedence():
    prompts = {
        f"{RETRIEVAL.name}-query": "1",
        RETRIEVAL.name: "2",
        "Retrieval-query": "3",
        "Retrieval": "4",
        "query": "5",
    }
    for _ in range(5):
        name = next(iter(prompts))
        assert prompt(prompts, RETRIEVAL, PromptType.query) == prompts.pop(name)
    assert prompt(prompts, RETRIEVAL, PromptType.query) == ""


def test_each_side_gets_its_own_prompt():
    prompts = {"query": "q: ", "document": "d: "}
    assert prompt(prompts, RETRIEVAL, PromptType.query) == "q: "
    assert prompt(prompts, RETRIEVAL, PromptType.document) == "d: "
    assert prompt(prompts, STS, None) == ""
    assert prompt({"STS": "s: "}, STS, None) == "s: "


def test_documents_get_the_prompt_that_encode_document_would_give():
    assert prompt({"passage": "p: "}, RETRIEVAL, PromptType.document) == "p: "
    assert prompt({"corpus": "c: "}, RETRIEVAL, PromptType.document) == "c: "
    assert prompt({"passage": "p: "}, RETRIEVAL, PromptType.query) == ""


def test_the_default_prompt_comes_last():
    prompts = {"query": "q: ", "other": "o: "}
    assert prompt(prompts, STS, None, default="other") == "o: "
    assert prompt(prompts, RETRIEVAL, PromptType.query, default="other") == "q: "


def test_none_gives_no_prompt():
    routing = make_routing("none", PromptConfiguration(prompts={"query": "q: "}))
    assert routing.route(RETRIEVAL, PromptType.query) == Route()


def test_two_towers_keep_their_sides_in_every_profile():
    for name in ("mteb", "none"):
        routing = make_routing(name, PromptConfiguration(two_towers=True))
        assert routing.route(RETRIEVAL, PromptType.query).adapter == "query"
        assert routing.route(RETRIEVAL, PromptType.document).adapter == "document"
        assert routing.route(STS, None).adapter is None


def test_an_unknown_profile_is_refused_with_the_allowed_ones():
    message = "unknown routing 'papers'; allowed: paper, compact, mteb, registry, none"
    with pytest.raises(ModelError, match=message):
        make_routing("papers", PromptConfiguration())


@pytest.mark.parametrize("default", [None, "Clustering"])
def test_vectors_are_those_of_mtebs_own_wrapper(tmp_path, default):
    """The profile named mteb against what mteb's wrapper really does with the model."""
    from datasets import Dataset
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
    from sentence_transformers import SentenceTransformer
    from torch.utils.data import DataLoader

    from model.backends import load_backend
    from model.source import resolve_model
    from tests.tiny_models import make_sentence_transformer

    prompts = {"query": "one ", "document": "two ", "STS": "three ", "Clustering": "four "}
    if default is not None:  # then searches have no prompts of their own
        del prompts["query"], prompts["document"]
    folder = str(make_sentence_transformer(tmp_path / "prompted", prompts=prompts))
    config = Path(folder, "config_sentence_transformers.json")
    config.write_text(
        json.dumps({**json.loads(config.read_text()), "default_prompt_name": default})
    )
    wrapper = SentenceTransformerEncoderWrapper(SentenceTransformer(folder, device="cpu"))
    source = resolve_model(folder)
    backend = load_backend(source, device="cpu")
    routing = make_routing("mteb", source.prompts)
    texts = DataLoader(Dataset.from_dict({"text": ["abc"]}))
    seen = set()
    for task in TASKS.values():
        for side in (PromptType.query, PromptType.document, None):
            theirs = wrapper.encode(
                texts, task_metadata=task, hf_split="test", hf_subset="default", prompt_type=side
            )
            route = routing.route(task, side)
            ours = backend.encode(["abc"], route, lambda done: None).vectors
            np.testing.assert_allclose(ours, theirs, atol=1e-6, err_msg=f"{task.type} {side}")
            seen.add(ours.tobytes())
    assert len(seen) == (5 if default is None else 3)  # every prompt and none change the vector


JINA = PromptConfiguration(prompts=PROMPTS, adapters=ADAPTERS)


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
@pytest.mark.parametrize("side", [None, PromptType.query, PromptType.document])
def test_adapters_are_those_that_mtebs_wrapper_chooses(task, side):
    from mteb import get_model_meta
    from mteb.models.abs_encoder import get_prompt_name

    meta = get_model_meta("jinaai/jina-embeddings-v3")
    if task.type == "Retrieval" and side is None:
        pytest.skip("a retrieval task has two sides")
    theirs = meta.loader_kwargs["model_prompts"]
    name = get_prompt_name(theirs, task, side)
    routing = make_routing("mteb", JINA)
    if name is None:  # the wrapper passes task=None: base weights, and no prompt
        assert routing.route(task, side) == Route()
    else:
        adapter = theirs[name]
        assert routing.route(task, side) == Route(adapter, PROMPTS[adapter])
    assert make_routing("none", JINA).route(task, side) == Route()


def test_the_pinned_revision_is_mtebs():
    from mteb import get_model_meta

    meta = get_model_meta("jinaai/jina-embeddings-v3")
    assert PINNED_REVISIONS["jinaai/jina-embeddings-v3"] == meta.revision
