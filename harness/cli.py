"""The command line: `jina-eval`, also as `python -m harness`.

Commands import what they need when they run, so that help is quick.
"""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from harness.console import make_console, quiet_libraries, show_error
from harness.errors import is_user_error, one_line
from harness.flags import SpecFlags

__all__ = ["app", "main"]

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130

_HELP = "Evaluate text-embedding models: how good, on which tasks, at which dimension."

_EXAMPLES = """Examples:

    jina-eval run                    # a small model and a lexical baseline, on the starter suite
    jina-eval plan --model minilm    # what would run, and for how long
    jina-eval report runs/starter    # draw the reports anew
    jina-eval suites list
"""

app = App(
    name="jina-eval",
    help=_HELP,
    help_epilogue=_EXAMPLES,
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
    version=lambda: importlib.metadata.version("jina-eval"),
    version_flags=["--version"],
    default_parameter=Parameter(negative=""),
)
suites = App(name="suites", help="The suites: what there is to be measured.")
app.command(suites)

SpecFile = Annotated[Path | None, Parameter(name="SPEC", show_default=False)]
Output = Annotated[Path | None, Parameter(name=["--output", "-o"])]


@app.command
def run(
    spec: SpecFile = None,
    /,
    *,
    flags: SpecFlags | None = None,
    output: Output = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> int:
    """Evaluate one or more models; what is stored already is not measured again.

    Examples:
        jina-eval run
        jina-eval run --model minilm
        jina-eval run --model minilm --view dim=384 --view dim=64
        jina-eval run --tasks PerlFaqRetrieval,UdhrBitextMining --output runs/two-tasks
        jina-eval run --model intfloat/e5-small-v2 --suite english

    Parameters
    ----------
    spec
        TOML file with a run spec; flags win over it.
    output
        Folder for records and reports; runs/SUITE-MODEL if left out.
    overwrite
        Measure anew what is stored.
    quiet
        Show errors, the leaderboard and nothing else.
    """
    from harness.commands import run_command

    return run_command((flags or SpecFlags()).specs(spec), output, overwrite=overwrite, quiet=quiet)


@app.command
def plan(
    spec: SpecFile = None,
    /,
    *,
    flags: SpecFlags | None = None,
    output: Output = None,
) -> int:
    """Say what would run: records stored and missing, texts, tokens, expected time.

    Examples:
        jina-eval plan
        jina-eval plan --model minilm --suite starter --view dim=384

    Parameters
    ----------
    spec
        TOML file with a run spec; flags win over it.
    output
        Folder whose records count as stored; runs/SUITE-MODEL if left out.
    """
    from harness.commands import plan_command

    return plan_command((flags or SpecFlags()).specs(spec), output)


@app.command
def report(*folders: Path, output: Output = None) -> int:
    """Draw leaderboard and plots anew from stored records; needs no model and no network.

    Examples:
        jina-eval report runs/starter
        jina-eval report runs/starter runs/starter-minilm --output runs/both

    Parameters
    ----------
    folders
        Output folders of runs; runs/starter if left out.
    output
        Folder for the reports; the first run's own reports folder if left out.
    """
    from harness.commands import report_command

    return report_command(folders or (Path("runs/starter"),), output)


@suites.command(name="list")
def list_suites() -> int:
    """Name every suite.

    Examples:
        jina-eval suites list
    """
    from harness.suite_tables import list_command

    return list_command()


@suites.command
def describe(name: str, /) -> int:
    """Say what a suite holds: tasks, types, languages, sizes, metrics, licences.

    Examples:
        jina-eval suites describe starter
        jina-eval suites describe "MTEB(eng, v2)"

    Parameters
    ----------
    name
        A suite, or an mteb benchmark by its own name.
    """
    from harness.suite_tables import describe_command

    return describe_command(name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Command and flags; the process's own if left out.

    Returns:
        0 if all is well, 1 after an unexpected failure, 2 for a user's error
        or a task that gave no score, 130 if interrupted.
    """
    quiet_libraries()
    try:
        code = app(
            arguments,
            console=make_console(),
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except CycloptsError as error:
        show_error(f"{one_line(error)} (see jina-eval --help)")
        return EXIT_ERROR
    except KeyboardInterrupt:
        show_error("interrupted; what was stored is kept, the same command goes on from there")
        return EXIT_INTERRUPTED
    except ValueError as error:
        if not is_user_error(error):
            raise
        show_error(one_line(error))
        return EXIT_ERROR
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
