"""Per-example scores beside a record: what a task's score is made of, without its texts.

One row a query, pair, text or row of bitext:

    split, subset   str       where mteb scored it
    id              str       unique within split and subset
    score           float64   its contribution to the score; null where the score is no mean
    prediction      str|null  JSON: what was predicted
    gold            str|null  JSON: what would be right
    units           str|null  keys of what it shares with other examples, separated by blanks
                              (`results.stats.units`); null in records from before they were kept
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Texts = Sequence[str | None] | npt.NDArray[np.int64]

__all__ = ["COLUMNS", "ExampleRows", "decode_examples", "encode_examples", "examples_table"]

COLUMNS = ("split", "subset", "id", "score", "prediction", "gold", "units")


@dataclass(frozen=True)
class ExampleRows:
    """The examples of one split and subset, n of them.

    Attributes:
        ids: n texts, or int64 numbers of shape (n,), which become texts.
        scores: float64 of shape (n,); None where the score is no mean over examples.
        predictions: n pieces of JSON, None for one that is not kept, or int64 of shape (n,);
            None if none are kept.
        golds: Likewise.
    """

    ids: Texts
    scores: Sequence[float] | npt.NDArray[np.float64] | None
    predictions: Texts | None
    golds: Texts | None


def examples_table(parts: Iterable[tuple[str, str, ExampleRows]]) -> pd.DataFrame:
    """Join examples to one table.

    Args:
        parts: Split, subset and rows. Each is taken over before the next is asked for, so that
            the parts need not be in memory at once.

    Returns:
        A row an example, in the order given; see `COLUMNS`.

    Raises:
        ValueError: If a part's columns differ in length.
    """
    import pyarrow as pa

    schema = _schema()
    tables = [_table(*part) for part in parts]
    table: pd.DataFrame = pa.concat_tables([schema.empty_table(), *tables]).to_pandas()
    return table


def encode_examples(table: pd.DataFrame) -> bytes:
    """The table as a parquet file; equal tables give equal bytes.

    Raises:
        ValueError: If a column is missing or of another type.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Without pandas' metadata: they hold versions, and say nothing that the columns do not.
    plain = pa.Table.from_pandas(table, schema=_schema(), preserve_index=False)
    sink = pa.BufferOutputStream()
    pq.write_table(
        plain.replace_schema_metadata(None), sink, compression="zstd", store_schema=False
    )
    content: bytes = sink.getvalue().to_pybytes()
    return content


def decode_examples(content: bytes) -> pd.DataFrame:
    """The table of a parquet file.

    Raises:
        ValueError: If it is no parquet file, has other columns, or a score that is no number.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    found = pq.read_table(pa.BufferReader(content))
    if "units" not in found.schema.names:
        found = found.append_column("units", pa.nulls(len(found), pa.string()))
    if not found.schema.equals(_schema()):
        raise ValueError(f"columns {found.schema.names}, where {list(COLUMNS)} should be")
    # A score that is not there is null; NaN or infinity was not written by us.
    if not pc.all(pc.is_finite(found["score"]), min_count=0).as_py():
        raise ValueError("a score is not a finite number")
    table: pd.DataFrame = found.to_pandas()
    return table


def _schema() -> Any:
    import pyarrow as pa

    types = {name: pa.string() for name in COLUMNS} | {"score": pa.float64()}
    return pa.schema(list(types.items()))


def _table(split: str, subset: str, rows: ExampleRows) -> Any:
    import pyarrow as pa

    n = len(rows.ids)
    scores = pa.nulls(n, pa.float64()) if rows.scores is None else pa.array(rows.scores)
    columns = [
        pa.repeat(split, n),
        pa.repeat(subset, n),
        _texts(rows.ids, n),
        scores.cast(pa.float64()),
        _texts(rows.predictions, n),
        _texts(rows.golds, n),
        pa.nulls(n, pa.string()),
    ]
    return pa.Table.from_arrays(columns, schema=_schema())


def _texts(values: Texts | None, n: int) -> Any:
    """Numbers are made into texts here, since a task may have millions."""
    import pyarrow as pa

    return pa.nulls(n, pa.string()) if values is None else pa.array(values).cast(pa.string())
