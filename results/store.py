"""Records on disk, in the folder layout of mteb's result cache.

    <root>/results/<org__model>/<revision>/[experiments/<experiment>/]
        model_meta.json            mteb's model metadata
        <Task>.json                mteb's TaskResult
        <Task>/provenance.json     where the score comes from
        <Task>/examples.parquet    score, prediction and gold of each example
        <Task>/manifest.json       SHA-256 of all three, written last
    <root>/texts/<Task>/           texts of the examples of all records, see `results.texts`

`mteb.ResultCache(<root>)` reads the folder as its own. A record without a
manifest was being written when the run ended; it does not count as stored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from jina_eval.core.errors import ReadError
from jina_eval.core.reading import parse_json, read_json
from results.atomic import write_atomic
from results.errors import (
    CorruptRecordError,
    CorruptTextsError,
    NewerRecordError,
    NoExamplesError,
    StaleRecordError,
)
from results.examples import decode_examples, encode_examples
from results.identities import check_record
from results.provenance import Identity, read_provenance
from results.record import Record, RecordRef
from results.texts import ExampleTexts, decode_texts, encode_texts, join_texts

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RecordStore"]

_EXPERIMENTS = "experiments"


class RecordStore:
    """Reads and writes records under one folder."""

    def __init__(self, root: Path) -> None:
        """Open the store; nothing is touched until a record is written.

        Args:
            root: The `records` folder of a run.
        """
        self.root = root

    def folder(self, ref: RecordRef) -> Path:
        """The folder that holds the record's task result."""
        folder = self.root / "results" / ref.model.replace("/", "__") / ref.revision
        return folder / _EXPERIMENTS / ref.experiment if ref.experiment else folder

    def find(self, ref: RecordRef, identity: Identity) -> Record | None:
        """The stored record, or None if there is none yet.

        Args:
            ref: Where to look.
            identity: What the record must have been measured under.

        Raises:
            CorruptRecordError: If its files do not match its manifest.
            StaleRecordError: If it was measured under another identity.
        """
        if not self._manifest(ref).exists():
            return None
        record = self.read(ref)
        if record.provenance.key != identity.key():
            raise StaleRecordError(self._stale_message(record, identity))
        return record

    def read(self, ref: RecordRef) -> Record:
        """Read one record and check it against its manifest.

        Its examples are neither read nor checked: see `examples`.

        Raises:
            CorruptRecordError: If a file is missing, unreadable or changed.
            ImpossibleScoresError: If its score and metrics contradict one another.
            NewerRecordError: If a newer version of this project wrote it.
        """
        folder = self.folder(ref)
        manifest = self._manifest(ref)
        expected = self._digests(ref)
        try:
            contents = {name: (folder / name).read_bytes() for name in self._files(ref)}
        except OSError as error:
            raise self._corrupt(ref, manifest, str(error)) from error
        for name, content in contents.items():
            if expected.get(name) != _digest(content):
                raise self._corrupt(ref, folder / name, "its content differs from the manifest")
        task_result, provenance = (contents[name] for name in self._files(ref))
        try:
            record = Record(
                ref=ref,
                task_result=parse_json(task_result, "its task result", dict),
                provenance=read_provenance(parse_json(provenance, "its provenance", dict)),
            )
        except NewerRecordError as error:
            raise NewerRecordError(f"record {folder / ref.task}: {error}") from error
        except (ValueError, ValidationError) as error:
            raise self._corrupt(ref, manifest, f"not readable by this version ({error})") from error
        check_record(record)
        return record

    def examples(self, ref: RecordRef) -> pd.DataFrame:
        """Read a record's examples and check them against its manifest.

        Returns:
            The table, see `results.examples`.

        Raises:
            NoExamplesError: If it was measured before examples were kept.
            CorruptRecordError: If they, or the manifest, are missing, unreadable or changed.
        """
        path = self.folder(ref) / self._examples(ref)
        digest = self._digests(ref).get(self._examples(ref))
        if digest is None and not path.exists():
            raise NoExamplesError(
                f"{ref} was measured before examples were kept; to measure it again, delete "
                f"the folder {path.parent}, which holds nothing else"
            )
        try:
            content = path.read_bytes()
        except OSError as error:
            raise self._corrupt(ref, path, str(error)) from error
        if digest != _digest(content):
            raise self._corrupt(ref, path, "its content differs from the manifest")
        try:
            return decode_examples(content)
        except ValueError as error:
            raise self._corrupt(ref, path, f"not readable by this version ({error})") from error

    def texts(self, task: str, content_hash: str) -> ExampleTexts:
        """Read the texts that are kept of a task; there may be none.

        Args:
            task: The task's name.
            content_hash: Hash of its data, as records' provenance holds it.

        Raises:
            CorruptTextsError: If their file is unreadable or was changed.
        """
        found = self._read_texts(task, content_hash)
        return ExampleTexts([] if found is None else [found])

    def write(self, record: Record, model_meta: Mapping[str, Any]) -> Path:
        """Write one record; a crash at any moment leaves no half of it behind.

        Args:
            record: What to store; it replaces a stored one.
            model_meta: mteb's metadata of the model as JSON data.

        Returns:
            The path of the task result.

        Raises:
            OSError: If the folder cannot be written.
            ImpossibleScoresError: If its score and metrics contradict one another.
        """
        check_record(record)
        if record.texts is not None:  # first, so that a complete record has its texts
            self._add_texts(record.ref.task, record.provenance.task.content_hash, record.texts)
        folder = self.folder(record.ref)
        manifest = self._manifest(record.ref)
        manifest.unlink(missing_ok=True)
        write_atomic(folder / "model_meta.json", _json(model_meta))
        contents = dict(
            zip(
                self._files(record.ref),
                (
                    _json(record.task_result),
                    _json(record.provenance.model_dump(mode="json")),
                ),
                strict=True,
            )
        )
        examples = self._examples(record.ref)
        if record.examples is not None:
            contents[examples] = encode_examples(record.examples)
        else:  # those of a record that stood here before
            (folder / examples).unlink(missing_ok=True)
        for name, content in contents.items():
            write_atomic(folder / name, content)
        digests = {name: _digest(content) for name, content in contents.items()}
        write_atomic(manifest, _json(digests))
        return folder / f"{record.ref.task}.json"

    def records(self) -> Iterator[Record]:
        """All complete records, in a stable order.

        Raises:
            CorruptRecordError: If one of them does not match its manifest.
        """
        for ref in self.references():
            yield self.read(ref)

    def references(self) -> list[RecordRef]:
        """Where complete records are, in a stable order."""
        return sorted(self._refs(), key=lambda ref: (ref.model, ref.revision, ref.task, str(ref)))

    def _refs(self) -> Iterator[RecordRef]:
        base = self.root / "results"
        for pattern in ("*/*/*/manifest.json", f"*/*/{_EXPERIMENTS}/*/*/manifest.json"):
            for manifest in base.glob(pattern):
                model, revision, *rest, task, _ = manifest.relative_to(base).parts
                experiment = rest[1] if rest else None
                yield RecordRef(model.replace("__", "/", 1), revision, experiment, task)

    def _texts_file(self, task: str, content_hash: str) -> Path:
        return self.root / "texts" / task / f"{content_hash[:16]}.parquet"

    def _read_texts(self, task: str, content_hash: str) -> pd.DataFrame | None:
        path = self._texts_file(task, content_hash)
        try:
            return decode_texts(path.read_bytes(), task, content_hash)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise CorruptTextsError(
                f"corrupt texts {path}: {' '.join(str(error).split())}; delete the file, "
                "and --overwrite records to keep their texts anew"
            ) from error

    def _add_texts(self, task: str, content_hash: str, texts: pd.DataFrame) -> None:
        """Join texts to those that are kept; a file that is corrupt gives way."""
        try:
            kept = self._read_texts(task, content_hash)
        except CorruptTextsError:  # lost already, and no reason to lose a score too
            kept = None
        joined = join_texts([texts] if kept is None else [kept, texts])
        if kept is None or not joined.equals(kept):
            content = encode_texts(joined, task, content_hash)
            write_atomic(self._texts_file(task, content_hash), content)

    def _manifest(self, ref: RecordRef) -> Path:
        return self.folder(ref) / ref.task / "manifest.json"

    def _digests(self, ref: RecordRef) -> dict[str, str]:
        """The manifest: SHA-256 by path from the record's folder."""
        manifest = self._manifest(ref)
        try:
            return read_json(manifest, dict)
        except ReadError as error:
            raise self._corrupt(ref, manifest, str(error)) from error

    def _corrupt(self, ref: RecordRef, path: Path, reason: str) -> CorruptRecordError:
        """The error about a file of a record; its advice concerns no other record."""
        return CorruptRecordError(
            f"corrupt record {path}: {' '.join(reason.split())}; to measure {ref} again, delete "
            f"the folder {self._manifest(ref).parent}, which holds nothing else"
        )

    @staticmethod
    def _files(ref: RecordRef) -> tuple[str, str]:
        return f"{ref.task}.json", f"{ref.task}/provenance.json"

    @staticmethod
    def _examples(ref: RecordRef) -> str:
        return f"{ref.task}/examples.parquet"

    def _stale_message(self, record: Record, identity: Identity) -> str:
        found = record.provenance.identity.differences(identity)
        said = "; ".join(f"{name} {was!r}, now {now!r}" for name, (was, now) in found.items())
        return (
            f"{self.folder(record.ref)} already holds {record.ref}, measured otherwise ({said}); "
            "give another --output, or --overwrite to measure it anew"
        )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _json(data: Mapping[str, Any]) -> bytes:
    return (json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
