"""Models from a hub: the real client against a small server on the loopback address."""

import os
import re
import shutil

import huggingface_hub.constants
import pytest

from model.errors import ModelError
from model.source import resolve_model
from tests.hub_server import COMMIT, Fault, Hub, point_client_to, serve_hub


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where what mteb's registry says is kept, so that not every process imports mteb."""
    return tmp_path_factory.mktemp("kept") / "vectors"


@pytest.fixture
def ask(tmp_path, kept, monkeypatch):
    """Resolves a model; says what was found or what was refused."""
    monkeypatch.setenv("JINA_EVAL_CACHE", str(kept))

    def call(hub, name, revision=None, *, offline=False):
        point_client_to(hub or Hub("http://127.0.0.1:9", {}), tmp_path / "cache", monkeypatch)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", offline)
        try:
            source = resolve_model(name, revision)
        except ModelError as error:
            return {"error": type(error).__name__, "message": str(error)}
        names = ("name", "revision", "folder", "fingerprint", "width", "kind")
        return {name: getattr(source, name) for name in names}

    return call


@pytest.fixture
def repository(tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model, tmp_path / "repository")
    (folder / "pytorch_model.bin").write_bytes(b"could run code")
    (folder / "custom_st.py").write_text("raise SystemExit('remote code ran')")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "config.json").write_text("{}")
    return folder


def test_a_model_is_fetched_once_at_its_commit_and_only_what_is_safe(ask, repository):
    from model.fingerprint import fingerprint_folder

    with serve_hub(tiny=repository) as hub:
        found = ask(hub, "org/tiny")
        assert (found["name"], found["revision"], found["width"]) == ("org/tiny", COMMIT, 16)
        fetched = {path.rsplit(f"{COMMIT}/", 1)[-1] for path in hub.requests if "resolve" in path}
        assert "model.safetensors" in fetched
        assert not {name for name in fetched if name.endswith((".bin", ".py")) or "onnx" in name}
        before = len(hub.requests)
        assert ask(hub, "org/tiny", COMMIT) == found
        assert not [path for path in hub.requests[before:] if "resolve" in path]
    assert ask(None, "org/tiny", COMMIT, offline=True) == found
    for name in ("pytorch_model.bin", "custom_st.py", "README.md"):
        (repository / name).unlink(missing_ok=True)
    shutil.rmtree(repository / "onnx")
    assert fingerprint_folder(repository) == found["fingerprint"]


def test_what_the_hub_does_not_have_is_refused(ask, repository):
    with serve_hub(tiny=repository) as hub:
        missing = ask(hub, "org/none")
        assert missing["error"] == "UnknownModelError"
        assert "neither a folder here nor a public model" in missing["message"]
        revision = ask(hub, "org/tiny", "v9")
        assert revision["error"] == "UnknownModelError"
        assert "at revision 'v9'" in revision["message"]


@pytest.mark.parametrize("status", [403, 500])
def test_a_hub_that_refuses_is_quoted(ask, repository, status):
    with serve_hub(tiny=repository) as hub:
        hub.refused["org/tiny"] = status
        answer = ask(hub, "org/tiny")
    assert answer["error"] == "BrokenModelError"
    assert "'org/tiny'" in answer["message"]
    assert "\n" not in answer["message"]


def test_without_a_network_the_model_is_named(ask):
    answer = ask(None, "org/tiny")
    assert answer["error"] == "BrokenModelError"
    assert "cannot be reached" in answer["message"]
    assert "there is no copy in the cache" in answer["message"]
    answer = ask(None, "org/tiny", offline=True)
    assert "cannot be reached" in answer["message"]


@pytest.mark.parametrize("name", ["jina-embeddings-v3", "jina-embeddings-v3-hf"])
def test_jinas_models_come_whole_at_their_pinned_revision(ask, tmp_path, name):
    from model.checkpoint import read_checkpoint
    from model.fingerprint import fingerprint_folder
    from model.source import PINNED_REVISIONS
    from tests.tiny_jina import make_jina_checkpoints

    folders = make_jina_checkpoints(tmp_path / "jina")
    folder = folders.native if name.endswith("-hf") else folders.original
    pinned = PINNED_REVISIONS[f"jinaai/{name}"]
    with serve_hub(organisation="jinaai", commit=pinned, **{name: folder}) as hub:
        found = ask(hub, f"jinaai/{name}")
        asked = {path.rsplit(".", 1)[-1] for path in hub.requests if "resolve" in path}

    assert (found["kind"], found["revision"], found["width"]) == ("jina-embeddings-v3", pinned, 32)
    assert asked <= {"json", "safetensors"}
    copy = tmp_path / "whole"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*.py"))
    assert found["fingerprint"] == fingerprint_folder(copy)
    assert len(read_checkpoint(found["folder"]).adapters) == 5


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(cut=True), None),
        (Fault(status=500), None),
        (Fault(spoil=True), None),
        (Fault(status=404, times=None), "model.safetensors: .* answered 404"),
        (Fault(spoil=True, times=None), "came 3 times with another checksum"),
    ],
    ids=repr,
)
def test_faulty_weights_are_fetched_again_or_refused(ask, repository, fault, said):
    with serve_hub(tiny=repository) as hub:
        hub.faults["model.safetensors"] = fault
        answer = ask(hub, "org/tiny")
    if said is None:
        assert answer["width"] == 16
        return
    assert answer["error"] == "BrokenModelError"
    assert re.search(said, answer["message"])
    assert "\n" not in answer["message"]


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "modules.json"])
def test_a_file_that_is_spoiled_in_the_cache_is_fetched_again(ask, repository, name):
    with serve_hub(tiny=repository) as hub:
        found = ask(hub, "org/tiny", COMMIT)
        blob = (found["folder"] / name).resolve()
        times = blob.stat()
        blob.write_bytes(b"?" * times.st_size)
        os.utime(blob, ns=(times.st_atime_ns, times.st_mtime_ns))  # as a failing disk does it
        assert ask(hub, "org/tiny", COMMIT) == found
        blob.write_bytes(b"?" * times.st_size)
        answer = ask(None, "org/tiny", COMMIT, offline=True)
        assert answer["error"] == "BrokenModelError"
        assert f"{name} is missing or damaged in the cache" in answer["message"]


def test_a_fault_of_the_model_itself_is_told_as_it_is(ask, repository):
    (repository / "modules.json").write_text("{")
    with serve_hub(tiny=repository) as hub:
        answer = ask(hub, "org/tiny", COMMIT)
    assert answer["error"] == "BrokenModelError"
    assert "modules.json is not JSON" in answer["message"]
