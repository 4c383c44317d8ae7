"""The tensors of safetensors files, taken one by one until none is left over."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from jina_eval.core.reading import read_json
from model.errors import ModelError

if TYPE_CHECKING:
    import torch

__all__ = ["Tensors"]


class Tensors:
    """Tensors by name, each to be taken once with the shape it must have."""

    def __init__(self, files: Collection[Path], where: Path) -> None:
        """Open files.

        Args:
            files: safetensors files.
            where: What to call them in messages.

        Raises:
            ModelError: If a file cannot be read, or a tensor is in two of them.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        self._where = where
        self._tensors: dict[str, torch.Tensor] = {}
        for path in files:
            try:
                tensors = load_file(path)
            except (SafetensorError, OSError) as error:
                raise ModelError(f"{path} cannot be read: {error}") from error
            twice = sorted(self._tensors.keys() & tensors.keys())
            if twice:
                raise ModelError(f"{path}: tensor {twice[0]} is in another file as well")
            self._tensors |= tensors

    @classmethod
    def of_model(cls, folder: Path) -> Tensors:
        """The tensors of a folder's model.safetensors, or of the files its index names.

        Raises:
            ModelError: If there is neither, or a file cannot be read.
        """
        index = folder / "model.safetensors.index.json"
        whole = folder / "model.safetensors"
        # Where both are, transformers reads the whole file too.
        if whole.is_file() or not index.is_file():
            return cls([cls._file(whole)], whole)
        try:
            names = set(read_json(index, dict)["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{index} is no index of safetensors files ({error})") from error
        # Only names beside the index: nothing outside the folder is read.
        return cls([cls._file(folder / Path(str(name)).name) for name in sorted(names)], index)

    @classmethod
    def of_file(cls, path: Path) -> Tensors:
        """The tensors of one file.

        Raises:
            ModelError: If it is missing or cannot be read.
        """
        return cls([cls._file(path)], path)

    @staticmethod
    def _file(path: Path) -> Path:
        if path.is_file():
            return path
        others = sorted(other.name for other in path.parent.glob("*.bin"))
        hint = f"; {others[0]} can run code when loaded and is not read" if others else ""
        raise ModelError(f"{path} is missing{hint}")

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def take(self, name: str, *shape: int) -> torch.Tensor:
        """A tensor, which is then no longer here.

        Raises:
            ModelError: If it is missing, of another shape, or not of floating point.
        """
        if name not in self._tensors:
            raise ModelError(f"{self._where}: tensor {name} is missing")
        tensor = self._tensors.pop(name)
        if tuple(tensor.shape) != shape:
            raise ModelError(
                f"{self._where}: tensor {name} has shape {list(tensor.shape)}, "
                f"expected {list(shape)}"
            )
        if not tensor.is_floating_point():
            raise ModelError(f"{self._where}: tensor {name} holds {tensor.dtype}")
        return tensor

    def drop(self, prefix: str) -> None:
        """Leave out every tensor whose name starts so."""
        self._tensors = {
            name: tensor for name, tensor in self._tensors.items() if not name.startswith(prefix)
        }

    def finish(self) -> None:
        """Make sure that everything was taken.

        Raises:
            ModelError: If a tensor is left over.
        """
        if self._tensors:
            names = sorted(self._tensors)
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise ModelError(f"{self._where}: tensor {names[0]}{more} was not expected")
