import dataclasses

import numpy as np
import pytest

from harness.cli import main
from model.backend import Encoded
from model.cache.hashes import hash_texts
from model.cache.store import VectorCache
from tests.model.test_cache import SPACE


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("JINA_EVAL_CACHE", str(tmp_path / "cache"))
    cache = VectorCache(tmp_path / "cache", 10**9)
    for number, model in enumerate(("a/b", "c/[bold]d")):
        space = dataclasses.replace(SPACE, model=model, fingerprint=str(number) * 64)
        texts = [f"text {n}" for n in range(1000)]
        cache.space(space).add(hash_texts(texts), Encoded(np.ones((1000, 4), dtype=np.float32)))
    cache.close()
    return tmp_path / "cache"


def test_info_says_what_there_is(folder, capfd):
    assert main(["cache", "info"]) == 0
    shown = capfd.readouterr().out
    assert "a/b" in shown
    assert "c/[bold]d" in shown
    assert "2,000 texts" in shown
    assert main(["cache", "info", "--folder", str(folder / "none")]) == 0
    assert "0 texts" in capfd.readouterr().out


def test_verify_finds_damage_and_repairs(folder, capfd):
    assert main(["cache", "verify"]) == 0
    assert "2 files" in capfd.readouterr().out
    path = sorted(folder.glob("*/*.vectors"))[0]
    path.write_bytes(path.read_bytes()[:-8] + b"different"[:8])
    assert main(["cache", "verify"]) == 2
    assert "does not match its checksums" in capfd.readouterr().err
    assert main(["cache", "verify", "--repair"]) == 0
    assert main(["cache", "verify"]) == 0
    assert "1 files" in capfd.readouterr().out


def test_prune(folder, capfd):
    assert main(["cache", "prune"]) == 2
    assert "--max-size or --older-than" in capfd.readouterr().err
    assert main(["cache", "prune", "--all", "--max-size", "1GB"]) == 2
    assert main(["cache", "prune", "--max-size", "1 potato"]) == 2
    assert main(["cache", "prune", "--older-than", "1"]) == 0
    assert "0 B deleted" in capfd.readouterr().out
    assert main(["cache", "prune", "--all", "--model", "a/b"]) == 0
    assert main(["cache", "info"]) == 0
    shown = capfd.readouterr().out
    assert "a/b" not in shown
    assert "1,000 texts" in shown


def test_another_folder_is_left_alone(tmp_path, capfd):
    (tmp_path / "precious.txt").write_text("mine")
    for command in (["info"], ["verify"], ["prune", "--all"]):
        assert main(["cache", *command, "--folder", str(tmp_path)]) == 2
        assert "no cache of vectors" in capfd.readouterr().err
    assert (tmp_path / "precious.txt").exists()
