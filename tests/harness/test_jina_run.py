"""`jina-eval run` on jina-embeddings-v3: every task type on its adapter, both layouts alike."""

import json

import pytest

from harness.cli import main
from harness.plan import resolve_run
from harness.spec import RunSpec
from model.backends import load_backend
from model.checkpoint import PROMPTS
from model.dense_search import DenseMtebEncoder
from model.mteb_encoder import model_meta
from model.routing import Route, make_routing
from model.source import resolve_model
from model.task_vectors import TaskVectors
from model.views import View
from results.provenance import RouteFacts
from tests.tiny_jina import make_jina_checkpoints

ROUTES = {
    "PerlFaqRetrieval": {"query": "retrieval.query", "document": "retrieval.passage"},
    "DebianFaqReranking": {"query": "separation", "document": "separation"},
    "WordNetSupersenseClassification": {"": "classification"},
    "WebFeaturesMultilabelClassification": {"": "classification"},
    "WordNetSupersenseClustering": {"": "separation"},
    "BibleVersePairClassification": {"": "classification"},
    "LeeDocumentSTS": {"": "text-matching"},
    "UdhrBitextMining": {"": "text-matching"},
}
"""A task of every type in the starter suite, with the adapter that mteb's wrapper gives it."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The output of a run on each layout."""
    root = tmp_path_factory.mktemp("jina")
    folders = make_jina_checkpoints(root)
    options = ["--tasks", ",".join(ROUTES), "--view", "dim=32", "--view", "dim=16", "--quiet"]
    outputs = {}
    for layout in ("original", "native"):
        outputs[layout] = root / f"run-{layout}"
        command = ["run", "-m", str(getattr(folders, layout)), "-o", str(outputs[layout])]
        assert main([*command, *options]) == 0
    return outputs


def provenances(output):
    files = (output / "records").rglob("provenance.json")
    return [json.loads(path.read_text()) for path in files]


def test_every_side_of_every_task_gets_its_adapter_and_prompt(runs):
    found = {}
    for facts in provenances(runs["native"]):
        routes = facts["identity"]["routes"]
        found[facts["identity"]["task"]] = {side: one["adapter"] for side, one in routes.items()}
        for route in routes.values():
            assert route["prompt"] == PROMPTS[route["adapter"]]
        assert facts["environment"]["attention"] == "sdpa"
        assert facts["model"]["backend"] == "jina-embeddings-v3"
        assert facts["coverage"]["n_scored"] == facts["coverage"]["n_expected"]
    assert {task: dict(routes) for task, routes in found.items()} == ROUTES


def test_both_layouts_score_the_same(runs):
    scores = {
        layout: {
            (facts["identity"]["task"], facts["view"]): facts["score"]
            for facts in provenances(output)
        }
        for layout, output in runs.items()
    }
    assert len(scores["native"]) == 2 * len(ROUTES)
    assert scores["native"] == pytest.approx(scores["original"], abs=1e-6)


def test_a_second_run_measures_nothing(runs, capfd):
    folder = runs["native"].parent / "native"
    options = ["--tasks", ",".join(ROUTES), "--view", "dim=32", "--view", "dim=16"]
    assert main(["run", "-m", str(folder), "-o", str(runs["native"]), *options]) == 0
    assert "all 16 records are stored already" in capfd.readouterr().err


def test_routing_none_uses_neither_adapter_nor_prompt(runs, tmp_path):
    folder = str(runs["native"].parent / "native")
    command = ["run", "-m", folder, "-o", str(tmp_path / "none"), "--tasks", "LeeDocumentSTS"]
    assert main([*command, "--view", "dim=32", "--routing", "none", "--quiet"]) == 0

    (facts,) = provenances(tmp_path / "none")
    assert facts["identity"]["routes"][""] == {"adapter": None, "prompt": ""}
    (routed,) = [
        other["score"]
        for other in provenances(runs["native"])
        if other["identity"]["task"] == "LeeDocumentSTS" and other["view"] == "dim=32"
    ]
    assert abs(facts["score"] - routed) > 1e-4


def test_a_type_without_a_row_is_refused_before_anything_is_read(runs, tmp_path, capfd):
    """Before a benchmark's data are looked for, which are not here."""
    folder = str(runs["native"].parent / "native")
    table = tmp_path / "sts-only.toml"
    table.write_text('[types.STS]\nadapter = "text-matching"\n')
    command = ["plan", "-m", folder, "-s", "FollowIR", "--routing", str(table)]
    capfd.readouterr()
    assert main([*command, "-o", str(tmp_path)]) == 2
    assert "has no row for task type 'InstructionReranking'" in capfd.readouterr().err


@pytest.mark.parametrize("suite", ["multilingual", "FollowIR"])
def test_routing_mteb_plans_the_suites_with_types_that_its_wrapper_leaves_alone(runs, suite):
    folder = str(runs["native"].parent / "native")
    run = resolve_run(RunSpec(model=folder, suite=suite, routing="mteb"))
    plain = RouteFacts(adapter=None, prompt="")
    left = [task for task in run.tasks if task.metadata.type == "InstructionReranking"]
    assert len(left) == 3
    for task in run.tasks:
        routes = run.routes(task)
        assert all((route == plain) == (task in left) for route in routes.values()), task


@pytest.mark.parametrize("kind", ["InstructionReranking", "InstructionRetrieval", "Regression"])
def test_routing_mteb_encodes_such_types_with_the_base_weights(runs, kind):
    import mteb
    from mteb.mocks import MOCK_TASK_TEST_GRID

    source = resolve_model(str(runs["native"].parent / "native"))
    backend = load_backend(source, device="cpu")
    template = next(task for task in MOCK_TASK_TEST_GRID if task.metadata.type == kind)
    routes, scores = [], []
    for routing in ("mteb", "none"):
        encoder = DenseMtebEncoder(
            backend,
            make_routing(routing, source.prompts),
            model_meta(source, {}),
            view=View(),
            vectors=TaskVectors(10**7),
        )
        options = {"batch_size": 32, "show_progress_bar": False}
        result = mteb.evaluate(
            encoder, type(template)(), cache=None, co2_tracker=False, encode_kwargs=options
        )
        routes.append(set(encoder.usage.routes.values()))
        scores.append(result.task_results[0].get_score())
    assert routes == [{Route()}, {Route()}]
    assert scores[0] == pytest.approx(scores[1], nan_ok=True)
    with_adapter = backend.encode(["some text"], Route("classification"), lambda done: None)
    without = backend.encode(["some text"], Route(), lambda done: None)
    assert abs(with_adapter.vectors - without.vectors).max() > 1e-3
