"""Texts of a loaded task's examples, looked up by where they stand.

These follow mteb 2.26.24; a test over all of its mock tasks notices when mteb moves on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tasks.fresh import task_parts
from tasks.texts import encoded_columns, is_retrieval, retrieval_data

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

__all__ = ["TextLookup"]


class TextLookup:
    """The texts of one task, or of an aggregate's parts, as they are encoded.

    Examples have the ids that records give them: a query's or a document's own; otherwise a row's
    number in the split; SET/PLACE in clustering of sets, and ROW/PLACE for one of a row's machine
    summaries; the number of a candidate label.
    """

    def __init__(self, task: AbsTask) -> None:
        """Take a task; nothing is read before it is asked for.

        Args:
            task: The task, loaded.
        """
        self._parts: dict[str, Any] = {}
        for part in task_parts(task):
            self._parts[f"{part.metadata.name}/" if task.is_aggregate else ""] = part
        self._searched: dict[tuple[str, str, str], _Identified] = {}

    def type(self, subset: str) -> str:
        """The type of the part that has a subset.

        Raises:
            ValueError: If there is no such part.
        """
        kind: str = self._part(subset)[0].metadata.type
        return kind

    def sides(self, subset: str) -> tuple[str, ...]:
        """The sides that the texts of a subset's examples have.

        Raises:
            ValueError: If there is no part with such a subset.
        """
        part, _ = self._part(subset)
        if is_retrieval(part):
            return "query", "document"
        if getattr(part, "parallel_subsets", False):
            return "first", "second"
        return tuple(side for side, _ in encoded_columns(part)[0])

    def texts(self, split: str, subset: str, side: str, ids: Sequence[str]) -> list[str | None]:
        """Some texts, None for ids that there are none of.

        Args:
            split: The split.
            subset: The subset; of an aggregate's part PART/SUBSET.
            side: One of `sides`.
            ids: Whose.

        Raises:
            ValueError: If there is no part with such a subset.
        """
        part, own = self._part(subset)
        if is_retrieval(part):
            place = (split, subset, side)
            if place not in self._searched:
                data = next(
                    data
                    for name, part_split, data in retrieval_data(part)
                    if (name, part_split) == (own, split)
                )
                table = data["corpus" if side == "document" else "queries"]
                self._searched[place] = _Identified(table, side)
            return self._searched[place].texts(ids)
        if side == "label":
            labels = part.get_candidate_labels()
            return [labels[int(name)] for name in ids]
        if getattr(part, "parallel_subsets", False):
            first, second = own.split("-")
            return _rows(part.dataset[split], first if side == "first" else second, ids)
        column = dict(encoded_columns(part)[0])[side]
        return _rows(part.dataset.get(own, part.dataset)[split], column, ids)

    def _part(self, subset: str) -> tuple[Any, str]:
        """A part, and the subset's own name."""
        for prefix, part in self._parts.items():
            if subset.startswith(prefix):
                return part, subset.removeprefix(prefix)
        raise ValueError(f"no part has subset {subset!r}; there are {list(self._parts)}")


class _Identified:
    """A corpus or queries, whose texts are looked up by id; a corpus may be too large to read."""

    def __init__(self, table: Any, side: str) -> None:
        import pyarrow as pa

        self._table, self._side = table, side
        columns = table.select_columns(["id"]).with_format("arrow")[:]
        self._names = columns["id"].cast(pa.string())

    def texts(self, ids: Sequence[str]) -> list[str | None]:
        """As of `TextLookup.texts`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        at = pc.index_in(self._names, value_set=pa.array(ids, type=pa.string()))
        rows = pc.indices_nonzero(pc.is_valid(at)).to_pylist()
        if not rows:
            return [None] * len(ids)
        names = self._names.take(rows).to_pylist()
        by_name = dict(zip(names, self._encoded(self._table[rows]), strict=True))
        return [by_name.get(name) for name in ids]

    def _encoded(self, columns: dict[str, list[Any]]) -> list[str]:
        """The texts of a few rows, as mteb joins them."""
        from datasets import Dataset
        from mteb._create_dataloaders import _corpus_to_dict, _retrieval_texts
        from mteb.types import PromptType

        known = ("id", "title", "text", "instruction")
        columns = {name: columns[name] for name in known if name in columns}
        if self._side == "document":
            rows = zip(*columns.values(), strict=True)
            return [_corpus_to_dict(dict(zip(columns, row, strict=True)))["text"] for row in rows]
        if "instruction" not in columns and isinstance(columns["text"][0], str):
            return columns["text"]
        # In memory: what mteb maps would else be written to the cache of datasets.
        features = self._table.select_columns(list(columns)).features
        few = Dataset.from_dict(columns, features=features)
        texts: list[str] = _retrieval_texts(few, PromptType.query)[:]
        return texts


def _rows(data: Any, column: str, ids: Sequence[str]) -> list[str | None]:
    """Texts of rows of a table: of one number each, or of two where a row holds several."""
    rows = [int(name.partition("/")[0]) for name in ids]
    if isinstance(data, dict):
        values = [data[column][row] for row in rows]
    elif len(data) == 1 and isinstance(whole := data[0][column], list) and "/" not in ids[0]:
        values = [whole[row] for row in rows]  # all pairs in one row, as in data for mteb 1
    else:
        values = data.select_columns([column])[rows][column]
    return [_one(value, name) for value, name in zip(values, ids, strict=True)]


def _one(value: Any, name: str) -> str | None:
    _, slash, place = name.partition("/")
    if slash:
        value = value[int(place)]
    return "\n\n".join(map(str, value)) if isinstance(value, list) else value
