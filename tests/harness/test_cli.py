"""The command line as a user meets it."""

import dataclasses
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.cli import app, main
from harness.flags import SpecFlags
from harness.output import Output
from harness.spec import RunSpec
from tests.tiny_models import make_sentence_transformer

TWO = "LeeDocumentSTS,PerlFaqRetrieval"


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def refuse(capfd):
    """Runs a command that must fail with one line on standard error; returns the line."""

    def call(*arguments, code=2):
        capfd.readouterr()
        assert main([str(argument) for argument in arguments]) == code
        lines = [line for line in capfd.readouterr().err.splitlines() if "error:" in line]
        assert len(lines) == 1, lines
        return lines[0]

    return call


def run(model, output, *more, tasks=TWO):
    return main(["run", "-m", str(model), "-o", str(output), "--tasks", tasks, *more])


def stored(output):
    return {path: path.read_bytes() for path in (output / "records").rglob("*") if path.is_file()}


def clean_environment():
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def help_of(*command):
    """What a new process prints for a command's --help."""
    return subprocess.run(
        [sys.executable, "-m", "harness", *command, "--help"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


def test_help_and_import_load_nothing_heavy_and_change_nothing():
    code = (
        "import os, sys, logging; before = dict(os.environ)\n"
        "import harness, harness.cli\n"
        "heavy = {'torch', 'mteb', 'transformers', 'datasets', 'pandas', 'matplotlib', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "assert dict(os.environ) == before\n"
        "assert not logging.getLogger().handlers\n"
        "assert harness.cli.main(['--help']) == 0\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=clean_environment(), timeout=60)


def test_help_names_the_flags():
    # How quickly is in docs/benchmarks.md; what would make it slow is in the test above.
    assert "--model" in help_of("run")


def test_every_example_in_the_help_is_a_command():
    texts = []
    for command in ([], ["run"], ["plan"], ["report"], ["suites", "list"], ["suites", "describe"]):
        examples = re.findall(r"^\s*jina-eval ([^#\n]+)", help_of(*command), re.MULTILINE)
        assert examples, command
        texts += examples
    for text in texts:
        app.parse_args(shlex.split(text), exit_on_error=False, print_error=False)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "--suite", "startr"], "unknown suite 'startr'; did you mean 'starter'?"),
        (["run", "--tasks", "PerlFaq"], "'PerlFaq'; did you mean 'PerlFaqRetrieval'"),
        (["run", "-m", "minilmm"], "unknown model 'minilmm'; did you mean 'minilm'?"),
        (["run", "-m", "minilm", "--view", "dim=512"], "'dim=512' is wider than the model"),
        (["run", "--view", "dims=5"], "unknown view 'dims=5'; allowed: dim=N"),
        (["run", "-m", "lexical", "--view", "dim=5"], "not fixed; allowed: dim=full"),
        (["run", "-m", "lexical", "--precision", "float16"], "precision is 'float16'"),
        (["run", "-m", "lexical", "--device", "cuda"], "device is 'cuda'"),
        (
            ["run", "--routing", "papers"],
            "unknown routing 'papers'; allowed: paper, compact, mteb, registry, none",
        ),
        (["run", "--precision", "int8"], "allowed: auto, float32, bfloat16, float16"),
        (["run", "--seed", "-1"], "seed is -1"),
        (["run", "--seed", "x"], "--seed"),
        (["run", "--modle", "x"], "--modle"),
        (["run", "no-such.toml"], "no-such.toml: No such file"),
        (["rn"], '"rn"'),
        (["suites", "describe", "strter"], "unknown suite 'strter'"),
        (["report", "nowhere"], "nowhere is no output folder"),
        (["plan", "--suite", "nope"], "unknown suite 'nope'"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing_behind(in_folder, refuse, arguments, expected):
    assert expected in refuse(*arguments)
    assert list(in_folder.iterdir()) == []


def test_unknown_keys_of_a_file_are_refused(in_folder, refuse):
    (in_folder / "spec.toml").write_text('models = ["minilm"]')
    assert "unknown key 'models'; did you mean 'model'?" in refuse("run", "spec.toml")


def test_a_model_folder_without_weights_is_refused(in_folder, refuse, tiny_model):
    shutil.copytree(tiny_model, in_folder / "model")
    (in_folder / "model" / "model.safetensors").unlink()
    assert "no weights" in refuse("run", "-m", "model")


def test_a_run_measures_reports_and_is_not_repeated(in_folder, tiny_model, capfd):
    output = in_folder / "out"
    views = ("--view", "dim=16", "--view", "dim=4")
    assert run(tiny_model, output, *views) == 0
    printed = capfd.readouterr()
    for name in ("leaderboard.md", "leaderboard.html", "leaderboard.csv", "dimensions.png"):
        assert str(output / "reports" / name) in printed.out
        assert (output / "reports" / name).stat().st_size > 100
    assert "PerlFaqRetrieval" in printed.out
    before = stored(output)
    assert run(tiny_model, output, *views) == 0
    assert stored(output) == before
    assert "all 4 records are stored already" in capfd.readouterr().err


def test_brackets_in_names_are_letters_and_not_markup(in_folder, tiny_model, capfd):
    model = shutil.copytree(tiny_model, in_folder / "[bold]m[" / "x]")
    output = in_folder / "[red]out"
    assert run(model, output, tasks="LeeDocumentSTS") == 0
    assert "[red]out/reports/leaderboard.md" in capfd.readouterr().out
    named = shutil.copytree(tiny_model, in_folder / "[red]m")
    assert main(["plan", "-m", str(named), "-o", str(output)]) == 0
    assert "model       local/[red]m" in capfd.readouterr().out


def test_runs_resume_between_tasks_and_views(in_folder, tiny_model):
    output = in_folder / "out"
    assert run(tiny_model, output, "--view", "dim=16", tasks="LeeDocumentSTS") == 0
    before = stored(output)
    assert run(tiny_model, output, "--view", "dim=16", "--view", "dim=4") == 0
    after = stored(output)
    assert before.items() <= after.items()
    results = [path for path in after if "texts" not in path.parts]
    names = {path.name for path in results} - {path.name for path in before}
    assert names == {"PerlFaqRetrieval.json"}
    assert any("embed_dim_4" in str(path) for path in after)


def test_mteb_reads_the_records_as_its_own(in_folder, tiny_model):
    import mteb

    assert run(tiny_model, in_folder / "out", "--view", "dim=16", "--view", "dim=4") == 0
    cache = mteb.ResultCache(in_folder / "out" / "records")
    results = cache.load_results(load_experiments="match_name")
    assert {(r.experiment_name, len(r.task_results)) for r in results.model_results} == {
        (None, 2),
        ("embed_dim_4", 2),
    }
    (path,) = (in_folder / "out/records/results").glob("*/*/LeeDocumentSTS/provenance.json")
    ours = json.loads(path.read_text())["score"]
    plain = next(r for r in results.model_results if r.experiment_name is None)
    theirs = next(t for t in plain.task_results if t.task_name == "LeeDocumentSTS")
    assert theirs.get_score() == pytest.approx(ours, abs=1e-12)


def test_reports_are_drawn_from_records_alone(in_folder, tiny_model, capfd):
    assert run(tiny_model, in_folder / "out") == 0
    before = (in_folder / "out/reports/leaderboard.html").read_bytes()
    shutil.rmtree(in_folder / "out" / "reports")
    assert main(["report", "out"]) == 0
    assert (in_folder / "out/reports/leaderboard.html").read_bytes() == before
    assert main(["report", "out", "out", "-o", "twice"]) == 0
    assert (in_folder / "twice/leaderboard.html").read_bytes() == before


def test_a_corrupt_record_stops_the_run_and_nothing_is_lost(in_folder, refuse, tiny_model):
    output = in_folder / "out"
    assert run(tiny_model, output) == 0
    (path,) = output.glob("records/results/*/*/PerlFaqRetrieval.json")
    path.write_bytes(path.read_bytes()[:-10])
    before = stored(output)
    arguments = ("run", "-m", tiny_model, "-o", output, "--tasks", TWO)
    assert "corrupt record" in refuse(*arguments)
    assert "corrupt record" in refuse("report", output)
    assert stored(output) == before
    assert main([*map(str, arguments), "--overwrite"]) == 0


def test_a_record_measured_otherwise_is_never_taken_for_this_one(
    in_folder, refuse, tiny_model, monkeypatch
):
    import harness.plan

    output = in_folder / "out"
    assert run(tiny_model, output, tasks="LeeDocumentSTS") == 0
    real = harness.plan.importlib.metadata.version
    monkeypatch.setattr(
        harness.plan.importlib.metadata,
        "version",
        lambda name: "9.9" if name == "mteb" else real(name),
    )
    message = refuse("run", "-m", tiny_model, "-o", output, "--tasks", "LeeDocumentSTS")
    assert "now '9.9'" in message


def test_an_output_that_cannot_be_written_is_refused(in_folder, refuse, tiny_model):
    (in_folder / "file").write_text("not a folder")
    message = refuse("run", "-m", tiny_model, "-o", "file/out", "--tasks", TWO)
    assert "file/out cannot be written" in message


def test_two_runs_in_one_output_are_refused(in_folder, refuse, tiny_model):
    with Output(in_folder / "out").locked():
        assert "another run is writing" in refuse("run", "-m", tiny_model, "-o", "out")


def spoil(folder, change):
    from safetensors.numpy import load_file, save_file

    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path, metadata={"format": "pt"})


@pytest.mark.parametrize(("value", "expected"), [(float("nan"), "not finite"), (0.0, "zero")])
def test_vectors_that_are_none_are_refused_and_named(
    in_folder, refuse, tiny_model, value, expected
):
    model = shutil.copytree(tiny_model, in_folder / "model")
    spoil(model, lambda weights: {name: array * 0 + value for name, array in weights.items()})
    message = refuse("run", "-m", "model", "-o", "out", "--tasks", "LeeDocumentSTS")
    assert expected in message
    assert "LeeDocumentSTS" in message
    assert not list((in_folder / "out").rglob("manifest.json"))


def test_a_model_that_does_not_load_does_not_cost_the_others(in_folder, refuse, tiny_model):
    broken = shutil.copytree(tiny_model, in_folder / "broken")
    (broken / "config.json").write_text('{"model_type": "no-such-architecture"}')
    arguments = ("run", "-m", "broken", "-m", tiny_model, "-o", "out", "--tasks", TWO)
    assert "model local/broken does not load" in refuse(*arguments)
    assert "tiny" in (in_folder / "out/reports/leaderboard.md").read_text()
    assert len(list((in_folder / "out").rglob("manifest.json"))) == 2


def test_vectors_of_another_width_are_refused(in_folder, refuse, tiny_model, monkeypatch):
    from model.backends.sentence_transformers import SentenceTransformersBackend

    real = SentenceTransformersBackend._encode_chunk
    monkeypatch.setattr(SentenceTransformersBackend, "_encode_chunk", lambda *a: real(*a)[:, :-1])
    message = refuse("run", "-m", tiny_model, "-o", "out", "--tasks", "LeeDocumentSTS")
    assert re.search(r"returned shape \((\d+), 15\), expected \(\1, 16\)", message)


def test_one_task_without_a_score_does_not_cost_the_others(
    in_folder, refuse, tiny_model, monkeypatch
):
    import harness.jobs

    real = harness.jobs.evaluate_task

    def failing(task, *arguments, **options):
        if task.metadata.name == "LeeDocumentSTS":
            raise ZeroDivisionError("planted")
        return real(task, *arguments, **options)

    monkeypatch.setattr(harness.jobs, "evaluate_task", failing)
    message = refuse("run", "-m", tiny_model, "-o", "out", "--tasks", TWO, code=1)
    assert "1 of 2 tasks gave no score, first LeeDocumentSTS: unexpected Zero" in message
    assert "planted" in (in_folder / "out/failures/LeeDocumentSTS.txt").read_text()
    assert len(list((in_folder / "out").rglob("PerlFaqRetrieval/manifest.json"))) == 1
    leaderboard = (in_folder / "out/reports/leaderboard.md").read_text()
    assert "lacks" in leaderboard
    monkeypatch.setattr(harness.jobs, "evaluate_task", real)
    assert run(tiny_model, in_folder / "out") == 0


def test_a_full_disk_is_said_in_one_line_and_costs_nothing_that_was_stored(
    in_folder, refuse, tiny_model
):
    disk = in_folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("cannot mount a small tmpfs here (needs root)")
    try:
        arguments = ("run", "-m", tiny_model, "-o", disk / "out", "--tasks")
        assert main([*map(str, arguments), "LeeDocumentSTS", "--view", "dim=16", "--quiet"]) in (
            0,
            2,
        )
        before = {p: p.read_bytes() for p in disk.rglob("records/**/*") if p.is_file()}
        assert before
        # What the reports left, down to room for a record or so.
        (disk / "others").write_bytes(b"x" * (shutil.disk_usage(disk).free - 40_000))
        message = refuse(*arguments, f"{TWO},DebianFaqRetrieval,UdhrBitextMining")
        assert "No space left on device" in message
        assert "what was stored before is kept" in message
        assert all(path.read_bytes() == content for path, content in before.items())
        assert not list(disk.rglob("*.part"))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_an_interrupted_run_says_how_to_go_on(in_folder, tiny_model):
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "run", "-m", str(tiny_model), "-o", "out"],
        env=clean_environment(),
        cwd=in_folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background may have them ignore the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    output = Output(in_folder / "out")
    deadline = time.monotonic() + 90
    while not output.store.references() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1].startswith("error: interrupted; what was stored is kept")
    assert "Traceback" not in errors
    assert list(output.store.records())


def test_an_interrupt_that_a_library_swallows_ends_the_run_all_the_same(
    in_folder, tiny_model, monkeypatch, capfd
):
    import harness.jobs

    real = harness.jobs.evaluate_task

    def swallowing(*arguments, **options):
        try:
            signal.raise_signal(signal.SIGINT)
        except BaseException as interrupt:
            assert isinstance(interrupt, KeyboardInterrupt)
        return real(*arguments, **options)

    monkeypatch.setattr(harness.jobs, "evaluate_task", swallowing)
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert run(tiny_model, "out") == 130
    finally:
        signal.signal(signal.SIGINT, usual)
    assert "interrupted; what was stored is kept" in capfd.readouterr().err
    assert len(list(Output(in_folder / "out").store.records())) == 1


def test_every_key_of_the_run_spec_has_a_flag_and_no_flag_is_added_by_accident():
    keys = set(RunSpec.model_fields) - {"views", "chunkings"} | {"view", "chunking"}
    assert {field.name for field in dataclasses.fields(SpecFlags)} == keys
    flags = set(re.findall(r"^│ (--[a-z-]+)", help_of("run"), re.MULTILINE))
    assert flags == {
        f"--{key.replace('_', '-')}" for key in keys | {"output", "overwrite", "offline", "quiet"}
    }


def test_prompts_are_routed_recorded_and_can_be_left_out(in_folder):
    model = make_sentence_transformer(
        in_folder / "prompted", prompts={"query": "q q q ", "document": "d "}
    )
    task = "PerlFaqRetrieval"
    assert run(model, "out", tasks=task) == 0
    assert run(model, "out", "--routing", "none", tasks=task) == 0
    found = {}
    for path in (in_folder / "out").rglob(f"{task}/provenance.json"):
        facts = json.loads(path.read_text())
        found[facts["run_spec"]["routing"]] = facts
    prompts = {side: route["prompt"] for side, route in found["mteb"]["identity"]["routes"].items()}
    assert prompts == {"query": "q q q ", "document": "d "}
    assert {r["prompt"] for r in found["none"]["identity"]["routes"].values()} == {""}
    assert found["mteb"]["score"] != found["none"]["score"]
    assert found["mteb"]["text_count"]["tokens"] > found["none"]["text_count"]["tokens"]
    assert (in_folder / "out/reports/leaderboard.md").read_text().count("routing none") >= 1


def test_plan_says_what_is_stored_and_missing(in_folder, tiny_model, capfd):
    assert run(tiny_model, in_folder / "out", "--view", "dim=16", tasks="LeeDocumentSTS") == 0
    capfd.readouterr()
    plan = ["plan", "-m", str(tiny_model), "-o", "out", "--tasks", TWO, "--view", "dim=16"]
    assert main(plan) == 0
    printed = capfd.readouterr().out
    rows = {
        line.split()[0]: line.split()[2:]
        for line in printed.splitlines()
        if "Retr" in line or "STS" in line
    }
    assert rows["LeeDocumentSTS"][:4] == ["1", "0", "0", "0"]
    assert rows["PerlFaqRetrieval"][:3] == ["0", "1", "300"]
    assert "stored record of this model" in printed
    assert "metadata" not in printed


def test_routes_of_a_suite_are_shown_by_profile(capfd):
    assert main(["suites", "describe", "long-context", "--routes"]) == 0
    lines = capfd.readouterr().out.splitlines()
    needle = next(line for line in lines if line.startswith("LEMBNeedleRetrieval"))
    assert needle.split()[2:] == ["text-matching", "256", "retrieval.query/passage"]
    assert main(["suites", "describe", "FollowIR", "--routes"]) == 0
    assert "Core17" in capfd.readouterr().out


def test_suites_are_listed_and_described(capfd):
    assert main(["suites", "list"]) == 0
    assert "MTEB Multilingual v2" in capfd.readouterr().out
    assert main(["suites", "describe", "starter"]) == 0
    printed = capfd.readouterr().out
    assert "Summarization" in printed
    assert "UdhrBitextMining" in printed


def test_a_plan_says_what_has_to_be_fetched(capfd, tiny_model, in_folder):
    assert main(["plan", "-m", str(tiny_model), "--suite", "SciFact+STSBenchmark"]) == 0
    printed = capfd.readouterr().out
    assert "Data sets to fetch first: 2 (jina-eval fetch" in printed
    assert "Tasks estimated from their metadata: 2" in printed
    assert main(["plan", "-m", str(tiny_model)]) == 0
    assert "to fetch first" not in capfd.readouterr().out
