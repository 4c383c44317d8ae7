"""The stores of several runs as one: their records, and what is kept beside each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from results.record import Record
from results.store import RecordStore

if TYPE_CHECKING:
    import pandas as pd

    from results.texts import ExampleTexts

__all__ = ["Stores"]


class Stores:
    """Reads records of several stores, and their examples from wherever each is.

    Attributes:
        records: All complete records, in the order of the stores.
    """

    def __init__(self, stores: Sequence[RecordStore]) -> None:
        """Read every record.

        Raises:
            CorruptRecordError: If one does not match its manifest.
        """
        found = [(record, store) for store in stores for record in store.records()]
        self.records = tuple(record for record, _ in found)
        # The same measurement may be in several; any of them will do.
        self._stores = {(record.ref, record.provenance.key): store for record, store in found}

    def examples(self, record: Record) -> pd.DataFrame:
        """A record's examples, see `results.store.RecordStore.examples`."""
        return self._stores[record.ref, record.provenance.key].examples(record.ref)

    def texts(self, task: str, content_hash: str) -> ExampleTexts:
        """The texts that any of the stores keeps of a task, see `RecordStore.texts`."""
        from results.texts import ExampleTexts

        stores = dict.fromkeys(self._stores.values())
        return ExampleTexts.join(store.texts(task, content_hash) for store in stores)
