"""What else differs between a record and its reference: where to look for a regression's cause."""

from __future__ import annotations

from collections.abc import Iterator

from results.provenance import Provenance, RouteFacts

__all__ = ["differing_facts", "differing_packages", "measured_differently"]

_PACKAGES = (
    "torch",
    "transformers",
    "sentence-transformers",
    "tokenizers",
    "numpy",
    "scikit-learn",
)


def differing_facts(was: Provenance, now: Provenance) -> tuple[str, ...]:
    """Facts that differ, a phrase each, those that move scores most first."""
    return (
        *measured_differently(was, now),
        *_settings(was, now),
        *_environment(was, now),
    )


def measured_differently(was: Provenance, now: Provenance) -> tuple[str, ...]:
    """How a measurement was made in another way than its reference, a phrase each.

    With the same weights, seed and run spec, each of these is the same on any machine: the prompts
    and adapters, the texts and tokens that were read, and whether the input was packed or padded.
    """
    return (*_path(was, now), *_routes(was, now), *_texts(was, now))


def _path(was: Provenance, now: Provenance) -> Iterator[str]:
    old, new = was.environment.path, now.environment.path
    if old != new:
        yield f"other execution path: {old or 'none'}, now {new or 'none'}"


def _routes(was: Provenance, now: Provenance) -> Iterator[str]:
    before, after = was.identity.routes, now.identity.routes
    for side in sorted(before.keys() | after.keys()):
        old, new = before.get(side), after.get(side)
        if old != new:
            yield f"route{f' of the {side}' if side else ''}: {_route(old)}, now {_route(new)}"


def _route(route: RouteFacts | None) -> str:
    if route is None:
        return "none"
    return f"adapter {route.adapter or 'none'}, prompt {route.prompt!r}"


def _texts(was: Provenance, now: Provenance) -> Iterator[str]:
    for name, said in (
        ("texts", "texts"),
        ("distinct_texts", "distinct texts"),
        ("tokens", "tokens"),
        ("truncated_texts", "texts cut"),
        ("truncated_tokens", "tokens cut off"),
    ):
        old, new = getattr(was.text_count, name), getattr(now.text_count, name)
        if old != new:
            yield f"{said}: {_number(old)}, now {_number(new)}"
    if was.coverage.n_scored != now.coverage.n_scored:
        yield (
            f"examples with something to score: {was.coverage.n_scored:,}, "
            f"now {now.coverage.n_scored:,} of {now.coverage.n_expected:,}"
        )


def _settings(was: Provenance, now: Provenance) -> Iterator[str]:
    if was.identity.fingerprint != now.identity.fingerprint:
        yield f"weights: {was.model.name}, now {now.model.name}, other weights"
    for name in ("max_length", "seed"):
        old, new = getattr(was.identity, name), getattr(now.identity, name)
        if old != new:
            yield f"{name}: {_number(old)}, now {_number(new)}"
    old_kind, new_kind = was.identity.similarity, now.identity.similarity
    if old_kind != new_kind:
        yield f"similarity: {old_kind}, now {new_kind}"
    old_fit, new_fit = was.calibration, now.calibration
    if old_fit != new_fit:
        named = [
            "none" if one is None else f"{one.texts:,} vectors of {one.fitted_on} ({one.sha256})"
            for one in (old_fit, new_fit)
        ]
        yield f"calibration: {named[0]}, now {named[1]}"


def _environment(was: Provenance, now: Provenance) -> Iterator[str]:
    for name in ("device", "attention", "compiled", "fused_gelu", "threads"):
        old, new = getattr(was.environment, name), getattr(now.environment, name)
        if old != new:
            yield f"{name}: {old}, now {new}"
    yield from differing_packages(was, now)


def differing_packages(was: Provenance, now: Provenance) -> Iterator[str]:
    """Libraries that decide scores and differ in version, a phrase each."""
    for name in _PACKAGES:
        versions = [one.environment.packages.get(name) for one in (was, now)]
        if versions[0] != versions[1]:
            yield f"{name}: {versions[0]}, now {versions[1]}"


def _number(value: int | None) -> str:
    return "not counted" if value is None else f"{value:,}"
