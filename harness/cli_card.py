"""`jina-eval card`: a model's results for its model card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

__all__ = ["card"]


def card(
    model: str,
    /,
    *,
    source: Annotated[list[Path] | None, Parameter(name=["--from"], negative="")] = None,
    suite: str | None = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
) -> int:
    """Make a model card's section of results, with the metadata that mteb writes, ready to paste.

    The metadata stand above it, between two lines of dashes: they belong at the top of the card.

    Examples:
        jina-eval card minilm --from runs/starter
        jina-eval card jinaai/jina-embeddings-v3@routing=mteb --from runs/english -o card.md

    Parameters
    ----------
    model
        A model that was measured; where it was so under several settings, MODEL@routing=mteb,
        MODEL@chunking=none, MODEL@revision=COMMIT.
    source
        Output folder of a run; all of runs/ if left out. Repeat it for several.
    suite
        Only this suite's results, where there are those of several.
    output
        The .md file to write; printed if left out.
    """
    from harness.card import card_command
    from harness.results_commands import run_folders

    return card_command(model, run_folders(source), suite, output)
