import csv
from pathlib import Path

import pytest

import results.published
from results.published.errors import PublishedError
from results.published.figures import published_figures, read_figures

TABLE = Path(results.published.__file__).parent / "figures.csv"
JINA = "jinaai/jina-embeddings-v3"
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
PAPER = "arXiv:2409.10173"
REPOSITORY = "embeddings-benchmark/results@f4cc6c8b"
MODELS = {
    JINA,
    MINILM,
    "jinaai/jina-embeddings-v2-base-en",
    "jinaai/jina-embeddings-v2-base-zh",
    "jinaai/jina-embeddings-v2-base-de",
    "jinaai/jina-embeddings-v2-base-es",
    "intfloat/multilingual-e5-large",
    "intfloat/multilingual-e5-large-instruct",
    "intfloat/e5-mistral-7b-instruct",
    "BAAI/bge-m3",
    "nvidia/NV-Embed-v1",
    "nvidia/NV-Embed-v2",
    "openai/text-embedding-3-large",
    "cohere/embed-multilingual-v3.0",
}
SIZES = {
    "MTEB(eng, v1)": 56,
    "MTEB(eng, v2)": 41,
    "MTEB(Multilingual, v2)": 131,
    "LongEmbed": 6,
}


def score(**filters):
    (figure,) = published_figures(**filters)
    return figure.score


def test_the_papers_means():
    means = {
        figure.name: figure.score
        for figure in published_figures(
            model=JINA, kind="mean", benchmark="MTEB(eng, v1)", source=PAPER
        )
    }
    assert means == {
        "all": 65.52,
        "Classification": 82.58,
        "Clustering": 45.27,
        "PairClassification": 84.01,
        "Reranking": 58.13,
        "Retrieval": 53.87,
        "STS": 85.80,
        "Summarization": 29.71,
    }
    assert score(model=JINA, benchmark="paper multilingual", name="all") == 64.44
    assert score(model=JINA, benchmark="LongEmbed", name="all", source=PAPER) == 70.39


def test_the_papers_matryoshka_table():
    dims = [32, 64, 128, 256, 512, 768, 1024]
    table = {
        "Retrieval": [52.54, 58.54, 61.64, 62.72, 63.16, 63.30, 63.35],
        "STS": [76.35, 77.03, 77.43, 77.56, 77.59, 77.59, 77.58],
    }
    for name, scores in table.items():
        figures = published_figures(model=JINA, kind="matryoshka", name=name)
        assert [figure.detail for figure in figures] == dims
        assert [figure.score for figure in figures] == scores
        assert {figure.n_tasks for figure in figures} == {21 if name == "Retrieval" else 20}


def test_scores_of_single_tasks():
    minilm = {"model": MINILM, "kind": "task", "name": "STSBenchmark"}
    assert score(**minilm, benchmark="MTEB(eng, v2)") == 82.03
    argu = {"model": JINA, "kind": "task", "name": "ArguAna"}
    assert score(**argu, source=PAPER) == 54.33
    assert score(**argu, source=REPOSITORY) == 43.29
    needle = published_figures(model=JINA, kind="length", name="LEMBNeedleRetrieval")
    assert [figure.detail for figure in needle] == [2**power for power in range(8, 16)]
    assert [figure.score for figure in needle] == [64.0, *[None] * 7]


def test_every_model_has_a_row_for_the_mean_of_every_benchmark():
    for model in MODELS:
        for benchmark, size in SIZES.items():
            figures = published_figures(model=model, kind="mean", benchmark=benchmark, name="all")
            assert figures, (model, benchmark)
            for figure in figures:
                if figure.score is not None:
                    assert figure.n_tasks == size - len(figure.missing), figure


def test_means_name_the_tasks_that_they_are_not_over():
    (mean,) = published_figures(
        model=JINA, kind="mean", benchmark="MTEB(eng, v1)", name="all", source=REPOSITORY
    )
    assert mean.missing == ("MTOPDomainClassification", "MTOPIntentClassification")
    (mean,) = published_figures(
        model="jinaai/jina-embeddings-v2-base-en",
        kind="mean",
        benchmark="MTEB(Multilingual, v2)",
        name="all",
    )
    assert mean.missing == ("FloresBitextMining", "STS17")
    assert mean.note.endswith("broken")


def test_tasks_are_all_there():
    for model, benchmark, source in (
        (JINA, "MTEB(eng, v1)", PAPER),
        (JINA, "MTEB(eng, v2)", REPOSITORY),
        (MINILM, "MTEB(eng, v1)", REPOSITORY),
        (MINILM, "MTEB(eng, v2)", REPOSITORY),
        ("intfloat/multilingual-e5-large", "MTEB(eng, v2)", REPOSITORY),
        *((model, "LongEmbed", REPOSITORY) for model in MODELS if "v2-base-" not in model),
    ):
        figures = published_figures(model=model, kind="task", benchmark=benchmark, source=source)
        assert len({figure.name for figure in figures}) == len(figures) == SIZES[benchmark]


def test_means_over_all_are_the_means_of_the_types():
    # A table with a slip of the pen somewhere does not add up.
    for model in MODELS:
        for benchmark in SIZES:
            for source in (f"{PAPER}v3 table 4", REPOSITORY, "Qwen/"):
                rows = published_figures(
                    model=model, kind="mean", benchmark=benchmark, source=source
                )
                whole = [row for row in rows if row.name == "all"]
                parts = [row for row in rows if row.name != "all"]
                if whole and parts and all(row.score is not None for row in rows):
                    assert whole[0].n_tasks == sum(row.n_tasks for row in parts)
                    mean = sum(row.score * row.n_tasks for row in parts) / whole[0].n_tasks
                    assert whole[0].score == pytest.approx(mean, abs=0.02), whole


def test_only_correlations_and_rank_shifts_are_negative_and_gaps_are_explained():
    figures = published_figures()
    assert {
        figure.metric for figure in figures if figure.score is not None and figure.score < 0
    } <= {
        "p-MRR",
        "cosine_spearman",
        "spearman",
    }
    assert all(figure.source for figure in figures)
    assert all(figure.note for figure in figures if figure.score is None)
    assert {figure.model for figure in figures} - MODELS == {
        "jinaai/jina-embeddings-v2-base-(zh|es|de)"
    }


def test_filters():
    assert published_figures(model="org/unknown") == ()
    with pytest.raises(PublishedError, match="no kind of figure: 'average'; allowed: mean, task"):
        published_figures(kind="average")


HEADER = TABLE.read_text().splitlines()[0]
ROW = {
    "model": "org/model",
    "kind": "mean",
    "benchmark": "LongEmbed",
    "name": "all",
    "detail": "",
    "metric": "main_score",
    "score": "50",
    "n_tasks": "6",
    "source": "somewhere",
    "note": "",
}


def write(path, *rows, header=HEADER):
    with path.open("w", newline="") as file:
        file.write(header + "\n")
        csv.writer(file).writerows([list(row.values()) for row in rows])
    return path


def test_a_table_in_order_is_read(tmp_path):
    gap = {**ROW, "model": "org/other", "score": "", "n_tasks": "", "note": "never measured"}
    first, second = read_figures(write(tmp_path / "table.csv", ROW, gap))
    assert (first.score, first.n_tasks, first.detail, first.missing) == (50.0, 6, None, ())
    assert (second.score, second.n_tasks, second.note) == (None, None, "never measured")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"source": ""}, "line 2: no source"),
        ({"model": ""}, "no model"),
        ({"kind": "median"}, "kind 'median'; allowed: mean, task, matryoshka, length"),
        ({"score": "fifty"}, "fifty"),
        ({"score": "101"}, "main_score 101; allowed: 0 to 100"),
        ({"score": "-1"}, "main_score -1"),
        ({"score": "nan"}, "main_score nan"),
        ({"score": "-101", "metric": "p-MRR"}, "allowed: -100 to 100"),
        ({"score": "", "n_tasks": ""}, "neither a score nor a note"),
        ({"n_tasks": ""}, "n_tasks '' beside score '50'"),
        ({"n_tasks": "0"}, "n_tasks 0"),
        ({"kind": "task"}, "n_tasks '6'"),
        ({"kind": "length", "n_tasks": ""}, "detail '' of kind length"),
        ({"detail": "64"}, "detail '64' of kind mean"),
    ],
)
def test_a_corrupt_row_is_named(tmp_path, change, said):
    path = write(tmp_path / "table.csv", {**ROW, **change})
    with pytest.raises(PublishedError, match="corrupt table of published figures") as error:
        read_figures(path)
    assert said in str(error.value)
    assert str(path) in str(error.value)


def test_a_corrupt_table_is_named(tmp_path):
    path = tmp_path / "table.csv"
    with pytest.raises(PublishedError, match="No such file"):
        read_figures(path)
    with pytest.raises(PublishedError, match="line 3: the same figure stands there twice"):
        read_figures(write(path, ROW, {**ROW, "score": "60"}))
    with pytest.raises(PublishedError, match=r"columns .*they must be model, kind"):
        read_figures(write(path, ROW, header="model,score"))
    with pytest.raises(PublishedError, match="line 2: 11 values"):
        read_figures(write(path, {**ROW, "more": ""}))
    path.write_text(HEADER + '\n"org/model')
    with pytest.raises(PublishedError, match="unexpected end"):
        read_figures(path)
    path.write_bytes(HEADER.encode() + b"\n\xff")
    with pytest.raises(PublishedError, match="utf-8"):
        read_figures(path)
