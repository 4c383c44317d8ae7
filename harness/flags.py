"""The flags that make a run spec, shared by the commands that take one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from harness.spec import RunSpec, load_specs

__all__ = ["SpecFlags", "split_list"]


_LISTS = ("tasks", "types", "languages")
"""Keys whose flags take several values, separated by commas."""


@Parameter(name="*")
@dataclass(frozen=True)
class SpecFlags:
    """Flags for every key of the run spec; each wins over the file's value."""

    model: Annotated[list[str] | None, Parameter(name=["--model", "-m"], negative="")] = None
    """minilm, e5-small, lexical, a folder, or ORGANISATION/MODEL on the hub. Repeat to compare."""

    revision: str | None = None
    """Branch, tag or commit of a hub model."""

    suite: Annotated[str | None, Parameter(name=["--suite", "-s"])] = None
    """A suite (`jina-eval suites list`), an mteb benchmark, or several: english+long-context."""

    tasks: str | None = None
    """Only these tasks of the suite, separated by commas."""

    types: str | None = None
    """Only tasks of these types, such as Retrieval,STS."""

    languages: str | None = None
    """Only these languages, such as eng,deu; other languages' subsets are left out."""

    max_texts: int | None = None
    """Leave out tasks with more texts than this, and those whose size is not known."""

    view: Annotated[list[str] | None, Parameter(name=["--view", "--views", "-v"], negative="")] = (
        None
    )
    """What is read of each vector: dim=N, dim=N,int8 (float16, uint8, binary, ubinary), or a set of
    views: mrl, sweep. Repeat it for several."""

    chunking: Annotated[list[str] | None, Parameter(negative="")] = None
    """How documents of searches become vectors: none, or naive: or late: with fixed=TOKENS,
    sentences=N or semantic=TOKENS. Repeat it for several."""

    routing: str | None = None
    """Which adapter and prompt each task gets: paper, compact, mteb, registry, adapter=NAME, none,
    or a TOML file."""

    precision: str | None = None
    """Number format of the model's arithmetic: float32, bfloat16, float16 or float8. Default: auto,
    the checkpoint's own on a GPU and float32 on a CPU."""

    max_length: int | None = None
    """Cut texts after this many tokens; the model's own limit if left out."""

    seed: int | None = None
    """Seed of every random choice in the evaluation (mteb's is 42)."""

    device: str | None = None
    """auto, cpu, cuda, cuda:N or mps."""

    batch_size: int | None = None
    """Texts a batch, for models that cannot read packed input."""

    attention: str | None = None
    """auto for the quickest attention kernel, or one by name: sdpa, triton, flash-attention-3, …"""

    token_budget: int | None = None
    """Tokens a batch, for models that read packed input; what suits the device if left out."""

    cache: str | None = None
    """Folder in which vectors are kept from run to run; auto for the user's own, off for none."""

    cache_size: str | None = None
    """How large that folder may become; 20GB if left out."""

    workers: int | None = None
    """Processes that score beside the one with the model; as many as are of use if left out."""

    texts: Annotated[bool | None, Parameter(negative="--no-texts")] = None
    """Keep the beginnings of texts beside the records, to look at single queries (the default)."""

    def specs(self, file: Path | None) -> tuple[RunSpec, ...]:
        """The run specs of a file and these flags, one a model.

        Raises:
            SpecError: If the file or a flag is not as it must be.
        """
        return load_specs(file, self.values())

    def values(self) -> dict[str, Any]:
        """The keys of the run spec; None for those that were not given."""
        values: dict[str, Any] = {
            name: getattr(self, name)
            for name in RunSpec.model_fields
            if name not in ("views", "chunkings", *_LISTS)
        }
        values["views"] = None if self.view is None else tuple(self.view)
        values["chunkings"] = None if self.chunking is None else tuple(self.chunking)
        for name in _LISTS:
            given = getattr(self, name)
            if given is not None:
                values[name] = split_list(given)
        return values


def split_list(given: str | None) -> tuple[str, ...]:
    """The values of a flag that takes several, separated by commas; none if it is left out."""
    return tuple(part.strip() for part in (given or "").split(",") if part.strip())
