"""Texts of examples: those that were encoded, under the ids that records give them."""

import json
from collections import defaultdict

import pytest
from mteb.mocks import MOCK_TASK_TEST_GRID

import harness.example_rows
import harness.example_texts
import results.texts
from harness.cli import main
from harness.example_texts import TextCollector
from harness.output import Output
from harness.plan import make_plan, resolve_run
from harness.run import execute
from harness.spec import RunSpec
from results.store import RecordStore
from results.texts import ExampleTexts, encode_texts, join_texts, kept_part
from tasks.suites import get_suite
from tasks.text_lookup import TextLookup
from tasks.texts import task_texts
from tests.harness.test_evaluation import PairOfSearches
from tests.harness.test_examples import load, measure, starter
from tests.tasks.encoders import OracleEncoder, RandomEncoder

TYPES = [pytest.param(task, id=task.metadata.name) for task in MOCK_TASK_TEST_GRID]
SEARCHES = ("query", "document")
TASK = "PerlManualLongRetrieval"


def perl_faq():
    tasks = {task.metadata.name: task for task in get_suite("starter").tasks()}
    return load(tasks["PerlFaqRetrieval"])


def collected(loaded, *examples):
    """All texts of some records' examples, as one collector brings them."""
    collector = TextCollector(loaded.task)
    tables = [collector.new_texts(one) for one in examples]
    return join_texts([table for table in tables if table is not None])


def same(first, second):
    return encode_texts(first, "T", "h") == encode_texts(second, "T", "h")


@pytest.mark.parametrize("template", TYPES)
def test_every_example_has_the_texts_that_were_encoded(template):
    loaded = load(template)
    examples = measure(loaded).examples
    table = collected(loaded, examples)
    texts = ExampleTexts([table])
    encoded = {kept_part(text.text).text for text in task_texts(loaded.task)}
    for row in table.itertuples():
        parts = row.text.split("\n\n") if row.side == "human" else [row.text]
        assert all(kept_part(part).text in encoded for part in parts)
    lookup = TextLookup(loaded.task)
    for row in examples.itertuples():
        kind, place = lookup.type(row.subset), (row.split, row.subset)
        wanted = [(side, row.id) for side in lookup.sides(row.subset)]
        if set(SEARCHES) == set(lookup.sides(row.subset)):
            documents = {**json.loads(row.gold), **json.loads(row.prediction)}
            wanted = [("query", row.id), *(("document", name) for name in documents)]
        elif kind == "BitextMining":
            wanted = [("first", row.id), ("second", row.gold), ("second", row.prediction)]
        elif kind == "ZeroShotClassification":
            wanted = [("text", row.id), ("label", row.gold), ("label", row.prediction)]
        elif kind == "Summarization":
            count = len(json.loads(row.gold))
            wanted = [("machine", f"{row.id}/{n}") for n in range(count)] + [("human", row.id)]
        for side, name in wanted:
            assert texts.find(*place, side, name) is not None, (side, name)
    assert TextCollector(loaded.task).new_texts(examples.iloc[:0]) is None


def columns(loaded, split, *names):
    return [loaded.task.dataset[split][name][:] for name in names]


def test_ids_lead_to_their_own_texts():
    """Where the oracle finds what is right, gold and prediction are one text."""
    loaded = starter("STS")
    examples = measure(loaded).examples
    texts = ExampleTexts([collected(loaded, examples)])
    first, second = columns(loaded, "test", *loaded.task.column_names)
    for row in examples.itertuples():
        place = (row.split, row.subset)
        assert texts.find(*place, "first", row.id) == kept_part(first[int(row.id)])
        assert texts.find(*place, "second", row.id) == kept_part(second[int(row.id)])

    loaded = starter("Reranking")
    texts = ExampleTexts([collected(loaded, measure(loaded).examples)])
    found = defaultdict(int)
    for subset in loaded.task.hf_subsets:
        data = loaded.task.dataset[subset]["test"]
        for side, part in (("query", data["queries"]), ("document", data["corpus"])):
            for row in part:
                kept = texts.find("test", subset, side, row["id"])
                title = row.get("title", "")
                whole = f"{title} {row['text']}".strip() if title else row["text"]
                if kept is not None:
                    found[side] += 1
                    assert kept == kept_part(whole)
    assert found["query"] == 198
    assert found["document"] > 100


def test_sets_of_texts_are_looked_up_by_set_and_place():
    loaded = load(next(t for t in MOCK_TASK_TEST_GRID if t.metadata.name == "MockClusteringTask"))
    texts = ExampleTexts([collected(loaded, measure(loaded).examples)])
    (sentences,) = columns(loaded, "test", loaded.task.input_column_name)
    for number, sentence in enumerate(sentences[0]):
        assert texts.find("test", "default", "text", f"0/{number}").text == sentence


def test_the_parts_of_an_aggregate_have_their_texts():
    loaded = load(PairOfSearches())
    table = collected(loaded, measure(loaded).examples)
    assert set(table["subset"]) == {
        "PerlFaqRetrieval/default",
        "StateOfTheUnionLongRetrieval/default",
    }
    with pytest.raises(ValueError, match="no part has subset 'x'"):
        TextLookup(loaded.task).type("x")


def test_pairs_in_one_row():
    from datasets import Dataset

    loaded = starter("PairClassification")
    split = loaded.task.dataset
    several = split["test"]
    split["test"] = Dataset.from_dict({name: [several[name][:]] for name in several.column_names})
    lookup = TextLookup(loaded.task)
    column = loaded.task.input2_column_name
    assert lookup.texts("test", "default", "second", ["3", "0"]) == [
        several[3][column],
        several[0][column],
    ]


def test_what_is_not_there_is_none():
    loaded = starter("Retrieval")
    subset = loaded.task.hf_subsets[0]
    lookup = TextLookup(loaded.task)
    corpus = loaded.task.dataset[subset]["test"]["corpus"]
    name = corpus[3]["id"]
    found = lookup.texts("test", subset, "document", ["nothing", name, "\x00", name])
    assert found[0] is found[2] is None
    assert found[1] == found[3]
    assert corpus[3]["text"] in found[1]


@pytest.mark.parametrize("most", [20_000, 150])
def test_records_bring_what_is_new_and_their_order_is_nothing(monkeypatch, most):
    for module in (results.texts, harness.example_texts):
        monkeypatch.setattr(module, "MOST_TEXTS", most)
    loaded = perl_faq()
    every = [measure(loaded, RandomEncoder(16, seed)).examples for seed in range(3)]
    collector = TextCollector(loaded.task)
    first, second = (collector.new_texts(one) for one in every[:2])
    assert collector.new_texts(every[0]) is None
    ranks = [table.set_index(results.texts._KEY)["rank"] for table in (first, second)]
    again = ranks[0].index.intersection(ranks[1].index)
    assert (ranks[1][again] < ranks[0][again]).all()
    assert len(again) < len(first) // 2
    union = collected(loaded, *every)
    assert same(union, collected(loaded, *reversed(every)))
    assert same(union, join_texts([collected(loaded, one) for one in every]))
    assert len(union) == min(most, len(union))
    if most == 150:
        assert len(union) == most
        # Of the queries that are kept, all but the last one have their documents.
        queries = union[union["side"] == "query"].sort_values("rank")
        kept = set(zip(union["subset"], union["id"], strict=True))
        table = every[0].set_index(["subset", "id"])
        for row in queries.itertuples():
            if row.rank < union["rank"].max():
                hits = json.loads(table.loc[(row.subset, row.id), "prediction"])
                assert {(row.subset, name) for name in hits} <= kept


def test_the_best_documents_are_those_that_were_scored():
    loaded = perl_faq()
    found = measure(loaded, OracleEncoder(loaded.task)).examples
    for row in found.itertuples():
        hits = json.loads(row.prediction)
        assert len(hits) == 10
        assert list(hits.values()) == sorted(hits.values(), reverse=True)
        assert next(iter(hits)) in json.loads(row.gold)
        assert hits[next(iter(hits))] == pytest.approx(1, abs=1e-5)


class FakeTask:
    skip_first_result = False
    metadata = None


def best(found, *, skip=False):
    task = FakeTask()
    task.skip_first_result = skip
    values = dict.fromkeys(harness.example_rows.Measured.__dataclass_fields__)
    measured = harness.example_rows.Measured(**(values | {"task": task}))
    return harness.example_rows._best(measured, found)


def test_the_best_ten_are_ordered_as_they_are_scored():
    found = {f"d{n:02}": float(n % 7) for n in range(30)}
    expected = sorted(found, key=lambda name: (found[name], name), reverse=True)[:10]
    assert list(best(found)) == expected
    assert best({"a": 0.123456789, "b": -1e-9}) == {"a": 0.123457, "b": -1e-9}
    assert list(best({"a": 1.0, "b": 3.0, "c": 2.0}, skip=True)) == ["c", "a"]
    assert best({}) == {}
    assert best({"(no document was found)": 0.0, "(nor a second one)": -1.0}) == {}


def test_a_large_tasks_hits_are_kept_of_some_queries(monkeypatch):
    monkeypatch.setattr("harness.examples.MOST_SEARCHES", 40)
    loaded = starter("Reranking")
    examples = measure(loaded).examples
    counts = examples.groupby("subset")["prediction"].count()
    assert set(counts) == {40 // len(counts)}
    table = collected(loaded, examples)
    assert len(table[table["side"] == "query"]) == counts.sum()


# --- runs -------------------------------------------------------------------------------------


class Silent:
    def __getattr__(self, name):
        return lambda *arguments: None


def run(folder, model, **changes):
    values = {"model": str(model), "tasks": (TASK,), "views": ("dim=16", "dim=8"), "workers": 0}
    output = Output(folder)
    plan = make_plan(resolve_run(RunSpec(**(values | changes))), output.store)
    outcome = execute(plan, output, Silent())
    assert not outcome.refused, outcome.refused
    assert all(record.texts is None for record in outcome.measured)
    return output.store


def files(store):
    return {path.name: path.read_bytes() for path in (store.root / "texts").rglob("*.parquet")}


def test_a_resumed_run_keeps_what_a_whole_one_does(tiny_model, tmp_path):
    whole = run(tmp_path / "whole", tiny_model)
    record = next(whole.records())
    texts = whole.texts(TASK, record.provenance.task.content_hash)
    for ref in whole.references():
        for row in whole.examples(ref).itertuples():
            assert texts.find(row.split, row.subset, "query", row.id)
            for name in {**json.loads(row.gold), **json.loads(row.prediction)}:
                assert texts.find(row.split, row.subset, "document", name)
    parts = run(tmp_path / "parts", tiny_model, views=("dim=8",))
    assert files(parts) != files(whole) or len(texts) < 78
    assert files(run(tmp_path / "parts", tiny_model)) == files(whole)
    again = run(tmp_path / "again", tiny_model)
    ref = again.references()[0]
    (again.folder(ref) / ref.task / "manifest.json").unlink()
    assert files(run(tmp_path / "again", tiny_model)) == files(whole)


def test_no_texts_are_kept_where_none_are_wanted(tiny_model, tmp_path, capfd):
    arguments = ["run", "--model", str(tiny_model), "--tasks", TASK, "--view", "dim=8"]
    folder = tmp_path / "run"
    assert main([*arguments, "--no-texts", "--quiet", "--output", str(folder)]) == 0
    store = RecordStore(folder / "records")
    (ref,) = store.references()
    assert store.examples(ref)["prediction"].notna().all()
    assert not (store.root / "texts").exists()
    # It decides no score, so that the record counts as stored without it.
    with_texts = run(folder, tiny_model, views=("dim=8",))
    assert files(with_texts) == {}


def test_an_export_has_no_texts(tiny_model, tmp_path, capfd):
    store = run(tmp_path / "run", tiny_model, views=("dim=16",))
    assert files(store)
    to = tmp_path / "export"
    assert main(["results", "export", "--from", str(tmp_path / "run"), "--to", str(to)]) == 0
    assert {path.name for path in to.rglob("*") if path.is_file()} == {
        f"{TASK}.json",
        "model_meta.json",
    }
