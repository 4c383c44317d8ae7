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

from harness.cli_audit import audit, published
from harness.cli_bench import bench
from harness.cli_cache import cache
from harness.cli_card import card
from harness.cli_check import check
from harness.cli_results import compare, results
from harness.console import make_console, quiet_libraries, show_error
from harness.errors import is_user_error, one_line
from harness.exit_codes import ended_by
from harness.flags import SpecFlags
from harness.interrupts import remember_interrupts
from harness.system_errors import (
    close_output,
    drop_output,
    empty_argument,
    explain_system_error,
)

__all__ = ["app", "main"]

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141

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
routing = App(name="routing", help="Which adapter, prompt and dimension each task gets.")
app.command(routing)
app.command(bench)
app.command(cache)
app.command(results)
app.command(compare)
app.command(check)
app.command(audit)
app.command(published)
app.command(card)

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
    offline: bool = False,
    quiet: bool = False,
) -> int:
    """Evaluate one or more models; what is stored already is not measured again.

    Examples:
        jina-eval run
        jina-eval run --model minilm
        jina-eval run --model minilm --view dim=384 --view dim=64
        jina-eval run --tasks PerlFaqRetrieval,UdhrBitextMining --output runs/two-tasks
        jina-eval run --model intfloat/e5-small-v2 --suite english
        jina-eval run --model intfloat/e5-small-v2 --suite english --offline

    Parameters
    ----------
    spec
        TOML file with a run spec; flags win over it.
    output
        Folder for records and reports; runs/SUITE-MODEL if left out.
    overwrite
        Measure anew what is stored.
    offline
        Use no network: take models and data from the cache, and name what is missing.
    quiet
        Show errors, the leaderboard and nothing else.
    """
    from harness.commands import run_command
    from harness.offline import go_offline

    if offline:
        go_offline()
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
def fetch(
    suite: str,
    /,
    *,
    tasks: str | None = None,
    types: str | None = None,
    languages: str | None = None,
    model: Annotated[list[str] | None, Parameter(name=["--model", "-m"], negative="")] = None,
    revision: str | None = None,
    quiet: bool = False,
) -> int:
    """Fetch a suite's data from the hub, so that it can run with --offline; resumable.

    Every file is checked against the checksum that the hub states. What was fetched is kept; the
    same command goes on from there.

    Examples:
        jina-eval fetch long-context
        jina-eval fetch english --types STS,Classification
        jina-eval fetch english --model jinaai/jina-embeddings-v3

    Parameters
    ----------
    suite
        A suite, or several joined by +.
    tasks
        Only these tasks of the suite, separated by commas.
    types
        Only tasks of these types, such as Retrieval,STS.
    languages
        Only tasks in one of these languages, such as eng,deu.
    model
        Fetch this model too. Repeat it for several.
    revision
        Branch, tag or commit of the hub model.
    quiet
        Show errors and nothing else.
    """
    from harness.fetch import FetchRequest, fetch_command
    from harness.flags import split_list
    from tasks.filters import TaskFilter

    wanted = TaskFilter(split_list(tasks), split_list(types), split_list(languages))
    request = FetchRequest(suite, wanted, tuple(model or ()), revision)
    return fetch_command(request, quiet=quiet)


@app.command
def report(
    *folders: Path,
    output: Output = None,
    published: Path | None = None,
    published_model: Annotated[list[str] | None, Parameter(negative="")] = None,
) -> int:
    """Draw leaderboard and plots anew from stored records; needs no model and no network.

    Examples:
        jina-eval report runs/starter
        jina-eval report runs/starter runs/starter-minilm --output runs/both
        jina-eval report runs/english --published ./results
        jina-eval report runs/english --published ./results --published-model BAAI/bge-m3

    Parameters
    ----------
    folders
        Output folders of runs; runs/starter if left out.
    output
        Folder for the reports; the first run's own reports folder if left out.
    published
        Checkout of the public results repository, for rows beside the figures that are kept here.
    published_model
        A model whose scores to take from it, MODEL or MODEL@REVISION; the measured models if left
        out. Repeat it for several.
    """
    from harness.commands import report_command

    return report_command(
        folders or (Path("runs/starter"),),
        output,
        published=published,
        models=published_model or (),
    )


@app.command
def encode(
    *,
    model: Annotated[str, Parameter(name=["--model", "-m"])],
    input: Annotated[str, Parameter(name=["--input", "-i"])],
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    adapter: str | None = None,
    prompt: Annotated[bool, Parameter(negative="--no-prompt")] = True,
    view: Annotated[str, Parameter(name=["--view", "-v"])] = "dim=full",
    input_format: str | None = None,
    revision: str | None = None,
    precision: str = "auto",
    max_length: int | None = None,
    device: str = "auto",
    attention: str = "auto",
    token_budget: int | None = None,
    quiet: bool = False,
) -> int:
    """Turn one's own texts into vectors, the way an evaluation does.

    Examples:
        jina-eval encode -m jinaai/jina-embeddings-v3 --adapter retrieval.query -i q.txt -o q.npy
        jina-eval encode -m minilm -i texts.jsonl -o vectors.npy --view dim=128
        echo "one text" | jina-eval encode -m minilm -i - -o one.npy

    Parameters
    ----------
    model
        minilm, a folder, or ORGANISATION/MODEL on the hub.
    input
        A file of texts, one a line, or of JSON lines: strings, or objects with "text" and
        perhaps "adapter". - is standard input.
    output
        The .npy file to write: float32 or what the view stores, one row a text, in the order of
        the input.
    adapter
        Adapter of a model that has several; none for no adapter and no prompt.
    prompt
        Put the adapter's published prompt before each text; --no-prompt leaves it out.
    view
        What is kept of each vector: dim=N or dim=full, with float16, binary or ubinary after it
        for fewer bits.
    input_format
        txt or jsonl; by the file's name if left out.
    revision
        Branch, tag or commit of a hub model.
    precision
        Number format of the model's arithmetic: float32, bfloat16, float16 or float8; auto is the
        checkpoint's own on a GPU and float32 on a CPU.
    max_length
        Cut texts after this many tokens; the model's own limit if left out.
    device
        auto, cpu, cuda, cuda:N or mps.
    attention
        auto for the quickest attention kernel, or one by name.
    token_budget
        Tokens a batch; what suits the device if left out.
    quiet
        Show errors and nothing else.
    """
    from harness.encode import EncodeRequest, encode_command

    request = EncodeRequest(
        model=model,
        revision=revision,
        source=input,
        kind=input_format,
        output=output,
        adapter=adapter,
        prompt=prompt,
        view=view,
        settings={
            "device": device,
            "precision": precision,
            "max_length": max_length,
            "attention": attention,
            "token_budget": token_budget,
        },
    )
    return encode_command(request, quiet=quiet)


@suites.command(name="list")
def list_suites() -> int:
    """Name every suite.

    Examples:
        jina-eval suites list
    """
    from harness.suite_tables import list_command

    return list_command()


@suites.command
def describe(name: str, /, *, routes: bool = False) -> int:
    """Say what a suite holds: tasks, types, languages, sizes, metrics, licences.

    Examples:
        jina-eval suites describe starter
        jina-eval suites describe long-context --routes
        jina-eval suites describe "MTEB(eng, v2)"

    Parameters
    ----------
    name
        A suite, or an mteb benchmark by its own name.
    routes
        Say instead which adapter of jina-embeddings-v3 each task gets under each routing profile.
    """
    from harness.suite_tables import describe_command

    return describe_command(name, routes=routes)


@routing.command
def compact(
    *,
    source: Annotated[Path, Parameter(name=["--from"])],
    keep: float = 0.99,
    model: Annotated[str | None, Parameter(name=["--model", "-m"])] = None,
    routing: str | None = None,
    output: Output = None,
) -> int:
    """From a stored sweep over dimensions, write a routing with the smallest that suffice.

    Examples:
        jina-eval routing compact --from runs/starter --model sentence-transformers/all-MiniLM-L6-v2
        jina-eval routing compact --from runs/english --keep 0.98 --output compact.toml

    Parameters
    ----------
    source
        Output folder of a run in several dimensions.
    keep
        Share of the full score that must be kept, as the mean over the tasks of a type.
    model
        Whose records, where there are those of several models.
    routing
        Under which routing, where there are several.
    output
        The .toml file to write; compact.toml in the run's folder if left out.
    """
    from harness.compact import compact_command

    return compact_command(source, keep=keep, model=model, routing=routing, output=output)


def _system_error(error: OSError) -> int:
    """Say what the system refused; what reads our output may also have had enough of it."""
    if isinstance(error, BrokenPipeError):
        drop_output()
        return EXIT_BROKEN_PIPE
    reason = explain_system_error(error)
    if reason is None:
        raise error
    if error.filename is None:
        drop_output()
    show_error(reason)
    return EXIT_ERROR


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Command and flags; the process's own if left out.

    Returns:
        0 if all is well, 1 after an unexpected failure, 2 for a user's error, a task that gave
        no score, or a library that ended the program, 130 if interrupted, 141 if standard output
        was closed.
    """
    quiet_libraries()
    empty = empty_argument(sys.argv[1:] if arguments is None else arguments)
    if empty is not None:
        show_error(f"{empty} (see jina-eval --help)")
        return EXIT_ERROR
    try:
        with remember_interrupts():
            code = app(
                arguments,
                console=make_console(),
                exit_on_error=False,
                print_error=False,
                result_action="return_value",
            )
        close_output()
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
    except OSError as error:
        return _system_error(error)
    except Exception:
        raise
    except BaseException as error:  # whatever exit code it asks for: nothing came to its end
        show_error(ended_by(error))
        return EXIT_ERROR
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
