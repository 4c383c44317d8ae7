"""`jina-eval audit` and `published`: exit codes, messages, files."""

import csv
import json
import os
import re
import shlex
from pathlib import Path

import pytest

from harness.audit import published_name
from harness.cli import app, main
from harness.cli_audit import audit, published
from results.provenance import RouteFacts
from results.store import RecordStore
from tests.hub_server import point_client_to, serve_hub
from tests.mteb_data import write_rows
from tests.results.measured import MINILM, measured

JINA = "jinaai/jina-embeddings-v3"
TEXT_MATCHING = {"": RouteFacts(adapter="text-matching", prompt="")}


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Stores records in an output folder below runs/, in an empty working folder."""
    monkeypatch.chdir(tmp_path)

    def store(*records, folder="one"):
        for record in records:
            RecordStore(tmp_path / "runs" / folder / "records").write(record, {})

    return store


def put(root, score, revision="rev1", task="STSBenchmark", model=MINILM):
    data = {
        "dataset_revision": "r",
        "task_name": task,
        "mteb_version": "1.14.0",
        "evaluation_time": 1.0,
        "kg_co2_emissions": None,
        "scores": {
            "test": [
                {
                    "hf_subset": "default",
                    "languages": ["eng-Latn"],
                    "cosine_spearman": score,
                    "main_score": score,
                }
            ]
        },
    }
    path = root / "results" / model.replace("/", "__") / revision / f"{task}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))


def test_what_is_reproduced_exits_0(runs, capsys):
    runs(measured(0.8203))
    assert main(["audit", "minilm"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"STSBenchmark\s+repository,.*82\.03\s+82\.03\s+\+0\.00\s+reproduced", shown)
    assert re.search(r"reproduced: 1; not measured here: \d\d", shown)
    assert "ArguAna" not in shown, "what was not measured is counted"
    assert "Mean" not in shown, "there is none of a single task"
    assert main(["audit", MINILM, "--all"]) == 0
    assert re.search(r"ArguAna\s.*–\s+–\s+50\.17\s+–\s+not measured", capsys.readouterr().out)


def test_what_differs_exits_1_and_says_why(runs, capsys):
    runs(measured(0.81, precision="float16"), measured(0.8164, task="BIOSSES"))
    assert main(["audit", "minilm"]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "-1.03 differs" in shown
    assert "likely causes: precision: ours is float16; expected float32 or bfloat16" in shown
    assert "Mean over the same 2 tasks (repository, f4cc6c8b, MTEB(eng, v2)): ours 81.32" in shown
    assert "without AmazonCounterfactualClassification, ArguAna, " in shown
    assert main(["audit", "minilm", "--tolerance", "1.1"]) == 0


def test_what_cannot_be_judged_exits_2(runs, capsys):
    runs(measured(0.5, task="TaskA"))
    assert main(["audit", "minilm"]) == 2
    printed = capsys.readouterr()
    assert re.search(r"TaskA\s+–.*50\.00.*not published", printed.out)
    assert "error: nothing could be judged" in printed.err


def test_without_a_record_it_says_what_to_run_and_runs_nothing(runs, capsys, tmp_path):
    assert main(["audit", "minilm"]) == 2
    said = capsys.readouterr().err
    assert "no records of 'sentence-transformers/all-MiniLM-L6-v2' in runs/*" in said
    assert "measure it first: jina-eval run --model minilm --suite english-v1" in said
    assert list(tmp_path.iterdir()) == []
    runs(measured())
    assert main(["audit", MINILM + "x"]) == 2
    assert f"did you mean '{MINILM}'?" in capsys.readouterr().err
    assert main(["audit", "intfloat/multilingual-e5-large", "--source", "paper"]) == 2
    assert "--suite english\n" in capsys.readouterr().err
    assert main(["audit", "BAAI/bge-m3"]) == 2
    assert "--suite long-context\n" in capsys.readouterr().err


def test_records_are_read_from_the_folders_that_are_named(runs, capsys):
    runs(measured(0.8203), folder="good")
    runs(measured(0.7), folder="bad")
    assert main(["audit", "minilm", "--from", "runs/good"]) == 0
    assert main(["audit", "minilm", "--from", "runs/bad"]) == 1
    runs(measured(0.8164, task="BIOSSES"), folder="more")
    capsys.readouterr()
    assert main(["audit", "minilm", "--from", "runs/good", "--from", "runs/more"]) == 0
    assert "reproduced: 2;" in capsys.readouterr().out


def test_sources_can_be_chosen(runs, capsys):
    runs(
        measured(0.8944, model=JINA, routing="paper", routes=TEXT_MATCHING),
        measured(0.4329, model=JINA, task="ArguAna", type="Retrieval", metric="ndcg_at_10"),
    )
    assert main(["audit", JINA, "--source", "repository"]) == 0
    assert main(["audit", JINA, "--source", "paper"]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "routing: ours is mteb, the figure was made with paper" in shown
    assert "54.33 is the text-matching adapter's" in shown


def test_equal_adapters_under_another_routing_are_no_cause(runs, capsys):
    record = measured(0.5, model=JINA, routing="adapter=text-matching", routes=TEXT_MATCHING)
    runs(record)
    assert main(["audit", JINA, "--source", "repository"]) == 1
    assert "routing:" not in capsys.readouterr().out
    runs(measured(0.5, model=JINA, routing="own-12345678", routes=TEXT_MATCHING))
    assert main(["audit", JINA, "--source", "repository"]) == 1
    assert "routing: ours is own-12345678" in capsys.readouterr().out


def test_a_subset_is_what_the_benchmark_has(runs, capsys):
    scores = {
        split: {name: {"main_score": value} for name in ("en", "de")}
        for split, value in (("test", 0.6364), ("validation", 0.2))
    }
    scores["test"]["de"] = {"main_score": 0.1}
    runs(
        measured(
            0.2841,
            task="AmazonCounterfactualClassification",
            type="Classification",
            metric="accuracy",
            scores=scores,
        )
    )
    assert main(["audit", "minilm"]) == 0
    assert "compared over test/en" in " ".join(capsys.readouterr().out.split())


def test_a_checkout_is_a_source(runs, tmp_path, capsys):
    checkout = tmp_path / "checkout"
    put(checkout, 0.8203)
    put(checkout, 0.1, task="NotMeasuredHere")
    runs(measured(0.8203))
    command = ["audit", "minilm", "--published", str(checkout)]
    assert main(command) == 0
    assert re.search(r"revision rev1.*82\.03\s+82\.03", capsys.readouterr().out)
    put(checkout, 0.9, revision="rev2")
    assert main(command) == 2
    assert "name a revision" in capsys.readouterr().err
    assert main([*command, "--revision", "rev2"]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "revision: ours is 1, the figure's is rev2" in shown
    assert "mteb: ours is 2, the figure's is 1.14.0" in shown
    put(checkout, None, revision="rev3")
    assert main([*command, "--revision", "rev3"]) == 2
    assert "stored without a number: test/default" in capsys.readouterr().out


def test_a_model_of_another_name_is_audited_as_the_published_one(runs, capsys):
    runs(measured(0.8203, model="local/my-model"))
    assert main(["audit", "local/my-model"]) == 2
    assert "published score of 'local/my-model'" in capsys.readouterr().err
    assert main(["audit", "local/my-model", "--as", "minilm"]) == 0
    assert f"local/my-model: ours and published as {MINILM}" in capsys.readouterr().out
    assert published_name("local/jina-embeddings-v3") == JINA
    assert published_name("local/jina-embeddings-v3-hf") == JINA
    assert published_name("jinaai/jina-embeddings-v3-hf") == JINA
    assert published_name("local/other") == "local/other"


def test_a_folder_is_the_model_that_records_call_local(runs, tmp_path):
    (tmp_path / "all-MiniLM-L6-v2").mkdir()
    runs(measured(0.8203, model="local/all-MiniLM-L6-v2"))
    assert main(["audit", "./all-MiniLM-L6-v2"]) == 0


@pytest.mark.parametrize("suffix", [".md", ".json", ".csv"])
def test_findings_are_written(runs, tmp_path, suffix, capsys):
    runs(measured(0.81, precision="float16"))
    file = tmp_path / f"audit{suffix}"
    assert main(["audit", "minilm", "-o", str(file)]) == 1
    assert str(file) in capsys.readouterr().out
    text = file.read_text()
    if suffix == ".md":
        assert re.search(r"\| STSBenchmark \| .* \| 81.00 \| 82.03 \| -1.03 \| differs \|", text)
        assert "precision: ours is float16" in text
        assert "| ArguAna |" in text
        return
    rows = json.loads(text) if suffix == ".json" else list(csv.DictReader(text.splitlines()))
    (row,) = [row for row in rows if row["task"] == "STSBenchmark"]
    assert (row["verdict"], float(row["published"])) == ("differs", 82.03)
    assert float(row["difference"]) == pytest.approx(-1.03)
    assert "precision: ours is float16" in str(row["causes"])
    absent = next(row for row in rows if row["task"] == "ArguAna")
    assert absent["ours"] == (None if suffix == ".json" else "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--output", "audit.txt"], "output 'audit.txt': allowed: .md, .json, .csv"),
        (["--tolerance", "-1"], "tolerance is -1.0; expected points, 0 or more"),
        (["--revision", "x"], "only a checkout has revisions; give --published"),
        (["--published", "p", "--source", "paper"], "a checkout is one source"),
        (["--published", "nowhere"], "nowhere is no checkout of the results repository"),
        (["--from", "nowhere"], "nowhere is no output folder of a run"),
        (["--output", "runs/one/records/a/b.md/c.md"], None),
    ],
)
def test_mistakes_are_named(runs, arguments, said, capsys, tmp_path):
    runs(measured(0.8203))
    if said is None:
        (tmp_path / "runs/one/records/a").write_text("a file")
        said = "cannot be written"
    assert main(["audit", "minilm", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_corrupt_record_is_named(runs, tmp_path, capsys):
    runs(measured(0.8203))
    (path,) = (tmp_path / "runs").rglob("STSBenchmark.json")
    path.write_text("{}")
    assert main(["audit", "minilm"]) == 2
    assert "corrupt record" in capsys.readouterr().err


def test_brackets_in_names_are_letters_and_not_markup(runs, capsys):
    runs(measured(0.8203, model="local/[red]m"))
    assert main(["audit", "local/[red]m", "--as", "minilm"]) == 0
    assert "local/[red]m: ours" in capsys.readouterr().out


def test_published_counts_the_figures_of_all_models(capsys):
    assert main(["published"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"jinaai/jina-embeddings-v3\s+44\s+107\s+14\s+9\s+9", shown)
    assert re.search(r"BAAI/bge-m3\s+30\s+12\s+–\s+16\s+9", shown)


def test_published_lists_figures_and_why_there_is_none(capsys):
    assert main(["published", "minilm", "--kind", "task", "--benchmark", "MTEB(eng, v2)"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"STSBenchmark\s+–\s+82\.03", shown)
    assert "ArxivClusteringS2S" not in shown
    assert main(["published", JINA, "--kind", "length"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "LEMBNeedleRetrieval 256 64.00" in shown
    assert "LEMBNeedleRetrieval 512 – – ndcg_at_1 repository, f4cc6c8b not stored" in shown
    assert main(["published", "--kind", "matryoshka"]) == 0
    assert "52.54" in capsys.readouterr().out


def test_published_reads_a_checkout(tmp_path, capsys):
    put(tmp_path, 0.8203)
    put(tmp_path, None, task="BIOSSES")
    assert main(["published", "minilm", "--published", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"STSBenchmark\s+test\s+default\s+cosine_spearman\s+82\.03\s+1\.14\.0", shown)
    assert re.search(r"BIOSSES\s+test\s+default\s+–\s+–", shown)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a/b"], "no figures of model 'a/b'; models: jinaai/jina-embeddings-v3, "),
        (["minilm", "--kind", "tasks"], "no kind of figure: 'tasks'; allowed: mean, task,"),
        (["--benchmark", "MTEB"], "no figures of benchmark 'MTEB'; benchmarks: MTEB(eng, v1),"),
        (["minilm", "--kind", "matryoshka"], "kind 'matryoshka' together"),
        (["minilm", "--revision", "x"], "only a checkout has revisions"),
        (["--published", "x"], "name the model"),
        (["minilm", "--published", "x", "--kind", "task"], "a checkout holds tasks alone"),
        (["minilm", "--published", "nowhere"], "nowhere is no checkout"),
    ],
)
def test_mistakes_of_published_are_named(arguments, said, capsys):
    assert main(["published", *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("command", [audit, published])
def test_every_example_is_a_command(command):
    examples = re.findall(r"^\s*jina-eval ([^#\n]+)", command.__doc__, re.MULTILINE)
    assert len(examples) > 2
    for example in examples:
        app.parse_args(shlex.split(example), exit_on_error=False, print_error=False)


def test_minilm_reproduces_its_published_sts_benchmark(tmp_path, monkeypatch, capsys):
    """The whole way, from a run over the real data to the audit of its record."""
    folder = os.environ.get("JINA_EVAL_STSBENCHMARK")
    if not folder:
        pytest.skip("JINA_EVAL_STSBENCHMARK names no folder with the real test.csv")
    import mteb

    with (Path(folder) / "test.csv").open(encoding="utf-8", newline="") as file:
        rows = [
            {"sentence1": a, "sentence2": b, "score": float(score)}
            for a, b, score in csv.reader(file)
        ]
    write_rows(tmp_path / "real" / "test.jsonl.gz", rows)
    data = mteb.get_task("STSBenchmark").metadata.dataset
    with serve_hub() as hub:
        point_client_to(hub, tmp_path / "cache", monkeypatch)
        hub.add_dataset(data["path"], tmp_path / "real", data["revision"])
        output = str(tmp_path / "run")
        command = ["run", "-m", "minilm", "--suite", "STSBenchmark", "-o", output, "--quiet"]
        assert main([*command, "--device", "cpu", "--cache", "off"]) == 0
    capsys.readouterr()
    assert main(["audit", "minilm", "--from", output]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"STSBenchmark\s.*82\.03\s+82\.03\s+\+0\.00\s+reproduced", shown)
