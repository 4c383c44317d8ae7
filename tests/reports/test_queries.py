"""Single queries side by side: the ones that matter, in words, from records alone."""

import json
import math
import random
from dataclasses import asdict

import numpy as np
import pytest

import reports.site.queries
from reports.leaderboard import make_leaderboards
from reports.site.queries import query_pages
from reports.site.query_choice import choose
from reports.site.query_errors import example_errors
from results.errors import NoExamplesError
from results.examples import ExampleRows, examples_table
from results.texts import ExampleTexts, TextRow, kept_part, texts_table
from tests.reports.factories import make_run

HOSTILE = "<script>alert(1)</script> \u202e \x00 \ud800 👩"


def table(ids, scores, predictions, golds, place=("test", "default")):
    def encoded(values):
        if values is None:
            return None
        return [None if value is None else json.dumps(value) for value in values]

    rows = ExampleRows(list(ids), scores, encoded(predictions), encoded(golds))
    return examples_table([(*place, rows)])


def texts(entries):
    """Texts by (side, id), all of one subset."""
    return ExampleTexts(
        [
            texts_table(
                TextRow("test", "default", side, name, *kept_part(text), 0)
                for (side, name), text in entries.items()
            )
        ]
    )


def pages(kind, tables, kept=None, *, shuffled=None):
    """The pages of one task of a type, by model."""
    suite = {"Task": kind}
    records = [
        record
        for number, name in enumerate(tables)
        for record in make_run(
            {("Task", 64): 0.9 - 0.1 * number}, model=f"org/{name}", suite=suite, fingerprint=name
        )
    ]
    if shuffled is not None:
        random.Random(shuffled).shuffle(records)
    (board,) = make_leaderboards(records)

    def examples(record):
        found = tables[record.ref.model.removeprefix("org/")]
        if found is None:
            raise NoExamplesError("none")
        return found

    return query_pages(
        board, "Task", examples, None if kept is None else lambda task, content_hash: kept
    )


def hits(*names):
    return {name: 1 - 0.1 * n for n, name in enumerate(names)}


def search(found, score, gold=None):
    ids = [f"q{n}" for n in range(len(found))]
    return table(ids, score, found, gold or [{"d1": 1}] * len(ids))


def test_a_search_shows_gold_hits_and_what_was_missed():
    gold = [{"d1": 1, "d2": 2, "d9": 1}, {"d3": 1}]
    first = search([hits("d1", "x", "d2"), hits("d3")], [0.9, 1.0], gold)
    second = search([hits("x", "y"), hits("d3", "y")], [0.0, 1.0], gold)
    kept = texts(
        {
            ("query", "q0"): "what?",
            ("query", "q1"): "why?",
            ("document", "d1"): "long " * 400,
            ("document", "x"): HOSTILE,
        }
    )
    found = pages("Retrieval", {"first": first, "second": second}, kept)
    assert found.labels == ("first", "second")
    assert (found.left_out, found.lacking) == (0, ())
    query, other = found.queries
    assert (query.id, query.reason, query.text) == ("q0", "differs most", "what?")
    assert (other.id, other.reason) == ("q1", "sample")
    assert [(hit.id, hit.score, hit.relevant) for hit in query.gold] == [
        ("d2", None, True),  # the highest grade first
        ("d1", None, True),
        ("d9", None, True),
    ]
    one, two = query.sides
    assert (one.label, one.score, one.prediction) == ("first", 0.9, None)
    assert [(hit.id, hit.relevant) for hit in one.hits] == [
        ("d1", True),
        ("x", False),
        ("d2", True),
    ]
    assert [hit.score for hit in one.hits] == [1, 0.9, 0.8]
    assert (one.missed, two.missed) == (("d9",), ("d2", "d1", "d9"))
    long = one.hits[0].text
    assert long.startswith("long long")
    assert long.endswith(" … (2,000 characters)")
    assert len(long) < 430
    assert "<script>" in one.hits[1].text
    assert one.hits[2].text is None
    json.dumps(asdict(found), allow_nan=False).encode()


@pytest.mark.parametrize("kind", ["Reranking", "InstructionReranking"])
def test_a_search_without_scores_still_has_its_hits(kind):
    found = pages(kind, {"a": search([hits("d1"), {}], None), "b": search([hits("x"), {}], None)})
    assert [query.reason for query in found.queries] == ["sample", "sample"]
    by_id = {query.id: query for query in found.queries}
    assert by_id["q0"].sides[0].hits[0].relevant
    assert by_id["q0"].sides[0].score is None
    assert by_id["q1"].sides[0].hits == ()
    assert by_id["q1"].sides[0].missed == ("d1",)
    assert by_id["q1"].text is None


def test_older_records_are_said_to_lack_what_they_lack():
    new = search([hits("d1"), None], [1.0, 0.5])
    old = search([None, None], [0.0, 0.0])
    found = pages("Retrieval", {"new": new, "old": old, "oldest": None})
    assert found.labels == ("new", "old")
    assert found.lacking == (("oldest", "measured before examples were kept"),)
    by_id = {query.id: query for query in found.queries}
    sides = by_id["q1"].sides
    assert sides[0].lacking == "hits were not kept of this query"
    assert sides[1].lacking == "measured before hits were kept"
    assert sides[1].score == 0.0
    assert by_id["q0"].sides[0].lacking is None
    nothing = pages("Retrieval", {"oldest": None})
    assert (nothing.queries, nothing.labels, nothing.left_out) == ((), (), 0)
    assert nothing.lacking[0][0] == "oldest"


def test_a_task_that_nobody_was_measured_on_has_no_page():
    (board,) = make_leaderboards(make_run({("SearchA", 64): 0.5}))
    assert query_pages(board, "SearchB", lambda record: None) is None


def only_query(kind, tables, kept=None):
    (query,) = pages(kind, tables, kept).queries
    return query, [side.prediction for side in query.sides]


def test_a_label_is_named_with_how_many_draws_found_it():
    golds = ["noun"]
    tables = {
        "a": table(["0"], [1.0], [["noun"] * 4], golds),
        "b": table(["0"], [0.5], [["verb", "noun", "noun", "adverb"]], golds),
    }
    query, said = only_query("Classification", tables, texts({("text", "0"): "a text"}))
    assert (query.text, query.gold) == ("a text", "noun")
    assert said == ["noun", "noun (2 of 4), adverb (1 of 4), verb (1 of 4)"]


def test_several_labels_are_one_prediction():
    tables = {"a": table(["3"], [0.5], [[["x", "y"], []]], [["y"]])}
    query, said = only_query("MultilabelClassification", tables)
    assert query.gold == "y"
    assert said == ["(none) (1 of 2), x + y (1 of 2)"]


def test_values_of_regression_are_a_mean_and_a_range():
    tables = {"a": table(["0"], None, [[1.0, 2.0, 4.0]], [2.5])}
    query, said = only_query("Regression", tables)
    assert query.gold == "2.5"
    assert said == ["2.333 (1 to 4)"]


def test_a_pairs_similarity_has_its_place():
    kept = texts({(side, n): f"{side} {n}" for side in ("first", "second") for n in "012"})
    tables = {"a": table("012", None, [0.25, 0.75, -0.5], [1.0, 5.0, 0.0])}
    found = pages("STS", tables, kept)
    query = next(query for query in found.queries if query.id == "0")
    assert query.text == "1: first 0\n2: second 0"
    assert query.gold == "rated 1"
    assert query.sides[0].prediction == "similarity 0.25, 2 of 3 from the top"
    tables = {"a": table("01", None, [0.25, 0.75], [1, 0])}
    found = pages("PairClassification", tables, texts({("second", "0"): "only one"}))
    query = next(query for query in found.queries if query.id == "0")
    assert query.text == "1: (text not kept)\n2: only one"
    assert query.gold == "1"


def test_bitext_shows_the_translation_and_what_was_taken_for_it():
    kept = texts({("first", "0"): "eins", ("second", "0"): "one", ("second", "7"): "seven"})
    tables = {
        "a": table(["0"], [1.0], [0], [0]),
        "b": table(["0"], [0.0], [7], [0]),
        "c": table(["0"], [0.0], [9], [0]),
    }
    query, said = only_query("BitextMining", tables, kept)
    assert (query.text, query.gold) == ("eins", "one")
    assert said == ["one", "seven", "(text not kept), number 9"]


def test_candidate_labels_are_named():
    kept = texts({("text", "0"): "a text", ("label", "0"): "sport", ("label", "1"): "art"})
    query, said = only_query("ZeroShotClassification", {"a": table(["0"], [0.0], [1], [0])}, kept)
    assert (query.gold, said) == ("sport", ["art"])


def test_summaries_are_listed_with_ratings_and_similarities():
    kept = texts(
        {("human", "0"): "by hand", ("machine", "0/0"): "short", ("machine", "0/1"): "bad"}
    )
    tables = {"a": table(["0"], [0.5], [[0.5, 0.125]], [[4.5, 1]])}
    query, said = only_query("Summarization", tables, kept)
    assert query.text == "by hand"
    assert query.gold == "1: rated 4.5 – short\n2: rated 1 – bad"
    assert said == ["1: similarity 0.5 – short\n2: similarity 0.125 – bad"]


def test_clusters_are_named_by_what_they_are_made_of():
    """Text 3 is drawn twice, and both times put among texts of another label."""
    golds = ["a", "a", "b", "b", "b"]
    clusters = [[0, 5], [0, 5], [1, 6], [0, 5], [1, None]]
    found = table("01234", None, [{"Level 0": draws} for draws in clusters], golds)
    assert example_errors(found, "Clustering").tolist() == [0, 0, 0, 1, 0]
    page = pages("Clustering", {"one": found})
    by_id = {query.id: query for query in page.queries}
    assert by_id["3"].reason == "worst for all"
    assert by_id["3"].sides[0].prediction == "among a"
    assert by_id["2"].sides[0].prediction == "among b"
    undrawn = table("0", None, [{"Level 0": [None, None]}], ["a"])
    assert math.isnan(example_errors(undrawn, "Clustering")[0])
    assert pages("Clustering", {"one": undrawn}).queries[0].sides[0].prediction is None
    sets = table(["0/0", "0/1", "1/0", "1/1", "1/2"], None, [0, 0, 0, 0, 1], list("aabba"))
    assert example_errors(sets, "Clustering").tolist() == [0, 0, 0, 0, 0]


def test_how_far_a_similarity_is_from_its_place():
    found = table("0123", None, [0.1, 0.2, 0.3, 0.9], [4, 1, 2, 3])
    assert example_errors(found, "STS").tolist() == [0.75, 0.25, 0.25, 0.25]


def test_half_differ_a_quarter_fail_and_a_sample():
    errors = np.zeros((1000, 2))
    errors[100:300, 0] = 1  # one fails
    errors[100:110, 1] = 0.5
    errors[400:500] = 0.75  # both do
    order = np.random.default_rng(0).permutation(1000)
    chosen = choose(errors, order, 100)
    rows = {reason: [row for row, why in chosen if why == reason] for _, reason in chosen}
    assert [reason for _, reason in chosen] == (
        ["differs most"] * 50 + ["worst for all"] * 25 + ["sample"] * 25
    )
    assert all(110 <= row < 300 for row in rows["differs most"])
    assert all(400 <= row < 500 for row in rows["worst for all"])
    assert len({row for row, _ in chosen}) == 100
    assert [order[row] for row in rows["differs most"]] == sorted(
        order[row] for row in rows["differs most"]
    )
    assert any(row < 100 or row >= 500 for row in rows["sample"])
    assert choose(errors, order, 5000)[:200] != chosen
    assert len(choose(errors, order, 5000)) == 1000


@pytest.mark.parametrize("errors", [np.zeros((4, 2)), np.full((4, 2), np.nan), np.zeros((4, 0))])
def test_where_nothing_is_wrong_there_is_a_sample(errors):
    assert choose(errors, np.array([3, 2, 1, 0]), 3) == [(n, "sample") for n in (3, 2, 1)]


def large(count, seed):
    rng = np.random.default_rng(seed)
    return search([hits("d1", "x")] * count, rng.integers(0, 2, count).astype(float))


def test_many_queries_are_cut_and_counted_and_their_order_is_always_the_same():
    tables = {"a": large(500, 0), "b": large(500, 1)}
    found = pages("Retrieval", tables)
    assert len(found.queries) == 200
    assert found.left_out == 300
    assert [query.reason for query in found.queries].count("differs most") == 100
    assert all(
        query.sides[0].score != query.sides[1].score
        for query in found.queries
        if query.reason == "differs most"
    )
    for seed in range(3):
        assert pages("Retrieval", tables, shuffled=seed) == found


def test_more_models_have_fewer_queries():
    found = pages("Retrieval", {f"m{n:02}": large(300, n) for n in range(40)})
    assert len(found.queries) == 60
    assert len(found.labels) == len(found.queries[0].sides) == 40


def test_queries_with_texts_come_before_others():
    tables = {"a": large(500, 0), "b": large(500, 1)}
    names = [f"q{n}" for n in range(0, 500, 2)]
    found = pages("Retrieval", tables, texts({("query", name): "text" for name in names}))
    assert all(query.text == "text" for query in found.queries)
    few = pages("Retrieval", tables, texts({("query", "q1"): "text"}))
    assert len(few.queries) == 200


def test_of_very_many_examples_some_are_considered(monkeypatch):
    monkeypatch.setattr(reports.site.queries, "MOST_TEXTS", 50)
    found = pages("Retrieval", {"a": large(500, 0), "b": large(500, 1)})
    assert (len(found.queries), found.left_out) == (50, 450)


def test_examples_that_one_model_lacks_are_said_to_be():
    """Clustering draws its texts by seed, so that two records may have others."""
    tables = {
        "a": table(["0", "1"], [1.0, 0.0], [["x"], ["y"]], ["x", "x"]),
        "b": table(["0"], [0.5], [["x"]], ["x"]),
    }
    found = pages("Classification", tables)
    by_id = {query.id: query for query in found.queries}
    assert by_id["1"].sides[1].lacking == "not among its examples"
    assert by_id["1"].sides[1].score is None
    assert by_id["1"].gold == "x"


def test_numbers_that_json_cannot_hold_are_not_there():
    scores = [float("nan")]
    rows = ExampleRows(["q"], scores, ['{"d": Infinity, "e": NaN, "f": 0.5}'], ['{"d": 1}'])
    found = pages("Retrieval", {"a": examples_table([("test", "default", rows)])})
    assert [hit.score for hit in found.queries[0].sides[0].hits] == [None, None, 0.5]
    assert found.queries[0].sides[0].score is None
    json.dumps(asdict(found), allow_nan=False)


def test_very_many_gold_documents_are_cut():
    gold = {f"d{n:03}": 1 for n in range(300)}
    found = pages("Retrieval", {"a": search([hits("d299", "x")], [0.1], [gold])})
    (query,) = found.queries
    assert len(query.gold) == 20
    assert query.sides[0].hits[0].relevant
    assert len(query.sides[0].missed) == 20
