"""What identities and provenance keep as the project grows."""

import hashlib
import json
from pathlib import Path

import pytest

from results.errors import NewerRecordError
from results.gate.causes import differing_facts
from results.gate.reference import GateReference
from results.provenance import SCHEMA_VERSION, Identity, Provenance, read_provenance
from results.store import RecordStore
from tests.results.factories import make_identity, make_record

REFERENCE = Path(__file__).parents[2] / "results" / "reference" / "starter-minilm"


class Later(Identity):
    """An identity of a later version, with fields that this one has not."""

    index: str = "exact"
    endpoint: str | None = None


def test_keys_of_committed_records_stay_as_they_were():
    record = GateReference.read(REFERENCE).records[0].provenance
    assert record.identity.key() == record.key


def test_a_later_field_at_its_default_changes_no_key():
    now = make_identity()
    fields = {name: getattr(now, name) for name in Identity.model_fields}
    assert Later(**fields).key() == now.key()
    assert Later(**fields, index="hnsw").key() != now.key()
    assert Later(**fields, endpoint="https://host").key() != now.key()


def written(tmp_path, **changes):
    """A store with one record, whose provenance is changed on disk, manifest and all."""
    store = RecordStore(tmp_path)
    record = make_record()
    store.write(record, {})
    path = store.folder(record.ref) / record.ref.task / "provenance.json"
    content = json.loads(path.read_text())
    content.update(changes)
    content = {name: value for name, value in content.items() if value is not ...}
    path.write_text(json.dumps(content))
    manifest = path.parent / "manifest.json"
    digests = json.loads(manifest.read_text())
    digests[f"{record.ref.task}/provenance.json"] = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(digests))
    return store, record.ref


def test_a_record_without_a_schema_version_is_read_as_the_first(tmp_path):
    store, ref = written(tmp_path, schema_version=...)
    assert store.read(ref).provenance.schema_version == 1


def test_a_record_of_a_newer_schema_is_named_and_not_called_damaged(tmp_path):
    newer = SCHEMA_VERSION + 1
    store, ref = written(tmp_path, schema_version=newer, field_of_tomorrow={"a": 1})
    with pytest.raises(NewerRecordError) as error:
        store.read(ref)
    message = str(error.value)
    assert f"record schema {newer}" in message
    assert f"reads up to {SCHEMA_VERSION}; upgrade jina-eval" in message
    assert "TaskA" in message
    assert "corrupt" not in message
    assert "\n" not in message


def test_provenance_survives_json():
    provenance = make_record().provenance
    content = json.loads(provenance.model_dump_json())
    assert read_provenance(content) == provenance
    assert isinstance(provenance, Provenance)


def test_the_gate_names_another_similarity():
    was, now = make_record().provenance, make_record(similarity="dot").provenance
    assert "similarity: cosine, now dot" in differing_facts(was, now)
