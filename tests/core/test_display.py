"""Text of unknown origin on terminals and in spreadsheets."""

import csv
import io
import unicodedata

import pytest

from jina_eval.core.display import csv_text, visible

FORMULA = ["=", "+", "-", "@", "\uff1d"]


@pytest.mark.parametrize(
    "text", ["\x1b[31mred", "\x1b]0;title\x07", "a\x9b2J", "a\x7f", "\r\nb", "\u202eabc", "\udc80"]
)
def test_nothing_that_a_terminal_acts_on_is_left(text):
    shown = visible(text)
    assert not any(unicodedata.category(one) in ("Cc", "Cs", "Cf") for one in shown)
    shown.encode()


def test_ordinary_text_stays():
    for text in ("Zürich", "日本語", "a  b", "emoji 🙂", "x = 1", "–", "'quoted'"):
        assert visible(text) == csv_text(text) == text


def test_a_newline_may_stay():
    assert visible("a\nb\x1b", keep="\n") == "a\nb\\u001b"


@pytest.mark.parametrize("first", FORMULA)
@pytest.mark.parametrize("space", ["", " ", "\u3000"])
def test_a_cell_never_begins_a_formula(first, space):
    text = f"{space}{first}cmd|' /C calc'!A0"
    assert csv_text(text) == f"'{text}"


@pytest.mark.parametrize("first", ["\t", "\r", "\n"])
def test_white_space_before_a_formula_is_made_visible(first):
    cell = csv_text(f"{first}=1+1")
    assert cell[0] not in "\t\r\n="
    assert list(csv.reader(io.StringIO(cell))) == [[cell]]
