import numpy as np
import pytest
from datasets import Dataset
from mteb.mocks import MOCK_TASK_TEST_GRID
from mteb.types import PromptType
from torch.utils.data import DataLoader

from model.backend import Encoded
from model.errors import ModelError, ModelOutputError
from model.mteb_encoder import MtebEncoder, model_meta
from model.routing import PromptConfiguration, Route, make_routing
from model.source import ModelSource
from model.task_vectors import TaskVectors
from model.views import View

RETRIEVAL = next(t.metadata for t in MOCK_TASK_TEST_GRID if t.metadata.type == "Retrieval")
SOURCE = ModelSource(kind="sentence-transformers", name="a/b", revision="1", fingerprint="0")


class FakeBackend:
    """Counts what it encodes; a vector depends on the prompt and the text."""

    width, max_length, device, precision, attention = 4, 10, "cpu", "float32", None

    def __init__(self, spoil=None):
        self.calls = []
        self.spoil = spoil or (lambda vectors: vectors)

    def prepare(self, texts):
        pass

    def encode(self, texts, route, progress):
        self.calls.append((route, list(texts)))
        vectors = np.array(
            [[len(route.prompt) + 1, len(text), text.count("a"), 1] for text in texts],
            dtype=np.float32,
        )
        tokens = np.array([len(text) for text in texts], dtype=np.int64)
        progress(len(texts))
        return Encoded(self.spoil(vectors), tokens, np.maximum(tokens - 10, 0))


def make(backend=None, *, view=View(), vectors=None, prompts=None):  # noqa: B008
    return MtebEncoder(
        backend or FakeBackend(),
        make_routing("mteb", PromptConfiguration(prompts=prompts or {})),
        model_meta(SOURCE, {}),
        view=view,
        vectors=vectors if vectors is not None else TaskVectors(10**6),
    )


def encode(encoder, texts, side=None):
    loader = DataLoader(Dataset.from_dict({"text": texts}), batch_size=2)
    return encoder.encode(
        loader, task_metadata=RETRIEVAL, hf_split="test", hf_subset="default", prompt_type=side
    )


def test_each_distinct_text_is_encoded_once_and_every_row_is_answered():
    encoder = make()
    vectors = encode(encoder, ["aa", "b", "aa", "ccc", "b"])
    assert encoder.backend.calls == [(Route(), ["aa", "b", "ccc"])]
    assert vectors[:, 1].tolist() == [2, 1, 2, 3, 1]
    assert (encoder.usage.total.texts, encoder.usage.total.distinct_texts) == (5, 3)


def test_the_same_text_on_both_sides_is_two_texts():
    encoder = make(prompts={"query": "long prompt "})
    query = encode(encoder, ["same"], PromptType.query)
    document = encode(encoder, ["same"], PromptType.document)
    assert not np.array_equal(query, document)
    assert encoder.usage.total.distinct_texts == 2
    assert encoder.usage.routes == {"query": Route(None, "long prompt "), "document": Route()}


def test_another_view_reads_what_is_at_hand():
    cache, backend = TaskVectors(10**6), FakeBackend()
    encode(make(backend, vectors=cache), ["aa", "b"])
    second = make(backend, vectors=cache, view=View(2))
    vectors = encode(second, ["b", "aa"])
    assert len(backend.calls) == 1
    assert second.usage.encoded_texts == 0
    assert second.usage.total.tokens == 3
    assert vectors.shape == (2, 2)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_without_room_texts_are_encoded_again_and_nothing_else_changes():
    backend = FakeBackend()
    small, large = TaskVectors(0), TaskVectors(10**6)
    for cache in (small, small, large):
        encode(make(backend, vectors=cache), ["aa", "b"])
    assert len(backend.calls) == 3
    again = encode(make(backend, vectors=small), ["aa", "b"])
    np.testing.assert_array_equal(again, encode(make(backend, vectors=large), ["aa", "b"]))


def test_tokens_and_truncation_are_those_of_the_distinct_texts():
    encoder = make()
    encode(encoder, ["a" * 15, "b", "a" * 15])
    encode(encoder, ["b", "a" * 12])
    assert encoder.usage.total.tokens == 15 + 1 + 12
    assert encoder.usage.total.truncated_texts == 2
    assert encoder.usage.total.truncated_tokens == 5 + 2


def test_progress_is_told_out_of_how_many():
    seen = []
    encoder = make()
    encoder._progress = lambda done, of: seen.append((done, of))
    encode(encoder, ["aa", "b", "aa"])
    assert seen == [(0, 2), (2, 2)]


def nan(vectors):
    vectors[1, 2] = np.nan
    return vectors


def infinite(vectors):
    vectors[1, 0] = np.inf
    return vectors


def zero(vectors):
    vectors[1] = 0
    return vectors


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (nan, "not finite for 1 of 3 texts, the first is 'bb'"),
        (infinite, "not finite for 1 of 3 texts, the first is 'bb'"),
        (zero, "a zero vector for 1 of 3 texts, the first is 'bb'"),
        (lambda v: v[:, :3], "width 3; expected 4"),
        (lambda v: v[:2], r"shape \(2, 4\) for 3 texts"),
        (lambda v: v[0], r"shape \(4,\) for 3 texts"),
    ],
)
def test_what_is_no_embedding_is_refused_and_named(spoil, message):
    with pytest.raises(ModelOutputError, match=message):
        encode(make(FakeBackend(spoil)), ["a", "bb", "ccc"])


def test_what_is_no_text_is_refused_and_named():
    with pytest.raises(ModelError, match="text 1 of 2 is not valid Unicode"):
        encoder = make()
        encoder.encode(
            [{"text": ["fine", "\ud800"]}],
            task_metadata=RETRIEVAL,
            hf_split="test",
            hf_subset="default",
        )
    with pytest.raises(ModelError, match="text 0 of 1 is a NoneType"):
        make().encode(
            [{"text": [None]}], task_metadata=RETRIEVAL, hf_split="test", hf_subset="default"
        )


def test_settings_name_mtebs_experiment_folder():
    assert model_meta(SOURCE, {}).experiment_name is None
    assert model_meta(SOURCE, {"embed_dim": 64}).experiment_name == "embed_dim_64"
    assert model_meta(SOURCE, {"seed": 1, "embed_dim": 64}).experiment_name.count("__") == 1
