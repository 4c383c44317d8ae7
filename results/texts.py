"""Texts of examples, kept beside the records so that single queries can be looked at.

    <records>/texts/<Task>/<first 16 digits of the content hash>.parquet

One file holds what the records of all models and views of a task refer to: the texts of its
examples, and of a search those documents that are gold or among the best ten of some record. One
row a text:

    split, subset   str     where it is scored, as in `results.examples`
    side            str     query, document, text, first, second, human, machine or label
    id              str     unique within these three
    text            str     its first `MOST_CHARACTERS` characters
    length          int64   how many it has
    rank            int64   which texts are kept where there are more than `MOST_TEXTS`: the lowest

A file is the union of what records brought, whatever their order, and equal unions are equal bytes.
It holds a digest of itself, so that a changed file is not taken for the task's texts.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

__all__ = [
    "MOST_CHARACTERS",
    "MOST_TEXTS",
    "ExampleTexts",
    "KeptText",
    "TextRow",
    "decode_texts",
    "encode_texts",
    "example_ranks",
    "join_texts",
    "kept_part",
    "ranks_of",
    "texts_table",
]

MOST_TEXTS = 20_000
"""Texts that are kept of a task."""

MOST_CHARACTERS = 1_000
"""Characters that are kept of a text."""

_KEY = ["split", "subset", "side", "id"]
_GOLDEN = 0x9E3779B97F4A7C15


class TextRow(NamedTuple):
    """A row of the file; `text` and `length` as `kept_part` gives them."""

    split: str
    subset: str
    side: str
    id: str
    text: str
    length: int
    rank: int


class KeptText(NamedTuple):
    """What is kept of a text.

    Attributes:
        text: Its first characters.
        length: How many characters it has.
    """

    text: str
    length: int


def kept_part(text: str) -> KeptText:
    """A text's first characters as they can be stored.

    Halves of surrogate pairs, which are no Unicode text, become U+FFFD.
    """
    part = text[:MOST_CHARACTERS]
    try:
        part.encode()
    except UnicodeEncodeError:
        part = part.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return KeptText(part, len(text))


def example_ranks(split: str, subset: str, count: int) -> npt.NDArray[np.int64]:
    """An order of a subset's examples of which every beginning is spread over all of them.

    Args:
        split: The split.
        subset: The subset.
        count: How many examples there are.

    Returns:
        Each example's rank, from 0 to below 2**63, shape (count,). Those of two subsets differ.
    """
    import numpy as np

    name = hashlib.sha256(f"{split}\x00{subset}".encode("utf-8", "replace")).digest()
    start = np.uint64(int.from_bytes(name[:8], "little"))
    # Multiples of the golden ratio, modulo 1, are the most evenly spread sequence there is.
    places = np.arange(count, dtype=np.uint64) * np.uint64(_GOLDEN) + start
    return (places >> np.uint64(1)).astype(np.int64)


def ranks_of(examples: pd.DataFrame) -> npt.NDArray[np.int64]:
    """`example_ranks` of all examples of a record, which come subset by subset.

    Args:
        examples: See `results.examples`.

    Returns:
        Shape (examples,).
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    ends = {0} if len(examples) else set()
    for name in ("split", "subset"):
        column = pa.array(examples[name])
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        # There may be millions: nothing is done row by row.
        ends.update(pc.run_end_encode(column).run_ends.to_pylist())
    ranks = np.empty(len(examples), dtype=np.int64)
    for start, end in itertools.pairwise(sorted(ends)):
        row = examples.iloc[start]
        ranks[start:end] = example_ranks(row["split"], row["subset"], end - start)
    return ranks


def texts_table(rows: Iterable[TextRow]) -> pd.DataFrame:
    """Rows as a table, as `join_texts` would leave them."""
    import pyarrow as pa

    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * 7
    arrays = [
        pa.array(list(column), type=field.type)
        for column, field in zip(columns, _schema(), strict=True)
    ]
    return join_texts([pa.Table.from_arrays(arrays, schema=_schema()).to_pandas()])


def join_texts(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The union of texts of one task; neither order nor grouping of the tables matters.

    Returns:
        Each text once, with the lowest of its ranks, in the order of ranks, at most `MOST_TEXTS`.
    """
    import pandas as pd

    every = pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]
    every = every.sort_values(["rank", *_KEY], ignore_index=True)
    return every.drop_duplicates(_KEY, ignore_index=True).head(MOST_TEXTS)


def encode_texts(table: pd.DataFrame, task: str, content_hash: str) -> bytes:
    """Texts of one task as a parquet file; equal tables give equal bytes.

    Args:
        table: The texts.
        task: The task's name.
        content_hash: Hash of the data that they are from.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    plain = pa.Table.from_pandas(table, schema=_schema(), preserve_index=False)
    facts = {
        "task": task,
        "content_hash": content_hash,
        "digest": _digest(plain, task, content_hash),
    }
    sink = pa.BufferOutputStream()
    # Without pandas' and Arrow's metadata: they hold versions, and nothing that columns do not.
    with pq.ParquetWriter(sink, _schema(), compression="zstd", store_schema=False) as writer:
        writer.write_table(plain.replace_schema_metadata(None))
        writer.add_key_value_metadata(facts)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def decode_texts(content: bytes, task: str, content_hash: str) -> pd.DataFrame:
    """The texts in a parquet file.

    Raises:
        ValueError: If it is no such file, is of other data, or was changed.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        found = file.read().replace_schema_metadata(None)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"no readable parquet file ({error})") from error
    facts = {
        key.decode("utf-8", "replace"): value.decode("utf-8", "replace")
        for key, value in (file.metadata.metadata or {}).items()
    }
    if not found.schema.equals(_schema()):
        raise ValueError(f"columns {found.schema.names}, where {_schema().names} should be")
    if (facts.get("task"), facts.get("content_hash")) != (task, content_hash):
        raise ValueError(f"texts of {facts.get('task')}, or of other data")
    if facts.get("digest") != _digest(found, task, content_hash):
        raise ValueError("its content differs from its digest")
    table: pd.DataFrame = found.to_pandas()
    return table


class ExampleTexts:
    """Texts of one task, to look up."""

    def __init__(self, tables: Iterable[pd.DataFrame] = ()) -> None:
        """Take over tables as `decode_texts` gives them, of as many stores as there are."""
        self._texts: dict[tuple[str, str, str, str], KeptText] = {}
        for table in tables:
            columns = (table[name].tolist() for name in (*_KEY, "text", "length"))
            for split, subset, side, name, text, length in zip(*columns, strict=True):
                self._texts[split, subset, side, name] = KeptText(text, length)

    @classmethod
    def join(cls, parts: Iterable[ExampleTexts]) -> ExampleTexts:
        """The texts of one task in several stores."""
        joined = cls()
        for part in parts:
            joined._texts |= part._texts
        return joined

    def __len__(self) -> int:
        return len(self._texts)

    def find(self, split: str, subset: str, side: str, identifier: str) -> KeptText | None:
        """A text; None if it was not kept."""
        return self._texts.get((split, subset, side, identifier))


def _schema() -> Any:
    import pyarrow as pa

    types = {name: pa.string() for name in (*_KEY, "text")}
    return pa.schema([*types.items(), ("length", pa.int64()), ("rank", pa.int64())])


def _digest(table: Any, task: str, content_hash: str) -> str:
    """SHA-256 over all values, whatever pages they are stored in."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    digest = hashlib.sha256(f"{task}\x00{content_hash}\x00{len(table)}\x00".encode())
    for column in table.columns:
        if column.null_count:
            raise ValueError("a value is missing")
        if pa.types.is_string(column.type):
            digest.update(np.asarray(pc.binary_length(column), dtype="<i8").tobytes())
            digest.update("".join(column.to_pylist()).encode())
        else:
            digest.update(np.asarray(column, dtype="<i8").tobytes())
    return digest.hexdigest()
