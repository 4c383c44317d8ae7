"""The suites as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from harness.console import make_console
from tasks.sizes import task_size
from tasks.suites import get_suite, suite_names

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

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
    table = Table("task", "type", "languages", "splits", "metric", "texts", "licence")
    table.columns[5].justify = "right"
    for task in suite.tasks():
        size = task_size(task)
        table.add_row(
            task.metadata.name,
            task.metadata.type,
            _languages(task),
            ", ".join(task.eval_splits),
            task.metadata.main_score,
            "–" if size is None else f"{size.texts:,}",
            task.metadata.license or "–",
        )
    console.print(table)
    return 0


def _languages(task: AbsTask) -> str:
    languages = task.languages
    return languages[0] if len(languages) == 1 else f"{len(languages)} languages"
