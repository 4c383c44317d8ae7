"""The commands that measure speed: `jina-eval bench …`."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

__all__ = ["bench"]

bench = App(name="bench", help="Measure speed on this machine.")

Output = Annotated[Path | None, Parameter(name=["--output", "-o"])]


@bench.command(name="suite")
def bench_suite(
    *,
    replay: str = "english",
    fraction: float = 0.1,
    model: Annotated[str | None, Parameter(name=["--model", "-m"])] = None,
    types: str | None = None,
    tasks: str | None = None,
    device: str = "auto",
    precision: str | None = None,
    attention: str = "auto",
    token_budget: int | None = None,
    workers: int | None = None,
    output: Output = None,
    quiet: bool = False,
) -> int:
    """Measure what an evaluation's time goes into, on synthetic text in a suite's true amounts.

    Examples:
        jina-eval bench suite --replay english --fraction 0.1
        jina-eval bench suite --replay multilingual --fraction 0.001 --model minilm --types STS

    Parameters
    ----------
    replay
        The suite whose numbers and lengths of texts are drawn anew.
    fraction
        Share of its texts, above 0 and at most 1.
    model
        minilm, a folder, or ORGANISATION/MODEL on the hub; jina-embeddings-v3 of full size with
        random weights if left out.
    types
        Only tasks of these types, such as Retrieval,STS.
    tasks
        Only these tasks of the suite, separated by commas.
    device
        auto, cpu, cuda, cuda:N or mps.
    precision
        Number format; bfloat16 on a GPU and float32 on a CPU if left out.
    attention
        auto for the quickest attention kernel, or one by name.
    token_budget
        Tokens a batch; what suits the device if left out.
    workers
        Processes that score beside the one with the model; as in a run if left out.
    output
        JSON file for the figures.
    quiet
        Show the table and nothing else.
    """
    from harness.bench_suite import SuiteRequest, bench_suite_command
    from harness.flags import split_list
    from tasks.filters import TaskFilter

    request = SuiteRequest(
        suite=replay,
        fraction=fraction,
        wanted=TaskFilter(names=split_list(tasks), types=split_list(types)),
        model=model,
        device=device,
        precision=precision,
        attention=attention,
        token_budget=token_budget,
        workers=workers,
    )
    return bench_suite_command(request, output, quiet=quiet)


@bench.command(name="cache")
def bench_cache(*, texts: int = 1_000_000, width: int = 384, output: Output = None) -> int:
    """Measure how quickly vectors are found and read in the cache, on one core.

    Examples:
        jina-eval bench cache --width 1024

    Parameters
    ----------
    texts
        Texts in the cache.
    width
        Width of their vectors.
    output
        JSON file for the figures.
    """
    from harness.bench_cache import bench_cache_command

    return bench_cache_command(texts, width, output)


@bench.command(name="sweep")
def bench_sweep(
    *,
    model: Annotated[str, Parameter(name=["--model", "-m"])] = "minilm",
    suite: Annotated[str, Parameter(name=["--suite", "-s"])] = "starter",
    tasks: str | None = None,
    peer_view: Annotated[list[str] | None, Parameter(negative="")] = None,
    workers: int | None = None,
    output: Output = None,
    quiet: bool = False,
) -> int:
    """Measure 28 views beside one, and beside mteb's own wrappers, which encode for each view.

    Examples:
        jina-eval bench sweep
        jina-eval bench sweep --peer-view dim=384 --peer-view dim=48,int8

    Parameters
    ----------
    model
        minilm, a folder, or ORGANISATION/MODEL on the hub.
    suite
        The suite.
    tasks
        Only these tasks of the suite, separated by commas.
    peer_view
        A view to evaluate through mteb's wrappers too. Repeat it for several.
    workers
        Processes that score beside the one with the model; as in a run if left out.
    output
        JSON file for the figures.
    quiet
        Show the tables and nothing else.
    """
    from harness.bench_sweep import SweepRequest, bench_sweep_command
    from harness.flags import split_list

    request = SweepRequest(model, suite, split_list(tasks), tuple(peer_view or ()), workers)
    return bench_sweep_command(request, output, quiet=quiet)


@bench.command(name="encode")
def bench_encode(
    *,
    model: Annotated[str | None, Parameter(name=["--model", "-m"])] = None,
    mix: Annotated[list[str] | None, Parameter(name=["--mix"], negative="")] = None,
    scale: float = 1.0,
    device: str = "auto",
    precision: str | None = None,
    attention: str = "auto",
    token_budget: int | None = None,
    peers: Annotated[bool, Parameter(negative="--no-peers")] = True,
    float8: bool = False,
    output: Output = None,
    quiet: bool = False,
) -> int:
    """Measure how quick encoding is, beside sentence-transformers and the matmul rate.

    Examples:
        jina-eval bench encode
        jina-eval bench encode --model minilm --mix short --mix real
        jina-eval bench encode --mix long --attention torch-varlen --no-peers

    Parameters
    ----------
    model
        minilm, a folder, or ORGANISATION/MODEL on the hub; jina-embeddings-v3 of full size with
        random weights if left out.
    mix
        Texts to encode: short, long or real; all of them if left out. Repeat it for several.
    scale
        Factor of the number of texts; 1 is some seconds of work a mix.
    device
        auto, cpu, cuda, cuda:N or mps.
    precision
        Number format; bfloat16 on a GPU and float32 on a CPU if left out.
    attention
        auto for the quickest attention kernel, or one by name.
    token_budget
        Tokens a batch; what suits the device if left out.
    peers
        Measure sentence-transformers too, at several batch sizes; --no-peers leaves it out.
    float8
        Measure 8-bit linear layers too.
    output
        JSON file for the figures.
    quiet
        Show the table and nothing else.
    """
    from harness.bench_encode import BenchRequest
    from harness.bench_tables import bench_encode_command
    from harness.bench_texts import MIXES

    request = BenchRequest(
        model=model,
        device=device,
        precision=precision,
        mixes=tuple(mix) if mix else tuple(MIXES),
        scale=scale,
        attention=attention,
        token_budget=token_budget,
        peers=peers,
        float8=float8,
    )
    return bench_encode_command(request, output, quiet=quiet)
