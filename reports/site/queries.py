"""Which single queries of a task are worth looking at, and what each model made of them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Hit", "Query", "QueryTable", "Side"]


@dataclass(frozen=True)
class Hit:
    """A document, found or to be found.

    Attributes:
        id: Its id.
        score: Similarity that it was found with; None for a gold document.
        relevant: Whether it is gold.
        text: As it was encoded, perhaps cut, which a last … says; None if it was not kept.
    """

    id: str
    score: float | None
    relevant: bool
    text: str | None


@dataclass(frozen=True)
class Side:
    """What one model made of a query.

    Attributes:
        label: The entry's label.
        score: What the query adds to the task's score; None where that is no mean over queries,
            or nothing is known.
        hits: Best first, at most ten; empty for tasks that search nothing.
        prediction: For people; None for a search, or if nothing is known.
        missed: Ids of gold documents that are not among the hits.
        lacking: Why there is nothing to show, such as "measured before examples were kept"; None
            if there is.
    """

    label: str
    score: float | None
    hits: tuple[Hit, ...]
    prediction: str | None
    missed: tuple[str, ...] = ()
    lacking: str | None = None


@dataclass(frozen=True)
class Query:
    """A query, pair, text or row of bitext, and what each model made of it.

    Attributes:
        id: Unique within split and subset.
        split: Where it is scored.
        subset: Likewise.
        text: As it was encoded, perhaps cut; of pairs both, a line each; None if not kept.
        gold: The relevant documents of a search; otherwise what would be right, for people.
        sides: One for each of the table's labels, in their order.
        reason: Why it is shown: "differs most", "worst for all" or "sample".
    """

    id: str
    split: str
    subset: str
    text: str | None
    gold: tuple[Hit, ...] | str
    sides: tuple[Side, ...]
    reason: str


@dataclass(frozen=True)
class QueryTable:
    """Single queries of one task, side by side.

    Attributes:
        task: The task's name.
        labels: Of the entries that are compared, in the board's order.
        queries: Those that differ most first, then the worst for all, then a sample.
        left_out: How many more queries there are.
        lacking: Labels of entries whose record has no examples, with the reason.
    """

    task: str
    labels: tuple[str, ...]
    queries: tuple[Query, ...]
    left_out: int
    lacking: tuple[tuple[str, str], ...] = ()
