"""Published scores as references, out of kept figures and out of a checkout."""

import pytest

from results.published.figures import published_figures
from results.published.references import from_figures, from_scores
from tests.results.measured import MINILM, score

JINA = "jinaai/jina-embeddings-v3"
LEMB = "LEMBNeedleRetrieval"
DEFAULT = frozenset({("test", "default")})


def test_a_figure_of_two_benchmarks_comes_once_unless_its_parts_differ():
    figures = published_figures(model=MINILM, kind="task", name="STSBenchmark")
    (reference,) = from_figures(figures)
    assert reference.benchmarks == ("MTEB(eng, v1)", "MTEB(eng, v2)")
    assert (reference.score, reference.metric, reference.routing) == (
        82.03,
        "cosine_spearman",
        "mteb",
    )
    apart = from_figures(figures, {("MTEB(eng, v1)", "STSBenchmark"): DEFAULT})
    assert [reference.parts for reference in apart] == [DEFAULT, None]


def test_the_routing_of_a_figure_is_its_sources():
    routings = {
        (reference.source[:5], reference.note): reference.routing
        for reference in from_figures(published_figures(model=JINA, kind="task"))
    }
    assert routings["arXiv", ""] == "paper"
    assert routings["embed", ""] == "mteb"
    assert routings["embed", "reported by the model's makers"] == "paper"
    (other,) = from_figures(
        published_figures(model="BAAI/bge-m3", kind="task", name=LEMB, source="arXiv")
    )
    assert other.routing is None


def test_scores_of_a_checkout_keep_their_metrics_apart():
    first, second, third = from_scores(
        [
            score("test_256", 0.6123),
            score("test_512", 0.9, metric="ndcg_at_10", revision="rev1"),
            score("test_1024", None, metric=None),
            score("test", None, metric=None, task="TaskB"),
        ]
    )
    assert (first.metric, first.score, first.decimals) == ("ndcg_at_1", 61.23, 2)
    assert (second.metric, second.parts) == ("ndcg_at_10", frozenset({("test_512", "default")}))
    assert (first.revision, first.mteb_version, first.dataset_revision) == ("rev1", "2", "r")
    assert first.note == second.note == "stored without a number: test_1024/default"
    assert (third.task, third.score) == ("TaskB", None)


@pytest.mark.parametrize(
    ("stored", "decimals"), [(0.38, 2), (0.8203, 2), (0.820325, 4), (1e-07, 2)]
)
def test_rounding_is_that_of_the_stored_number_and_never_coarser_than_two_decimals(
    stored, decimals
):
    (reference,) = from_scores([score("test_256", stored)])
    assert reference.decimals == decimals


def test_what_makers_reported_has_no_revision():
    (reference,) = from_scores([score("test", 0.5, revision="external")])
    assert (reference.revision, reference.routing) == (None, None)
    (reference,) = from_scores([score("test", 0.5, revision="external", model=JINA)])
    assert reference.routing == "paper"
    assert reference.note == "reported by the model's makers"
