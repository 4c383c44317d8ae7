import dataclasses
import json
import re
import shutil

import pandas as pd
import pytest

from results.errors import CorruptRecordError, NoExamplesError, StaleRecordError
from results.examples import COLUMNS as EXAMPLE_COLUMNS
from results.store import RecordStore
from results.table import COLUMNS, records_table
from tests.results.factories import make_examples, make_record

META = {"name": "org/model", "revision": "1"}


@pytest.fixture
def store(tmp_path):
    return RecordStore(tmp_path / "records")


def files(store):
    return {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()}


def test_what_is_written_is_read_back(store):
    record = make_record()
    path = store.write(record, META)
    assert path == store.root / "results/org__model/1/TaskA.json"
    assert store.read(record.ref) == record
    assert store.find(record.ref, record.provenance.identity) == record
    assert list(store.records()) == [record]


def test_experiments_stand_beside_the_plain_record(store):
    plain, small = make_record(), make_record(0.25, "embed_dim_4", view="dim=4")
    for record in (plain, small):
        store.write(record, META)
    assert {record.provenance.score for record in store.records()} == {0.5, 0.25}
    assert store.folder(small.ref) == store.folder(plain.ref) / "experiments" / "embed_dim_4"


def test_nothing_is_found_where_nothing_was_stored(store):
    record = make_record()
    assert store.find(record.ref, record.provenance.identity) is None
    assert list(store.records()) == []
    assert not store.root.exists()


def test_a_record_without_manifest_was_never_finished(store):
    record = make_record()
    store.write(record, META)
    (store.folder(record.ref) / "TaskA" / "manifest.json").unlink()
    assert store.find(record.ref, record.provenance.identity) is None
    assert list(store.records()) == []


@pytest.mark.parametrize("name", ["TaskA.json", "TaskA/provenance.json", "TaskA/manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "remove"])
def test_every_kind_of_damage_is_found_and_named(store, name, damage):
    record = make_record()
    store.write(record, META)
    path = store.folder(record.ref) / name
    content = path.read_bytes()
    if damage == "remove":
        path.unlink()
        if name.endswith("manifest.json"):
            return  # then it counts as unfinished, see above
    else:
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        path.write_bytes({"flip": flipped, "truncate": content[:middle], "empty": b""}[damage])
    with pytest.raises(CorruptRecordError, match="TaskA") as error:
        store.find(record.ref, record.provenance.identity)
    assert "\n" not in str(error.value)
    with pytest.raises(CorruptRecordError):
        list(store.records())


@pytest.mark.parametrize("name", ["TaskA.json", "TaskA/provenance.json", "TaskA/manifest.json"])
def test_following_the_advice_on_a_damaged_record_loses_no_other(store, name):
    damaged, other = make_record(), make_record(task="TaskB")
    view = make_record(0.25, "embed_dim_4", view="dim=4")
    for record in (damaged, other, view):
        store.write(record, META)
    (store.folder(damaged.ref) / name).write_text("{")
    with pytest.raises(CorruptRecordError) as error:
        store.read(damaged.ref)
    (folder,) = re.findall(r"delete the folder (\S+),", str(error.value))
    shutil.rmtree(folder)
    assert store.find(damaged.ref, damaged.provenance.identity) is None
    assert sorted(record.ref.task for record in store.records()) == ["TaskA", "TaskB"]


def test_a_record_of_another_form_is_refused_even_if_its_manifest_fits(store):
    import hashlib

    record = make_record()
    store.write(record, META)
    folder = store.folder(record.ref)
    provenance = json.loads((folder / "TaskA/provenance.json").read_text())
    provenance["surprise"] = 1
    content = json.dumps(provenance).encode()
    (folder / "TaskA/provenance.json").write_bytes(content)
    manifest = json.loads((folder / "TaskA/manifest.json").read_text())
    manifest["TaskA/provenance.json"] = hashlib.sha256(content).hexdigest()
    (folder / "TaskA/manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CorruptRecordError, match="not readable by this version"):
        store.read(record.ref)


def test_a_record_measured_otherwise_is_refused_with_what_differs(store):
    record = make_record()
    store.write(record, META)
    asked = record.provenance.identity.model_copy(update={"mteb_version": "3"})
    with pytest.raises(StaleRecordError, match=r"mteb_version '2', now '3'.*--output"):
        store.find(record.ref, asked)


def test_rewriting_replaces_the_record_whole(store):
    store.write(make_record(0.5), META)
    store.write(make_record(0.75), META)
    (record,) = store.records()
    assert record.provenance.score == 0.75
    assert len(files(store)) == 5


def test_a_write_that_fails_leaves_no_half_record(store, monkeypatch):
    import results.store

    record = make_record()
    real = results.store.write_atomic
    for fail_at in range(5):
        calls = []

        def failing(path, content, calls=calls, fail_at=fail_at):
            calls.append(path)
            if len(calls) > fail_at:
                raise OSError(28, "No space left on device")
            real(path, content)

        monkeypatch.setattr(results.store, "write_atomic", failing)
        with pytest.raises(OSError, match="No space"):
            store.write(record, META)
        assert store.find(record.ref, record.provenance.identity) is None
    monkeypatch.setattr(results.store, "write_atomic", real)
    store.write(record, META)
    assert store.read(record.ref) == record


def test_examples_are_read_back_only_when_asked_for(store):
    record = make_record()
    store.write(record, META)
    assert store.read(record.ref).examples is None
    found = store.examples(record.ref)
    pd.testing.assert_frame_equal(found, make_examples())
    assert tuple(found.columns) == EXAMPLE_COLUMNS
    assert found["score"].tolist()[3:] == [0.5, 1.0]
    assert found["score"].isna().tolist() == [True] * 3 + [False] * 2
    assert found["prediction"].isna().tolist() == [False] * 3 + [True] * 2
    assert found["id"].tolist() == ["0", "1", "2", "q é", "r"]


def test_equal_examples_are_equal_bytes(store):
    record = make_record()
    store.write(record, META)
    before = files(store)
    columns = {name: list(record.examples[name]) for name in EXAMPLE_COLUMNS}
    store.write(dataclasses.replace(record, examples=pd.DataFrame(columns)), META)
    assert files(store) == before


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "forget"])
def test_damaged_examples_are_found_when_they_are_asked_for(store, damage):
    record = make_record()
    store.write(record, META)
    path = store.folder(record.ref) / "TaskA/examples.parquet"
    content = path.read_bytes()
    if damage == "remove":
        path.unlink()
    elif damage == "forget":
        manifest = path.with_name("manifest.json")
        digests = json.loads(manifest.read_text())
        del digests["TaskA/examples.parquet"]
        manifest.write_text(json.dumps(digests))
    else:
        flipped = content[:40] + bytes([content[40] ^ 1]) + content[41:]
        path.write_bytes({"flip": flipped, "truncate": content[:40]}[damage])
    with pytest.raises(CorruptRecordError, match=r"TaskA/examples\.parquet") as error:
        store.examples(record.ref)
    assert "\n" not in str(error.value)
    assert store.read(record.ref) == record
    assert list(store.records()) == [record]


def test_examples_of_another_form_are_refused_even_if_the_manifest_fits(store):
    record = dataclasses.replace(make_record(), examples=make_examples())
    store.write(record, META)
    folder = store.folder(record.ref)
    path = folder / "TaskA/examples.parquet"
    manifest = json.loads((folder / "TaskA/manifest.json").read_text())
    from results.store import _digest

    for content in (b"no parquet", pd.DataFrame({"id": ["1"]}).to_parquet()):
        path.write_bytes(content)
        manifest["TaskA/examples.parquet"] = _digest(content)
        (folder / "TaskA/manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(CorruptRecordError, match="not readable by this version"):
            store.examples(record.ref)


def test_a_record_from_before_examples_were_kept_is_read_and_says_so(store):
    record = make_record()
    store.write(record, META)
    store.write(dataclasses.replace(record, examples=None), META)
    assert len(files(store)) == 4
    assert store.read(record.ref) == record
    assert store.find(record.ref, record.provenance.identity) == record
    with pytest.raises(NoExamplesError, match="TaskA of org/model was measured before examples"):
        store.examples(record.ref)


def test_the_table_has_a_row_a_record_and_no_zero_for_what_was_not_measured(store):
    table = records_table([make_record(), make_record(task="TaskB", score=0.1)])
    assert list(table.columns) == list(COLUMNS)
    assert table["score"].tolist() == [0.5, 0.1]
    assert table["truncated_share"].tolist() == [0.2, 0.2]
    record = make_record()
    count = record.provenance.text_count.model_copy(
        update={"truncated_texts": None, "tokens": None, "truncated_tokens": None}
    )
    blank = record.provenance.model_copy(update={"text_count": count, "dim": None})
    table = records_table([type(record)(record.ref, record.task_result, blank)])
    assert table[["truncated_share", "dim"]].isna().all(axis=None)
    assert records_table([]).empty
