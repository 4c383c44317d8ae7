"""Two rows of one id are refused, since mteb would lose one of them unseen."""

from __future__ import annotations

import pytest
from datasets import Dataset, concatenate_datasets

from tasks.errors import DataUnavailableError
from tasks.identifiers import check_identifiers
from tasks.loading import load_fresh
from tasks.suites import get_suite, select_tasks

(PERL,) = select_tasks(get_suite("starter"), ["PerlFaqRetrieval"])


def test_the_starter_suite_has_ids_of_their_own() -> None:
    for task in get_suite("starter").tasks():
        check_identifiers(load_fresh(task, 42))


@pytest.mark.parametrize(("kind", "column"), [("document", "corpus"), ("query", "queries")])
def test_a_repeated_id_is_named(kind: str, column: str) -> None:
    task = load_fresh(PERL, 42)
    data = task.dataset["default"]["test"]  # type: ignore[index]
    rows: Dataset = data[column]
    data[column] = concatenate_datasets([rows, rows.select([7])])
    with pytest.raises(DataUnavailableError) as error:
        check_identifiers(task)
    assert f"{kind} id {rows['id'][7]!r} stands for several rows" in str(error.value)
