"""`jina-eval results` and `jina-eval compare` over the records of a real run."""

import json

import mteb
import pytest

from harness.cli import main
from harness.output import Output

TASKS = "PerlFaqRetrieval,LeeDocumentSTS,WordNetSupersenseClustering"


@pytest.fixture(scope="module")
def run(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "out"
    arguments = ["--model", str(tiny_model), "--model", "lexical", "--tasks", TASKS, "--quiet"]
    views = ["--view", "dim=16", "--view", "dim=4"]
    assert main(["run", *arguments, *views, "--workers", "0", "--output", str(folder)]) == 0
    return folder


def error(capfd):
    return next(x for x in capfd.readouterr().err.splitlines() if x.startswith("error:"))


def test_list_says_what_was_measured(run, capfd):
    capfd.readouterr()
    assert main(["results", "list", "--from", str(run)]) == 0
    shown = capfd.readouterr().out
    assert "dim=4" in shown
    assert "lexical" in shown
    assert main(["results", "list", "--from", str(run / "records")]) == 2
    assert "is no output folder of a run" in error(capfd)


def test_show_gives_every_metric_and_where_it_comes_from(run, capfd):
    capfd.readouterr()
    assert main(["results", "show", "PerlFaqRetrieval", "--from", str(run)]) == 0
    shown = capfd.readouterr().out
    for word in ("ndcg_at_10", "examples", "150 of 150", "dim=16", "dim=4", "lexical", "finished"):
        assert word in shown
    assert main(["results", "show", "Nothing", "--from", str(run)]) == 2
    assert "no record of task 'Nothing'" in error(capfd)


def test_an_export_is_what_mteb_reads(run, tmp_path, capfd):
    assert main(["results", "export", "--from", str(run), "--to", str(tmp_path / "results")]) == 0
    loaded = mteb.ResultCache(tmp_path).load_results(validate_and_filter=False)
    found = {
        (model.model_name, task.task_name): task.get_score()
        for model in loaded.model_results
        for task in model.task_results
    }
    plain = [r for r in Output(run).store.records() if r.ref.experiment is None]
    assert len(found) == len(plain) == 6
    for record in plain:
        score = found[record.ref.model, record.ref.task]
        assert score == pytest.approx(record.provenance.score, abs=1e-5)
    arguments = ["results", "export", "--from", str(run), "--to", str(tmp_path / "x")]
    assert main([*arguments, "--model", "nobody/none"]) == 2
    assert "no plain records to export" in error(capfd)


def test_compare_views_of_one_model(run, tmp_path, capfd):
    output = tmp_path / "c.json"
    names = ["tiny@dim=16", "tiny@dim=4", "lexical"]
    capfd.readouterr()
    assert main(["compare", *names, "--from", str(run), "--output", str(output)]) == 0
    shown = capfd.readouterr().out
    assert "Overall" in shown
    assert "compared with" in shown
    narrow, lexical = json.loads(output.read_text())
    by_task = {task["task"]: task for task in lexical["tasks"]}
    search = by_task["PerlFaqRetrieval"]
    assert search["verdict"] == "better"  # word matching beats random weights
    assert search["p"] < 0.01
    assert search["low"] <= search["difference"] <= search["high"]
    assert search["examples"] == 150
    pairs = by_task["LeeDocumentSTS"]
    assert (pairs["examples"], pairs["units"]) == (1225, 50)
    assert by_task["WordNetSupersenseClustering"]["verdict"] == "better"
    assert {task["task"] for task in narrow["tasks"]} == set(TASKS.split(","))
    markdown = tmp_path / "c.md"
    assert main(["compare", *names[:2], "--from", str(run), "-o", str(markdown)]) == 0
    assert "compared with" in markdown.read_text()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["tiny"], "needs a baseline and at least one other"),
        (["tiny", "nobody"], "nothing here is 'nobody'; there are: lexical, tiny"),
        (["tiny", "tiny@dim=8"], "was not measured in view 'dim=8'; there are: dim=16, dim=4"),
        (["tiny", "tiny@colour=red"], "unknown setting 'colour'"),
        (["tiny", "tiny@fast"], "'fast' is neither a view nor a setting"),
    ],
)
def test_what_cannot_be_compared_is_named(run, names, message, capfd):
    assert main(["compare", *names, "--from", str(run)]) == 2
    assert message in error(capfd)
