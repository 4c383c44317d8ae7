"""What the records of a task cost: each pass of the model is the own cost of one of them."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from model.usage import Usage
from model.work import Pass
from results.provenance import Cost

__all__ = ["TaskCosts"]


class TaskCosts:
    """Attributes the passes of a task's evaluations to its records.

    Views and chunkings of a task read vectors that were made together. A pass is the own cost of
    the first record that reads from it, even if it was made while another one was measured, and
    a shared cost of all later ones. So the own costs of all records add up to what was done, and
    own and shared cost together are what a record would have cost alone.
    """

    def __init__(self) -> None:
        """No pass has been attributed yet."""
        self._taken: set[Pass] = set()

    def of(self, usage: Usage, seconds: float, others: int) -> Cost:
        """The cost of the next record.

        Args:
            usage: What its evaluation asked of the model.
            seconds: How long its evaluation took, by the clock.
            others: Other records of the task that the same run measures.
        """
        own, shared = dict[Pass, None](), dict[Pass, None]()
        texts = {True: 0, False: 0}
        for work in usage.used:
            new = [one for one in work.passes if one not in self._taken]
            own.update(dict.fromkeys(new))
            shared.update(dict.fromkeys(one for one in work.passes if one in self._taken))
            texts[bool(new)] += work.texts
        self._taken.update(own)
        made = {one for work in usage.made for one in work.passes}
        # The clock ran for what was made for others, and not for what others had made for this.
        seconds += _seconds(own.keys() - made) - _seconds(made - own.keys())
        return Cost(
            encoded_texts=texts[True],
            encode_seconds=round(_seconds(own), 4),
            encoded_tokens=_tokens(own),
            shared_texts=texts[False],
            shared_seconds=round(_seconds(shared), 4),
            shared_tokens=_tokens(shared),
            shared_with=others if usage.used else 0,
            total_seconds=round(seconds, 3),
            finished=datetime.datetime.now(tz=datetime.UTC).isoformat(timespec="seconds"),
        )


def _seconds(passes: Iterable[Pass]) -> float:
    return sum(one.seconds for one in passes)


def _tokens(passes: Iterable[Pass]) -> int | None:
    counts = [one.tokens for one in passes]
    return None if None in counts else sum(count or 0 for count in counts)
