"""Make the starter data anew from its packages.

    python -m tasks.starter.build                    write tasks/starter/data
    python -m tasks.starter.build --check            compare with what is there, write nothing
    python -m tasks.starter.build --cache DIR        keep the downloaded packages in DIR

Needs the clients apt-get (with an updated index), dpkg-deb, pip and npm, and the Python packages
pysword, tokenizers and gensim.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tasks.starter.files import CHECKSUMS, DATA, SIZES, SUFFIX, Row, checksums, parse_rows
from tasks.starter.packages import PackageError
from tasks.starter.sources.bible import bible_verses
from tasks.starter.sources.debian_faq import debian_faq
from tasks.starter.sources.home_assistant import home_assistant_intents
from tasks.starter.sources.perl import perl_faq, perl_manual
from tasks.starter.sources.speeches import state_of_the_union
from tasks.starter.sources.synthetic import synthetic_needle, synthetic_passkey
from tasks.starter.sources.tokens import TokenCounter
from tasks.starter.sources.udhr import udhr
from tasks.starter.sources.web_features import web_features
from tasks.starter.sources.wordnet import wordnet_supersenses
from tasks.texts import task_texts

SOURCES: dict[str, Callable[[Path], list[Row]]] = {
    "debian_faq": debian_faq,
    "perl_faq": perl_faq,
    "perl_manual": perl_manual,
    "state_of_the_union": state_of_the_union,
    "synthetic_needle": synthetic_needle,
    "synthetic_passkey": synthetic_passkey,
    "wordnet_supersenses": wordnet_supersenses,
    "home_assistant_intents": home_assistant_intents,
    "web_features": web_features,
    "bible_verses": bible_verses,
    "udhr": udhr,
}
"""Data file to the function that makes its rows from a folder for downloaded packages."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, or check, the data; return 0, or 1 where what is there differs, or 2 on an error."""
    parser = argparse.ArgumentParser(prog="python -m tasks.starter.build", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="folder for the packages")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        cache = (options.cache or Path(temporary) / "cache").resolve()
        built = Path(temporary) / "data"
        try:
            build(cache, built)
        except PackageError as error:
            parser.exit(2, f"{error}\n")
        if not options.check:
            shutil.copytree(built, DATA, dirs_exist_ok=True)
            checksums.cache_clear()
            _write_json(DATA / SIZES, task_sizes(TokenCounter(cache)))
            return 0
        _write_json(built / SIZES, task_sizes(TokenCounter(cache)))
        changed = differences(built, DATA)
    sys.stdout.write("".join(f"differs: {name}\n" for name in changed) or "the data is as built\n")
    return 1 if changed else 0


def build(cache: Path, folder: Path) -> None:
    """Write all data files and their checksums to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    recorded = {}
    for name, source in SOURCES.items():
        content = packed(source(cache))
        (folder / f"{name}{SUFFIX}").write_bytes(content)
        recorded[name] = hashlib.sha256(content).hexdigest()
    _write_json(folder / CHECKSUMS, recorded)


def task_sizes(count: Callable[[str], int]) -> dict[str, dict[str, int | str]]:
    """Measure each starter task over the data in the repository.

    Args:
        count: returns the number of tokens of a text.

    Returns:
        By task name its `revision`, how many texts are `asked` for, and the `texts`, `characters`
        and `tokens` it encodes, each distinct text once.
    """
    # Not imported at the head: the tasks can be imported only where the data is there.
    from tasks.starter.suite import TASKS

    sizes: dict[str, dict[str, int | str]] = {}
    for task in (kind() for kind in TASKS):
        task.load_data()
        asked = [item.text for item in task_texts(task)]
        texts = set(asked)
        sizes[task.metadata.name] = {
            "revision": task.metadata.revision,
            "asked": len(asked),
            "texts": len(texts),
            "characters": sum(map(len, texts)),
            "tokens": sum(map(count, texts)),
        }
    return sizes


def packed(rows: list[Row]) -> bytes:
    """Return the bytes of a data file: the same rows always give the same bytes."""
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return gzip.compress("".join(lines).encode("utf-8"), compresslevel=9, mtime=0)


def differences(built: Path, committed: Path) -> list[str]:
    """Name the files of two folders that differ.

    Data files are compared by their rows, since other builds of zlib compress otherwise; the
    checksums follow from them.
    """
    names = {path.name for folder in (built, committed) for path in folder.iterdir()}
    return sorted(
        name for name in names - {CHECKSUMS} if _content(built / name) != _content(committed / name)
    )


def _content(path: Path) -> object:
    if not path.exists():
        return None
    content = path.read_bytes()
    return parse_rows(content) if path.name.endswith(SUFFIX) else json.loads(content)


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
