"""Texts beside the records: the same set is the same file, and a changed one is never shown."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import results.store
import results.texts
from results.errors import CorruptTextsError
from results.examples import ExampleRows, examples_table
from results.store import RecordStore
from results.texts import (
    MOST_CHARACTERS,
    ExampleTexts,
    KeptText,
    TextRow,
    decode_texts,
    encode_texts,
    example_ranks,
    join_texts,
    kept_part,
    ranks_of,
    texts_table,
)
from tests.results.factories import make_record

HASH = "c" * 64
HOSTILE = [
    "<script>alert(1)</script>",
    "\u202eright to left\u202c",
    "zero \x00 byte\r\n\ttabs",
    "half \ud83d of a pair",
    "\udcff\udcfe broken",
    "👩‍👩‍👧 é",
    "",
]


def row(name, text="text", rank=0, **changes):
    values = {"split": "test", "subset": "default", "side": "query", "id": name} | changes
    return TextRow(**values, **kept_part(text)._asdict(), rank=rank)


def some(*names, **changes):
    return texts_table([row(name, f"text of {name}", **changes) for name in names])


def with_texts(texts, **changes):
    return dataclasses.replace(make_record(**changes), texts=texts)


def file(store):
    (path,) = (store.root / "texts").rglob("*.parquet")
    return path


@pytest.fixture
def store(tmp_path):
    return RecordStore(tmp_path / "records")


def test_hostile_texts_are_stored_and_read():
    table = texts_table([row(f"{n} {text}", text, n) for n, text in enumerate(HOSTILE[:3])])
    named = texts_table([row(str(n), text, n) for n, text in enumerate(HOSTILE)])
    for one in (table, named):
        assert decode_texts(encode_texts(one, "Täsk", HASH), "Täsk", HASH).equals(one)
    found = ExampleTexts([named])
    assert [found.find("test", "default", "query", str(n)).text for n in range(3)] == HOSTILE[:3]
    assert found.find("test", "default", "query", "3").text == "half \ufffd of a pair"
    assert found.find("test", "default", "query", "4").text == "\ufffd\ufffd broken"
    assert found.find("test", "default", "query", "5").text == HOSTILE[5]
    assert found.find("test", "default", "document", "5") is None


def test_a_long_text_is_cut_and_its_length_kept():
    assert kept_part("ab" * 5000) == KeptText("ab" * (MOST_CHARACTERS // 2), 10_000)
    assert kept_part("é" * MOST_CHARACTERS) == KeptText("é" * MOST_CHARACTERS, MOST_CHARACTERS)


rows = st.builds(
    row,
    st.sampled_from("abcdefgh"),
    rank=st.integers(0, 5),
    side=st.sampled_from(["query", "document"]),
)


@settings(max_examples=25)
@given(st.lists(st.lists(rows, max_size=6), min_size=1, max_size=5), st.randoms())
def test_a_union_knows_neither_order_nor_grouping(groups, random):
    """Also where there are more texts than are kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(results.texts, "MOST_TEXTS", 4)
        at_once = texts_table([one for group in groups for one in group])
        random.shuffle(groups)
        joined = texts_table(groups[0])
        for group in groups[1:]:
            joined = join_texts([joined, texts_table(group)])
        assert encode_texts(joined, "T", HASH) == encode_texts(at_once, "T", HASH)
        keys = {tuple(one[:4]) for group in groups for one in group}
        lowest = sorted(
            (min(one.rank for group in groups for one in group if tuple(one[:4]) == key), key)
            for key in keys
        )
        kept = list(zip(at_once["rank"], *(at_once[c] for c in results.texts._KEY), strict=True))
        assert kept == [(rank, *key) for rank, key in lowest[:4]]


def test_the_first_ranks_are_spread_over_all():
    ranks = example_ranks("test", "default", 10_000)
    assert len(np.unique(ranks)) == 10_000
    first = np.sort(np.argsort(ranks)[:100])
    gaps = np.diff(first)
    assert gaps.min() > 50
    assert gaps.max() < 200
    assert ranks.min() >= 0
    # They decide what a file keeps: other ones would make the same run write another file.
    assert example_ranks("test", "default", 3).tolist() == [
        6111662742965532058,
        2588648115772355493,
        8289005525433954735,
    ]
    assert set(ranks.tolist()).isdisjoint(example_ranks("test", "other", 10_000).tolist())


def test_ranks_of_a_record_are_those_of_its_subsets():
    part = ExampleRows(np.arange(4), None, None, None)
    table = examples_table([("test", "b", part), ("test", "a", part), ("dev", "a", part)])
    expected = [example_ranks(*place, 4) for place in (("test", "b"), ("test", "a"), ("dev", "a"))]
    assert ranks_of(table).tolist() == np.concatenate(expected).tolist()
    assert ranks_of(examples_table([])).tolist() == []


def test_records_of_a_task_join_in_one_file(store):
    store.write(with_texts(some("a", "b")), {})
    first = file(store).read_bytes()
    store.write(with_texts(some("b", "c"), view="dim=4", experiment="small"), {})
    found = store.texts("TaskA", HASH)
    assert len(found) == 3
    assert found.find("test", "default", "query", "c") == KeptText("text of c", 9)
    store.write(with_texts(None, view="dim=2", experiment="smaller"), {})
    store.write(with_texts(some("a"), view="dim=2", experiment="smaller"), {})
    assert len(store.texts("TaskA", HASH)) == 3
    assert file(store).read_bytes() != first
    assert file(store) == store.root / "texts" / "TaskA" / "cccccccccccccccc.parquet"
    # mteb's own cache has only results in its folder.
    assert {path.name for path in store.root.iterdir()} == {"results", "texts"}


def test_what_was_not_kept_is_not_there(store):
    store.write(make_record(), {})
    assert not (store.root / "texts").exists()
    assert len(store.texts("TaskA", HASH)) == 0
    assert store.texts("TaskA", HASH).find("test", "default", "query", "a") is None


def test_texts_of_other_data_are_apart(store):
    store.write(with_texts(some("a")), {})
    assert len(store.texts("TaskA", "d" * 64)) == 0
    with pytest.raises(CorruptTextsError, match="or of other data"):
        store.texts("TaskA", "c" * 16 + "d" * 48)


def test_several_stores_have_all_their_texts(tmp_path):
    stores = [RecordStore(tmp_path / name) for name in "xyz"]
    for store, names in zip(stores, ("ab", "bc", ""), strict=True):
        store.write(with_texts(some(*names) if names else None), {})
    joined = ExampleTexts.join(store.texts("TaskA", HASH) for store in stores)
    assert len(joined) == 3


def changed(content):
    """Files that are not what was written, by name."""
    table = pq.read_table(pa.BufferReader(content))
    forged = table.set_column(4, "text", pa.array(["forged"] * len(table)))
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, forged.schema, store_schema=False) as writer:
        writer.write_table(forged)
        writer.add_key_value_metadata(pq.ParquetFile(pa.BufferReader(content)).metadata.metadata)
    other = pa.BufferOutputStream()
    pq.write_table(table.select(["id", "text"]), other)
    return {
        "forged": sink.getvalue().to_pybytes(),
        "cut": content[:-5],
        "empty": b"",
        "other columns": other.getvalue().to_pybytes(),
        "of another task": encode_texts(some("a"), "TaskB", HASH),
    }


@pytest.mark.parametrize("how", list(changed(encode_texts(some("a", "b"), "TaskA", HASH))))
def test_a_changed_file_is_named_and_never_shown(store, how):
    store.write(with_texts(some("a", "b")), {})
    good = file(store).read_bytes()
    file(store).write_bytes(changed(good)[how])
    with pytest.raises(CorruptTextsError) as caught:
        store.texts("TaskA", HASH)
    assert str(file(store)) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(list(store.records())) == 1  # scores do not depend on it
    store.write(with_texts(some("a", "b")), {})  # nor may they be lost for it
    assert file(store).read_bytes() == good


def test_every_flipped_byte_is_noticed_or_of_no_effect(store):
    store.write(with_texts(some("a", "b")), {})
    good = file(store).read_bytes()
    for place in range(0, len(good), 7):
        file(store).write_bytes(good[:place] + bytes([good[place] ^ 0x55]) + good[place + 1 :])
        try:
            found = store.texts("TaskA", HASH)
        except CorruptTextsError:
            continue
        assert found.find("test", "default", "query", "a") == KeptText("text of a", 9)
        assert len(found) == 2


def test_a_record_is_complete_only_with_its_texts(store, monkeypatch):
    """The run is killed after each write in turn; then the record is measured again."""
    whole = RecordStore(store.root.parent / "whole")
    for record in (with_texts(some("a", "b")), with_texts(some("c"), experiment="x", view="dim=4")):
        whole.write(record, {})
    write = results.store.write_atomic

    class Killed(BaseException):
        pass

    for survive in range(6):  # texts, metadata, three files, manifest
        target = RecordStore(store.root / str(survive))
        target.write(with_texts(some("a", "b")), {})
        done = []

        def dying(path, content, done=done, survive=survive):
            if len(done) == survive:
                raise Killed
            done.append(path)
            write(path, content)

        second = with_texts(some("c"), experiment="x", view="dim=4")
        monkeypatch.setattr(results.store, "write_atomic", dying)
        with pytest.raises(Killed):
            target.write(second, {})
        monkeypatch.setattr(results.store, "write_atomic", write)
        assert target.references() == [make_record().ref]
        assert target.texts("TaskA", HASH).find("test", "default", "query", "a")
        target.write(second, {})
        assert len(target.references()) == 2
        assert file(target).read_bytes() == file(whole).read_bytes()


def test_a_record_stays_if_its_successors_texts_cannot_be_written(store, monkeypatch):
    store.write(with_texts(some("a")), {})

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results.store, "write_atomic", full)
    with pytest.raises(OSError, match="No space"):
        store.write(with_texts(some("b"), score=0.75), {})
    assert store.read(make_record().ref).provenance.score == 0.5
