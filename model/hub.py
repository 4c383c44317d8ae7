"""Models from the hub: fetched once, at one commit, only the files that are safe to read."""

from pathlib import Path

from model.errors import ModelError, UnknownModelError

__all__ = ["fetch_model"]

_WANTED = ["*.safetensors", "*.json", "*.txt", "*.model"]
# ONNX and OpenVINO exports repeat the weights; adapters of other formats are not ours to read.
_UNWANTED = ["onnx/*", "openvino/*"]


def fetch_model(name: str, revision: str | None) -> tuple[Path, str]:
    """Fetch a model's weights, configuration and tokenizer, or take them from the cache.

    Args:
        name: "organisation/model".
        revision: Branch, tag or commit; None for the main branch.

    Returns:
        The folder, and the commit that was resolved.

    Raises:
        UnknownModelError: If the hub has no such model or revision.
        ModelError: If the hub cannot be reached and the cache has no copy.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    asked = f"model {name!r}" + (f" at revision {revision!r}" if revision else "")
    try:
        folder = snapshot_download(
            name, revision=revision, allow_patterns=_WANTED, ignore_patterns=_UNWANTED
        )
    except GatedRepoError as error:
        raise ModelError(f"{asked}: the hub asks to accept its terms and log in first") from error
    except RevisionNotFoundError as error:
        raise UnknownModelError(f"{asked}: the hub has the model, but not this revision") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise UnknownModelError(
            f"{asked} is neither a folder here nor a public model on the hub"
        ) from error
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"{asked}: the hub cannot be reached, and there is no copy in the cache"
        ) from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no answer"
        raise ModelError(f"{asked}: the hub answered {status}") from error
    except OSError as error:  # a short body, a full disk
        said = " ".join(str(error).split())
        raise ModelError(f"{asked} could not be fetched: {said[:300]}") from error
    path = Path(folder)
    return path, path.name
