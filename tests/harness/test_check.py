"""`jina-eval check`, from the command line to the exit code and the files."""

import shutil
import xml.etree.ElementTree as ET

import pytest

import harness.check
from harness.cli import main
from harness.errors import RunError
from results.gate.reference import Cost, GateReference
from tests.tiny_models import make_sentence_transformer

TASKS = "DebianFaqReranking,LeeDocumentSTS"
VIEWS = ("--view", "dim=16", "--view", "dim=8")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny model with other random weights, better ones by luck, than the tests' usual."""
    return make_sentence_transformer(tmp_path_factory.mktemp("gate-model") / "lucky", seed=1)


@pytest.fixture(scope="module")
def made(model, tmp_path_factory):
    """A reference of the model, and where its records are."""
    folder = tmp_path_factory.mktemp("gate")
    flags = ["--model", str(model), "--tasks", TASKS, *VIEWS, "--workers", "0"]
    where = ["--reference", str(folder / "reference"), "--output", str(folder / "checks")]
    code = main(["check", *flags, *where, "--update", "--reason", "first", "--quiet"])
    assert code == 0
    return folder


def check(made, *more, quiet=True, output=None):
    output = output or made / "checks"
    arguments = ["--reference", str(made / "reference"), "--output", str(output)]
    return main(["check", *arguments, "--workers", "0", *more, *(["--quiet"] if quiet else [])])


def test_the_same_model_passes_and_says_so(made, capsys):
    assert check(made, quiet=False) == 0
    said = capsys.readouterr().out
    assert "As good or better: of 4 records 4 equal." in said
    (folder,) = (made / "checks").glob("starter-lucky-*")
    assert (folder / "check.md").read_text().startswith("# Regression gate\n\nAs good or better")
    assert not (folder / "vectors").exists()


def test_a_worse_model_is_a_regression(made, tiny_model, tmp_path, capsys):
    report, summary = tmp_path / "junit.xml", tmp_path / "summary.md"
    summary.write_text("before\n")
    policy = tmp_path / "policy.toml"
    policy.write_text("[other_weights]\nrule = 'absolute'\nallowed_drop = 0\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_STEP_SUMMARY", str(summary))
        files = ["--junit", str(report), "--markdown", str(tmp_path / "out.md")]
        code = check(made, "--model", str(tiny_model), "--policy", str(policy), *files)
    root = ET.parse(report).getroot()
    suites = {suite.get("name"): suite for suite in root}
    assert set(suites) == {"dim=16", "dim=8"}
    failures = sum(int(suite.get("failures")) for suite in root)
    assert len(root.findall(".//failure")) == failures
    assert all(len(suite) == int(suite.get("tests")) == 4 for suite in root)
    assert (code, failures) == (1, 8)
    markdown = (tmp_path / "out.md").read_text()
    assert "Regression: of 4 records" in markdown
    assert summary.read_text() == f"before\n{markdown}\n"
    assert "Regression" in capsys.readouterr().out


def test_flags_narrow_what_is_judged(made, capsys):
    assert check(made, "--tasks", "LeeDocumentSTS", "--view", "dim=8", quiet=False) == 0
    said = capsys.readouterr().out
    assert "of 1 records 1 equal" in said
    assert "3 others were not to be judged" in said
    assert check(made, "--view", "dim=4") == 2
    assert "its views are dim=16, dim=8" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [("--max-length", "9"), ("--routing", "none"), ("--seed", "7")])
def test_another_spec_cannot_be_judged(made, flags, capsys):
    assert check(made, *flags) == 2
    assert "Not judged: of 4 records 4 not judged." in capsys.readouterr().out


def test_stored_records_are_judged_without_measuring(made, tiny_model, capsys, monkeypatch):
    (folder,) = (made / "checks").glob("starter-lucky-*")
    monkeypatch.setattr(harness.check, "measure", None)
    assert check(made, "--from", str(folder)) == 0
    assert check(made, "--from", str(folder), "--model", str(tiny_model)) == 2
    assert "no records of" in capsys.readouterr().err


def test_a_task_without_a_score_is_no_pass(made, tmp_path, monkeypatch, capsys):
    from model.errors import ModelError
    from model.views import View

    def refuse(self, *arguments):
        raise ModelError("a vector is not finite")

    monkeypatch.setattr(View, "read", refuse)
    assert check(made, output=tmp_path) == 2
    assert "not judged" in capsys.readouterr().out


def test_a_crash_is_no_regression(made, monkeypatch, capsys):
    monkeypatch.setattr(harness.check, "judge", lambda *_: 1 / 0)
    assert check(made) == 2
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_an_update_demands_a_reason(made, capsys):
    before = (made / "reference" / "reference.json").read_bytes()
    for reason in ([], ["--reason", "  "]):
        assert check(made, "--update", *reason) == 2
        assert "say why with --reason" in capsys.readouterr().err
    assert (made / "reference" / "reference.json").read_bytes() == before
    assert check(made, "--reason", "for fun") == 2
    assert "--reason says something of a new reference" in capsys.readouterr().err


def test_an_update_keeps_the_reasons_and_measures_other_seeds(made, model, tmp_path, capsys):
    folder = tmp_path / "reference"
    where = ["--reference", str(folder), "--output", str(made / "checks"), "--workers", "0"]
    flags = ["--model", str(model), "--tasks", TASKS, *VIEWS, "--quiet", "--update"]
    assert main(["check", *where, *flags, "--reason", "first"]) == 0
    assert main(["check", *where, "--update", "--quiet", "--reason", "so", "--seeds", "2"]) == 0
    assert "Held against the reference before it: As good or better" in capsys.readouterr().out
    found = GateReference.read(folder)
    assert [update.reason for update in found.history] == ["first", "so"]
    # Neither task draws anything: another seed is judged, and as strictly.
    assert found.spread == {"DebianFaqReranking": 0.0, "LeeDocumentSTS": 0.0}
    assert found.run_spec["views"] == ["dim=16", "dim=8"]
    assert main(["check", *where, "--quiet", "--seed", "7"]) == 0


def test_no_reference_is_written_without_every_score(tiny_model, tmp_path, capsys, monkeypatch):
    from model.errors import ModelError
    from model.views import View

    def refuse(self, *arguments):
        raise ModelError("a vector is not finite")

    monkeypatch.setattr(View, "read", refuse)
    flags = ["--model", str(tiny_model), "--tasks", "LeeDocumentSTS", "--workers", "0", "--quiet"]
    where = ["--reference", str(tmp_path / "reference"), "--output", str(tmp_path)]
    assert main(["check", *flags, *where, "--update", "--reason", "x"]) == 2
    assert (
        "no reference was written: LeeDocumentSTS, dim=16 has no score" in capsys.readouterr().err
    )
    assert not (tmp_path / "reference").exists()


def test_without_a_reference_nothing_passes(tmp_path, capsys):
    assert main(["check", "--reference", str(tmp_path)]) == 2
    assert "jina-eval check --update makes one" in capsys.readouterr().err


def test_speed_and_memory_are_measured_in_the_same_run(model, monkeypatch):
    import harness.check_cost
    from harness.plan import resolve_run
    from harness.spec import RunSpec

    monkeypatch.setattr(harness.check_cost, "_ROUNDS", 1)
    run = resolve_run(RunSpec(model=str(model)))
    cost = harness.check_cost.measure_cost(run, quiet=True, texts=4)
    assert cost.speed > 0
    assert 0.2 < cost.memory < 5
    assert cost.texts == 4
    lexical = resolve_run(RunSpec(model="lexical"))
    with pytest.raises(RunError, match="no encoder whose speed"):
        harness.check_cost.measure_cost(lexical, quiet=True)


def test_a_policy_may_bound_speed(made, tmp_path, monkeypatch):
    import harness.check_cost

    cost = Cost(speed=2.0, memory=1.0, device="cpu", texts=4)
    monkeypatch.setattr(harness.check_cost, "measure_cost", lambda *_, **__: cost)
    reference = tmp_path / "reference"
    shutil.copytree(made / "reference", reference)
    where = ["--reference", str(reference), "--output", str(made / "checks"), "--quiet"]
    more = ["--workers", "0", "--speed"]
    policy = reference / "policy.toml"
    policy.write_text("speed = 0.9\n")
    assert main(["check", *where, *more]) == 2  # the reference has no speed
    assert main(["check", *where, *more, "--update", "--reason", "speed"]) == 0
    assert GateReference.read(reference).cost == cost
    assert main(["check", *where, *more]) == 0
    slower = cost.model_copy(update={"speed": 1.7})
    monkeypatch.setattr(harness.check_cost, "measure_cost", lambda *_, **__: slower)
    assert main(["check", *where]) == 1
    # Of stored records nobody knows how quick they were beside another.
    (folder,) = (made / "checks").glob("starter-lucky-*")
    assert main(["check", *where, "--from", str(folder)]) == 2
