"""Refuse data whose rows cannot be told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks.errors import DataUnavailableError
from tasks.fresh import task_parts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mteb.abstasks import AbsTask

__all__ = ["check_identifiers"]


def check_identifiers(task: AbsTask) -> None:
    """Refuse a loaded retrieval task in which two documents or two queries have one id.

    mteb keeps what was found by id, so that one of the two would be lost unseen.

    Raises:
        DataUnavailableError: an id stands for several rows.
    """
    from mteb.abstasks.retrieval import AbsTaskRetrieval

    for part in task_parts(task):
        if not isinstance(part, AbsTaskRetrieval):
            continue
        part.convert_v1_dataset_format_to_v2(num_proc=None)  # as its evaluate() does first
        for subset in part.hf_subsets:
            for split in part.eval_splits:
                data = part.dataset[subset][split]
                for kind, rows in (("document", data["corpus"]), ("query", data["queries"])):
                    repeated = _repeated(rows)
                    if repeated is not None:
                        raise DataUnavailableError(
                            f"task {part.metadata.name}: {kind} id {repeated!r} stands for several "
                            f"rows of subset {subset!r}, split {split!r}"
                        )


def _repeated(rows: Any) -> str | None:
    """The first id that is there twice; columns come in pieces, so that memory stays bounded."""
    seen: set[int] = set()
    for identifier in _identifiers(rows):
        key = hash(identifier)
        if key in seen:
            return _confirm(rows)
        seen.add(key)
    return None


def _identifiers(rows: Any) -> Iterable[str]:
    for batch in rows.select_columns(["id"]).iter(batch_size=10_000):
        yield from batch["id"]


def _confirm(rows: Any) -> str | None:
    """Two ids may share a hash, though hardly ever: look at the ids themselves."""
    seen: set[str] = set()
    for identifier in _identifiers(rows):
        if identifier in seen:
            return identifier
        seen.add(identifier)
    return None
