"""What a model folder holds, read without loading it: fingerprint, number of weights."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.errors import ModelError
from model.model_files import Part, deciding_files, find_parts, parse_json, read_bytes, read_json
from model.safetensors_header import Tensor, read_header

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = [
    "count_parameters",
    "file_digest",
    "fingerprint_folder",
    "fingerprint_model",
    "weight_files",
]

_FORMAT = "jina-eval fingerprint 2"
"""Changed whenever equal models get another fingerprint."""

_ROOT_FILES = ("modules.json", "config_sentence_transformers.json")

_NEUTRAL = frozenset({"_name_or_path", "_commit_hash", "transformers_version"})
"""Keys of a model's configuration: where it was loaded from, and what it was saved by."""

_NEUTRAL_TOKENIZER = frozenset(
    {
        *("_name_or_path", "name_or_path", "transformers_version", "is_local", "local_files_only"),
        # Arguments of the last call, which transformers reads back out of tokenizer.json and
        # which every call of sentence-transformers states for itself. Padding is masked.
        *("max_length", "stride", "truncation_strategy"),
        *("pad_to_multiple_of", "pad_token_type_id"),
    }
)
"""Keys of a tokenizer's configuration, likewise."""

_SIDES = {"truncation": "truncation_side", "padding": "padding_side"}
"""Settings of tokenizer.json, whose side transformers takes if its configuration has none."""

_RIGHT_SIDED = frozenset(
    f"{name}Tokenizer{fast}"
    for name in ("Bert", "DistilBert", "MPNet", "Roberta", "XLMRoberta", "T5", "PreTrained")
    for fast in ("", "Fast")
) | {"TokenizersBackend"}
"""Classes that cut and pad at the end where nothing else is stated."""

_CHUNK = 1 << 20


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors files that a model is loaded from, module by module.

    Raises:
        ModelError: If there are none, or only in a format that can run code.
    """
    files = (path for part in find_parts(folder) for path in part.weights)
    return tuple(dict.fromkeys(files))


def fingerprint_folder(folder: Path) -> str:
    """SHA-256 over what decides a model's vectors, in hexadecimal.

    It covers every module that modules.json names, wherever its folder is: names,
    number formats, shapes and bytes of its tensors, and the configuration of module
    and tokenizer. How tensors are spread over files, the order of tensors and of
    JSON keys, white space in JSON, and what is known not to decide (the versions of
    the libraries that saved a model, where it came from, the model card) do not
    count. Each file is read once; nothing is loaded or unpickled.

    Raises:
        ModelError: If a file cannot be read, is not what it should be, or is not the
            one that the hub stated.
    """
    digest = _Digest(_FORMAT)
    for name in _ROOT_FILES:
        if (folder / name).is_file():
            digest.add(name, _canonical(_root_content(folder / name)))
    for part in find_parts(folder):
        digest.add("module", part.path.encode())
        _add_settings(digest, part)
        for name, tensor, content in _tensors(part.weights):
            stated = f"{tensor.dtype} {list(tensor.shape)}".encode()
            digest.add(f"tensor {name}", stated + b" " + content)
    return digest.hexdigest()


def fingerprint_model(model: SentenceTransformer) -> str:
    """The fingerprint of the folder that a model in memory would be saved as.

    A folder that the installed sentence-transformers saved, and the model loaded from
    it in the number format of the file, have the same one. The model is saved to a
    temporary folder, which needs as much disk space as its weights.

    Raises:
        ModelError: If it cannot be saved as safetensors.
    """
    with tempfile.TemporaryDirectory(prefix="jina-eval-") as folder:
        try:
            model.save_pretrained(folder, create_model_card=False, safe_serialization=True)
        except (OSError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:300]
            raise ModelError(f"the model cannot be saved: {reason}") from error
        return fingerprint_folder(Path(folder))


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def count_parameters(folder: Path) -> int:
    """Number of weights, summed over the headers of the safetensors files.

    Raises:
        ModelError: If a header cannot be read.
    """
    headers = (read_header(path) for path in weight_files(folder))
    return sum(tensor.count for header in headers for tensor in header.values())


class _Digest:
    """A digest over named contents, none of which can run into the next."""

    def __init__(self, name: str) -> None:
        self._digest = hashlib.sha256()
        self.add(name, b"")

    def add(self, name: str, content: bytes) -> None:
        for piece in (name.encode("utf-8", "surrogatepass"), content):
            self._digest.update(len(piece).to_bytes(8, "little"))
            self._digest.update(piece)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def _add_settings(digest: _Digest, part: Part) -> None:
    for path in deciding_files(part.folder):
        if path.name in _ROOT_FILES:
            continue
        content = _read(path)
        name = path.relative_to(part.folder).as_posix()
        if path.suffix == ".json":
            settings = parse_json(path, content, object)
            if part.transformer and isinstance(settings, dict):
                settings = _without_neutral(part, name, settings)
            content = _canonical(settings)
        digest.add(name, content)


def _without_neutral(part: Part, name: str, content: dict[str, Any]) -> Any:
    """Settings of a transformers model without those that do not decide vectors."""
    if name == "config.json":
        return _without(content, _NEUTRAL)
    if name == "tokenizer_config.json":
        neutral = {*_NEUTRAL_TOKENIZER, *_SIDES.values()}
        return {key: value for key, value in content.items() if key not in neutral}
    if name == "tokenizer.json":
        # Cutting and padding are settings of the last call before it was saved.
        settings = {key: value for key, value in content.items() if key not in _SIDES}
        return settings | _sides(content, read_json(part.folder / "tokenizer_config.json"))
    return content


def _sides(tokenizer: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """On which side transformers cuts and pads, and with what; nothing where that is usual."""
    found: dict[str, Any] = {}
    for key, side in _SIDES.items():
        last = tokenizer.get(key)
        last = last if isinstance(last, dict) else {}
        value = str(config.get(side) or last.get("direction") or "").lower()
        usual = value == "right" and config.get("tokenizer_class") in _RIGHT_SIDED
        if value and not usual:
            found[side] = value
        if "pad_token" in last and "pad_token" not in config:
            found["pad_token"] = last["pad_token"]
    return found


def _without(content: Any, keys: frozenset[str]) -> Any:
    """JSON data without some keys, at any depth."""
    if isinstance(content, dict):
        return {key: _without(value, keys) for key, value in content.items() if key not in keys}
    if isinstance(content, list):
        return [_without(value, keys) for value in content]
    return content


def _root_content(path: Path) -> Any:
    raw = _read(path)
    if path.name == "modules.json":
        return parse_json(path, raw, list)
    content = dict(parse_json(path, raw, dict))
    content.pop("__version__", None)
    prompts = content.pop("prompts", None)
    if isinstance(prompts, dict):
        # sentence-transformers adds empty ones, which put nothing before a text.
        content["prompts"] = {name: text for name, text in prompts.items() if text}
    # What sentence-transformers takes where nothing is stated.
    for key, default in (("model_type", "SentenceTransformer"), ("similarity_fn_name", "cosine")):
        content[key] = content.get(key) or default
    return {key: value for key, value in content.items() if value not in (None, {})}


def _read(path: Path) -> bytes:
    """A configuration file, which is the one that the hub stated."""
    content = read_bytes(path)
    _check_fetched(path, hashlib.sha256(content).hexdigest())
    return content


def _canonical(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode()


def _tensors(files: tuple[Path, ...]) -> Iterator[tuple[str, Tensor, bytes]]:
    """Tensors of some files by name, each with the SHA-256 of its bytes."""
    found: dict[str, tuple[Tensor, bytes]] = {}
    for path in files:
        for name, (tensor, content) in _file_tensors(path).items():
            if name in found:
                raise ModelError(f"{path}: tensor {name} is in another file as well")
            found[name] = tensor, content
    for name in sorted(found):
        tensor, content = found[name]
        yield name, tensor, content


def _file_tensors(path: Path) -> dict[str, tuple[Tensor, bytes]]:
    try:
        header = read_header(path)
    except ModelError:
        if _states_digest(path):  # a damaged file is to be called so
            _check_fetched(path, file_digest(path))
        raise
    in_order = sorted(header.items(), key=lambda entry: entry[1].start)
    buffer = memoryview(bytearray(_CHUNK))
    with path.open("rb", buffering=0) as file, ThreadPoolExecutor(1) as pool:
        # Both digests are made at the same time, so that the disk is read once.
        whole = pool.submit(file_digest, path) if _states_digest(path) else None
        digests = {
            name: (tensor, _content(file, path, tensor, buffer)) for name, tensor in in_order
        }
        if whole is not None:
            _check_fetched(path, whole.result())
    return digests


def _content(file: FileIO, path: Path, tensor: Tensor, buffer: memoryview) -> bytes:
    digest = hashlib.sha256()
    file.seek(tensor.start)
    left = tensor.end - tensor.start
    while left:
        count = file.readinto(buffer[: min(left, _CHUNK)])
        if not count:
            raise ModelError(f"{path} has become shorter while it was read")
        digest.update(buffer[:count])
        left -= count
    return digest.digest()


def _states_digest(path: Path) -> bool:
    stored = path.resolve()
    return stored.parent.name == "blobs" and len(stored.name) == 64


def _check_fetched(path: Path, digest: str) -> None:
    """The hub's cache keeps large files under the SHA-256 that the hub stated for them."""
    stored = path.resolve()
    if stored.parent.name == "blobs" and len(stored.name) == 64 and stored.name != digest:
        raise ModelError(
            f"{path} is damaged: its checksum is {digest[:12]}…, the hub stated "
            f"{stored.name[:12]}…; named as on the hub, the model is fetched again"
        )
