"""`jina-eval audit` and `jina-eval published`: beside what others published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

__all__ = ["audit", "published"]

Checkout = Annotated[Path | None, Parameter(name="--published")]


def audit(
    model: str,
    /,
    *,
    runs: Annotated[list[Path] | None, Parameter(name="--from", negative="")] = None,
    checkout: Checkout = None,
    revision: str | None = None,
    published_as: Annotated[str | None, Parameter(name="--as")] = None,
    source: str | None = None,
    tolerance: float = 0.05,
    every: Annotated[bool, Parameter(name="--all")] = False,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
) -> int:
    """Compare a model's stored records with its published scores, and say why they may differ.

    Exit codes: 0 all that could be judged is reproduced, 1 a score differs, 2 nothing could be
    judged. Nothing is measured; what has no record is said.

    Examples:
        jina-eval audit minilm
        jina-eval audit jinaai/jina-embeddings-v3 --source paper --output audit.md
        jina-eval audit local/my-v3 --as jinaai/jina-embeddings-v3 --from runs/english
        jina-eval audit intfloat/e5-small-v2 --published ../results

    Parameters
    ----------
    model
        minilm, a hub name, a folder, or a name as records have it.
    runs
        Output folder of a run. Repeat it for several; all below runs/ if left out.
    checkout
        A checkout of github.com/embeddings-benchmark/results; the figures kept here if left out.
    revision
        Which of the model's revisions in the checkout, where there are several.
    published_as
        The name under which the scores were published, if it is another.
    source
        paper, repository, or how the source begins.
    tolerance
        Points by which a score may differ, beside the rounding of the published one.
    every
        List published scores of tasks that were not measured here, too.
    output
        File to write: .md, .json or .csv.
    """
    from harness.exit_codes import judged

    def work() -> int:
        from harness.audit import AuditRequest, audit_command

        return audit_command(
            AuditRequest(
                model=model,
                folders=tuple(runs or ()),
                published=checkout,
                published_as=published_as,
                revision=revision,
                source=source,
                tolerance=tolerance,
                every=every,
                output=output,
            )
        )

    return judged(work)


def published(
    model: str | None = None,
    /,
    *,
    kind: str | None = None,
    benchmark: str | None = None,
    checkout: Checkout = None,
    revision: str | None = None,
) -> int:
    """List published figures with their sources; what was not published is –, with the reason.

    Examples:
        jina-eval published
        jina-eval published minilm --kind task --benchmark "MTEB(eng, v2)"
        jina-eval published --kind matryoshka
        jina-eval published intfloat/e5-small-v2 --published ../results

    Parameters
    ----------
    model
        minilm, or a hub name; how many there are of each model if left out.
    kind
        mean, task, matryoshka or length.
    benchmark
        Only this one, by mteb's name.
    checkout
        Read a checkout of github.com/embeddings-benchmark/results instead of the kept figures.
    revision
        Which of the model's revisions in the checkout, where there are several.
    """
    from harness.published import published_command

    return published_command(
        model, kind=kind, benchmark=benchmark, checkout=checkout, revision=revision
    )
