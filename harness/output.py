"""A run's output folder: one writer at a time, records and reports inside."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import OutputBusyError, RunError
from harness.spec import RunSpec
from results.store import RecordStore

__all__ = ["Output", "default_output"]


class Output:
    """The folder that a run writes to.

    Attributes:
        folder: The folder itself.
        store: Its records.
        reports: Where its reports go.
        failures: Where unexpected errors are written down.
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is made yet."""
        self.folder = folder
        self.store = RecordStore(folder / "records")
        self.reports = folder / "reports"
        self.failures = folder / "failures"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for writing.

        Raises:
            OutputBusyError: If another run holds it.
            RunError: If it cannot be written.
        """
        lock = FileLock(self.folder / ".lock")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout as error:
            raise OutputBusyError(
                f"output {self.folder}: another run is writing there; "
                "wait for it, or give another --output"
            ) from error
        except OSError as error:
            raise RunError(
                f"output {self.folder} cannot be written: {error.strerror or error}"
            ) from error
        try:
            yield
        finally:
            lock.release()


def default_output(specs: Sequence[RunSpec]) -> Path:
    """The folder of a run that names none.

    It is `runs/<suite>-<model>`, or `runs/<suite>` for several models.
    """
    suite = specs[0].suite
    name = suite if len(specs) > 1 else f"{suite}-{Path(specs[0].model).name or 'model'}"
    return Path("runs") / (re.sub(r"[^\w.]+", "-", name.lower()).strip("-.") or "run")
