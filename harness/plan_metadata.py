"""What a task will have a model read, by its descriptive statistics: for data that are not here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from harness.plan import Job, ResolvedRun, prompt_types
from harness.plan_texts import Reading
from harness.reading import TokenReader, expected_tokens
from model.chunking import WHOLE
from model.routing import Route
from tasks.fresh import task_parts
from tasks.sizes import CHARACTERS_PER_TOKEN, SizePart, task_size
from tasks.starter.files import read_rows
from tasks.starter.languages import LANGUAGES

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

__all__ = ["Density", "metadata_reading"]

_SCRIPTS = {"Hant": "Hans"}
"""Scripts that no text of ours is in, and one that is tokenized alike."""


class Density:
    """Tokens per character by language, measured on the starter suite's declaration of rights."""

    def __init__(self, reader: TokenReader | None) -> None:
        """Measure.

        Args:
            reader: Counts tokens; None for a model without any: four characters are one then.
        """
        self._by_language: dict[str, float] = {}
        if reader is None:
            return
        texts: dict[str, list[str]] = {}
        for row in read_rows("udhr"):
            texts.setdefault(LANGUAGES[row["lang"]], []).append(row["text"])
        for language, own in texts.items():
            text = "\n".join(own)
            self._by_language[language] = reader.own_tokens(text) / len(text)

    def of(self, languages: Sequence[str]) -> float:
        """The mean over some languages, such as "deu-Latn"; by script if one was not measured."""
        return fmean(map(self._one, languages)) if languages else self._one("eng-Latn")

    def _one(self, language: str) -> float:
        if language in self._by_language:
            return self._by_language[language]
        script = language.rpartition("-")[2]
        script = _SCRIPTS.get(script, script)
        alike = [own for code, own in self._by_language.items() if code.endswith(f"-{script}")]
        if alike:
            return fmean(alike)
        return self._by_language.get("eng-Latn", 1 / CHARACTERS_PER_TOKEN)


def metadata_reading(
    run: ResolvedRun, jobs: Sequence[Job], reader: TokenReader | None, density: Density
) -> Reading | None:
    """What the missing records of one task will have the model read, about.

    Args:
        run: The run.
        jobs: Jobs of one task that are to be done.
        reader: Counts tokens of prompts; None for a model without any.
        density: Tokens per character.

    Returns:
        None if the task's size is not known.
    """
    task = jobs[0].task
    size = task_size(task)
    if size is None:
        return None
    has_tokens = run.source.kind != "lexical"
    reading = Reading(asked=size.asked, tokens={} if has_tokens else None)
    chunkings = tuple(dict.fromkeys(job.chunking for job in jobs))
    routes = _routes(run, task)
    parts = size.parts or (SizePart("text", (), size.texts, size.characters),)
    for part in parts:
        route = routes.get(part.role, routes[""])
        around = 0
        if reader is not None:
            around = reader.special_tokens + reader.own_tokens(route.prompt)
        own = density.of(part.languages) * part.characters / max(1.0, part.texts)
        read = {}
        for chunking in chunkings if part.role == "document" else (WHOLE,):
            read[chunking] = expected_tokens(chunking, own, around, run.max_length)
        late = [chunking for chunking in read if chunking.mode == "late"]
        for chunking, tokens in read.items():
            if chunking not in late[1:]:  # one pass serves them all
                reading.add(chunking, round(part.texts), round(part.texts * tokens))
    return reading


def _routes(run: ResolvedRun, task: AbsTask) -> Mapping[str, Route]:
    """Routes by role; "" for the roles of tasks with a single side."""
    part = task_parts(task)[0]
    sides = prompt_types(part)
    routes = {
        "" if side is None else str(side.value): run.routing.route(part.metadata, side)
        for side in sides
    }
    found = list(routes.values())
    return {**routes, "": found[0], "second": found[-1]}
