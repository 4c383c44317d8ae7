"""Models from the hub: fetched once, at one commit, only the files that are safe to read."""

from fnmatch import fnmatch
from pathlib import Path

from jina_eval.core.errors import FetchError
from jina_eval.core.fetching import Selection, fetch
from jina_eval.core.hub_files import Repository
from jina_eval.core.reading import shown_path
from model.errors import ModelError, UnknownModelError

__all__ = ["fetch_model"]

_WANTED = ("*.safetensors", "*.json", "*.txt", "*.model")
# ONNX and OpenVINO exports repeat the weights; adapters of other formats are not ours to read.
_UNWANTED = ("onnx/*", "openvino/*")


def _is_wanted(name: str) -> bool:
    wanted = any(fnmatch(name, pattern) for pattern in _WANTED)
    return wanted and not any(fnmatch(name, pattern) for pattern in _UNWANTED)


_SELECTION = Selection(" ".join((*_WANTED, *(f"!{pattern}" for pattern in _UNWANTED))), _is_wanted)


def fetch_model(name: str, revision: str | None, *, heal: bool = False) -> tuple[Path, str]:
    """Fetch a model's weights, configuration and tokenizer, or take them from the cache.

    Args:
        name: "organisation/model".
        revision: Branch, tag or commit; None for the main branch.
        heal: Compare every file in the cache with its checksum, and fetch damaged ones again.

    Returns:
        The folder, and the commit that was resolved.

    Raises:
        UnknownModelError: If the hub has no such model or revision.
        ModelError: If the hub does not give it and the cache has no copy.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import (  # type: ignore[attr-defined,unused-ignore]
        validate_repo_id,
    )

    asked = f"model {shown_path(name)!r}"
    if revision:
        asked += f" at revision {shown_path(revision)!r}"
    try:
        validate_repo_id(name)
        return fetch(Repository("model", name), revision, _SELECTION, heal=heal)
    except HFValidationError as error:
        raise UnknownModelError(
            f"{asked} is neither a folder here nor a possible name on the hub"
        ) from error
    except FetchError as error:
        if error.failure == "no revision":
            reason = f"{asked}: the hub has the model, but not this revision"
            raise UnknownModelError(reason) from error
        if error.failure == "no repository":
            raise UnknownModelError(
                f"{asked} is neither a folder here nor a public model on the hub; "
                "for a private one, log in: hf auth login"
            ) from error
        raise ModelError(f"{asked}: {error}") from error
