"""A model that states a similarity of its own, from `jina-eval run` to the records."""

import json
import shutil

import pytest

from harness.cli import main
from harness.plan import resolve_run
from harness.spec import RunSpec
from model.errors import ModelError, ViewError

TASK = "LeeDocumentSTS"


def stating(tiny_model, folder, similarity, *, normalized=False):
    """The tiny model with a similarity in its configuration, and perhaps without unit length."""
    copy = shutil.copytree(tiny_model, folder)
    path = copy / "config_sentence_transformers.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"similarity_fn_name": similarity}))
    if not normalized:
        modules = json.loads((copy / "modules.json").read_text())
        (copy / "modules.json").write_text(json.dumps(modules[:-1]))
    return copy


def resolve(folder, *views):
    return resolve_run(RunSpec(model=str(folder), tasks=(TASK,), views=views, device="cpu"))


def test_the_stated_similarity_scores_the_task_and_is_recorded(tiny_model, tmp_path, capfd):
    """With mteb's own wrapper of the same model as the judge."""
    import mteb
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
    from sentence_transformers import SentenceTransformer

    folder = stating(tiny_model, tmp_path / "dot", "dot")
    output = tmp_path / "run"
    command = ["run", "-m", str(folder), "-o", str(output), "--tasks", "DebianFaqReranking"]
    command += ["--languages", "eng,deu"]
    assert main([*command, "--view", "dim=full", "--device", "cpu", "--workers", "0"]) == 0
    assert "; similarity dot" in capfd.readouterr().err.splitlines()[0]
    (path,) = (output / "records").rglob("provenance.json")
    facts = json.loads(path.read_text())
    assert facts["identity"]["similarity"] == "dot"
    meta = json.loads(next((output / "records").rglob("model_meta.json")).read_text())
    assert meta["similarity_fn_name"] == "dot"

    spec = RunSpec(model=str(folder), tasks=("DebianFaqReranking",), languages=("eng", "deu"))
    (task,) = resolve_run(spec).tasks
    task.load_data()
    theirs = SentenceTransformerEncoderWrapper(SentenceTransformer(str(folder), device="cpu"))
    options = {"batch_size": 32, "show_progress_bar": False}
    result = mteb.evaluate(
        theirs, task, cache=None, co2_tracker=False, encode_kwargs=options, show_progress_bar=False
    )
    assert facts["score"] == pytest.approx(result.task_results[0].get_score(), abs=1e-9)


def test_the_similarity_is_part_of_the_identity_unless_it_is_the_cosine(tiny_model, tmp_path):
    keys = set()
    for similarity in ("cosine", "dot", "euclidean", "manhattan"):
        run = resolve(stating(tiny_model, tmp_path / similarity, similarity), "dim=8")
        identity = run.identity(run.tasks[0], run.views[0])
        assert identity.similarity == similarity
        keys.add(identity.model_copy(update={"fingerprint": "", "revision": ""}).key())
        assert run.source.unit_length is False
        assert run.source.truncates_to_unit == (similarity == "cosine")
    assert len(keys) == 4
    unit = resolve(stating(tiny_model, tmp_path / "unit", "dot", normalized=True))
    assert unit.source.truncates_to_unit


def test_views_and_similarities_that_mean_nothing_are_refused_by_name(tiny_model, tmp_path):
    folder = stating(tiny_model, tmp_path / "far", "euclidean")
    with pytest.raises(ViewError, match=r"view 'dim=8,binary': .* nothing of euclidean distances"):
        resolve(folder, "dim=8,binary")
    with pytest.raises(ModelError, match="the similarity 'maxsim'; allowed: cosine, dot"):
        resolve(stating(tiny_model, tmp_path / "late", "maxsim"))
