"""Make the example report of the docs from nothing, which `nox -s example` does.

    python -m harness.example_report

Real models on the starter suite in the views of a sweep and in chunks, and a small
jina-embeddings-v3 with random weights under each of its adapters. It says nothing of the published
model; it is there because no package has its weights, and every plot should be shown with data.
Records are kept in runs/example, so that the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.commands import report_command, run_command
from harness.console import quiet_libraries, show_error
from harness.errors import is_user_error, one_line
from harness.interrupts import remember_interrupts
from harness.screenshots import take_screenshots
from harness.spec import RunSpec
from harness.stores import Stores
from model.checkpoint import ADAPTERS
from model.random_checkpoint import find_xlmr_tokenizer, write_random_checkpoint
from reports.write import write_reports
from results.record import Record
from results.store import RecordStore
from results.texts import ExampleTexts
from tasks.suites import get_suite

__all__ = ["example_specs", "main", "publish", "small_random_model"]

_OUTPUT = Path("runs/example")
_DOCS = Path("docs/example")
_MODEL = "jina-embeddings-v3-random-weights"

_README = """# Example report

Made by `nox -s example`, from records alone once these are measured.

- [leaderboard.md](leaderboard.md): all-MiniLM-L6-v2, multilingual-e5-small in 4 bits and the
  lexical baseline on the starter suite, in the views of a sweep
- `site/index.html`: the same as pages that open from disk, down to single queries;
  [how they look](screenshots)
- [settings/leaderboard.md](settings/leaderboard.md): beside these, documents cut in chunks, and a
  small jina-embeddings-v3 with **random weights** under each adapter. Its scores say nothing of the
  published model; no package has its weights.

Speeds were measured beside other work on two shared cores: they compare only roughly.

Texts in `site/queries` are excerpts of the starter data, under the terms in
[NOTICES.md](../../tasks/starter/NOTICES.md).
"""

_CUT = ("PerlFaqRetrieval", "SyntheticNeedleRetrieval", "SyntheticPasskeyRetrieval")
"""Whose documents are cut for all-MiniLM-L6-v2: those of all searches would take it long."""

# Drawings are committed once, as PNG; the site has what is in the tables of the page.
_LEFT_OUT = (".svg", ".tex", ".html", ".txt")
_SITE, _SETTINGS = "site", "settings"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is missing, then write the docs' report; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m harness.example_report", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--output", type=Path, default=_OUTPUT, help="folder of the records")
    parser.add_argument("--docs", type=Path, default=_DOCS, help="folder of the report")
    options = parser.parse_args(arguments)
    quiet_libraries()
    try:
        with remember_interrupts():
            specs = example_specs(small_random_model(options.output / "models"))
            code = run_command(specs, options.output, overwrite=False, quiet=False)
            if code == 0:
                report_command([options.output], None)
                publish(RecordStore(options.output / "records"), options.docs)
    except KeyboardInterrupt:
        show_error("interrupted; what was stored is kept, the same command goes on from there")
        return 130
    except ValueError as error:
        if not is_user_error(error):
            raise
        show_error(one_line(error))
        return 2
    return code


def example_specs(random_model: Path) -> tuple[RunSpec, ...]:
    """All that is measured; no two have a record in common.

    Args:
        random_model: A folder with a jina-embeddings-v3.
    """
    return (
        RunSpec(model="minilm", views=("sweep",)),
        RunSpec(model="lexical"),
        RunSpec(model="e5-small", views=("sweep",)),
        RunSpec(model="minilm", tasks=_CUT, views=("dim=full",), chunkings=_chunkings(64, 128)),
        RunSpec(model=str(random_model), views=("dim=full",), chunkings=("none", *_chunkings(256))),
        *(
            RunSpec(model=str(random_model), views=("dim=full",), routing=f"adapter={adapter}")
            for adapter in ADAPTERS
        ),
    )


def _chunkings(*sizes: int) -> tuple[str, ...]:
    return tuple(f"{kind}:fixed={size}" for kind in ("naive", "late") for size in sizes)


def small_random_model(folder: Path) -> Path:
    """A small jina-embeddings-v3 with the same random weights every time, made if it is not there.

    Raises:
        ModelError: If the package with its tokenizer is not installed.
    """
    path = folder / _MODEL
    if not path.exists():
        import torch
        from transformers import JinaEmbeddingsV3Config

        begun = folder / f"{_MODEL}.begun"
        shutil.rmtree(begun, ignore_errors=True)  # of a process that was killed
        begun.parent.mkdir(parents=True, exist_ok=True)
        write_random_checkpoint(
            begun,
            find_xlmr_tokenizer(),
            device=torch.device("cpu"),
            config=JinaEmbeddingsV3Config(
                vocab_size=250002,
                hidden_size=128,
                num_hidden_layers=2,
                num_attention_heads=4,
                intermediate_size=256,
            ),
        )
        begun.rename(path)
    return path


def publish(store: RecordStore, docs: Path) -> None:
    """Put reports of stored records in the place of the docs' earlier ones.

    The first, with a site, is of the real models as they are; the one in `settings`, without a
    site, of all that was measured. Texts of tasks whose data may not be redistributed stay out;
    their ids stand alone.
    """
    found = Stores([store])
    kept_back = frozenset(_not_redistributed())

    def texts(task: str, content_hash: str) -> ExampleTexts:
        return ExampleTexts() if task in kept_back else found.texts(task, content_hash)

    def write(records: Sequence[Record], target: Path, *, site: bool) -> None:
        with tempfile.TemporaryDirectory() as folder:
            write_reports(records, Path(folder), examples=found.examples, texts=texts, site=site)
            _copy(Path(folder), target)

    shutil.rmtree(docs, ignore_errors=True)
    write([record for record in found.records if _is_plain(record)], docs, site=True)
    write(found.records, docs / _SETTINGS, site=False)
    (docs / "README.md").write_text(_README, encoding="utf-8")
    why_not = take_screenshots(
        docs / _SITE, docs / "screenshots", model="all-MiniLM-L6-v2", task="PerlFaqRetrieval"
    )
    if why_not is not None:
        show_error(why_not)


def _is_plain(record: Record) -> bool:
    identity = record.provenance.identity
    return identity.chunking == "none" and not identity.model.startswith("local/")


def _not_redistributed() -> Iterator[str]:
    for task in get_suite("starter").tasks():
        if task.metadata.license == "not specified":
            yield task.metadata.name


def _copy(reports: Path, target: Path) -> None:
    for path in sorted(reports.rglob("*")):
        name = path.relative_to(reports)
        if path.is_file() and (name.parts[0] == _SITE or path.suffix not in _LEFT_OUT):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / name)


if __name__ == "__main__":
    sys.exit(main())
