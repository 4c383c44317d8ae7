"""Text of unknown origin, made safe to show: on a terminal, and in a spreadsheet."""

from __future__ import annotations

import re

__all__ = ["csv_text", "visible"]

# Letters that are not seen but change how their neighbours are: marks that turn
# the direction of writing, control characters, halves of surrogate pairs.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)

_DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Marks that turn the direction of writing, which are no control characters."""

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What begins a formula in a spreadsheet (OWASP, "CSV Injection"), in both widths."""


def visible(text: str, *, keep: str = "") -> str:
    """A text whose letters are all seen, for where they could disturb what stands beside them.

    Names come from users: an escape sequence would colour the terminal, and a
    right-to-left override would turn the numbers of the same line around.

    Args:
        text: Any text.
        keep: Control characters that may stay, such as a newline.
    """
    return _UNSEEN.sub(
        lambda match: match[0] if match[0] in keep else f"\\u{ord(match[0]):04x}", text
    )


def csv_text(text: str) -> str:
    """A text for a cell of a CSV file, which no spreadsheet takes for a formula.

    Text that would begin a formula gets an apostrophe before it, which spreadsheets read as
    "this is text". Numbers are not for this function: -0.5 must stay a number.
    """
    shown = visible(text, keep=_DIRECTIONS)  # programs join tables by these names
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown
