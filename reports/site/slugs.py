"""Names of models and tasks as file names, whatever they are called."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable

__all__ = ["slugs"]

_LONGEST = 80
# Windows keeps these for its devices, with any ending.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def slugs(names: Iterable[str]) -> dict[str, str]:
    """A file stem for each name: ASCII letters, digits, ".", "_" and "-", unique in any case.

    A name keeps its slug whatever the order of the others, so that links to its
    page last; only names that would share one get a hash.

    Args:
        names: Any texts; the same one may come twice.
    """
    distinct = list(dict.fromkeys(names))
    plain = {name: _plain(name) for name in distinct}
    # File systems may hold "A.html" and "a.html" for the same file.
    count = Counter(slug.casefold() for slug in plain.values())
    return {
        name: slug if slug and count[slug.casefold()] == 1 else _hashed(slug, name)
        for name, slug in plain.items()
    }


def _plain(name: str) -> str:
    """Without what a file name or a link may not hold; empty if that leaves nothing usable."""
    slug = re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.")
    return "" if len(slug) > _LONGEST or _RESERVED.fullmatch(slug) else slug


def _hashed(slug: str, name: str) -> str:
    # A name may hold halves of surrogate pairs, which UTF-8 has no bytes for.
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{slug or 'name'}-{digest}"
