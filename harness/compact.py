"""`jina-eval routing compact`: from a stored sweep to the smallest dimensions that suffice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from harness.console import make_console
from harness.errors import RunError
from harness.output import Output
from model.routing_table import built_in_tables
from reports.grid import Cell, Column, Grid, number, percent, share
from reports.terminal import render_grid
from results.atomic import write_atomic
from results.provenance import RouteFacts
from results.record import Record
from results.retention import TypeRetention, retention_by_type

__all__ = ["compact_command"]


def compact_command(
    folder: Path, *, keep: float, model: str | None, routing: str | None, output: Path | None
) -> int:
    """Write a routing file and print what it rests on. Returns the exit code."""
    if not 0 < keep <= 1:
        raise RunError(f"keep is {keep}; expected a share above 0 and at most 1, such as 0.99")
    if not (folder / "records").is_dir():
        raise RunError(f"{folder} is no output folder of a run: it has no records")
    records = _one_sweep(list(Output(folder).store.records()), model, routing)
    types = retention_by_type(records)
    path = output or folder / "compact.toml"
    if path.suffix != ".toml":
        raise RunError(f"output {str(path)!r}: a routing is written as .toml")
    try:
        write_atomic(path, _toml(records, types, keep))
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror or error}") from error
    console = make_console()
    console.print(render_grid(_grid(types, keep)))
    console.print(f"{path}; use it with --routing {path}", soft_wrap=True)
    return 0


def _one_sweep(records: Sequence[Record], model: str | None, routing: str | None) -> list[Record]:
    """The records of one model, revision and routing."""
    kept = [
        record
        for record in records
        if (model is None or record.ref.model == model)
        and (routing is None or _routing(record) == routing)
    ]
    if not kept:
        found = sorted({f"{record.ref.model} under {_routing(record)}" for record in records})
        raise RunError(f"no such records; there are: {', '.join(found) or 'none'}")
    models = sorted({f"{record.ref.model} at {record.ref.revision}" for record in kept})
    if len(models) > 1:
        raise RunError(f"records of several models: {', '.join(models)}; choose one with --model")
    routings = sorted({_routing(record) for record in kept})
    if len(routings) > 1:
        raise RunError(
            f"records under several routings: {', '.join(routings)}; choose one with --routing"
        )
    return kept


def _routing(record: Record) -> str:
    return str(record.provenance.run_spec["routing"])


def _toml(records: Sequence[Record], types: Sequence[TypeRetention], keep: float) -> str:
    """A routing file: over the sweep's own table where that is built in, else written out."""
    some = records[0].provenance
    routing = _routing(records[0])
    said = f"as {routing}, in the smallest dimension that keeps {100 * keep:g} % of the score"
    lines = [f"description = {json.dumps(said)}"]
    based = routing in built_in_tables() and bool(some.identity.routes)
    based = based and any(route.adapter for route in some.identity.routes.values())
    if based:
        lines.insert(0, f"base = {json.dumps(routing)}")
    for one in types:
        dim = one.smallest(keep)
        lines += ["", f"[types.{one.type}]"]
        if not based:
            lines += _routes(records, one)
        if dim < one.full:
            lines.append(f"dim = {dim}")
        lines.append(f"source = {json.dumps(_source(records[0], one, dim))}")
    return "\n".join(lines) + "\n"


def _routes(records: Sequence[Record], one: TypeRetention) -> list[str]:
    found = {
        json.dumps({side: route.model_dump() for side, route in facts.identity.routes.items()})
        for facts in (record.provenance for record in records)
        if facts.task.name in one.tasks
    }
    if len(found) > 1:
        raise RunError(f"tasks of type {one.type} had different routes; write the file by hand")
    (routes,) = found
    sides = {side: RouteFacts(**route) for side, route in json.loads(routes).items()}
    query = sides.get("query", sides.get(""))
    document = sides.get("document", sides.get(""))
    assert query is not None
    assert document is not None
    return [f"query = {_side(query)}", f"document = {_side(document)}"]


def _side(route: RouteFacts) -> str:
    adapter = json.dumps(route.adapter or "none")
    return f"{{ adapter = {adapter}, prompt = {json.dumps(route.prompt)} }}"


def _source(record: Record, one: TypeRetention, dim: int) -> str:
    full, best = 100 * one.means[one.full], 100 * one.means[dim]
    kept = one.kept(dim)
    said = "not above 0" if kept is None else f"{100 * kept:.1f} %"
    return (
        f"{record.ref.model} at {record.ref.revision}, suite {record.provenance.suite}: "
        f"{best:.2f} of {full:.2f} ({said}) over {len(one.tasks)} tasks"
    )


def _grid(types: Sequence[TypeRetention], keep: float) -> Grid:
    titles = ("Tasks", "Full dim", "Score", "Smallest", "Score there", "Kept")
    columns = (Column("Type", numeric=False), *(Column(title) for title in titles))
    rows = []
    for one in types:
        dim = one.smallest(keep)
        rows.append(
            (
                Cell(one.type),
                number(len(one.tasks)),
                number(one.full),
                percent(one.means[one.full]),
                number(dim),
                percent(one.means[dim]),
                share(one.kept(dim)),
            )
        )
    notes = (f"Smallest: the dimension that, like all wider ones, keeps {100 * keep:g} %.",)
    return Grid("Dimensions that suffice", columns, tuple(rows), notes)
