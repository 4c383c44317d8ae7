"""Late chunking: equal to the published algorithm, whatever the company, in bounded memory."""

import functools
import json
import logging

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, pre_tokenizers

from model.backends import load_backend
from model.chunking import Chunking
from model.errors import ModelError
from model.late_chunking import LateEncoder
from model.packed_model import PackedModel
from model.routing import Route
from model.source import resolve_model
from model.splitting import Splitter
from model.windows import windows_over
from tests.tiny_jina import make_jina_checkpoints
from tests.tiny_models import make_sentence_transformer

LIMIT = 64
OVERLAP = 32
PROMPT = "passage: "
NAMES = ("fixed=5", "fixed=48", "sentences=2", "semantic=9")
CHUNKINGS = [Chunking.parse(f"late:{name}") for name in NAMES]
DOCUMENTS = [
    "one two. three! four? five six. seven",
    "a",
    "",
    "no mark at all, and none after it",
    "the end. too. x",
    "a [PAD] b. [PAD][MASK] c <pad> d. [SEP] <s>",
    "a b c. d e f! g h i? " * 9,
    "x1 y2. " * 100,
    "abcdefghij klmno " * 20,
    " ".join("abc"[: n % 3 + 1] + "." * (n % 4 == 0) for n in range(300)),
]


def ignore(done):
    pass


def load(folder, **options):
    return load_backend(resolve_model(str(folder)), device="cpu", **options)


# The published algorithm, without any code of ours


def published_spans(tokenizer, text, unit, size):
    """Chunker of jina-ai/late-chunking, and the library's pieces by their first letter."""
    tokens = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    words, places = tokens.tokens(0), tokens["offset_mapping"]
    n = len(places)
    if unit == "fixed":
        spans = [(i, min(i + size, n)) for i in range(0, n, size)]
    elif unit == "sentences":
        spans, start, seen = [], 0, 0
        for i in range(n):
            last = n == i + 1
            if words[i] in (".", "!", "?") and (last or places[i][1] != places[i + 1][0]):
                seen += 1
                if seen == size:
                    spans.append((start, i + 1))
                    start, seen = i + 1, 0
        if n - start > 1:
            spans.append((start, n))
    else:
        from semantic_text_splitter import TextSplitter

        library = TextSplitter.from_huggingface_tokenizer(
            tokenizer.backend_tokenizer, size, trim=False
        )
        starts = [start for start, _ in library.chunk_indices(text)]
        owner = [sum(start <= place[0] for start in starts) for place in places]
        spans = [(owner.index(chunk), n - owner[::-1].index(chunk)) for chunk in sorted(set(owner))]
    return spans or [(0, n)]


class Published:
    """_embed_with_overlap, _extend_special_tokens and chunked_pooling of the published code."""

    def __init__(self, model, tokenizer, prompt, *, limit, overlap, finish=lambda vectors: vectors):
        self.model, self.tokenizer, self.prompt = model, tokenizer, prompt
        self.limit, self.overlap, self.finish = limit, overlap, finish
        self.states = functools.cache(self._states)

    def _states(self, text):
        ids = self.tokenizer(self.prompt + text, return_tensors="pt", verbose=False)["input_ids"]
        states = []
        for start in range(0, ids.shape[1], self.limit - self.overlap):
            inputs = ids[:, start : start + self.limit]
            with torch.no_grad():
                out = self.model(input_ids=inputs, attention_mask=torch.ones_like(inputs))
            states.append(out.last_hidden_state[0][self.overlap if start else 0 :])
            if ids.shape[1] <= self.limit:
                break
        return torch.cat(states)

    def vectors(self, text, name):
        unit, size = name.split("=")
        spans = published_spans(self.tokenizer, text, unit, int(size))
        before = 1 + len(self.tokenizer(self.prompt, add_special_tokens=False)["input_ids"])
        last = len(spans) - 1
        spans = [
            (left + before * (i > 0), right + before + (i == last))
            for i, (left, right) in enumerate(spans)
        ]
        states = self.states(text)
        means = torch.stack([states[a:b].sum(dim=0) / (b - a) for a, b in spans])
        return torch.nn.functional.normalize(self.finish(means), dim=-1).numpy()


def check(backend, route, documents, published, read=str):
    """Compare all chunkings at once with the reference, document by document."""
    found = backend.encode_chunks(documents, route, CHUNKINGS, ignore)
    most = [0] * len(NAMES)
    for place, (name, encoded) in enumerate(zip(NAMES, found, strict=True)):
        ends = np.cumsum(encoded.counts)
        for row, text in enumerate(documents):
            expected = published.vectors(read(text), name)
            assert encoded.counts[row] == len(expected), (name, text)
            ours = encoded.vectors[ends[row] - encoded.counts[row] : ends[row]]
            np.testing.assert_allclose(ours, expected, atol=1e-5, err_msg=f"{name} {text[:40]}")
            most[place] = max(most[place], len(expected))
        assert ends[-1] == len(encoded.vectors)
    # Nothing to compare would be equal, too.
    assert min(most) > 5


def put_marks(folder):
    """Give the tiny tokenizer marks, which its letters and digits leave no room for."""
    path = folder / "tokenizer.json"
    state = json.loads(path.read_text())
    vocabulary = state["model"]["vocab"]
    for mark, digit in zip(".!?", "789", strict=True):
        vocabulary[mark] = vocabulary.pop(digit)
    path.write_text(json.dumps(state))
    return folder


MODELS = [("bert", None), ("xlm-roberta", None), ("bert", 24)]


@pytest.fixture(scope="module", params=MODELS, ids=["bert", "xlmr", "dense"])
def folder(request, tmp_path_factory):
    architecture, dense = request.param
    path = tmp_path_factory.mktemp("models") / f"{architecture}-{dense}"
    return put_marks(make_sentence_transformer(path, architecture=architecture, dense=dense))


@pytest.fixture(scope="module")
def backend(folder):
    return load(folder)


@pytest.mark.parametrize("prompt", ["", PROMPT, "a long prompt. with marks! " * 3])
def test_vectors_are_those_of_the_published_algorithm(folder, backend, prompt):
    from sentence_transformers import SentenceTransformer
    from transformers import AutoModel, AutoTokenizer

    assert backend.encoder is not None
    model = AutoModel.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rest = list(SentenceTransformer(str(folder), device="cpu"))[2:]

    def finish(vectors):
        features = {"sentence_embedding": vectors}
        with torch.no_grad():
            for module in rest:
                features = module(features)
        return features["sentence_embedding"]

    published = Published(model, tokenizer, prompt, limit=LIMIT, overlap=OVERLAP, finish=finish)
    check(backend, Route(prompt=prompt), DOCUMENTS, published)


@pytest.fixture(scope="module")
def jina(tmp_path_factory):
    """Tiny jina-embeddings-v3, 128 tokens, with the pre-tokenizer of XLM-RoBERTa's first file."""
    folders = make_jina_checkpoints(tmp_path_factory.mktemp("jina"))
    path = folders.native / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.save(str(path))
    return folders.native


@pytest.fixture(scope="module")
def jina_backend(jina):
    return load(jina)


@pytest.mark.parametrize("adapter", [None, "retrieval.passage", "text-matching"])
def test_jinas_vectors_are_those_of_the_published_algorithm(jina, jina_backend, adapter):
    from transformers import AutoModel, PreTrainedTokenizerFast

    model = AutoModel.from_pretrained(jina, dtype=torch.float32).eval()
    if adapter is not None:
        name = adapter.replace(".", "_").replace("-", "_")
        model.load_adapter(str(jina), adapter_name=name, adapter_kwargs={"subfolder": name})
        model.set_adapter(name)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(jina)
    prompt = "Represent the document for retrieval: "

    published = Published(model, tokenizer, prompt, limit=128, overlap=64)
    # Its own loader drops white space at the end of a text.
    check(jina_backend, Route(adapter, prompt), DOCUMENTS, published, read=str.rstrip)


def test_the_tests_own_documents_are_long_and_short(backend):
    windows = [
        len(windows_over(n, LIMIT, OVERLAP))
        for n in backend.encode(DOCUMENTS, Route(), ignore).tokens
    ]
    assert min(windows) == 1
    assert sorted(windows)[-3] > 3


@given(
    length=st.integers(0, 400),
    size=st.integers(1, 70),
    data=st.data(),
)
def test_windows_read_each_token_once(length, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    kept = []
    for number, (start, first, end) in enumerate(windows_over(length, size, overlap)):
        assert start == number * (size - overlap)
        assert first == start + (overlap if number else 0)
        assert end == min(start + size, length)
        kept.extend(range(first, end))
    assert kept == list(range(length))


# Company


WORDS = st.lists(st.sampled_from(["a", "bc.", "d!", "e f?", "ghi", "x. y."]), max_size=40).map(
    " ".join
)


@settings(max_examples=40)
@given(texts=st.lists(WORDS, min_size=1, max_size=8), prompt=st.sampled_from(["", "p ", PROMPT]))
def test_a_single_chunk_is_the_document_unchunked(backend, texts, prompt):
    route = Route(prompt=prompt)
    whole = backend.encode(texts, route, ignore)
    fixed, sentences = backend.encode_chunks(
        texts,
        route,
        [Chunking.parse("late:fixed=62"), Chunking.parse("late:sentences=999")],
        ignore,
    )
    assert fixed.tokens.tolist() == whole.tokens.tolist()
    for encoded in (fixed, sentences):
        first = np.cumsum(encoded.counts) - encoded.counts
        alone = (encoded.counts == 1) & (whole.truncated == 0)
        np.testing.assert_allclose(encoded.vectors[first[alone]], whole.vectors[alone], atol=2e-6)
    assert sentences.counts.max() == 1


@settings(max_examples=40)
@given(
    texts=st.lists(WORDS.flatmap(lambda text: st.sampled_from([text, text * 4])), max_size=8),
    place=st.integers(0, len(CHUNKINGS) - 1),
    budget=st.integers(1, 500),
    data=st.data(),
)
def test_neither_budget_nor_order_nor_company_moves_a_vector(backend, texts, place, budget, data):
    order = data.draw(st.permutations(range(len(texts))))
    route = Route(prompt=PROMPT)
    before = backend.encoder.token_budget
    one = CHUNKINGS[place]
    alone = [backend.encode_chunks([text], route, [one], ignore)[0] for text in texts]
    backend.encoder.token_budget = budget
    try:
        together = backend.encode_chunks([texts[row] for row in order], route, CHUNKINGS, ignore)
    finally:
        backend.encoder.token_budget = before
    own = [alone[row] for row in order]
    found = together[place]
    assert found.counts.tolist() == [int(each.counts[0]) for each in own]
    assert found.tokens.tolist() == [int(each.tokens[0]) for each in own]
    assert found.truncated.tolist() == [int(each.truncated[0]) for each in own]
    if own:
        expected = np.concatenate([each.vectors for each in own])
        np.testing.assert_allclose(found.vectors, expected, atol=1e-6)


def test_rows_come_home_across_many_portions(backend, monkeypatch):
    """Documents of one window's batch come from several portions, and its windows from several."""
    route = Route(prompt=PROMPT)
    documents = [f"{text} {number}" for number in range(30) for text in DOCUMENTS]
    expected = backend.encode_chunks(documents, route, CHUNKINGS, ignore)
    monkeypatch.setattr("model.encoder._MIN_WINDOW_BYTES", 500)
    monkeypatch.setattr(backend.encoder, "token_budget", 300)
    seen = []
    found = backend.encode_chunks(documents, route, CHUNKINGS, seen.append)
    for one, other in zip(expected, found, strict=True):
        assert one.counts.tolist() == other.counts.tolist()
        np.testing.assert_allclose(one.vectors, other.vectors, atol=1e-6)
    assert sum(seen) == len(documents)
    assert len(seen) > 10


def count_tokens(monkeypatch):
    seen = []
    read = PackedModel.hidden_states

    def watch(self, batch):
        seen.append(batch.tokens)
        return read(self, batch)

    monkeypatch.setattr(PackedModel, "hidden_states", watch)
    return seen


def test_one_pass_serves_all_chunkings(backend, monkeypatch):
    seen = count_tokens(monkeypatch)
    passes = []
    for chunkings in (CHUNKINGS[:1], CHUNKINGS[2:3], CHUNKINGS):
        seen.clear()
        backend.encode_chunks(DOCUMENTS, Route(), chunkings, ignore)
        passes.append(sum(seen))
    assert passes[0] == passes[1] == passes[2]
    tokens = backend.encode(DOCUMENTS, Route(), ignore).tokens
    windows = [windows_over(int(count), LIMIT, OVERLAP) for count in tokens]
    assert passes[0] == sum(end - start for each in windows for start, _, end in each)


def test_late_and_naive_chunks_in_one_call(backend):
    chunkings = [
        Chunking.parse(f"{mode}:{unit}") for unit in NAMES[:2] for mode in ("naive", "late")
    ]
    seen = []
    together = backend.encode_chunks(DOCUMENTS, Route(prompt=PROMPT), chunkings, seen.append)
    assert sum(seen) == len(DOCUMENTS)
    for chunking, encoded in zip(chunkings, together, strict=True):
        (alone,) = backend.encode_chunks(DOCUMENTS, Route(prompt=PROMPT), [chunking], ignore)
        np.testing.assert_allclose(encoded.vectors, alone.vectors, atol=1e-6)
        assert encoded.counts.tolist() == alone.counts.tolist()
    naive, late = together[:2]
    assert naive.counts.tolist() == late.counts.tolist()
    assert naive.tokens.tolist() == late.tokens.tolist()
    assert not np.allclose(naive.vectors, late.vectors, atol=1e-2)


# What is said of it


def test_tokens_in_no_chunk_are_counted(backend):
    texts = ["a b. c", "a b. c d", "x. " * 100, ""]
    sentences, fixed = backend.encode_chunks(
        texts, Route(prompt="p "), [Chunking.parse("late:sentences=1"), CHUNKINGS[0]], ignore
    )
    assert sentences.tokens.tolist() == [7, 8, 203, 3]
    assert sentences.truncated.tolist() == [1, 0, 0, 0]
    assert sentences.counts.tolist() == [1, 2, 100, 1]
    assert fixed.truncated.tolist() == [0, 0, 0, 0]


def test_no_documents(backend):
    found = backend.encode_chunks([], Route(), CHUNKINGS, ignore)
    assert [len(encoded) for encoded in found] == [0] * len(CHUNKINGS)
    assert all(encoded.vectors.shape[0] == 0 for encoded in found)


def test_an_empty_document_is_its_special_tokens_and_prompt(backend):
    for prompt in ("", PROMPT):
        route = Route(prompt=prompt)
        expected = backend.encode([""], route, ignore).vectors
        for encoded in backend.encode_chunks([""], route, CHUNKINGS, ignore):
            np.testing.assert_allclose(encoded.vectors, expected, atol=1e-6)


def test_a_prompt_longer_than_a_window(backend):
    route = Route(prompt="p " * 100)
    (encoded,) = backend.encode_chunks(["a b c d e f"], route, CHUNKINGS[:1], ignore)
    assert encoded.counts.tolist() == [2]
    assert encoded.tokens.tolist() == [108]
    assert np.isfinite(encoded.vectors).all()


def test_the_overlap_may_be_chosen(backend):
    tokenizer = backend.encoder.tokenizer
    options = {
        "model": backend._packed,
        "encoder": backend.encoder,
        "splitter": Splitter(tokenizer),
    }
    assert LateEncoder(**options).overlap == OVERLAP
    for overlap in (-1, 64, 100):
        with pytest.raises(ModelError, match=f"overlap {overlap}: windows are 64 tokens"):
            LateEncoder(**options, overlap=overlap)
    text = ["a b c d. " * 60]
    apart = LateEncoder(**options, overlap=0).encode(text, "", CHUNKINGS[1:2], ignore)[0]
    shared = LateEncoder(**options).encode(text, "", CHUNKINGS[1:2], ignore)[0]
    assert apart.counts.tolist() == shared.counts.tolist()
    assert not np.allclose(apart.vectors, shared.vectors, atol=1e-3)
    np.testing.assert_allclose(apart.vectors[0], shared.vectors[0], atol=1e-6)


# Memory


def test_out_of_memory_halves_the_budget_and_goes_on(folder, monkeypatch, caplog):
    backend = load(folder, token_budget=1000)
    expected = backend.encode_chunks(DOCUMENTS, Route(), CHUNKINGS, ignore)
    read = PackedModel.hidden_states

    def fail(self, batch):
        if batch.tokens > 200:
            raise torch.OutOfMemoryError("planted")
        return read(self, batch)

    monkeypatch.setattr(PackedModel, "hidden_states", fail)
    seen = []
    with caplog.at_level(logging.WARNING):
        found = backend.encode_chunks(DOCUMENTS, Route(), CHUNKINGS, seen.append)
    assert "out of memory: going on with" in caplog.text
    assert backend.encoder.token_budget <= 200
    assert sum(seen) == len(DOCUMENTS)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(one.vectors, other.vectors, atol=1e-6)


def test_a_window_that_never_fits_is_an_error(folder, monkeypatch):
    backend = load(folder)

    def fail(self, batch):
        raise torch.OutOfMemoryError("planted")

    monkeypatch.setattr(PackedModel, "hidden_states", fail)
    with pytest.raises(ModelError, match="a text of 64 tokens does not fit"):
        backend.encode_chunks(DOCUMENTS, Route(), CHUNKINGS, ignore)


def test_a_book_is_read_within_the_budget(tiny_model, monkeypatch):
    backend = load(tiny_model, token_budget=2000)
    text = "abcde fghi. " * 33_334
    seen = count_tokens(monkeypatch)
    chunkings = [Chunking.parse("late:fixed=48"), Chunking.parse("late:sentences=5")]
    fixed, sentences = backend.encode_chunks([text, "a"], Route(prompt=PROMPT), chunkings, ignore)
    own = 10 * 33_334
    assert fixed.tokens[0] == own + 10
    assert fixed.counts.tolist() == [-(-own // 48), 1]
    assert sentences.counts.tolist() == [6667, 1]
    assert max(seen) <= 2000
    np.testing.assert_allclose(np.linalg.norm(fixed.vectors, axis=1), 1, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_gpu_gives_the_same_vectors(folder, backend):
    gpu = load_backend(resolve_model(str(folder)), device="cuda")
    route = Route(prompt=PROMPT)
    documents = [f"{text} {number}" for number in range(50) for text in DOCUMENTS]
    chunkings = CHUNKINGS[:3]
    ours = gpu.encode_chunks(documents, route, chunkings, ignore)
    expected = backend.encode_chunks(documents, route, chunkings, ignore)
    for one, other in zip(ours, expected, strict=True):
        assert one.counts.tolist() == other.counts.tolist()
        np.testing.assert_allclose(one.vectors, other.vectors, atol=1e-4)
