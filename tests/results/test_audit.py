"""Audits: a verdict for each published score, and a cause for each difference."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.audit import audit, source_means
from results.errors import RecordError
from results.provenance import Coverage, TextCount
from results.published.figures import published_figures
from results.published.references import Reference, from_figures, from_scores
from tests.results.measured import MINILM, measured, score

JINA = "jinaai/jina-embeddings-v3"
LEMB = "LEMBNeedleRetrieval"
PAPER = "arXiv:2409.10173v3 table A3"
REPOSITORY = "embeddings-benchmark/results@f4cc6c8b"
DEFAULT = frozenset({("test", "default")})
LENGTHS = (256, 512, 1024)


def published(score=82.0, **changes):
    values = {
        "model": MINILM,
        "task": "STSBenchmark",
        "source": REPOSITORY,
        "metric": "cosine_spearman",
        "score": score,
        "parts": DEFAULT,
        "routing": "mteb",
    }
    return Reference(**(values | changes))


def one(records, reference, **options):
    (finding,) = audit(records, [reference], **options)
    return finding


def causes(record, **changes):
    """The causes of a difference that is there in any case."""
    finding = one([record], published(10.0, **changes))
    assert finding.verdict == "differs"
    return finding.causes


# Verdicts


def test_what_agrees_is_reproduced_without_a_cause():
    finding = one([measured(0.8203)], published(82.03))
    assert finding.verdict == "reproduced"
    assert (finding.ours, finding.published) == (pytest.approx(82.03), 82.03)
    assert finding.difference == pytest.approx(0)
    assert finding.limit == pytest.approx(0.055)
    assert (finding.metric, finding.routing, finding.revision) == ("cosine_spearman", "mteb", "1")
    assert (finding.causes, finding.notes) == ((), ())


def test_what_differs_without_a_reason_says_so():
    finding = one([measured(0.81)], published(82.0))
    assert finding.verdict == "differs"
    assert finding.difference == pytest.approx(-1)
    assert finding.causes == (
        "no cause is known: settings and versions are as the source has them, or it names none",
    )


def test_what_was_not_measured_or_not_published_is_no_zero():
    absent, unpublished, alone = audit(
        [measured(task="TaskB"), measured(task="TaskC", score=0.3)],
        [published(), published(None, task="TaskB", note="not stored")],
    )
    assert (absent.verdict, absent.ours, absent.published) == ("not measured here", None, 82.0)
    assert absent.difference is None
    assert (unpublished.verdict, unpublished.published) == ("not published", None)
    assert unpublished.ours == pytest.approx(82)
    assert unpublished.notes == ("not stored",)
    assert (alone.task, alone.source, alone.verdict) == ("TaskC", "", "not published")
    assert alone.ours == pytest.approx(30)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("hundredths", "verdict"), [(0, "reproduced"), (55, "reproduced"), (56, "differs")]
)
def test_the_boundary_is_exact_on_both_sides(sign, hundredths, verdict):
    """0.05 points and half of the last of two decimals, in thousandths of a point."""
    for base in (10.0, 33.33, 82.03, 99.9):
        ours = (base * 1000 + sign * hundredths) / 100_000
        assert one([measured(ours)], published(base)).verdict == verdict, base


@given(
    base=st.integers(200, 9800), off=st.integers(0, 200), tolerance=st.sampled_from([0, 0.05, 0.1])
)
def test_the_verdict_is_the_same_on_both_sides(base, off, tolerance):
    reference = published(base / 100)
    verdicts = {
        one([measured((base * 10 + sign * off) / 100_000)], reference, tolerance=tolerance).verdict
        for sign in (1, -1)
    }
    assert verdicts == {"reproduced" if off <= 1000 * tolerance + 5 else "differs"}


@pytest.mark.parametrize("tolerance", [-0.01, float("nan"), float("inf")])
def test_a_tolerance_that_is_none_is_refused(tolerance):
    with pytest.raises(RecordError, match="tolerance is"):
        audit([], [], tolerance=tolerance)


def test_more_decimals_leave_less_to_rounding():
    assert one([measured(0.82005)], published(82.0, decimals=4), tolerance=0).verdict == "differs"
    assert one([measured(0.82005)], published(82.0), tolerance=0).verdict == "reproduced"


def test_two_models_are_not_audited_as_one():
    with pytest.raises(RecordError, match=r"several models: a/b, sentence-"):
        audit([measured(), measured(model="a/b")], [])


# The same metric


def test_a_score_is_never_compared_with_another_metric():
    finding = one([measured(0.82)], published(82.0, metric="recall_at_100"))
    assert finding.verdict == "not comparable"
    assert (finding.ours, finding.difference) == (None, None)
    assert finding.causes == ("metric: the figure is recall_at_100, ours is cosine_spearman",)


def retrieval(first, tenth, **changes):
    scores = {"test": {"default": {"main_score": first, "ndcg_at_1": first, "ndcg_at_10": tenth}}}
    return measured(first, metric="ndcg_at_1", type="Retrieval", scores=scores, **changes)


def test_a_renamed_main_score_is_compared_by_the_published_metric():
    finding = one([retrieval(0.6, 0.82)], published(82.0, metric="ndcg_at_10"))
    assert (finding.verdict, finding.metric) == ("reproduced", "ndcg_at_10")
    assert finding.ours == pytest.approx(82)
    (note,) = finding.notes
    assert note == (
        "metric: compared by ndcg_at_10, as published; mteb's main score is now ndcg_at_1"
    )


@pytest.mark.parametrize(("first", "said"), [(0.6, "also not"), (0.82, "which is the figure")])
def test_a_metric_that_may_be_misnamed_is_a_cause(first, said):
    finding = one([retrieval(first, 0.9)], published(82.0, metric="ndcg_at_10"))
    assert (finding.verdict, finding.metric) == ("differs", "ndcg_at_10")
    assert finding.causes[0] == (
        f"metric: the figure is called ndcg_at_10; by ndcg_at_1 ours is {100 * first:.2f}, {said}"
    )


@pytest.mark.parametrize(
    ("paper", "ours"),
    [
        ("spearman", "cosine_spearman"),
        ("ap", "max_ap"),
        ("map", "map_at_1000"),
        ("map", "max_over_subqueries_map_at_1000"),
    ],
)
def test_a_papers_name_of_the_main_score_is_that(paper, ours):
    finding = one([measured(0.82, metric=ours)], published(82.0, metric=paper))
    assert (finding.verdict, finding.metric, finding.notes) == ("reproduced", ours, ())
    assert one([measured(metric="accuracy")], published(metric=paper)).verdict == "not comparable"


def test_a_metric_that_the_source_does_not_tell_is_said():
    finding = one([measured(0.82)], published(82.0, metric=None))
    assert finding.notes == (
        "metric: the source does not tell which it is; compared with cosine_spearman",
    )


def test_every_metric_of_the_kept_figures_is_that_of_its_task_or_a_metric_of_its_results():
    """Else a kept figure could never be compared; `map` of Reranking is none of mteb's names."""
    import mteb

    known = {"ndcg_at_1", "ndcg_at_10"}
    for reference in from_figures(published_figures(kind="task")):
        main = str(mteb.get_task(reference.task).metadata.main_score)
        record = measured(metric=main, task=reference.task)
        if one([record], published(task=reference.task, metric=reference.metric)).metric is None:
            assert reference.metric in known, reference


# The same parts


def by_length(values):
    return {f"test_{n}": {"default": {"main_score": v}} for n, v in values.items()}


def needle(**changes):
    values = dict(zip(LENGTHS, (0.6, 0.5, 0.1), strict=True))
    return measured(
        0.4,
        task="LEMBNeedleRetrieval",
        metric="ndcg_at_1",
        type="Retrieval",
        scores=by_length(values),
        **changes,
    )


def test_only_the_lengths_that_both_have_are_compared():
    (reference,) = from_scores([score("test_256", 0.6)])
    finding = one([needle(revision="rev1")], reference)
    assert (finding.verdict, finding.ours, finding.published) == ("reproduced", 60, 60)
    assert finding.notes == (
        "splits: compared over test_256; measured here and not in the figure: test_1024, test_512",
    )
    (reference,) = from_scores([score("test_256", 0.6), score("test_32768", 0.0)])
    finding = one([needle(revision="rev1")], reference)
    assert (finding.verdict, finding.ours, finding.published) == ("reproduced", 60, 60)
    assert "not measured here: test_32768" in finding.notes[0]
    (reference,) = from_scores([score("test_32768", 0.0)])
    finding = one([needle(revision="rev1")], reference)
    assert finding.verdict == "not comparable"
    assert finding.causes == ("splits: not measured here: test_32768",)


def test_a_mean_over_what_was_not_measured_is_not_compared():
    parts = frozenset({("test_256", "default"), ("test_32768", "default")})
    finding = one(
        [needle()],
        published(40.0, task="LEMBNeedleRetrieval", metric="ndcg_at_1", parts=parts),
    )
    assert (finding.verdict, finding.ours) == ("not comparable", None)
    assert finding.causes == ("splits: not measured here: test_32768",)


def test_of_a_wider_measurement_only_the_figures_subsets_count():
    scores = {"test": {"en": {"main_score": 0.82}, "de": {"main_score": 0.2}}}
    record = measured(0.51, scores=scores)
    finding = one([record], published(82.0, parts=frozenset({("test", "en")})))
    assert finding.verdict == "reproduced"
    assert finding.notes == (
        "splits: compared over test/en; measured here and not in the figure: test/de",
    )


def test_parts_that_are_not_known_are_a_cause():
    assert causes(measured(), parts=None) == (
        "splits: which of them the figure is the mean of is not known",
    )


def test_each_kept_length_has_its_own_finding():
    figures = [
        figure
        for figure in published_figures(model=JINA, benchmark="LongEmbed", name=LEMB)
        if figure.kind == "length" and figure.detail in LENGTHS
    ]
    values = dict(zip(LENGTHS, (0.64, 0.5, 0.1), strict=True))
    record = measured(0.41, model=JINA, task=LEMB, metric="ndcg_at_1", scores=by_length(values))
    found = audit([record], from_figures(figures))
    assert [(f.split, f.verdict, round(f.ours)) for f in found] == [
        ("test_256", "reproduced", 64),
        ("test_512", "not published", 50),
        ("test_1024", "not published", 10),
    ]
    assert found[1].notes == ("not stored",)


# Which record


def test_only_full_views_and_whole_documents_count():
    for changes in ({"view": "dim=8,int8"}, {"chunking": "late:fixed=64"}):
        finding = one([measured(**changes)], published())
        assert finding.verdict == "not measured here"
        assert finding.causes[0].startswith("view: measured only in dim=8")
    record = measured(view="dim=4", facts={"dim": 4, "view": "dim=4"})
    assert one([record], published()).verdict == "not measured here"
    assert one([record, measured()], published()).verdict == "reproduced"
    (alone,) = audit([record], [])
    assert (alone.verdict, alone.ours) == ("not published", None)
    assert alone.causes


def test_the_record_routed_as_the_source_is_taken_and_the_others_are_named():
    records = [measured(0.5, routing="paper", seed=42), measured(0.82, routing="mteb", seed=41)]
    finding = one(records, published(82.0))
    assert (finding.verdict, finding.routing) == ("reproduced", "mteb")
    assert "others there are: 1 (routing paper)" in finding.notes[0]
    finding = one(records, published(50.0, routing="paper"))
    assert (finding.verdict, finding.routing) == ("reproduced", "paper")
    finding = one(records[:1], published(50.0))
    assert (finding.verdict, finding.routing, finding.notes) == ("reproduced", "paper", ())


def test_a_record_with_the_same_routes_is_taken_before_one_with_others():
    records = [measured(0.5, routing="other"), measured(0.82, routing="twin", precision="float16")]

    def alike(record, routing):
        return record.provenance.run_spec["routing"] == "twin"

    for order in (records, records[::-1]):
        assert one(order, published(82.0), alike=alike).routing == "twin"


def test_the_same_record_in_two_folders_is_no_other_setting():
    assert one([measured(), measured()], published()).notes == ()


@pytest.mark.parametrize(
    "worse",
    [
        {"precision": "bfloat16"},
        {"seed": 7},
        {"given": {"max_length": 64}, "max_length": 63},
        {"revision": "2"},
    ],
)
def test_of_several_records_that_in_the_sources_settings_is_taken(worse):
    plain, other = measured(0.82), measured(0.5, **worse)
    for records in ([plain, other], [other, plain]):
        assert one(records, published(82.0, revision="1")).verdict == "reproduced"


# Causes


@pytest.mark.parametrize(
    ("record", "reference", "said"),
    [
        ({"routing": "paper"}, {}, "routing: ours is paper, the figure was made with mteb"),
        ({}, {"routing": "paper"}, "routing: ours is mteb, the figure was made with paper"),
        ({}, {"routing": None}, "routing: with which prompts and adapters the figure was made is"),
        ({}, {"revision": "2"}, "revision: ours is 1, the figure's is 2"),
        (
            {"revision": "sha256-abc"},
            {"revision": "2"},
            "revision: the figure's is 2, ours is known by its weights alone (sha256-abc)",
        ),
        ({}, {"dataset_revision": "q"}, "data: ours are r, the figure's q"),
        ({}, {"mteb_version": "1.14.0"}, "mteb: ours is 2, the figure's is 1.14.0"),
        ({"precision": "float16"}, {}, "precision: ours is float16; expected float32 or bfloat16"),
        ({"precision": "float8"}, {}, "precision: ours is float8"),
        ({"seed": 7}, {}, "seed: ours is 7, mteb's is 42"),
        (
            {"given": {"max_length": 64}},
            {},
            "length: the run cut texts after 64 tokens, by its own setting",
        ),
        (
            {
                "facts": {
                    "text_count": TextCount(
                        texts=6,
                        distinct_texts=5,
                        tokens=50,
                        truncated_texts=1,
                        truncated_tokens=4,
                    )
                }
            },
            {},
            "length: 1 of 5 texts were cut after 64 tokens",
        ),
        (
            {"facts": {"coverage": Coverage(n_expected=3, n_scored=2)}},
            {},
            "coverage: 1 of 3 examples count 0",
        ),
    ],
)
def test_each_cause_is_said_alone_where_it_is_the_only_one(record, reference, said):
    (found,) = causes(measured(**record), **reference)
    assert found.startswith(said)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_usual_precisions_are_no_cause(precision):
    assert causes(measured(precision=precision))[0].startswith("no cause is known")


@pytest.mark.parametrize(
    ("model", "task", "type", "source", "said"),
    [
        (JINA, "ArguAna", "Retrieval", PAPER, "54.33 is the text-matching adapter's"),
        (JINA, "ArguAna", "Retrieval", REPOSITORY, "43.29 is the retrieval adapters'"),
        (JINA, "LEMBPasskeyRetrieval", "Retrieval", REPOSITORY, "62 falling to 2"),
        (JINA, "LEMBNeedleRetrieval", "Retrieval", REPOSITORY, "256 tokens alone"),
        (JINA, "LEMBQMSumRetrieval", "Retrieval", PAPER, "labels all six tasks nDCG@10"),
        ("jinaai/jina-embeddings-v2-base-en", "X", "STS", REPOSITORY, "is broken"),
        ("nvidia/NV-Embed-v2", "LEMBQMSumRetrieval", "Retrieval", REPOSITORY, "look wrong"),
        (
            "intfloat/multilingual-e5-large-instruct",
            "Banking77Classification",
            "Classification",
            REPOSITORY,
            "4.2 points below",
        ),
        ("a/b", "BSARDRetrieval.v2", "Retrieval", REPOSITORY, "recall@100"),
        ("a/b", "Cmnli", "PairClassification", REPOSITORY, "average precision"),
        ("a/b", "Ocnli", "PairClassification", REPOSITORY, "average precision"),
    ],
)
def test_known_oddities_are_causes_where_they_belong(model, task, type, source, said):
    record = measured(task=task, type=type)
    assert said in " ".join(causes(record, model=model, task=task, source=source))
    plain = {"model": "a/b", "task": "STSBenchmark", "source": source}
    assert said not in " ".join(causes(measured(), **plain))


def test_a_source_that_ours_does_reproduce_is_a_cause():
    paper = published(54.33, source=PAPER)
    differs, reproduced = audit([measured(0.4329)], [paper, published(43.29)])
    assert (differs.verdict, reproduced.verdict) == ("differs", "reproduced")
    assert differs.causes[0] == (f"sources: they disagree, and ours is the figure of {REPOSITORY}")

    other = published(43.29, metric="ndcg_at_10")
    differs, _ = audit([retrieval(0.2, 0.4329)], [published(54.33, metric="ndcg_at_1"), other])
    assert not differs.causes[0].startswith("sources")


# Means


def test_means_are_over_the_same_tasks_and_say_what_they_lack():
    references = [
        published(80.0, benchmarks=("A",)),
        published(60.0, task="TaskB", benchmarks=("A", "B")),
        published(10.0, task="TaskC", benchmarks=("A",)),
        published(None, task="TaskD", benchmarks=("A",), note="not stored"),
        published(64.0, task="TaskB", split="test_256", benchmarks=("A",)),
    ]
    records = [measured(0.82), measured(0.62, task="TaskB"), measured(task="TaskD")]
    first, second = source_means(audit(records, references))
    assert (first.benchmark, first.tasks) == ("A", ("STSBenchmark", "TaskB"))
    assert first.missing == ("TaskC",)
    assert (first.ours, first.published) == (pytest.approx(72), 70)
    assert (second.benchmark, second.tasks, second.published) == ("B", ("TaskB",), 60)
