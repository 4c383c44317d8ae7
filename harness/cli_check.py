"""`jina-eval check`: the regression gate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from harness.flags import SpecFlags

__all__ = ["check"]


def check(
    spec: Annotated[Path | None, Parameter(name="SPEC", show_default=False)] = None,
    /,
    *,
    flags: SpecFlags | None = None,
    reference: Annotated[Path | None, Parameter(show_default=False)] = None,
    policy: Path | None = None,
    source: Annotated[list[Path] | None, Parameter(name=["--from"], negative="")] = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    junit: Path | None = None,
    markdown: Path | None = None,
    speed: bool = False,
    overwrite: bool = False,
    update: bool = False,
    reason: str | None = None,
    seeds: int = 1,
    quiet: bool = False,
) -> int:
    """Is this model, with this code, as good as the reference? The exit code says it.

    0 as good or better, 1 a regression or another failure, 2 could not be judged. Without a run
    spec the reference's is measured again; keys that are given override it, and tasks, types or
    views narrow what is judged.

    Examples:
        jina-eval check                                          # the default model, this code
        jina-eval check --tasks PerlFaqRetrieval --view dim=64
        jina-eval check --reference ci/reference --model ./checkpoint-2000
        jina-eval check --reference ci/reference --from runs/starter-checkpoint-2000 --model ./c
        jina-eval check --reference ci/reference --model ./my-model --update --reason "first"

    Parameters
    ----------
    spec
        TOML file with a run spec; flags win over it.
    reference
        Folder of the reference; the one that comes with jina-eval if left out.
    policy
        TOML file that says what counts as a failure (default: policy.toml of the reference).
    source
        Judge the stored records of this run instead of measuring. Repeat it for several.
    output
        Folder below which records and outcome go; runs/check if left out.
    junit
        JUnit XML to write.
    markdown
        Markdown to write; it is also appended to $GITHUB_STEP_SUMMARY if that is set.
    speed
        Measure speed and memory beside sentence-transformers'; a policy that bounds them does too.
    overwrite
        Measure anew what the same code measured before.
    update
        Make the reference, or make it anew, instead of judging.
    reason
        Why the reference changes; stored in it.
    seeds
        With --update: over how many seeds to measure how far scores move.
    quiet
        Show errors and the outcome only.
    """
    from harness.exit_codes import judged

    def work() -> int:
        from harness.check import COMMITTED, CheckRequest, check_command
        from harness.check_update import update_command
        from harness.errors import RunError
        from harness.results_commands import run_folders

        request = CheckRequest(
            spec_file=spec,
            flags=(flags or SpecFlags()).values(),
            reference=reference or COMMITTED,
            policy=policy,
            runs=tuple(run_folders(source)) if source else (),
            output=output,
            junit=junit,
            markdown=markdown,
            speed=speed,
            overwrite=overwrite,
            quiet=quiet,
        )
        if update:
            return update_command(request, reason, seeds)
        for name, given in (("reason", reason is not None), ("seeds", seeds != 1)):
            if given:
                raise RunError(f"--{name} says something of a new reference: it needs --update")
        return check_command(request)

    return judged(work)
