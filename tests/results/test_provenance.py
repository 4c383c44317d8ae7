import pytest
from pydantic import ValidationError

from results.provenance import Identity, RouteFacts
from tests.results.factories import make_identity

CHANGES = {
    "model": "org/other",
    "revision": "2",
    "fingerprint": "0" * 64,
    "backend": "lexical",
    "task": "TaskB",
    "dataset": "org/other",
    "dataset_revision": "s",
    "splits": {"test": ("default",), "dev": ("default",)},
    "view": "dim=4",
    "routes": {"": RouteFacts(adapter=None, prompt="query: ")},
    "precision": "bfloat16",
    "max_length": None,
    "seed": 43,
    "mteb_version": "3",
    "dim": 4,
    "chunking": "late:fixed=8",
    "similarity": "dot",
}


def test_the_key_never_changes_for_the_same_identity():
    # Stored records are found by this key: a change here makes them all stale.
    assert (
        make_identity().key() == "972f14cb459e0b971578e9da5d02212dc33c516705f4801c96efb4d5c4efcbcd"
    )


def test_every_single_field_changes_the_key():
    assert set(CHANGES) == set(Identity.model_fields) - {"format"}
    keys = {make_identity().key()}
    for name, value in CHANGES.items():
        changed = make_identity(**{name: value})
        assert list(changed.differences(make_identity())) == [name]
        keys.add(changed.key())
    assert len(keys) == len(CHANGES) + 1


def test_an_identity_cannot_be_changed_or_extended():
    with pytest.raises(ValidationError):
        make_identity().seed = 1
    with pytest.raises(ValidationError):
        make_identity(extra=1)
