"""What all tests share: no network, no writes to the home folder, one tiny model."""

import os
from pathlib import Path

import pytest

# Set before any library reads them; child processes inherit them.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TQDM_DISABLE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(scope="session", autouse=True)
def _own_caches(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("caches")
    for name in ("HF_HOME", "MTEB_CACHE", "MPLCONFIGDIR", "JINA_EVAL_CACHE"):
        os.environ[name] = str(home / name.lower())


@pytest.fixture(autouse=True)
def _own_vectors(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads vectors that another one made."""
    monkeypatch.setenv("JINA_EVAL_CACHE", str(tmp_path_factory.mktemp("vectors")))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny sentence-transformers folder, 16 wide."""
    from tests.tiny_models import make_sentence_transformer

    return make_sentence_transformer(tmp_path_factory.mktemp("models") / "tiny")


def pytest_configure() -> None:
    """Property tests draw the same examples every time, so that CI tells about changes only."""
    from hypothesis import settings

    settings.register_profile("project", deadline=None, derandomize=True, print_blob=True)
    settings.load_profile("project")
