"""The published model's own numbers, wherever its weights are.

JINA_EVAL_V3 names a folder with either layout; without it, the cache of the
hub is looked into. Nothing is downloaded.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from model.backends import load_backend
from model.packing import pack
from model.routing import Route
from model.source import PINNED_REVISIONS, resolve_model

GOLDEN = json.loads((Path(__file__).parent / "golden_values.json").read_text())


def weights():
    """Folders with the published weights, by what to call them."""
    if folder := os.environ.get("JINA_EVAL_V3"):
        return {folder: folder}
    from huggingface_hub import try_to_load_from_cache

    # Not from HF_HOME, which the tests replace by a folder of their own.
    cache = Path.home() / ".cache" / "huggingface" / "hub"
    found = {}
    for name, revision in PINNED_REVISIONS.items():
        path = try_to_load_from_cache(name, "model.safetensors", cache_dir=cache, revision=revision)
        if isinstance(path, str):
            found[name] = str(Path(path).parent)
    return found


FOLDERS = weights()
pytestmark = pytest.mark.skipif(
    not FOLDERS,
    reason="jina-embeddings-v3's weights are neither in JINA_EVAL_V3 nor in the hub's cache",
)


@pytest.fixture(scope="module", params=list(FOLDERS) or ["none"])
def backend(request):
    return load_backend(resolve_model(FOLDERS[request.param]), device="cpu")


@torch.inference_mode()
def test_token_vectors(backend):
    golden = GOLDEN["token_vectors"]
    tokens = backend.encoder.tokenizer.tokenize([golden["text"]])
    assert tokens.lengths.tolist() == [golden["tokens"]]
    for adapter, expected in golden["slices"].items():
        backend.activate(None if adapter == "none" else adapter)
        hidden = backend.packed.hidden_states(pack(tokens, torch.device("cpu")))
        np.testing.assert_allclose(hidden[1:4, 1:10].numpy(), expected, atol=1e-4, rtol=1e-4)


def test_vectors(backend):
    golden = GOLDEN["vectors"]
    for adapter, expected in golden["leading"].items():
        found = backend.encode(golden["texts"], Route(adapter), lambda _: None).vectors
        np.testing.assert_allclose(found[:, :5], expected, atol=1e-4)
