"""A route's dimension: chosen from a sweep, written as a routing, read by a run."""

import tomllib

import pytest

from harness.cli import main
from model.routing_table import read_table
from results.store import RecordStore
from tests.tiny_jina import make_jina_checkpoints

TASKS = "PerlFaqRetrieval,LeeDocumentSTS"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("compact")


@pytest.fixture(scope="module")
def model(root):
    return str(make_jina_checkpoints(root).native)


@pytest.fixture(scope="module")
def sweep(root, model):
    output = root / "sweep"
    views = [flag for dim in (32, 16, 8) for flag in ("--view", f"dim={dim}")]
    assert main(["run", "-m", model, "--tasks", TASKS, "-o", str(output), "--quiet", *views]) == 0
    return output


def records(output):
    return {record.ref.task: record for record in RecordStore(output / "records").records()}


def test_a_sweep_becomes_a_routing_that_a_run_takes(root, model, sweep, capsys):
    assert main(["routing", "compact", "--from", str(sweep), "--keep", "0.5"]) == 0
    shown = capsys.readouterr().out
    assert "Dimensions that suffice" in shown
    file = sweep / "compact.toml"
    content = tomllib.loads(file.read_text())
    assert content["base"] == "paper"
    assert set(content["types"]) == {"Retrieval", "STS"}
    assert "over 1 tasks" in content["types"]["STS"]["source"]
    table = read_table(file)
    dims = {kind: table.dim("Any", kind) or 32 for kind in ("Retrieval", "STS")}

    output = root / "compact"
    command = ["run", "-m", model, "--tasks", TASKS, "--routing", str(file), "-o", str(output)]
    assert main([*command, "--quiet"]) == 0
    found = records(output)
    assert {name: record.provenance.dim for name, record in found.items()} == {
        "PerlFaqRetrieval": dims["Retrieval"],
        "LeeDocumentSTS": dims["STS"],
    }
    for record in found.values():
        assert record.provenance.view == "dim=route"
        assert record.provenance.identity.dim == record.provenance.dim
        assert "embed_dim_route" in record.ref.experiment
        same = [
            other
            for other in RecordStore(sweep / "records").records()
            if (other.ref.task, other.provenance.dim) == (record.ref.task, record.provenance.dim)
        ]
        assert [other.provenance.score for other in same] == [record.provenance.score]
    board = (output / "reports" / "leaderboard.md").read_text()
    if len(set(dims.values())) > 1:
        assert f"{min(dims.values())}–{max(dims.values())} of 32" in board
    assert main([*command, "--quiet"]) == 0, "what is stored is found again"


def test_a_changed_dimension_is_another_measurement(root, model, capsys):
    file, output = root / "own.toml", root / "own"
    command = ["run", "-m", model, "--tasks", "LeeDocumentSTS", "-o", str(output), "--quiet"]
    file.write_text('base = "paper"\n[types.STS]\ndim = 8\n')
    assert main([*command, "--routing", str(file)]) == 0
    file.write_text('base = "paper"\n[types.STS]\ndim = 16\n')
    assert main([*command, "--routing", str(file)]) == 0
    dims = sorted(r.provenance.dim for r in RecordStore(output / "records").records())
    assert dims == [8, 16]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--routing", "compact"], "routing 'compact' reads 256 dimensions, but vectors of"),
        (["--view", "dim=route"], "view 'dim=route': routing 'paper' states no dimensions"),
    ],
)
def test_what_cannot_be_read_is_refused_before_anything_runs(model, root, arguments, said, capsys):
    output = root / "refused"
    command = ["run", "-m", model, "--tasks", "PerlFaqRetrieval", "-o", str(output)]
    assert main([*command, *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not list(output.glob("records/**/*.json"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--keep", "1.5"], "keep is 1.5"),
        (["--model", "org/none"], "no such records; there are: local/native under paper"),
        (["--routing", "mteb"], "no such records"),
        (["--output", "x.json"], "a routing is written as .toml"),
    ],
)
def test_mistakes_are_named(sweep, arguments, said, capsys):
    assert main(["routing", "compact", "--from", str(sweep), *arguments]) == 2
    assert said in capsys.readouterr().err


def test_only_a_run_has_a_sweep(tmp_path, capsys):
    assert main(["routing", "compact", "--from", str(tmp_path)]) == 2
    assert "is no output folder of a run" in capsys.readouterr().err


def test_own_texts_have_no_route(model, tmp_path, capsys):
    (tmp_path / "t.txt").write_text("a\n")
    command = ["encode", "-m", model, "-i", str(tmp_path / "t.txt"), "-o", "v.npy"]
    assert main([*command, "--view", "dim=route"]) == 2
    assert "only tasks have routes" in capsys.readouterr().err
