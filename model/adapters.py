"""Adapters: low-rank changes of a model's weights, of which one at a time is in force.

The weights in force are always made anew from the pristine ones: adding a
change and taking it away again would leave a rounding error behind each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from model.errors import ModelError

if TYPE_CHECKING:
    from model.low_rank import LowRankUpdate

__all__ = ["AdapterSwitch"]


class _AdaptedEmbedding(nn.Module):
    """An embedding whose low-rank change is added to the rows that are looked up.

    Changing the whole table would mean a second copy of it, of which a batch
    reads a thousandth.
    """

    def __init__(self, table: nn.Embedding) -> None:
        super().__init__()
        self.weight = table.weight
        self.update: LowRankUpdate | None = None

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Rows of the changed table, in the table's number format."""
        rows = nn.functional.embedding(ids, self.weight)
        if self.update is None:
            return rows
        left = nn.functional.embedding(ids, self.update.left)
        changed = rows.float() + self.update.scale * (left @ self.update.right)
        return changed.to(rows.dtype)


class AdapterSwitch:
    """Puts one of a model's adapters in force, or none."""

    def __init__(
        self,
        model: nn.Module,
        pristine: Mapping[str, torch.Tensor],
        adapters: Mapping[str, Mapping[str, LowRankUpdate]],
    ) -> None:
        """Take hold of a model's weights; no adapter is in force.

        Args:
            model: The model, on its device and in its number format. Its
                embeddings are replaced by ones that can be adapted.
            pristine: The checkpoint's weights by parameter name.
            adapters: By adapter name and parameter name. Every adapter must
                change the same parameters.
        """
        device = next(model.parameters()).device
        self._adapters = {
            name: {key: _on(update, device) for key, update in updates.items()}
            for name, updates in adapters.items()
        }
        changed = sorted({key for updates in adapters.values() for key in updates})
        self._embeddings: dict[str, _AdaptedEmbedding] = {}
        self._weights: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        for key in changed:
            path = key.removesuffix(".weight")
            module = model.get_submodule(path)
            if isinstance(module, nn.Embedding):
                adapted = _AdaptedEmbedding(module)
                model.set_submodule(path, adapted)
                self._embeddings[key] = adapted
            else:
                self._weights[key] = (model.get_parameter(key), pristine[key].to(device))
        self.active: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The adapters there are."""
        return tuple(self._adapters)

    @torch.no_grad()
    def activate(self, name: str | None) -> bool:
        """Put an adapter in force; None for the plain model.

        Returns:
            Whether anything had to be changed.

        Raises:
            ModelError: If there is no such adapter.
        """
        if name is not None and name not in self._adapters:
            raise ModelError(
                f"unknown adapter {name!r}; allowed: {', '.join(self._adapters)}, or none"
            )
        if name == self.active:
            return False
        updates = self._adapters[name] if name is not None else {}
        for key, embedding in self._embeddings.items():
            embedding.update = updates.get(key)
        for key, (weight, pristine) in self._weights.items():
            update = updates.get(key)
            if update is None:
                weight.copy_(pristine)
            else:
                weight.copy_(
                    torch.addmm(pristine.float(), update.left, update.right, alpha=update.scale)
                )
        self.active = name
        return True


def _on(update: LowRankUpdate, device: torch.device) -> LowRankUpdate:
    """The same on the device, in float32: changes are computed exactly, then rounded once."""
    return replace(
        update,
        left=update.left.to(device, torch.float32),
        right=update.right.to(device, torch.float32),
    )
