from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.leaderboard import make_leaderboards
from reports.plots import (
    adapters,
    board_pictures,
    chunk_sizes,
    languages,
    lengths,
    model_pictures,
    parameters,
    speed,
    stored_bytes,
)
from reports.plots.language_table import BEST_SUPPORTED, language_of
from reports.plots.published import published_means
from reports.plots.scope import scope_words, shared_tasks
from results.provenance import RouteFacts
from results.record import Record
from tasks.starter.languages import LANGUAGES
from tests.reports.factories import SUITE, make_run


def changed(record, task_result=None, **facts):
    provenance = record.provenance.model_copy(update=facts)
    return Record(record.ref, task_result or record.task_result, provenance)


def make_board(*runs):
    (board,) = make_leaderboards([record for run in runs for record in run])
    return board


def figure_of(monkeypatch, module, plot, board):
    """The figure and the description, before they become bytes."""
    with monkeypatch.context() as patch:
        patch.setattr(module, "picture", lambda name, title, figure, text: (figure, text))
        return plot(board)


def texts(figure):
    found = [text.get_text() for text in figure.texts]
    return found + [text.get_text() for axis in figure.axes for text in axis.texts]


def full(model="org/model", score=0.5, **options):
    return make_run({(task, 64): score for task in SUITE}, model=model, **options)


# What a plot is over


def test_means_are_over_all_tasks_or_those_that_all_have():
    few = make_run({("SearchA", 64): 0.1, ("Sort", 64): 0.1}, model="org/few")
    some = make_run({("SearchA", 64): 0.1, ("SearchB", 64): 0.1}, model="org/some")
    names = tuple(SUITE)
    board = make_board(few, some)
    assert shared_tasks(board.entries, names) == ("SearchA",)
    assert scope_words(("SearchA",), names) == "mean of 1 of 4 tasks"
    board = make_board(few, some, full("org/full"))
    assert shared_tasks(board.entries, names) == names


# Bytes


def view_runs(model, top):
    runs = []
    for dim in (64, 32):
        for precision, loss in (("", 0.0), (",int8", 0.01), (",binary", 0.2)):
            for record in make_run({(t, dim): top * dim / 64 - loss for t in SUITE}, model=model):
                view = f"dim={dim}{precision}"
                runs.append(changed(record, view=view))
    return runs


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), max_size=20))
def test_nothing_beats_the_front_and_the_front_beats_the_rest(points):
    front = [points[i] for i in stored_bytes.pareto_front(points)]
    assert front == sorted(front)
    for cost, gain in points:
        assert any(c <= cost and g >= gain for c, g in front)
    for one, other in combinations(front, 2):
        assert one[0] < other[0] and one[1] < other[1]


def test_bytes_are_of_dimension_and_precision(monkeypatch):
    board = make_board(view_runs("org/model", 0.8))
    figure, text = figure_of(monkeypatch, stored_bytes, stored_bytes.plot_bytes, board)
    points = {
        (float(x), round(float(y), 2))
        for line in figure.axes[0].get_lines()[1:]
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    }
    assert {x for x, _ in points} == {256, 128, 64, 32, 8, 4}
    assert (64.0, 79.0) in points and (256.0, 80.0) in points
    assert "Pareto front: 4 bytes: model at dim=32,binary, 20.0; 8 bytes:" in text
    assert "64,int8" in texts(figure)


# Speed


def test_speeds_of_another_device_are_left_out_and_said(monkeypatch):
    def on(device, model, texts_per_second=None):
        cost = {"encoded_texts": texts_per_second or 0, "encode_seconds": 1.0}
        return [
            changed(
                record,
                environment=record.provenance.environment.model_copy(update={"device": device}),
                cost=record.provenance.cost.model_copy(update=cost),
            )
            for record in full(model)
        ]

    board = make_board(
        on("cpu", "org/a", 10), on("cpu", "org/b", 20), on("cuda:0 (X)", "org/c", 900),
        on("cpu", "org/cached"),
    )  # fmt: skip
    figure, text = figure_of(monkeypatch, speed, speed.plot_speed, board)
    speeds = [line.get_xdata()[0] for line in figure.axes[0].get_lines()]
    assert sorted(speeds) == [10, 20]
    assert "Not drawn, as without a speed or score on this device: c, cached." in text
    assert speed.plot_speed(make_board(on("cpu", "org/a", 10))) is None


# Parameters


def english(model, parameters, count=41):
    suite = {f"Task{i}": "STS" for i in range(count)}
    return [
        changed(
            record,
            suite="english",
            model=record.provenance.model.model_copy(update={"parameters": parameters}),
        )
        for record in make_run({(task, 64): 0.5 for task in suite}, model=model, suite=suite)
    ]


def test_published_means_that_lack_tasks_or_are_broken_are_not_drawn(monkeypatch):
    board = make_board(english("org/ours", 10**8), english("org/unknown", None))
    figure, text = figure_of(monkeypatch, parameters, parameters.plot_parameters, board)
    lines = figure.axes[0].get_lines()
    hollow = [line for line in lines if line.get_markerfacecolor() == "white"]
    filled = [line for line in lines if line.get_markerfacecolor() != "white"]
    assert [line.get_xdata()[0] for line in filled] == [10**8]
    drawn = {line.get_ydata()[0] for line in hollow}
    means = {mean.model: mean for mean in published_means(board)}
    assert means["sentence-transformers/all-MiniLM-L6-v2"].score in drawn
    assert means["jinaai/jina-embeddings-v3"].n_tasks == 40
    assert means["jinaai/jina-embeddings-v3"].score not in drawn
    assert means["jinaai/jina-embeddings-v2-base-en"].score not in drawn
    assert "not over the same 41 tasks): jina-embeddings-v3" in text
    assert "parameters not made known): embed-multilingual-v3.0" in text
    assert "Measured, but left out: unknown (parameters unknown)" in text


def test_means_of_a_part_of_a_benchmark_are_not_set_beside_the_whole():
    board = make_board(english("org/ours", 10**8, count=3))
    assert parameters.plot_parameters(board) is None


def test_a_suite_of_which_nothing_was_published_has_no_such_plot():
    assert parameters.plot_parameters(make_board(full())) is None


# Lengths


@pytest.mark.parametrize(
    ("split", "length"),
    [("test_256", 256), ("32768", 32768), ("test", None), ("test_2019", None), ("test_8", None),
     ("v1024", 1024), ("test_256_b", None)],
)  # fmt: skip
def test_only_powers_of_two_are_lengths(split, length):
    assert lengths.length_of(split) == length


def by_split(scores, chunking="none", max_length=512, model="org/model"):
    result = {
        "scores": {
            f"test_{length}": [{"main_score": score, "hf_subset": "default"}]
            for length, score in scores.items()
        }
    }
    suite = {"Needle": "Retrieval"}
    run = make_run(
        {("Needle", 64): 0.5}, suite=suite, chunking=chunking, max_length=max_length, model=model
    )
    return [changed(record, result) for record in run]


def test_lengths_draw_the_limit_leave_gaps_and_tell_chunkings_apart_by_line(monkeypatch):
    board = make_board(
        by_split({256: 1.0, 512: 0.9, 1024: float("nan"), 2048: 0.2}),
        by_split({256: 1.0, 512: 0.8, 1024: 0.5, 2048: 0.4}, chunking="late:fixed=64"),
    )
    figure, text = figure_of(monkeypatch, lengths, lengths.plot_lengths, board)
    (axis,) = figure.axes
    curves = [line for line in axis.get_lines() if len(set(line.get_xdata())) > 1]
    limits = [set(line.get_xdata()) for line in axis.get_lines() if line not in curves]
    assert limits == [{512}]
    assert {tuple(line.get_xdata()) for line in curves} == {
        (256, 512, 2048),
        (256, 512, 1024, 2048),
    }
    assert len({line.get_color() for line in curves}) == 1
    assert len({line.get_linestyle() for line in curves}) == 2
    assert "model (late 64)" in texts(figure)
    assert "at 2048" in text


# Chunk sizes


def chunked(chunking, score):
    return full(score=score, chunking=chunking)


def test_naive_and_late_are_lines_over_sizes_and_no_chunks_a_line_across(monkeypatch):
    board = make_board(
        chunked("none", 0.5), chunked("naive:fixed=64", 0.4), chunked("naive:fixed=16", 0.3),
        chunked("late:fixed=64", 0.6), chunked("late:sentences=5", 0.9),
    )  # fmt: skip
    figure, text = figure_of(monkeypatch, chunk_sizes, chunk_sizes.plot_chunk_sizes, board)
    assert len(figure.axes) == 5
    late, naive, whole = figure.axes[0].get_lines()
    assert (list(late.get_xdata()), list(late.get_ydata())) == ([64], pytest.approx([60]))
    assert list(naive.get_xdata()) == [16, 64]
    assert list(naive.get_ydata()) == pytest.approx([30, 40])
    assert list(whole.get_ydata()) == pytest.approx([50, 50])
    assert "64 tokens: naive 40.0, late 60.0" in text
    assert "late:sentences=5" in text


# Adapters


def routed(routing, scores, routes=None):
    made = []
    for task, score in scores.items():
        facts = (routes or {}).get(task, {"": routing.removeprefix("adapter=")})
        found = {side: RouteFacts(adapter=name, prompt="") for side, name in facts.items()}
        (record,) = make_run({(task, 64): score}, routes=found)
        made.append(changed(record, run_spec={"routing": routing}))
    return made


def adapter_board():
    own = {
        "SearchA": {"query": "one", "document": "two"},
        "SearchB": {"query": "one", "document": "two"},
        "Similar": {"": "two"},
    }
    scores = {"SearchA": 0.5, "SearchB": 0.7, "Similar": 0.3}
    return make_board(
        routed("paper", scores, own),
        routed("adapter=one", {**scores, "Sort": 0.2}),
        routed("adapter=two", {**scores, "Similar": 0.1}),
    )


def test_chosen_cells_are_framed_dashed_where_for_one_side_alone(monkeypatch):
    figure, text = figure_of(monkeypatch, adapters, adapters.plot_adapters, adapter_board())
    (axis,) = figure.axes
    frames = {
        (round(patch.get_x() - 0.04), round(patch.get_y() - 0.08)): patch.get_linestyle()
        for patch in axis.patches
        if not patch.get_fill() and patch.get_edgecolor()[:3] != (1, 1, 1)
    }
    assert set(frames) == {(0, 0), (0, 1), (1, 1)}
    assert frames[1, 1] == "-" and frames[0, 0] != "-" and frames[0, 1] != "-"
    assert [label.get_text() for label in axis.get_yticklabels()] == ["one", "two", "routing paper"]
    assert "Retrieval: best one (60.0); routed to one and two" in text
    assert "STS: best one (30.0); routed to two" in text


def test_a_cell_that_was_not_measured_has_a_dash(monkeypatch):
    figure, _ = figure_of(monkeypatch, adapters, adapters.plot_adapters, adapter_board())
    (axis,) = figure.axes
    assert [text.get_text() for text in axis.texts].count("–") == 2
    assert "0.0" not in [text.get_text() for text in axis.texts]


def test_numbers_are_readable_on_every_colour():
    from matplotlib import colormaps

    def luminance(colour):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    for step in range(100):
        colour = colormaps["Blues"](0.04 + 0.76 * step / 99)
        letters = {"white": 1.0, "black": 0.0}[adapters._readable(colour)]
        light, dark = sorted((luminance(colour[:3]), letters), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


# Languages


def test_the_language_of_a_pair_is_the_one_beside_english():
    (record,) = make_run({("SearchA", 64): 0.5})
    subsets = [
        {"main_score": 0.2, "languages": ["deu-Latn", "eng-Latn"]},
        {"main_score": 0.4, "languages": ["eng-Latn", "deu-Latn"]},
        {"main_score": 0.9, "languages": ["eng-Latn"]},
        {"main_score": 0.6, "languages": ["fra-Latn", "ita-Latn"]},
        {"main_score": float("nan"), "languages": ["jpn-Jpan"]},
        {"main_score": None, "languages": ["kor-Hang"]},
    ]
    assert languages.language_scores(changed(record, {"scores": {"test": subsets}})) == {
        "deu-Latn": pytest.approx(0.3),
        "eng-Latn": 0.9,
        "fra-Latn": 0.6,
        "ita-Latn": 0.6,
    }


def test_every_starter_language_has_a_name_and_a_family():
    found = {language_of(code) for code in LANGUAGES.values()}
    assert not [one for one in found if one.name == one.code or one.family == "family unknown"]
    assert language_of("deu-Latn").family == "Germanic"
    assert language_of("xxx-Latn").family == "family unknown"


def test_thirty_languages_are_marked():
    assert len({language_of(code).name.removeprefix("Standard ") for code in BEST_SUPPORTED}) == 32
    assert language_of("lvs-Latn").is_best_supported and not language_of("ces").is_best_supported


def language_run(codes, model="org/model"):
    subsets = [
        {"main_score": 0.5, "hf_subset": code, "languages": [code, "eng-Latn"]} for code in codes
    ]
    run = make_run({("Udhr", 64): 0.5}, suite={"Udhr": "BitextMining"}, model=model)
    return [changed(record, {"scores": {"test": subsets}}) for record in run]


def test_languages_stand_by_family_with_the_best_supported_marked(monkeypatch):
    codes = ["deu-Latn", "swe-Latn", "fra-Latn", "spa-Latn", "ces-Latn", "tha-Thai"]
    board = make_board(language_run(codes))
    figure, text = figure_of(monkeypatch, languages, languages.plot_languages, board)
    rows = [text.get_text() for text in figure.axes[0].texts]
    assert rows == [
        "Germanic, Latin", "German ★", "Swedish ★", "Romance, Latin", "French ★", "Spanish ★",
        "one language each", "Czech (Slavic, Latin)", "Thai (Tai-Kadai, Thai) ★",
    ]  # fmt: skip
    assert "6 languages" in text and "mean of the 5 marked 50.0" in text
    assert languages.plot_languages(make_board(language_run(codes[:3]))) is None


# All of them


def test_a_models_pictures_are_of_its_own_entries_alone():
    board = make_board(
        *[chunked(name, 0.5) for name in ("none", "late:fixed=64", "naive:fixed=64")],
        full("org/other"),
    )
    entry = next(e for e in board.entries if e.label == "other")
    assert model_pictures(board, entry) == ()
    entry = next(e for e in board.entries if "late" in e.label)
    (picture,) = model_pictures(board, entry)
    assert picture.name == "chunk_sizes" and "other" not in picture.description


def test_without_anything_to_compare_there_is_no_picture():
    assert board_pictures(make_board(full())) == ()
