"""A record: one task's result under one run spec and view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from results.provenance import Provenance

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Record", "RecordRef"]


@dataclass(frozen=True, order=True)
class RecordRef:
    """Where a record belongs, in mteb's terms.

    Attributes:
        model: "organisation/model".
        revision: The model's revision.
        experiment: mteb's name for the settings that are not the model's
            defaults, such as "embed_dim_128"; None for a plain evaluation.
        task: The task's name.
    """

    model: str
    revision: str
    experiment: str | None
    task: str

    def __str__(self) -> str:
        settings = f" ({self.experiment})" if self.experiment else ""
        return f"{self.task} of {self.model}{settings}"


@dataclass(frozen=True)
class Record:
    """One task's result.

    Attributes:
        ref: Where it belongs.
        task_result: mteb's TaskResult as JSON data.
        provenance: Where the score comes from.
        examples: Its examples as of `results.examples`; None in a record that was read, see
            `results.store.RecordStore.examples`.
        texts: Texts of its examples as of `results.texts`, but for those that another record of
            the same run brought; None if there are none to store, and in a record that was read.
    """

    ref: RecordRef
    task_result: Mapping[str, Any]
    provenance: Provenance
    examples: pd.DataFrame | None = field(default=None, compare=False, repr=False)
    texts: pd.DataFrame | None = field(default=None, compare=False, repr=False)
