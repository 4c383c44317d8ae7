"""Where an entry's scores come from, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.grid import MISSING
from reports.site.markup import Data, Head, Table, facts_list, name, render_table, text
from reports.site.rows import Row, whole
from results.provenance import Environment
from results.record import Record

__all__ = ["environment_facts", "provenance_section", "short_hash"]


def provenance_section(row: Row) -> str:
    """Run spec, routes, surroundings and data of an entry."""
    record = row.entry.some_record
    return "\n".join(
        [
            '<section id="provenance"><h2>Provenance</h2>',
            f"<p>Model fingerprint {short_hash(record.provenance.model.fingerprint)}.</p>",
            "<h3>Run spec</h3>",
            _run_spec(record),
            "<h3>Adapters and prompts</h3>",
            render_table(_routes_table(row)),
            "<h3>Measured with</h3>",
            _environments(row),
            "<h3>Data</h3>",
            render_table(_data_table(row)),
            "</section>",
        ]
    )


def short_hash(value: str) -> str:
    """A hash's first digits; all of them for those who look for them."""
    return f'<code title="{text(value)}">{text(value[:12])}</code>' if value.isascii() else ""


def _run_spec(record: Record) -> str:
    given = record.provenance.run_spec_given
    facts = []
    for setting, value in record.provenance.run_spec.items():
        if setting == "tasks" and isinstance(value, list | tuple) and len(value) > 3:
            shown = f"{len(value)} tasks"
        else:
            shown = text(_plain(value))
        mark = ' <span class="faint">(given)</span>' if setting in given else ""
        facts.append((setting.replace("_", " ").capitalize(), shown + mark))
    return facts_list(facts)


def _plain(value: Any) -> str:
    """A setting as words."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(one)}" for key, one in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(one) for one in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def _routes_table(row: Row) -> Table:
    """Adapters and prompts, with the tasks that had them."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for task, record in row.records.items():
        for side, route in record.provenance.identity.routes.items():
            key = (side, route.adapter or "", route.prompt)
            found.setdefault(key, []).append(task)
    heads = [
        Head("side", "Side", numeric=False),
        Head("adapter", "Adapter", numeric=False),
        Head("prompt", "Prompt", numeric=False),
        Head("count", "Tasks"),
        Head("tasks", "Names", numeric=False),
    ]
    body = []
    for (side, adapter, prompt), tasks in sorted(found.items()):
        names = ", ".join(tasks[:4]) + (f" and {len(tasks) - 4} more" if len(tasks) > 4 else "")
        body.append(
            [
                Data(text(side or "both"), side),
                Data(text(adapter or MISSING), adapter or None),
                Data(f"<q>{text(prompt)}</q>" if prompt else MISSING, prompt or None),
                whole(len(tasks)),
                Data(text(names), names),
            ]
        )
    return Table("routes", f"Adapters and prompts of {row.entry.label}", heads, body)


def _environments(row: Row) -> str:
    """As a rule one; more if the records were made in several places."""
    found: dict[str, tuple[Environment, list[str]]] = {}
    for task, record in row.records.items():
        environment = record.provenance.environment
        found.setdefault(environment.model_dump_json(), (environment, []))[1].append(task)
    parts = []
    for environment, tasks in found.values():
        if len(found) > 1:
            parts.append(f"<h4>{len(tasks)} of {len(row.records)} tasks</h4>")
        parts.append(environment_facts(environment))
    return "\n".join(parts)


def environment_facts(environment: Environment) -> str:
    """Device, versions and commit."""
    commit = environment.git_commit
    state = {True: " with changes", False: "", None: ""}[environment.git_dirty]
    flags = {True: "yes", False: "no", None: MISSING}
    facts = [
        ("Device", text(environment.device)),
        ("Precision", text(environment.precision)),
        ("Attention", text(environment.attention or MISSING)),
        ("Compiled", flags[environment.compiled]),
        ("Fused GELU", flags[environment.fused_gelu]),
        ("Threads", str(environment.threads)),
        ("Platform", text(environment.platform)),
        ("Python", text(environment.python)),
        ("Commit", short_hash(commit) + state if commit else MISSING),
        *((package, text(version)) for package, version in environment.packages.items()),
    ]
    return facts_list(facts)


def _data_table(row: Row) -> Table:
    heads = [
        Head("task", "Task", numeric=False),
        Head("dataset", "Dataset", numeric=False),
        Head("revision", "Revision", numeric=False),
        Head("hash", "Content hash", numeric=False, help="SHA-256 over texts and labels"),
        Head("parts", "Splits", numeric=False),
        Head("scored", "Scored"),
        Head("expected", "Expected"),
        Head("cut", "Texts cut"),
        Head("tokens", "Tokens cut"),
        Head("finished", "Finished", numeric=False),
    ]
    body = []
    for task, record in row.records.items():
        facts = record.provenance
        body.append(
            [
                Data(name(task), task),
                Data(name(facts.task.dataset), facts.task.dataset),
                Data(short_hash(facts.task.dataset_revision), facts.task.dataset_revision),
                Data(short_hash(facts.task.content_hash), facts.task.content_hash),
                Data(text(", ".join(facts.task.splits)), ", ".join(facts.task.splits)),
                whole(facts.coverage.n_scored),
                whole(facts.coverage.n_expected),
                whole(facts.text_count.truncated_texts),
                whole(facts.text_count.truncated_tokens),
                Data(text(facts.cost.finished[:16].replace("T", " ")), facts.cost.finished),
            ]
        )
    return Table("data", f"Data and coverage of {row.entry.label}", heads, body)
