"""Scores out of a small results repository."""

import json

import pytest

from results.published.errors import PublishedError
from results.published.repository import load_published

MODEL = "org/model"
TASK = {
    "dataset_revision": "data1",
    "task_name": "STSBenchmark",
    "mteb_version": "1.14.0",
    "evaluation_time": 1.0,
    "kg_co2_emissions": None,
    "scores": {
        "test": [
            {
                "hf_subset": "default",
                "languages": ["eng-Latn"],
                "cosine_pearson": 0.81,
                "cosine_spearman": 0.82,
                "euclidean_spearman": 0.82,
                "main_score": 0.82,
            }
        ]
    },
}
RETRIEVAL = {
    **TASK,
    "task_name": "LEMBPasskeyRetrieval",
    "scores": {
        split: [
            {
                "hf_subset": "default",
                "languages": ["eng-Latn"],
                "ndcg_at_1": first,
                "ndcg_at_10": 0.9,
                "main_score": main,
            }
        ]
        for split, first, main in (("test_256", 0.6, 0.6), ("test_512", 0.5, 0.9))
    },
}
OLD = {  # the format from before mteb 1.11
    "mteb_dataset_name": "STSBenchmark",
    "dataset_revision": "data0",
    "mteb_version": "1.0.3.dev0",
    "test": {"cos_sim": {"pearson": 0.7, "spearman": 0.75}, "evaluation_time": 1.0},
}


@pytest.fixture
def checkout(tmp_path):
    put(tmp_path, TASK)
    put(tmp_path, RETRIEVAL)
    folder = tmp_path / "results" / "org__model" / "rev1"
    (folder / "model_meta.json").write_text("{}")
    put(tmp_path, TASK, revision="rev1/experiments/embed_dim_64")
    return tmp_path


def put(root, data, model="org__model", revision="rev1"):
    name = data.get("task_name", data.get("mteb_dataset_name"))
    path = root / "results" / model / revision / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))
    return path


def test_scores_come_with_all_that_they_are(checkout):
    passkey, long, sts = load_published(checkout, MODEL)
    assert (sts.model, sts.revision, sts.task) == (MODEL, "rev1", "STSBenchmark")
    assert (sts.split, sts.subset) == ("test", "default")
    assert (sts.metric, sts.score) == ("cosine_spearman", 0.82)
    assert (sts.dataset_revision, sts.mteb_version) == ("data1", "1.14.0")
    assert (passkey.split, passkey.metric, passkey.score) == ("test_256", "ndcg_at_1", 0.6)
    # The main metric of then is not that of today.
    assert (long.split, long.metric, long.score) == ("test_512", "ndcg_at_10", 0.9)


def test_tasks_can_be_chosen(checkout):
    (sts,) = load_published(checkout, MODEL, tasks=["STSBenchmark", "NotPublished"])
    assert sts.task == "STSBenchmark"
    with pytest.raises(PublishedError, match="no scores of the tasks NotPublished"):
        load_published(checkout, MODEL, tasks=["NotPublished"])


def test_no_revision_is_chosen_in_silence(checkout):
    put(checkout, TASK, revision="external")
    with pytest.raises(PublishedError, match=r"name a revision; .*: external, rev1"):
        load_published(checkout, MODEL)
    (sts,) = load_published(checkout, MODEL, revision="external")
    assert sts.revision == "external"
    with pytest.raises(PublishedError, match=r"no revision 'rev2'; .*: external, rev1"):
        load_published(checkout, MODEL, revision="rev2")


def test_the_oldest_format_is_read_with_its_own_version(tmp_path):
    put(tmp_path, OLD)
    (sts,) = load_published(tmp_path, MODEL)
    assert (sts.metric, sts.score) == ("cosine_spearman", 0.75)
    assert (sts.dataset_revision, sts.mteb_version) == ("data0", "1.0.3.dev0")
    put(tmp_path, {name: OLD[name] for name in ("mteb_dataset_name", "test")})
    (sts,) = load_published(tmp_path, MODEL)
    assert (sts.dataset_revision, sts.mteb_version) == (None, None)
    put(tmp_path, {**TASK, "mteb_version": None})
    (sts,) = load_published(tmp_path, MODEL)
    assert (sts.dataset_revision, sts.mteb_version) == ("data1", None)


def test_a_metric_that_the_file_does_not_tell_is_none(tmp_path):
    data = json.loads(json.dumps(TASK))
    scores = data["scores"]["test"][0]
    data["task_name"] = "TaskThatIsNoMore"
    put(tmp_path, data)
    (score,) = load_published(tmp_path, MODEL)
    assert (score.metric, score.score) == (None, 0.82)  # two metrics have that value
    scores["euclidean_spearman"] = 0.8
    put(tmp_path, data)
    (score,) = load_published(tmp_path, MODEL)
    assert score.metric == "cosine_spearman"


@pytest.mark.parametrize("value", [None, float("nan")])
def test_what_was_not_measured_is_none(tmp_path, value):
    data = json.loads(json.dumps(TASK))
    data["scores"]["test"][0]["main_score"] = value
    put(tmp_path, data)
    (score,) = load_published(tmp_path, MODEL)
    assert (score.score, score.metric) == (None, None)


@pytest.mark.parametrize(
    "content",
    [
        "",
        '{"task_name": ',
        "[]",
        "{}",
        json.dumps({**TASK, "scores": {}}),
        json.dumps({**TASK, "scores": {"test": []}}),
        json.dumps({**TASK, "scores": {"test": [{"hf_subset": "default"}]}}),
        json.dumps(TASK).replace("0.82}", '"high"}'),
        json.dumps({**OLD, "mteb_dataset_name": "NoSuchTask"}),
    ],
)
def test_a_broken_file_is_named_and_never_skipped(checkout, content):
    path = checkout / "results/org__model/rev1/STSBenchmark.json"
    path.write_text(content)
    with pytest.raises(PublishedError, match="cannot be read") as error:
        load_published(checkout, MODEL)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_checkout_or_model_is_named(checkout, tmp_path):
    with pytest.raises(PublishedError, match="no folder results"):
        load_published(tmp_path / "elsewhere", MODEL)
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(PublishedError, match="no published scores of 'org/other'"):
        load_published(checkout, "org/other")


def test_mteb_reads_the_same_scores(checkout):
    from mteb import ResultCache

    (checkout / "results/org__model/rev1/model_meta.json").unlink()  # which is none of mteb's
    loaded = ResultCache(checkout).load_results(
        [MODEL], require_model_meta=False, load_experiments="no_experiments"
    )
    (found,) = loaded.model_results
    theirs = {
        (result.task_name, split): scores["main_score"]
        for result in found.task_results
        for split, subsets in result.scores.items()
        for scores in subsets
    }
    ours = {(score.task, score.split): score.score for score in load_published(checkout, MODEL)}
    assert ours == theirs
