"""How quick a model is here, by its stored records."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.plan import ResolvedRun
from model.chunking import Chunking
from results.provenance import Provenance

__all__ = ["Speed", "speed_of"]

# Used until something was measured: a model's arithmetic is about two operations per token and
# weight that is multiplied with, and two cores do about this many per second while they score
# too; see docs/benchmarks.md, "From a fresh clone to a leaderboard".
_CPU_OPERATIONS = 1.7e11
_VIEW_SECONDS = 0.5


@dataclass(frozen=True)
class Speed:
    """How quick a model is.

    Attributes:
        tokens_per_second: While encoding, by chunking, by its mode, and "" for any; empty for a
            model that reads for free.
        scoring: Seconds to score one record beside encoding, by task, by type, and "" for any.
        basis: Where this comes from, in words.
    """

    tokens_per_second: Mapping[str, float]
    scoring: Mapping[str, float]
    basis: str

    def encode_seconds(self, tokens: Mapping[Chunking, int]) -> float:
        """Expected time to read some tokens.

        Args:
            tokens: Tokens by chunking.
        """
        if not self.tokens_per_second:
            return 0.0
        return sum(count / self._rate(chunking) for chunking, count in tokens.items())

    def _rate(self, chunking: Chunking) -> float:
        names = (str(chunking), chunking.mode, "")
        return next(
            self.tokens_per_second[name] for name in names if name in self.tokens_per_second
        )

    def score_seconds(self, task: str, task_type: str) -> float:
        """Expected time to score one record of a task, beside encoding."""
        return next(self.scoring[name] for name in (task, task_type, "") if name in self.scoring)


def speed_of(run: ResolvedRun, records: Iterable[Provenance], embeddings: int) -> Speed:
    """The speed that records of the same model, precision and machine have, or a rule of thumb.

    Args:
        run: The run to be planned.
        records: Stored records of any models.
        embeddings: How many of the model's weights are embeddings of tokens, which are looked up.
    """
    known = _alike(run, records)
    scoring = _means(
        (facts.cost.total_seconds - facts.cost.encode_seconds, (facts.task.name, facts.task.type))
        for facts in known
    ) or {"": _VIEW_SECONDS}
    rates = _rates(known)
    if rates:
        return Speed(rates, scoring, f"{_counted(known)} on {known[-1].environment.device}")
    if run.source.parameters is None:
        if known:
            return Speed({}, scoring, _counted(known))
        return Speed({}, scoring, "from a rule of thumb: half a second per task")
    weights = max(1, run.source.parameters - embeddings)
    basis = "from a rule of thumb for two CPU cores"
    return Speed({"": _CPU_OPERATIONS / (2 * weights)}, scoring, basis)


def _counted(records: Sequence[Provenance]) -> str:
    plural = "" if len(records) == 1 else "s"
    return f"from {len(records)} stored record{plural} of this model"


def _alike(run: ResolvedRun, records: Iterable[Provenance]) -> list[Provenance]:
    """Records whose times can be expected again: same model, precision, machine and device.

    For `device = "auto"`, the device is that of the newest of them.
    """
    found = sorted(
        (
            facts
            for facts in records
            if facts.identity.fingerprint == run.source.fingerprint
            and facts.identity.precision == run.precision
            and facts.environment.platform == platform.platform()
        ),
        key=lambda facts: facts.cost.finished,
    )
    if not found:
        return []
    wanted = run.spec.device
    device = found[-1].environment.device
    if wanted == "auto":
        return [facts for facts in found if facts.environment.device == device]
    return [facts for facts in found if facts.environment.device.split(" ")[0].startswith(wanted)]


def _rates(records: Sequence[Provenance]) -> Mapping[str, float]:
    """Tokens per second by chunking, by mode and by nothing."""
    sums: dict[str, tuple[int, float]] = {}
    for facts in records:
        read = _read(facts)
        if read is None:
            continue
        chunking = facts.identity.chunking
        for name in dict.fromkeys((chunking, chunking.partition(":")[0], "")):
            tokens, seconds = sums.get(name, (0, 0.0))
            sums[name] = tokens + read[0], seconds + read[1]
    return {name: tokens / seconds for name, (tokens, seconds) in sums.items()}


def _read(facts: Provenance) -> tuple[int, float] | None:
    """Tokens that were read for a record, and seconds; None where that is not known."""
    cost, count = facts.cost, facts.text_count
    if facts.speed is None:
        return None
    tokens = cost.read_tokens
    if cost.shared_seconds is None:
        # From before tokens were counted: known if the record read all of its texts, whole.
        whole = facts.identity.chunking == "none" and cost.encoded_texts >= count.distinct_texts
        if not whole or count.tokens is None:
            return None
        tokens = count.tokens - (count.truncated_tokens or 0)
    return (tokens, cost.read_seconds) if tokens else None


def _means(values: Iterable[tuple[float, Sequence[str]]]) -> Mapping[str, float]:
    """The mean by each of some names, and by nothing."""
    by_name: dict[str, list[float]] = {}
    for value, names in values:
        for name in (*names, ""):
            by_name.setdefault(name, []).append(max(0.0, value))
    return {name: fmean(own) for name, own in by_name.items()}
