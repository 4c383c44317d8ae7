"""The suites as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from harness.console import make_console
from tasks.sizes import task_size
from tasks.suites import get_suite, suite_names

__all__ = ["describe_command", "list_command"]


def list_command() -> int:
    """Print the suites. Returns the exit code."""
    table = Table("suite", "title", "what it holds")
    for name in suite_names():
        suite = get_suite(name)
        table.add_row(name, suite.title, suite.description)
    console = make_console()
    console.print(table)
    console.print("Any mteb benchmark is a suite too, under its own name.")
    return 0


def describe_command(name: str) -> int:
    """Print a suite's tasks. Returns the exit code."""
    suite = get_suite(name)
    console = make_console()
    console.print(f"[bold]{suite.title}[/bold]\n{suite.description}\n")
    table = Table("task", "type", "lang.", "splits", "metric", "texts", "licence")
    for column in table.columns:
        column.overflow = "fold"
    table.columns[0].no_wrap = True
    table.columns[5].justify = "right"
    for task in suite.tasks():
        size = task_size(task)
        table.add_row(
            task.metadata.name,
            task.metadata.type,
            _few(task.languages, "lang."),
            _few(task.eval_splits, "splits"),
            task.metadata.main_score,
            "–" if size is None else f"{size.texts:,}",
            _licence(task.metadata.license),
        )
    console.print(table)
    console.print("Licence 'own': terms of the source itself, linked in the task's metadata.")
    return 0


def _few(names: Sequence[str], kind: str) -> str:
    """Up to two names, or else how many there are."""
    return ", ".join(names) if len(names) <= 2 else f"{len(names)} {kind}"


def _licence(name: str | None) -> str:
    """A licence's short name; many are only known by a link."""
    if name is None:
        return "–"
    return "own" if name.startswith("http") else name
