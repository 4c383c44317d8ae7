"""`jina-eval results` and `compare`: what was stored, and what it says of one model or another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

__all__ = ["compare", "results"]

results = App(name="results", help="Stored records.")

From = Annotated[list[Path] | None, Parameter(name=["--from"], negative="")]
Model = Annotated[str | None, Parameter(name=["--model", "-m"])]


@results.command(name="list")
def list_records(*, source: From = None) -> int:
    """Say which models were measured, in which settings, on how many tasks.

    Examples:
        jina-eval results list
        jina-eval results list --from runs/english --from runs/starter

    Parameters
    ----------
    source
        Output folder of a run; all of runs/ if left out. Repeat it for several.
    """
    from harness.results_commands import list_command

    return list_command(source)


@results.command
def show(task: str, /, *, source: From = None, model: Model = None) -> int:
    """Show a task's records in full: every metric, and where the score comes from.

    Examples:
        jina-eval results show PerlFaqRetrieval --from runs/starter
        jina-eval results show STSBenchmark --model sentence-transformers/all-MiniLM-L6-v2

    Parameters
    ----------
    task
        Name of a task.
    source
        Output folder of a run; all of runs/ if left out. Repeat it for several.
    model
        Only this model's records.
    """
    from harness.results_commands import show_command

    return show_command(task, source, model)


@results.command
def export(
    *, to: Annotated[Path, Parameter(name=["--to"])], source: From = None, model: Model = None
) -> int:
    """Copy records as the public results repository takes them, and read the copy back with mteb.

    A result goes out under the model's plain name if mteb's own loader of that name would measure
    the same, and else as an experiment, such as experiments/routing_paper. Results that are there
    already are extended by splits and subsets, never replaced; nothing is written if they
    contradict the records. Reduced views and chunks are left out.

    Examples:
        jina-eval results export --from runs/english --to ~/results/results

    Parameters
    ----------
    to
        Folder to write to: `results` in a checkout of the repository, or a new one.
    source
        Output folder of a run; all of runs/ if left out. Repeat it for several.
    model
        Only this model's records.
    """
    from harness.export import export_command
    from harness.results_commands import run_folders

    return export_command(to, run_folders(source), model)


def compare(
    baseline: str,
    *others: str,
    source: From = None,
    suite: str | None = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
) -> int:
    """Compare models, views, chunkings or routings on the same examples: what is more than chance?

    Each is written MODEL, with what tells it from its namesakes after it: MODEL@dim=64,int8,
    MODEL@chunking=late:fixed=256, MODEL@routing=mteb, MODEL@revision=COMMIT. Without a view it is
    the widest.

    Examples:
        jina-eval compare lexical minilm --from runs/starter
        jina-eval compare minilm@dim=384 minilm@dim=64 minilm@dim=64,int8 --from runs/starter
        jina-eval compare minilm@chunking=none minilm@chunking=naive:fixed=128

    Parameters
    ----------
    baseline
        What the others are compared with.
    others
        One or more.
    source
        Output folder of a run; all of runs/ if left out. Repeat it for several.
    suite
        Which suite's records, where there are those of several.
    output
        A .md or .json file to write.
    """
    from harness.compare import CompareRequest, compare_command
    from harness.results_commands import run_folders

    folders = tuple(run_folders(source))
    return compare_command(CompareRequest((baseline, *others), folders, suite, output))
