"""Published scores of tasks in one form, wherever they come from: what an audit compares with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean

from results.published.figures import PublishedFigure
from results.published.repository import PublishedScore

__all__ = ["PAPER", "REPOSITORY", "Part", "Reference", "from_figures", "from_scores"]

PAPER = "arXiv:2409.10173"
"""How the sources of the jina-embeddings-v3 paper begin."""

REPOSITORY = "embeddings-benchmark/results"
"""How those of the public results repository begin."""

Part = tuple[str, str]
"""A split and a subset of a task."""

_PAPERS_MODEL = "jinaai/jina-embeddings-v3"
_BY_MAKERS = "reported by the model's makers"
_EXTERNAL = "external"
_UNKNOWN_REVISIONS = (_EXTERNAL, "no_revision_available")
_FEWEST_DECIMALS = 2
"""Of points: a stored 0.38 is a score that happens to be round, and not one of no decimals."""


@dataclass(frozen=True)
class Reference:
    """A published score of a task, or of some of its splits and subsets.

    Attributes:
        model: Name under which it was published.
        task: mteb's task name.
        source: Paper and table, or repository and commit or revision.
        benchmarks: Benchmarks in which the source gives it; empty for a checkout's.
        metric: As the source calls it; None if the source does not tell.
        score: Times 100, the mean over its parts; None where nothing was published.
        decimals: To how many decimals `score` was rounded.
        note: Why there is no score, or what else to know.
        split: The one split that it is of; empty for a whole task.
        parts: Splits and subsets that it is the mean over; None if that is not known.
        scores: The score of each part, times 100, where each is known.
        routing: The routing profile that it was made with; None if that is not known.
        revision: The model's revision; None if it is not known.
        dataset_revision: The data's; None likewise.
        mteb_version: mteb's version, or a range of them; None likewise.
    """

    model: str
    task: str
    source: str
    benchmarks: tuple[str, ...] = ()
    metric: str | None = None
    score: float | None = None
    decimals: int = _FEWEST_DECIMALS
    note: str = ""
    split: str = ""
    parts: frozenset[Part] | None = None
    scores: Mapping[Part, float] = field(default_factory=dict)
    routing: str | None = None
    revision: str | None = None
    dataset_revision: str | None = None
    mteb_version: str | None = None

    @property
    def rounding(self) -> float:
        """By how much rounding alone may have moved the score, in points."""
        return float(0.5 * 10**-self.decimals)

    def score_over(self, parts: Iterable[Part]) -> float | None:
        """Times 100, the mean over some of its parts; None if the source does not give it."""
        chosen = frozenset(parts)
        if self.parts in (None, chosen):
            return self.score
        if not chosen or not chosen <= set(self.scores):
            return None
        return fmean(self.scores[part] for part in sorted(chosen))


def from_figures(
    figures: Iterable[PublishedFigure],
    parts: Mapping[tuple[str, str], frozenset[Part]] | None = None,
) -> tuple[Reference, ...]:
    """Figures of tasks, and of tasks at one length, as references; those of other kinds are no use.

    What a source gives in several benchmarks, over the same splits and subsets, comes once.

    Args:
        figures: Rows of the table of published figures.
        parts: Splits and subsets by benchmark and task; they are unknown for tasks that it lacks.
    """
    found: dict[tuple[object, ...], list[PublishedFigure]] = {}
    for figure in figures:
        if figure.kind in ("task", "length"):
            key = (*_what(figure), _parts(figure, parts or {}))
            found.setdefault(key, []).append(figure)
    return tuple(
        Reference(
            model=some.model,
            task=some.name,
            source=some.source,
            benchmarks=tuple(dict.fromkeys(figure.benchmark for figure in same)),
            metric=some.metric,
            score=some.score,
            note=some.note,
            split=_split(some),
            parts=_parts(some, parts or {}),
            routing=_routing(some.model, by_makers=_is_of_makers(some)),
        )
        for same in found.values()
        for some in same[:1]
    )


def _what(figure: PublishedFigure) -> tuple[object, ...]:
    return (
        figure.model,
        figure.name,
        figure.source,
        figure.detail,
        figure.metric,
        figure.score,
        figure.note,
    )


def _split(figure: PublishedFigure) -> str:
    return f"test_{figure.detail}" if figure.kind == "length" else ""


def _parts(
    figure: PublishedFigure, parts: Mapping[tuple[str, str], frozenset[Part]]
) -> frozenset[Part] | None:
    if figure.kind == "length":
        return frozenset({(_split(figure), "default")})
    return parts.get((figure.benchmark, figure.name))


def _is_of_makers(figure: PublishedFigure) -> bool:
    return figure.source.startswith(PAPER) or figure.note == _BY_MAKERS


def _routing(model: str, *, by_makers: bool) -> str | None:
    """The paper is about one model; how other makers prompted theirs is not known here."""
    if not by_makers:
        return "mteb"
    return "paper" if model == _PAPERS_MODEL else None


def from_scores(scores: Iterable[PublishedScore]) -> tuple[Reference, ...]:
    """Scores of a checkout as references: one a task and metric, part by part."""
    tasks: dict[str, list[PublishedScore]] = {}
    for score in scores:
        tasks.setdefault(score.task, []).append(score)
    references = []
    for rows in tasks.values():
        known = [row for row in rows if row.score is not None]
        missing = [f"{row.split}/{row.subset}" for row in rows if row.score is None]
        note = f"stored without a number: {', '.join(missing)}" if missing else ""
        metrics = dict.fromkeys(row.metric for row in known)
        if not metrics:
            references.append(_of_rows(rows, None, note))
        for metric in metrics:
            references.append(
                _of_rows([row for row in known if row.metric == metric], metric, note)
            )
    return tuple(references)


def _of_rows(rows: list[PublishedScore], metric: str | None, note: str) -> Reference:
    some = rows[0]
    scores = {(row.split, row.subset): 100 * row.score for row in rows if row.score is not None}
    by_makers = some.revision == _EXTERNAL
    return Reference(
        model=some.model,
        task=some.task,
        source=f"{REPOSITORY}, revision {some.revision}",
        metric=metric,
        score=fmean(scores.values()) if scores else None,
        decimals=min((_decimals(row.score) for row in rows if row.score is not None), default=2),
        note="; ".join(part for part in (_BY_MAKERS if by_makers else "", note) if part),
        parts=frozenset((row.split, row.subset) for row in rows),
        scores=scores,
        routing=_routing(some.model, by_makers=by_makers),
        revision=None if some.revision in _UNKNOWN_REVISIONS else some.revision,
        dataset_revision=some.dataset_revision,
        mteb_version=some.mteb_version,
    )


def _decimals(score: float) -> int:
    """Decimals in points of a score between 0 and 1."""
    written = repr(score).partition(".")[2]
    return max(len(written) - 2, _FEWEST_DECIMALS) if "e" not in written else _FEWEST_DECIMALS
