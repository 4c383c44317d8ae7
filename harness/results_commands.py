"""What the `jina-eval results` commands do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from harness.console import make_console
from harness.errors import RunError
from harness.output import Output
from reports.grid import MISSING, Cell, Column, Grid, number, visible
from reports.terminal import render_grid
from results.record import Record
from results.store import RecordStore

if TYPE_CHECKING:
    from results.provenance import Cost

__all__ = ["list_command", "run_folders", "show_command"]

_RUNS = Path("runs")


def run_folders(given: Sequence[Path] | None) -> list[Path]:
    """Output folders of runs: those given, or all that are in `runs`.

    Raises:
        RunError: If one of them is none, or there are none.
    """
    if not given:
        found = sorted(path.parent for path in _RUNS.glob("*/records"))
        if not found:
            raise RunError("there are no runs in runs/; name an output folder with --from")
        return found
    for folder in given:
        if not (folder / "records").is_dir():
            raise RunError(f"{folder} is no output folder of a run: it has no records")
    return list(given)


def list_command(given: Sequence[Path] | None) -> int:
    """Print a line for each model and setting. Returns the exit code."""
    rows = []
    for folder in run_folders(given):
        groups: dict[tuple[str, str, str, str], list[Record]] = {}
        for record in Output(folder).store.records():
            facts = record.provenance
            place = (facts.suite, record.ref.model, facts.view, facts.identity.chunking)
            groups.setdefault(place, []).append(record)
        for place, records in groups.items():
            latest = max(record.provenance.cost.finished for record in records)
            names = [Cell(name) for name in (str(folder), *place)]
            rows.append((*names, number(len(records)), Cell(latest[:16].replace("T", " "))))
    titles = ("Run", "Suite", "Model", "View", "Chunking")
    columns = (
        *(Column(title, numeric=False) for title in titles),
        Column("Records"),
        Column("Latest", numeric=False),
    )
    make_console().print(render_grid(Grid("Stored records", columns, tuple(rows))))
    return 0


def show_command(task: str, given: Sequence[Path] | None, model: str | None) -> int:
    """Print a task's records in full. Returns the exit code."""
    folders = run_folders(given)
    found = [record for folder in folders for record in _records(Output(folder).store, task, model)]
    if not found:
        where = ", ".join(map(str, folders))
        raise RunError(f"no record of task {task!r}{f' of {model}' if model else ''} in {where}")
    console = make_console()
    for record in found:
        facts = record.provenance
        title = f"{record.ref.task} of {record.ref.model}, {facts.view}"
        console.print(Text(visible(title), style="bold"))
        console.print(_facts_table(record))
        for split, subsets in record.task_result["scores"].items():
            for scores in subsets:
                console.print(Text(visible(f"{split}, {scores.get('hf_subset')}"), style="bold"))
                console.print(_scores_table(scores))
        console.print()
    return 0


def _records(store: RecordStore, task: str, model: str | None) -> Iterator[Record]:
    for ref in store.references():
        if ref.task == task and model in (None, ref.model):
            yield store.read(ref)


def _facts_table(record: Record) -> Table:
    facts = record.provenance
    identity, counts, cost = facts.identity, facts.text_count, facts.cost
    routes = "; ".join(
        f"{side or 'all'}: {route.adapter or 'no adapter'}, {route.prompt!r}"
        for side, route in identity.routes.items()
    )
    rows = {
        "score": f"{100 * facts.score:.4f} {facts.task.main_score}",
        "examples": f"{facts.coverage.n_scored} of {facts.coverage.n_expected}",
        "model": f"{identity.model} {identity.revision} ({identity.fingerprint[:12]})",
        "routing": facts.run_spec.get("routing"),
        "routes": routes,
        "view, chunking": f"{facts.view}, {identity.chunking}",
        "precision": f"{identity.precision}, {facts.environment.attention or 'no attention'}",
        "data": f"{identity.dataset} {identity.dataset_revision} ({facts.task.content_hash[:12]})",
        "texts": f"{counts.texts:,}, {counts.distinct_texts:,} distinct",
        "tokens": None if counts.tokens is None else f"{counts.tokens:,}",
        "texts cut": counts.truncated_texts,
        "device": facts.environment.device,
        "mteb": identity.mteb_version,
        "code": f"{facts.environment.git_commit or 'unknown'}"
        f"{', changed' if facts.environment.git_dirty else ''}",
        "took": f"{cost.total_seconds:.1f} s, {cost.encode_seconds:.1f} s encoding",
        "shared passes": _shared(cost),
        "finished": cost.finished,
    }
    return _lines({key: MISSING if value is None else str(value) for key, value in rows.items()})


def _shared(cost: Cost) -> str | None:
    """What the record has of passes whose cost is another record's."""
    if cost.shared_seconds is None:
        return None
    others = f"{cost.shared_with} other record{'' if cost.shared_with == 1 else 's'}"
    return f"with {others}; {cost.shared_seconds:.1f} s are the cost of another one"


def _scores_table(scores: dict[str, Any]) -> Table:
    shown = {
        name: f"{value:.6f}" if isinstance(value, float) else str(value)
        for name, value in scores.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return _lines(shown)


def _lines(rows: dict[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    for key, value in rows.items():
        table.add_row(Text(visible(key), style="dim"), Text(visible(value)))
    return table
