"""What the missing records of a task will have a model read, from the task's own texts.

It follows the run: each text once per route, documents once per chunking, late chunkings in one
pass, and nothing that the cache of vectors holds or another task of the plan has encoded before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.plan import Job, ResolvedRun, is_search, prompt_types
from harness.reading import TokenReader
from model.cache.hashes import hash_texts
from model.cached_backend import space_of
from model.chunking import WHOLE, Chunking
from model.routing import Route
from tasks.drawn import drawn_texts
from tasks.errors import DataFileError, DataUnavailableError, UnsupportedTaskError
from tasks.fresh import task_parts
from tasks.hub import find_dataset
from tasks.loading import data_sets, load_fresh
from tasks.sizes import task_size
from tasks.texts import TaskText, task_texts

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

    from model.cache.store import VectorCache

__all__ = ["LocalTexts", "PlannedTexts", "Reading"]

_MOST_TEXTS = 20_000
"""Of data fetched from the hub, no larger tasks are loaded: that takes longer than a plan may."""


@dataclass
class Reading:
    """What a model will read.

    Attributes:
        asked: Texts that mteb hands over, repeats included.
        texts: Texts that go through the model; a document once for each chunking that has chunks
            of its own.
        tokens: Tokens by chunking, late ones together under the first; None for a
            model without any.
    """

    asked: int = 0
    texts: int = 0
    tokens: dict[Chunking, int] | None = None

    def add(self, chunking: Chunking, texts: int, tokens: int) -> None:
        """Add what is read for a chunking."""
        self.texts += texts
        if self.tokens is not None and texts:
            self.tokens[chunking] = self.tokens.get(chunking, 0) + tokens


class LocalTexts:
    """Texts of tasks whose data are on this machine, loaded once for all models of a plan."""

    def __init__(self) -> None:
        """Nothing is loaded yet."""
        self._drawn: dict[object, tuple[TaskText, ...] | None] = {}
        self._all: dict[object, tuple[TaskText, ...]] = {}

    def drawn(self, task: AbsTask, seed: int) -> tuple[TaskText, ...] | None:
        """What one evaluation encodes; None if the data are not here, or too large to load."""
        key = _key(task, seed)
        if key not in self._drawn:
            self._drawn[key] = tuple(drawn_texts(load_fresh(task, seed))) if _here(task) else None
        return self._drawn[key]

    def all(self, task: AbsTask, seed: int) -> tuple[TaskText, ...]:
        """All texts that it can encode, for data that are here."""
        key = _key(task, seed)
        if key not in self._all:
            self._all[key] = tuple(task_texts(load_fresh(task, seed)))
        return self._all[key]


def _key(task: AbsTask, seed: int) -> object:
    metadata = task.metadata
    return metadata.name, tuple(task.hf_subsets), tuple(task.eval_splits), seed


def _here(task: AbsTask) -> bool:
    needed = data_sets(task)
    if not all(find_dataset(data) for data in needed):
        return False
    size = task_size(task) if needed else None
    return not needed or (size is not None and size.asked <= _MOST_TEXTS)


class PlannedTexts:
    """Follows a run task by task: what it has encoded is at hand for the next."""

    def __init__(
        self,
        run: ResolvedRun,
        reader: TokenReader | None,
        cache: VectorCache | None,
        local: LocalTexts,
    ) -> None:
        """Nothing is encoded yet.

        Args:
            run: The run.
            reader: Counts tokens; None for a model without any.
            cache: The cache of vectors that the run will read and fill; None for none.
            local: Texts of tasks.
        """
        self._run = run
        self._reader = reader
        self._cache = cache
        self._local = local
        self._encoded: dict[str, set[bytes]] = {}

    def read(self, jobs: Sequence[Job]) -> Reading | None:
        """What the missing records of one task will have the model read.

        Args:
            jobs: Jobs of one task that are to be done.

        Returns:
            None if the task's data are not here.
        """
        task, seed = jobs[0].task, self._run.spec.seed
        try:
            drawn = self._local.drawn(task, seed)
        except (
            DataFileError,
            DataUnavailableError,
            UnsupportedTaskError,
        ):  # The run will say what is wrong with the data.
            return None
        if drawn is None:
            return None
        reading = Reading(asked=len(drawn), tokens=None if self._reader is None else {})
        at_hand: set[tuple[Route, str]] = set()
        searching = all(map(is_search, task_parts(task)))
        chunkings = tuple(dict.fromkeys(job.chunking for job in jobs))
        if searching:
            queries = self._calls(task, drawn, "query")
            documents = self._calls(task, drawn, "document")
            for calls in (queries, documents if WHOLE in chunkings else {}):
                for (route, _), texts in calls.items():
                    self._whole(route, texts, at_hand, reading)
            self._chunked(documents, [one for one in chunkings if one != WHOLE], reading)
            return reading
        texts_of: Iterable[TaskText] = drawn
        if any(job.view.needs_calibration for job in jobs):
            texts_of = (*drawn, *self._calibrated(task, seed))
        for (route, _), texts in self._calls(task, texts_of).items():
            self._whole(route, texts, at_hand, reading)
        return reading

    def _calibrated(self, task: AbsTask, seed: int) -> Iterable[TaskText]:
        """What 8-bit views of a task that is no search are calibrated on."""
        texts = self._local.all(task, seed)
        if getattr(task, "train_split", None) is None:
            return texts
        return (item for item in texts if item.split == "train")

    def _calls(
        self, task: AbsTask, texts: Iterable[TaskText], side: str | None = None
    ) -> Mapping[tuple[Route, tuple[str, str]], list[str]]:
        """Texts by route, and for searches by subset and split, which are encoded one by one."""
        part = task_parts(task)[0]
        sides = {"" if one is None else str(one.value): one for one in prompt_types(part)}
        ordered = prompt_types(part)
        calls: dict[tuple[Route, tuple[str, str]], list[str]] = {}
        routes: dict[Any, Route] = {}
        for item in texts:
            if side is not None and item.role != side:
                continue
            if side is None:
                asked = ordered[-1] if item.role == "second" else ordered[0]
            else:
                asked = sides[side]
            if asked not in routes:
                routes[asked] = self._run.routing.route(part.metadata, asked)
            place = ("", "") if side is None else (item.subset, item.split)
            calls.setdefault((routes[asked], place), []).append(item.text)
        return calls

    def _whole(
        self, route: Route, texts: list[str], at_hand: set[tuple[Route, str]], reading: Reading
    ) -> None:
        new = [text for text in dict.fromkeys(texts) if (route, text) not in at_hand]
        at_hand.update((route, text) for text in new)
        missing = self._missing(route, (WHOLE,), new)
        tokens = self._reader.whole(missing, route.prompt) if self._reader and missing else 0
        reading.add(WHOLE, len(missing), tokens)

    def _chunked(
        self,
        documents: Mapping[tuple[Route, tuple[str, str]], list[str]],
        chunkings: Sequence[Chunking],
        reading: Reading,
    ) -> None:
        """Documents by all chunkings at once, call by call."""
        naive = [one for one in chunkings if one.mode == "naive"]
        late = [one for one in chunkings if one.mode == "late"]
        at_hand: set[tuple[Route, str]] = set()
        for (route, _), texts in documents.items():
            new = [text for text in dict.fromkeys(texts) if (route, text) not in at_hand]
            at_hand.update((route, text) for text in new)
            missing = self._missing(route, chunkings, new) if chunkings else []
            if not missing:
                continue
            assert self._reader is not None, "a model without tokens has no chunks"
            if late:
                reading.add(late[0], len(missing), self._reader.late(missing, route.prompt))
            counts = self._reader.naive(missing, route.prompt, naive)
            for one, tokens in zip(naive, counts, strict=True):
                if tokens:  # else all its chunks are another chunking's too
                    reading.add(one, len(missing), tokens)

    def _missing(self, route: Route, chunkings: Sequence[Chunking], texts: list[str]) -> list[str]:
        """Texts that lack vectors of any of some chunkings; they have them afterwards."""
        if self._cache is None or not texts:
            return texts
        run = self._run
        hashes = hash_texts(texts)
        keys = [one.tobytes() for one in hashes]
        held = [True] * len(texts)
        for chunking in chunkings:
            space = space_of(run.source, route, chunking, run.precision, run.max_length)
            encoded = self._encoded.setdefault(space.key(), set())
            found = self._cache.space(space).find(hashes) >= 0
            held = [
                was and (bool(here) or key in encoded)
                for was, here, key in zip(held, found, keys, strict=True)
            ]
            encoded.update(keys)
        return [text for text, is_held in zip(texts, held, strict=True) if not is_held]
