"""Perl documentation: the questions of perlfaq, and long manual pages with their one-line index."""

from __future__ import annotations

import re
from pathlib import Path

from tasks.starter.files import Row
from tasks.starter.packages import Package, unpacked
from tasks.starter.sources.common import sample, squash, without_repeats
from tasks.starter.sources.tokens import MIN_TOKENS, TokenCounter

PERL_DOC = Package(
    "apt",
    "perl-doc",
    "5.36.0-7+deb12u4",
    "f4269cff4576d6f02a6756df842988e58451c7e945b08517dd235531b24e48f8",
)
FAQ_ENTRIES = 150
MAX_MANUAL_TOKENS = 12_288
"""Longer pages cost much; beyond 8,192 tokens models cut them, and lose nothing here."""
MIN_ANSWER = 60
"""Shorter answers (characters) only point elsewhere."""

_ENTRY = re.compile(r"^=head2 (.*?)\n(.*?)(?=^=head[12] |\Z)", flags=re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"L<(?:([^|<>]*)\|)?([^<>]*)>")
_ESCAPES = {"E<gt>": ">", "E<lt>": "<", "E<sol>": "/", "E<verbar>": "|"}


def perl_faq(cache: Path) -> list[Row]:
    """Return rows `id, question, answer`: a sample of the nine parts of perlfaq."""
    rows = []
    for part in range(1, 10):
        text = _page(cache, f"perlfaq{part}").split("=head1 AUTHOR")[0]
        for number, (title, body) in enumerate(_ENTRY.findall(text)):
            commands = r"^=(over|item|back|for|begin|end|cut|encoding)[^\n]*$"
            answer = _plain(re.sub(commands, "", body, flags=re.MULTILINE))
            row = {
                "id": f"perlfaq{part}-{number}",
                "question": squash(_plain(title)),
                "answer": squash(re.sub(r"X<[^<>]*>", "", answer)),
            }
            if len(row["answer"]) > MIN_ANSWER:
                rows.append(row)
    distinct = without_repeats(rows, ("question", "answer"))
    return sample(distinct, FAQ_ENTRIES, key=lambda row: str(row["id"]))


def perl_manual(cache: Path) -> list[Row]:
    """Return rows `id, summary, text`: manual pages of 4,096 to 12,288 tokens."""
    count = TokenCounter(cache)
    index = re.findall(r"^    (perl\w+)\s+(\S.*)$", _page(cache, "perl"), flags=re.MULTILINE)
    rows = []
    for name, summary in sorted(set(index)):
        if not (_folder(cache) / f"{name}.pod").is_file() or name in ("perltoc", "perlfaq"):
            continue
        # perl5*delta, the histories of releases, are alike and have no telling summary.
        if name.startswith("perl5"):
            continue
        text = _manual_text(_page(cache, name))
        if MIN_TOKENS <= count(text) <= MAX_MANUAL_TOKENS:
            rows.append({"id": name, "summary": squash(summary), "text": text})
    return without_repeats(rows, ("summary", "text"))


def _folder(cache: Path) -> Path:
    return unpacked(PERL_DOC, cache) / "usr/share/perl/5.36.0/pod"


def _page(cache: Path, name: str) -> str:
    return (_folder(cache) / f"{name}.pod").read_text(encoding="utf-8", errors="replace")


def _manual_text(pod: str) -> str:
    """Return the text of a page without its NAME section, which holds the summary."""
    pod = re.sub(r"=head1 NAME.*?(?==head1)", "", pod, count=1, flags=re.DOTALL)
    pod = re.sub(
        r"^=(over|item|back|for|begin|end|cut|encoding|head\d)\b ?",
        "",
        _plain(pod),
        flags=re.MULTILINE,
    )
    return re.sub(r"\n{3,}", "\n\n", pod).strip()


def _plain(pod: str) -> str:
    """Remove the formatting codes of POD, which nest up to three deep."""
    pod = re.sub(r"[A-Z]<<+\s(.*?)\s>>+", r"\1", pod)
    for _ in range(3):
        pod = _LINK.sub(lambda match: match.group(1) or match.group(2), pod)
        pod = re.sub(r"[BICFSX]<([^<>]*)>", r"\1", pod)
    for code, character in _ESCAPES.items():
        pod = pod.replace(code, character)
    return pod
