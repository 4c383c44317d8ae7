"""The cache on disk: what is added is found, by every process; what is damaged is never read."""

import dataclasses
import json
import multiprocessing
import os
import random
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import model.cache.hashes
import model.cache.store
from model.backend import Encoded
from model.cache.hashes import HASH, HashIndex, hash_texts
from model.cache.limits import default_folder, parse_bytes, show_bytes
from model.cache.maintenance import holdings, prune, verify
from model.cache.space import Space
from model.cache.store import CacheError, VectorCache
from model.cached_backend import CachedBackend
from model.chunking import Chunking
from model.errors import ModelError
from model.routing import Route
from model.source import ModelSource

SPACE = Space(
    model="a/b", fingerprint="f" * 64, backend="packed", precision="float32", max_length=512
)
SOURCE = ModelSource(kind="sentence-transformers", name="a/b", revision="1", fingerprint="0")


def vectors_of(texts, width=4):
    seeds = [int.from_bytes(text.encode()[:6], "little") + len(text) for text in texts]
    rows = [np.random.default_rng(seed).standard_normal(width) for seed in seeds]
    return np.array(rows, dtype=np.float32).reshape(len(texts), width)


def encoded(texts, width=4):
    tokens = np.array([len(text) for text in texts], dtype=np.int64)
    return Encoded(vectors_of(texts, width), tokens, np.maximum(tokens - 9, 0))


def add(cache, texts, space=SPACE, width=4):
    cache.space(space).add(hash_texts(texts), encoded(texts, width))


def read(cache, texts, space=SPACE):
    """Vectors by text; None for what is not there."""
    part = cache.space(space)
    numbers = part.find(hash_texts(texts))
    if (numbers < 0).all():
        return dict.fromkeys(texts)
    there = np.flatnonzero(numbers >= 0)
    found = part.read(numbers[there])
    if found is None:
        return read(cache, texts, space)
    rows = iter(zip(found.vectors, found.tokens, found.truncated, strict=True))
    return {text: next(rows) if row in set(there) else None for row, text in enumerate(texts)}


def expect(found, texts):
    for text in texts:
        vector, tokens, truncated = found[text]
        np.testing.assert_array_equal(vector, vectors_of([text])[0])
        assert (tokens, truncated) == (len(text), max(len(text) - 9, 0))


@pytest.fixture
def cache(tmp_path):
    return VectorCache(tmp_path / "cache", 10**9)


# Hashes


def test_hashes_are_of_the_whole_text_and_pinned():
    hashes = hash_texts(["", "a", "a ", "ä", "a" * 10_000])
    assert len(set(hashes.tolist())) == 5
    # Known to every version: other hashes would make every cache useless without saying so.
    assert hash_texts(["a"])[0].tolist() == (0x3468F15A70AF6FA9, 0x1F4E961EB632C6E6)
    assert hash_texts([]).dtype == HASH


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=60), st.data())
def test_the_index_is_a_dictionary_that_keeps_the_first(pairs, data):
    """Few values, so that halves of hashes agree often."""
    index, known = HashIndex(), {}
    cuts = sorted(data.draw(st.lists(st.integers(0, len(pairs)), max_size=4)))
    for start, stop in zip([0, *cuts], [*cuts, len(pairs)], strict=True):
        part = np.array(pairs[start:stop], dtype=HASH)
        index.add(part, np.arange(start, stop))
        for number in range(start, stop):
            known.setdefault(pairs[number], number)
    wanted = [(high, low) for high in range(8) for low in range(8)]
    found = index.find(np.array(wanted, dtype=HASH))
    assert found.tolist() == [known.get(pair, -1) for pair in wanted]
    assert len(index) == len(pairs)


# Adding and finding


def test_what_was_added_is_found_by_this_and_later_processes(cache):
    texts = [f"text {n}" for n in range(3000)]
    add(cache, texts[:1500])
    add(cache, texts[1500:])
    expect(read(cache, texts), texts)
    assert read(cache, ["another"]) == {"another": None}
    again = VectorCache(cache.folder, 10**9)
    order = random.Random(0).sample(texts, len(texts))
    expect(read(again, order), texts)


def test_another_process_is_read_while_it_writes(cache, monkeypatch):
    monkeypatch.setattr(model.cache.store, "_REFRESH_SECONDS", 0)
    other = VectorCache(cache.folder, 10**9)
    for number in range(5):
        add(cache, [f"one {number}"])
        add(other, [f"two {number}"])
        expect(read(cache, [f"two {number}"]), [f"two {number}"])
        expect(read(other, [f"one {number}"]), [f"one {number}"])


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Space) if f.name != "model"])
def test_whatever_decides_a_vector_keeps_it_apart(cache, field):
    add(cache, ["text"])
    changed = {"max_length": 7, "chunking": "late:fixed=8"}.get(field, "other")
    other = dataclasses.replace(SPACE, **{field: changed})
    assert read(cache, ["text"], other) == {"text": None}
    assert read(cache, ["text"], dataclasses.replace(SPACE, model="renamed"))["text"] is not None


def test_the_key_is_pinned():
    """Another key for the same makes every cache useless: raise FORMAT then, and say so."""
    assert SPACE.key() == "e5c8ba3fb4bfd70120b033539b6809de"


def test_several_vectors_a_text(cache):
    space = dataclasses.replace(SPACE, chunking="late:fixed=8")
    counts = np.array([3, 1, 2])
    rows = np.arange(24, dtype=np.float32).reshape(6, 4)
    hashes = hash_texts(["three", "one", "two"])
    part = cache.space(space)
    part.add(hashes, Encoded(rows, counts * 5, counts * 0, counts))
    found = part.read(part.find(hash_texts(["two", "three"])))
    assert found.counts.tolist() == [2, 3]
    np.testing.assert_array_equal(found.vectors, rows[[4, 5, 0, 1, 2]])
    assert found.tokens.tolist() == [10, 15]


def test_models_without_a_tokenizer(cache):
    part = cache.space(SPACE)
    part.add(hash_texts(["a"]), Encoded(vectors_of(["a"])))
    found = part.read(part.find(hash_texts(["a"])))
    assert (found.tokens, found.truncated, found.counts) == (None, None, None)


# Damage


def shard_files(cache):
    (index,) = cache.folder.glob("*/*.index")
    return index, index.with_suffix(".vectors")


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_record_that_is_not_whole_does_not_count(cache, cut):
    first, second = [f"first {n}" for n in range(50)], [f"second {n}" for n in range(50)]
    add(cache, first)
    index, _ = shard_files(cache)
    size = index.stat().st_size
    add(cache, second)
    os.truncate(index, index.stat().st_size - cut)
    assert index.stat().st_size > size
    again = VectorCache(cache.folder, 10**9)
    found = read(again, first + second)
    expect(found, first)
    assert all(found[text] is None for text in second)
    add(again, second)
    expect(read(VectorCache(cache.folder, 10**9), first + second), first + second)


def test_vectors_that_are_cut_off_do_not_count(cache):
    add(cache, ["one", "two"])
    _, vectors = shard_files(cache)
    os.truncate(vectors, 20)
    assert read(VectorCache(cache.folder, 10**9), ["one", "two"]) == {"one": None, "two": None}


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.99])
def test_a_changed_byte_is_noticed_and_nothing_of_it_is_read(cache, which, place):
    texts = [f"text {n}" for n in range(1500)]
    add(cache, texts)
    path = shard_files(cache)[which]
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 4
    path.write_bytes(content)
    again = VectorCache(cache.folder, 10**9)
    assert all(entry is None for entry in read(again, texts).values())
    assert not path.exists()
    add(again, texts)
    expect(read(again, texts), texts)


def test_verify_names_what_is_damaged(cache):
    add(cache, ["sound"])
    other = dataclasses.replace(SPACE, prompt="query: ")
    add(cache, ["damaged"], other)
    (path,) = (cache.folder / other.key()).glob("*.vectors")
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(content)
    found = {shard.vectors: damage for shard, damage in verify(cache.folder)}
    assert len(found) == 2
    assert "does not match its checksums" in found.pop(path)
    assert list(found.values()) == [None]


OTHERS = [
    {"fingerprint": "e" * 64},
    {"prompt": "query: "},
    {"adapter": "separation"},
    {"max_length": 128},
    {"precision": "bfloat16"},
]


@pytest.mark.parametrize("changed", OTHERS, ids=lambda changed: next(iter(changed)))
@pytest.mark.parametrize("what", ["shards", "folders"])
def test_exchanged_vectors_are_never_read(cache, caplog, what, changed):
    """Two spaces with the same texts whose files were exchanged, each with valid checksums."""
    other = dataclasses.replace(SPACE, **changed)
    texts = ["one", "two"]
    add(cache, texts)
    cache.space(other).add(hash_texts(texts), Encoded(-vectors_of(texts)))
    cache.close()
    ours, theirs = (cache.folder / space.key() for space in (SPACE, other))
    if what == "folders":
        swap(ours, theirs)
    else:
        for ending in (".index", ".vectors"):
            (one,), (two,) = ours.glob(f"*{ending}"), theirs.glob(f"*{ending}")
            swap(one, two)
    damage = [damage for _, damage in verify(cache.folder)]
    again = VectorCache(cache.folder, 10**9)

    assert len(damage) == 2
    assert all("holds vectors of another space" in found for found in damage)
    for space in (SPACE, other):
        assert read(again, texts, space) == {"one": None, "two": None}
    assert "another space" in caplog.text
    add(again, texts)
    expect(read(VectorCache(cache.folder, 10**9), texts), texts)


def swap(one, two):
    aside = one.with_name("aside")
    one.rename(aside)
    two.rename(one)
    aside.rename(two)


def test_a_copied_space_is_not_read_under_another_name(cache):
    add(cache, ["text"])
    other = dataclasses.replace(SPACE, prompt="query: ")
    copy = shutil.copytree(cache.folder / SPACE.key(), cache.folder / other.key())
    again = VectorCache(cache.folder, 10**9)
    assert [holding.space for holding in holdings(cache.folder) if holding.folder == copy] == [None]
    assert read(again, ["text"], other) == {"text": None}
    expect(read(again, ["text"]), ["text"])
    add(again, ["text"], other)
    assert {holding.space for holding in holdings(cache.folder)} == {SPACE, other}


def test_vectors_of_an_older_format_are_deleted_and_said(cache, caplog):
    """Format 1, whose shards did not name their space."""
    add(cache, ["text"])
    cache.close()
    index, vectors = shard_files(cache)
    index.write_bytes(b"JEVEC001" + index.read_bytes()[8:])
    (cache.folder / "cache.json").write_text(json.dumps({"format": 1}))
    with pytest.raises(CacheError, match=r"has format 1.*the next run deletes"):
        list(holdings(cache.folder))
    again = VectorCache(cache.folder, 10**9)
    assert caplog.text.count("in an older format are deleted") == 1
    assert not index.exists()
    assert not vectors.exists()
    assert read(again, ["text"]) == {"text": None}
    add(again, ["text"])
    expect(read(VectorCache(cache.folder, 10**9), ["text"]), ["text"])


def test_prune_deletes_an_older_format(cache):
    add(cache, ["text"])
    cache.close()
    index, _ = shard_files(cache)
    index.write_bytes(b"JEVEC001" + index.read_bytes()[8:])
    (cache.folder / "cache.json").write_text(json.dumps({"format": 1}))
    assert prune(cache.folder) > 0
    assert list(cache.folder.glob("*/*")) == []


@pytest.mark.parametrize("ending", [".index", ".vectors"])
@pytest.mark.parametrize("cut", [0, 1, 8, -9, -1])
def test_verify_names_what_a_full_disk_left(cache, ending, cut):
    add(cache, ["one", "two"])
    (path,) = cache.folder.glob(f"*/*{ending}")
    path.write_bytes(path.read_bytes()[:cut])
    ((shard, damage),) = verify(cache.folder)
    assert damage is not None
    assert str(shard.index.with_suffix("")) in damage
    assert "\n" not in damage


def test_a_disk_that_was_full_at_the_beginning_leaves_a_usable_folder(cache, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(Path, "write_text", full)
        add(cache, ["text"])
    again = VectorCache(cache.folder, 10**9)
    add(again, ["text"])
    expect(read(again, ["text"]), ["text"])


def test_a_cache_of_another_version_is_refused(cache):
    add(cache, ["text"])
    (cache.folder / "cache.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(CacheError, match=r"has format 99, this version reads \d+; name"):
        VectorCache(cache.folder, 10**9)


def test_a_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(CacheError, match="no cache of vectors and not empty"):
        VectorCache(tmp_path, 10**9)
    with pytest.raises(CacheError, match="no cache of vectors"):
        VectorCache(tmp_path / "mine.txt", 10**9)


def test_a_full_disk_costs_nothing_but_time(cache, monkeypatch):
    add(cache, ["before"])

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model.cache.store.ShardWriter, "append", full)
    add(cache, ["after"])
    assert read(cache, ["after"]) == {"after": None}
    monkeypatch.undo()
    add(cache, ["after"])
    expect(read(cache, ["before", "after"]), ["before", "after"])


# The bound


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    folder = tmp_path / "cache"
    batches = [[f"{batch} {n}" for n in range(60)] for batch in range(8)]
    for number, texts in enumerate(batches):  # each a shard of its own
        part = VectorCache(folder, 10**9)
        add(part, texts)
        part.close()
        newest = max(folder.glob("*/*.index"), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (1000 + number,) * 2)
    size = sum(path.stat().st_size for path in folder.glob("*/*.*") if path.suffix != ".json")
    user = VectorCache(folder, size)
    expect(read(user, batches[0]), batches[0])  # used just now, though the oldest
    add(user, [f"more {n}" for n in range(60)])
    fresh = VectorCache(folder, size)
    for number, texts in enumerate(batches):
        assert (read(fresh, texts)[texts[0]] is None) == (number == 1), number
    total = sum(path.stat().st_size for path in folder.glob("*/*.*") if path.suffix != ".json")
    assert total <= size


def test_the_bound_holds_while_a_single_process_writes(tmp_path):
    limit = 64_000
    cache = VectorCache(tmp_path / "cache", limit)
    for batch in range(40):
        texts = [f"{batch} {n}" for n in range(60)]
        add(cache, texts)
        expect(read(cache, texts), texts)
        total = sum(path.stat().st_size for path in cache.folder.glob("*/*.*"))
        assert total <= limit + 1000
    assert total > limit / 2


def test_a_reader_goes_on_while_another_makes_room(tmp_path):
    cache = VectorCache(tmp_path / "cache", 10**6)
    add(cache, ["a", "b"])
    reader = VectorCache(cache.folder, 10**6)
    expect(read(reader, ["a"]), ["a"])
    for path in cache.folder.glob("*/*.*"):
        if path.suffix in (".index", ".vectors"):
            path.unlink()
    expect(read(reader, ["a", "b"]), ["a", "b"])
    add(cache, ["c"])
    expect(read(VectorCache(cache.folder, 10**6), ["c"]), ["c"])


def test_prune_by_size_age_and_model(cache):
    add(cache, [f"old {n}" for n in range(100)])
    cache.close()
    for path in cache.folder.glob("*/*.index"):
        os.utime(path, (time.time() - 40 * 86400,) * 2)
    other = dataclasses.replace(SPACE, model="c/d", fingerprint="1")
    add(cache, [f"new {n}" for n in range(100)], other)
    assert {h.space.model: h.texts for h in holdings(cache.folder)} == {"a/b": 100, "c/d": 100}
    assert prune(cache.folder, model="nobody") == 0
    assert prune(cache.folder, older_than_days=50) == 0
    assert prune(cache.folder, older_than_days=30) > 1600
    assert [h.space.model for h in holdings(cache.folder)] == ["c/d"]
    assert prune(cache.folder, max_bytes=10**9) == 0
    assert prune(cache.folder, max_bytes=10) > 1600
    assert list(holdings(cache.folder)) == []


@pytest.mark.parametrize(
    ("text", "size"), [("20GB", 20 * 10**9), ("1.5 tb", 15 * 10**11), ("1B", 1), ("7 kb", 7000)]
)
def test_sizes(text, size):
    assert parse_bytes(text) == size
    assert parse_bytes(show_bytes(size)) == size


@pytest.mark.parametrize("text", ["", "20", "GB", "-1GB", "0GB", "0.1B", "1 XB", "1e9B"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ModelError, match="expected a number with B, KB"):
        parse_bytes(text)


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setenv("JINA_EVAL_CACHE", str(tmp_path))
    assert default_folder() == tmp_path
    monkeypatch.delenv("JINA_EVAL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "jina-eval" / "vectors"


# Several processes


def work(folder, seed):
    """Add and read overlapping texts; gives the number of wrong vectors."""
    rng = random.Random(seed)
    cache = VectorCache(folder, 10**9)
    wrong = 0
    for _ in range(40):
        texts = [f"text {rng.randrange(400)}" for _ in range(20)]
        texts = list(dict.fromkeys(texts))
        found = read(cache, texts)
        add(cache, [text for text in texts if found[text] is None])
        for text, entry in read(cache, texts).items():
            wrong += entry is None or not np.array_equal(entry[0], vectors_of([text])[0])
    return wrong


def test_processes_that_write_at_once_do_not_disturb_one_another(tmp_path):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        found = pool.starmap(work, [(tmp_path / "cache", seed) for seed in range(3)])
    assert found == [0, 0, 0]
    assert all(damage is None for _, damage in verify(tmp_path / "cache"))


# A model with a cache


class FakeBackend:
    width, max_length, device, precision = 4, 10, "cpu", "float32"
    attention, compiled, fused_gelu = None, False, False

    def __init__(self):
        self.read = []

    def prepare(self, texts):
        pass

    def encode(self, texts, route, progress):
        self.read.extend(texts)
        progress(len(texts))
        return encoded([route.prompt + text for text in texts])

    def check_chunking(self, chunking, prompt=""):
        pass

    def encode_chunks(self, texts, route, chunkings, progress):
        self.read.extend(texts)
        found = []
        for chunking in chunkings:
            pieces = [
                [text[i : i + chunking.size] for i in range(0, len(text), chunking.size)]
                for text in texts
            ]
            counts = np.array([len(piece) for piece in pieces])
            flat = [piece for row in pieces for piece in row]
            found.append(Encoded(vectors_of(flat), counts, counts * 0, counts))
        return tuple(found)


def cached(folder, backend):
    return CachedBackend(backend, SOURCE, VectorCache(folder, 10**9))


def nobody(_):
    pass


def test_only_what_is_not_there_goes_through_the_model(tmp_path):
    backend = FakeBackend()
    model_ = cached(tmp_path, backend)
    first = model_.encode(["a", "b"], Route(), nobody)
    assert first.computed == 2
    seen = []
    second = model_.encode(["c", "a", "d", "b"], Route(), seen.append)
    assert backend.read == ["a", "b", "c", "d"]
    assert (second.computed, sum(seen)) == (2, 4)
    np.testing.assert_array_equal(second.vectors, vectors_of(["c", "a", "d", "b"]))
    third = cached(tmp_path, FakeBackend()).encode(["d", "a"], Route(), nobody)
    assert third.computed == 0
    assert third.tokens.tolist() == [1, 1]
    prompted = model_.encode(["a"], Route(prompt="query: "), nobody)
    np.testing.assert_array_equal(prompted.vectors, vectors_of(["query: a"]))


def test_a_damaged_cache_gives_the_same_vectors(tmp_path):
    texts = [f"text {n}" for n in range(30)]
    cached(tmp_path, FakeBackend()).encode(texts, Route(), nobody)
    (path,) = tmp_path.glob("*/*.vectors")
    path.write_bytes(bytes(path.stat().st_size))
    backend = FakeBackend()
    found = cached(tmp_path, backend).encode(texts, Route(), nobody)
    np.testing.assert_array_equal(found.vectors, vectors_of(texts))
    assert backend.read == texts


def test_what_is_no_embedding_is_not_kept(tmp_path):
    class Broken(FakeBackend):
        def encode(self, texts, route, progress):
            found = super().encode(texts, route, progress)
            found.vectors[0, 0] = np.nan
            return found

    found = cached(tmp_path, Broken()).encode(["a", "b"], Route(), nobody)
    assert np.isnan(found.vectors[0, 0])
    assert not list(tmp_path.glob("*/*.vectors"))


def test_chunks_are_kept_by_chunking(tmp_path):
    two, three = Chunking.parse("late:fixed=2"), Chunking.parse("late:fixed=3")
    backend = FakeBackend()
    model_ = cached(tmp_path, backend)
    model_.encode_chunks(["abcde"], Route(), [two], nobody)
    both = model_.encode_chunks(["abcde", "xy"], Route(), [two, three], nobody)
    assert backend.read == ["abcde", "abcde", "xy"]
    assert [part.counts.tolist() for part in both] == [[3, 1], [2, 1]]
    np.testing.assert_array_equal(both[1].vectors, vectors_of(["abc", "de", "xy"]))
    again = cached(tmp_path, FakeBackend()).encode_chunks(["xy"], Route(), [three, two], nobody)
    assert [part.computed for part in again] == [0, 0]
    assert cached(tmp_path, FakeBackend()).encode(["xy"], Route(), nobody).computed == 1


def test_the_folder_may_vanish(tmp_path):
    backend = FakeBackend()
    model_ = cached(tmp_path / "cache", backend)
    model_.encode(["a"], Route(), nobody)
    shutil.rmtree(tmp_path / "cache")
    found = model_.encode(["b"], Route(), nobody)
    np.testing.assert_array_equal(found.vectors, vectors_of(["b"]))
    assert cached(tmp_path / "cache", FakeBackend()).encode(["b"], Route(), nobody).computed == 0


def test_semantic_chunks_of_another_librarys_version_are_others(tmp_path, monkeypatch):
    semantic = Chunking.parse("late:semantic=3")
    cached(tmp_path, FakeBackend()).encode_chunks(["abcde"], Route(), [semantic], nobody)
    same = cached(tmp_path, FakeBackend()).encode_chunks(["abcde"], Route(), [semantic], nobody)
    assert same[0].computed == 0
    monkeypatch.setattr("importlib.metadata.version", lambda _: "99")
    other = cached(tmp_path, FakeBackend()).encode_chunks(["abcde"], Route(), [semantic], nobody)
    assert other[0].computed == 1
