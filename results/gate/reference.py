"""The reference of a regression gate: records that new ones are held against, in a few files.

    reference.json     run spec, seeds, spread over seeds, speed, why it was made and renewed
    scores.csv         the scores, for readers of a change; not read back
    records.jsonl.xz   mteb's TaskResult and the provenance of each record
    examples.parquet   the per-example scores of all records; predictions only where the score is
                       no mean over examples
    policy.toml        what counts as a regression (`results.gate.policy`)

`reference.json` is written last and holds the SHA-256 of the other files but the policy, which is
edited by hand, and a digest over its own content. Equal records give equal bytes.
"""

from __future__ import annotations

import hashlib
import json
import lzma
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from jina_eval.core.display import csv_text
from jina_eval.core.reading import parse_json
from results.atomic import write_atomic
from results.errors import NewerRecordError, NoExamplesError, RecordError
from results.examples import COLUMNS
from results.gate.policy import DEFAULT_POLICY
from results.identities import check_scores
from results.provenance import read_provenance
from results.record import Record, RecordRef

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["POLICY", "Cost", "GateReference", "GateReferenceError", "Place", "Update", "place_of"]

_HEAD, _RECORDS, _EXAMPLES, _SCORES = (
    "reference.json",
    "records.jsonl.xz",
    "examples.parquet",
    "scores.csv",
)
POLICY = "policy.toml"
"""Name of the policy's file."""


class GateReferenceError(RecordError):
    """A reference cannot be used; the message says why and what to do."""


class Place(NamedTuple):
    """What tells a record of one run from the others."""

    task: str
    view: str
    chunking: str

    def __str__(self) -> str:
        """As in "PerlFaqRetrieval, dim=64"."""
        parts = [self.task, self.view]
        return ", ".join(parts if self.chunking == "none" else [*parts, self.chunking])


def place_of(record: Record) -> Place:
    """The place of a record among those of its run."""
    facts = record.provenance
    return Place(facts.task.name, facts.view, facts.identity.chunking)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Cost(_Frozen):
    """What encoding costs, as a multiple of what sentence-transformers takes in the same run.

    Attributes:
        speed: Texts a second, ours over theirs.
        memory: Most memory in use, ours over theirs.
        device: Where both ran.
        texts: How many texts both encoded.
    """

    speed: float
    memory: float
    device: str
    texts: int


class Update(_Frozen):
    """One making of the reference.

    Attributes:
        date: ISO 8601 date, UTC.
        reason: Why, in the words of whoever did it.
        model: The model's name.
        revision: Its revision.
        git_commit: Commit of the code that measured; None where git cannot tell.
        mean_task: Mean over the tasks of the widest view.
    """

    date: str
    reason: str
    model: str
    revision: str
    git_commit: str | None
    mean_task: float


class _Head(_Frozen):
    format: Literal[1] = 1
    run_spec: dict[str, Any]
    seed: int
    spread: dict[str, float]
    spread_seeds: int
    cost: Cost | None
    history: tuple[Update, ...]
    files: dict[str, str]
    digest: str

    @classmethod
    def sealed(cls, **fields: Any) -> _Head:
        """A head with its digest."""
        head = cls(digest="", **fields)
        return head.model_copy(update={"digest": head.expected_digest()})

    def expected_digest(self) -> str:
        """SHA-256 over the canonical JSON of all other fields."""
        fields = self.model_dump(mode="json", exclude={"digest"})
        canonical = json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True)
class GateReference:
    """What new records are held against.

    Attributes:
        run_spec: The run spec as it was given; another model may be put in.
        seed: Its seed.
        records: Its records, without their examples: see `examples`.
        spread: Standard deviation of a task's score over seeds; a task that is not in it was not
            measured under several.
        spread_seeds: Over how many seeds; 0 for none.
        cost: Speed and memory; None if they were not measured.
        history: Why it was made, and made anew; the latest last.
        tables: Gives the examples of a record.
    """

    run_spec: Mapping[str, Any]
    seed: int
    records: tuple[Record, ...]
    spread: Mapping[str, float]
    spread_seeds: int
    cost: Cost | None
    history: tuple[Update, ...]
    tables: Callable[[Place], pd.DataFrame | None] = field(repr=False, compare=False)

    @cached_property
    def by_place(self) -> Mapping[Place, Record]:
        """The records by their place."""
        return {place_of(record): record for record in self.records}

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Their places, in the order of the run spec's views."""
        order = {view: row for row, view in enumerate(self.run_spec.get("views", ()))}
        return tuple(
            sorted(
                self.by_place,
                key=lambda one: (order.get(one.view, len(order)), one.chunking, one.task),
            )
        )

    def examples(self, record: Record) -> pd.DataFrame:
        """A record's examples, see `results.examples`.

        Raises:
            NoExamplesError: If it has none.
        """
        found = self.tables(place_of(record))
        if found is None:
            raise NoExamplesError(f"the reference has no examples of {place_of(record)}")
        return found

    def write(self, folder: Path) -> None:
        """Write it; a policy that is there already is left as it is.

        Raises:
            OSError: If the folder cannot be written.
        """
        records = sorted(self.records, key=place_of)
        contents: dict[str, bytes] = {
            _SCORES: _scores_csv(records).encode(),
            _RECORDS: _records_bytes(records),
            _EXAMPLES: _examples_bytes((place_of(one), self.examples(one)) for one in records),
        }
        # Without its head a reference does not count, so that no half of one is ever read.
        (folder / _HEAD).unlink(missing_ok=True)
        for name, content in contents.items():
            write_atomic(folder / name, content)
        if not (folder / POLICY).exists():
            write_atomic(folder / POLICY, DEFAULT_POLICY)
        head = _Head.sealed(
            run_spec=dict(self.run_spec),
            seed=self.seed,
            spread=dict(sorted(self.spread.items())),
            spread_seeds=self.spread_seeds,
            cost=self.cost,
            history=self.history,
            files={name: hashlib.sha256(data).hexdigest() for name, data in contents.items()},
        )
        text = json.dumps(head.model_dump(mode="json"), indent=2, ensure_ascii=False)
        write_atomic(folder / _HEAD, text + "\n")

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether there is a reference in a folder."""
        return (folder / _HEAD).exists()

    @classmethod
    def read(cls, folder: Path) -> GateReference:
        """Read a reference and check its files.

        Raises:
            GateReferenceError: If there is none, or it is damaged.
        """
        head = _read_head(folder)
        contents = {name: _read_file(folder, name) for name in (_RECORDS, _EXAMPLES, _SCORES)}
        for name, content in contents.items():
            if head.files.get(name) != hashlib.sha256(content).hexdigest():
                raise GateReferenceError(
                    f"reference {folder / name}: its content is not what {_HEAD} says; "
                    f"restore the committed files, or delete {_HEAD} and make it again with "
                    "--update"
                )
        tables = _Tables(contents[_EXAMPLES])
        return cls(
            run_spec=head.run_spec,
            seed=head.seed,
            records=tuple(_read_records(contents[_RECORDS], folder)),
            spread=head.spread,
            spread_seeds=head.spread_seeds,
            cost=head.cost,
            history=head.history,
            tables=tables,
        )


def _read_head(folder: Path) -> _Head:
    content = _read_file(folder, _HEAD)
    try:
        head = _Head.model_validate_json(content)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        what = " ".join(str(problem["msg"]).split())
        place = ".".join(map(str, problem["loc"]))
        raise GateReferenceError(
            f"reference {folder / _HEAD} is not readable by this version: "
            f"{f'{place}: ' if place else ''}{what}; delete it and make it again with --update"
        ) from error
    if head.digest != head.expected_digest():
        raise GateReferenceError(
            f"reference {folder / _HEAD} was changed after it was written: its digest is "
            f"{head.digest[:12]!r}, its content gives {head.expected_digest()[:12]!r}; "
            "restore the committed file, or delete it and make it again with --update"
        )
    return head


def _read_file(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise GateReferenceError(
            f"reference {folder} cannot be read: {error.strerror or error} ({name}); "
            "jina-eval check --update makes one"
        ) from error


class _Tables:
    """Examples by place, taken apart when the first is asked for."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    @cached_property
    def _by_place(self) -> dict[Place, pd.DataFrame]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        whole = pq.read_table(pa.BufferReader(self._content)).to_pandas()
        groups = whole.groupby(list(Place._fields), sort=False, observed=True)
        return {
            # References from before keys were kept lack the column of units.
            Place(*map(str, place)): group.reindex(columns=list(COLUMNS)).reset_index(drop=True)
            for place, group in groups
        }

    def __call__(self, place: Place) -> pd.DataFrame | None:
        return self._by_place.get(place)


def _examples_bytes(tables: Iterable[tuple[Place, pd.DataFrame]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {name: pa.string() for name in (*Place._fields, *COLUMNS)} | {"score": pa.float64()}
    schema = pa.schema(list(types.items()))
    parts = [schema.empty_table()]
    for place, table in tables:
        is_mean = table["score"].notna().all()  # then a test needs nothing else
        kept = table.assign(prediction=None, gold=None) if is_mean else table
        found = pa.Table.from_pandas(kept, preserve_index=False)
        keys = {name: pa.repeat(value, len(table)) for name, value in place._asdict().items()}
        columns = [
            (keys[name] if name in keys else found[name]).cast(kind) for name, kind in types.items()
        ]
        parts.append(pa.Table.from_arrays(columns, schema=schema))
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.concat_tables(parts), sink, compression="zstd", compression_level=19, store_schema=False
    )
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _records_bytes(records: Iterable[Record]) -> bytes:
    lines = [
        json.dumps(
            {
                "ref": vars(record.ref),
                "task_result": record.task_result,
                "provenance": record.provenance.model_dump(mode="json"),
            },
            ensure_ascii=False,
            allow_nan=False,
        )
        for record in records
    ]
    return lzma.compress("".join(f"{line}\n" for line in lines).encode())


def _read_records(content: bytes, folder: Path) -> Iterable[Record]:
    try:
        for line in lzma.decompress(content).splitlines():
            data = parse_json(line, "a line", dict)
            check_scores(data["task_result"])
            yield Record(
                ref=RecordRef(**data["ref"]),
                task_result=data["task_result"],
                provenance=read_provenance(data["provenance"]),
            )
    except NewerRecordError as error:
        raise GateReferenceError(f"reference {folder / _RECORDS}: {error}") from error
    except (lzma.LZMAError, EOFError, KeyError, TypeError, ValueError) as error:
        what = " ".join(str(error).split())
        raise GateReferenceError(
            f"reference {folder / _RECORDS} is not readable by this version: {what}; "
            "make it anew with --update"
        ) from error


def _scores_csv(records: Iterable[Record]) -> str:
    rows = ["task,type,view,chunking,metric,score"]
    for record in records:
        task, view, chunking = place_of(record)
        facts = record.provenance
        texts = (task, facts.task.type, view, chunking, facts.task.main_score)
        cells = map(csv_text, texts)
        quoted = (f'"{cell}"' if "," in cell else cell for cell in cells)
        rows.append(f"{','.join(quoted)},{facts.score:.6f}")
    return "".join(f"{row}\n" for row in rows)
