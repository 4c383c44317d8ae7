"""Settings of all tests of the tasks room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Fit the small classifiers and clusters in one thread: with more they wait for each other."""
    with threadpool_limits(1):
        yield
