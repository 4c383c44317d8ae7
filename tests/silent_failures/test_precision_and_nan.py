"""Families 14 to 19 of docs/silent-failures.md: number formats, numbers that are none, 8 bits.

Each test plants the fault and expects a check, or a guard, to notice; the same check passes
without it.
"""

import dataclasses
import math

import numpy as np
import pytest
import torch

import model.backends.sentence_transformers
import model.dense_search
import model.mteb_encoder
import model.quantization
import model.top_k
from harness import evaluation
from harness.errors import EvaluationError
from model.backend import Encoded
from model.backends import load_backend
from model.errors import ModelOutputError
from model.guards import check_vectors
from model.quantization import Calibrator, codes
from model.routing import Route
from model.source import resolve_model
from model.views import View
from results.store import RecordStore
from tests.harness.plants import int8_by_call
from tests.model import test_dense_search
from tests.results.factories import make_record
from tests.silent_failures.small import Recorder, evaluate, make_encoder, make_search

NEAR = {"query": [1.0, 0.0], "near": [1.0, 0.010], "far": [1.0, 0.011]}
"""Cosines of 0.99995 and 0.99994: equal in float16, and in bfloat16."""


def check_scores_are_told_apart(candidates=None):
    backend = Recorder(lambda text: np.array(NEAR[text]), width=2)
    search = make_search(
        {"a": "near", "b": "far"},
        {"q": "query"},
        {"q": {"a": 1}},
        {"q": ["b", "a"]} if candidates else None,
    )
    # Of equal scores trec_eval takes "b" first.
    assert evaluate(search, make_encoder(backend))["ndcg_at_1"] == 1


def scores_in(dtype):
    def plant(patch):
        original = model.top_k.products

        def products(*arguments):
            return original(*arguments).to(dtype).float()

        patch.setattr(model.top_k, "products", products)
        patch.setattr("model.pair_scores.products", products)

    return plant


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("candidates", [False, True])
def test_14_ties_of_scores_in_few_bits_are_noticed(dtype, candidates, monkeypatch):
    check_scores_are_told_apart(candidates)
    scores_in(dtype)(monkeypatch)
    with pytest.raises(AssertionError):
        check_scores_are_told_apart(candidates)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_14_vectors_of_another_format_are_refused(dtype):
    """The guard at run time: what a model returns is float32."""
    with pytest.raises(ModelOutputError, match=f"{np.dtype(dtype)} vectors; expected float32"):
        check_vectors(np.ones((1, 2), dtype=dtype), ["a"], 2)


def test_14_products_of_matrices_are_whole_float32():
    """Whatever a library allowed elsewhere in the process, such as TF32."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with model.top_k.float32_products():
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


def test_15_number_format_that_the_checkpoint_decides_is_noticed(tmp_path, monkeypatch):
    """transformers 5 loads weights in the format they are stored in, unless told otherwise."""
    from sentence_transformers import SentenceTransformer

    from tests.tiny_models import make_sentence_transformer

    folder = make_sentence_transformer(tmp_path / "bfloat16")
    SentenceTransformer(str(folder), device="cpu").bfloat16().save_pretrained(
        str(folder), create_model_card=False
    )

    def check():
        backend = load_backend(resolve_model(str(folder)), device="cpu", precision="float32")
        assert backend.precision == "float32"
        assert {one.dtype for one in backend.model.parameters()} == {torch.float32}

    def load(*arguments, model_kwargs, **options):
        del model_kwargs["dtype"]
        return SentenceTransformer(*arguments, model_kwargs=model_kwargs, **options)

    check()
    monkeypatch.setattr(model.backends.sentence_transformers, "SentenceTransformer", load)
    with pytest.raises(AssertionError):
        check()


def check_drift_is_named():
    """The note that `jina-eval compare` prints."""
    from harness import compare

    old, new = make_record(model="org/old"), make_record(model="org/new")
    environment = new.provenance.environment.model_copy(
        update={"packages": {"transformers": "5"}, "device": "cuda:0"}
    )
    moved = new.provenance.model_copy(update={"environment": environment})
    note = compare.environment_note(
        "old", {"T": old}, "new", {"T": dataclasses.replace(new, provenance=moved)}
    )
    assert note is not None
    assert "transformers: None, now 5; device: cpu, now cuda:0" in note
    assert compare.environment_note("old", {"T": old}, "new", {"T": new}) is None


def test_15_environment_that_drifts_unsaid_is_noticed(monkeypatch):
    check_drift_is_named()
    monkeypatch.setattr("harness.compare_environment._differences", lambda *_: ())
    with pytest.raises(AssertionError):
        check_drift_is_named()


def spoiled(value):
    def vector(text):
        found = np.ones(8)
        if text == "bad":
            found[:] = value
        return found

    return Recorder(vector)


SEARCH = ({"d1": "good", "d2": "bad"}, {"q": "query"}, {"q": {"d1": 1}})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (math.nan, "not finite for 1 of 2 texts, the first is 'bad'"),
        (math.inf, "not finite for 1 of 2 texts, the first is 'bad'"),
        (0.0, "a zero vector for 1 of 2 texts, the first is 'bad'"),
        (1e30, "too long for a cosine in float32 for 1 of 2 texts, the first is 'bad'"),
        (1e-30, "too short for a cosine in float32 for 1 of 2 texts, the first is 'bad'"),
    ],
)
def test_16_vector_that_is_no_embedding_is_refused_by_its_text(value, said, monkeypatch):
    with pytest.raises(ModelOutputError, match=said):
        evaluate(make_search(*SEARCH), make_encoder(spoiled(value)))
    # Without the guard there would be a score, as there is in plain mteb.
    monkeypatch.setattr(model.mteb_encoder, "check_vectors", lambda *_: None)
    assert 0 <= evaluate(make_search(*SEARCH), make_encoder(spoiled(value)))["ndcg_at_10"] <= 1


def test_16_main_score_that_is_no_number_is_refused(monkeypatch):
    search = make_search(*SEARCH)
    encoder = make_encoder(Recorder())
    original = evaluation.PredictionRecorder

    def spoil(task):
        compute = task.task_specific_scores
        task.task_specific_scores = lambda *a, **k: {**compute(*a, **k), "ndcg_at_10": math.nan}
        return original(task)

    monkeypatch.setattr(evaluation, "PredictionRecorder", spoil)
    with pytest.raises(EvaluationError, match=r"main score of subset 'default', .* is nan"):
        evaluate(search, encoder)


def check_undefined_stays_undefined(folder):
    store, record = RecordStore(folder), make_record(0.5)
    scores = {"main_score": 0.5, "nauc_ndcg_at_1_max": math.nan, "hf_subset": "default"}
    result = {"task_name": "TaskA", "scores": {"test": [scores]}}
    store.write(dataclasses.replace(record, task_result=evaluation._finite(result)), {})
    (read,) = store.records()
    assert read.task_result["scores"]["test"][0]["nauc_ndcg_at_1_max"] is None


def test_17_undefined_metric_that_becomes_zero_is_noticed(tmp_path, monkeypatch):
    check_undefined_stays_undefined(tmp_path / "sound")
    original = evaluation._finite

    def zero(value):
        return 0.0 if isinstance(value, float) and math.isnan(value) else original(value)

    monkeypatch.setattr(evaluation, "_finite", zero)
    with pytest.raises(AssertionError):
        check_undefined_stays_undefined(tmp_path / "planted")


def test_17_example_that_leaves_the_denominator_is_refused(monkeypatch):
    """The guard at run time: all examples of the data are scored, or there is no score."""
    from model.dense_search import DenseMtebEncoder

    corpus = {"d1": "one", "d2": "two"}
    search = make_search(corpus, {"q1": "x", "q2": "y"}, {"q1": {"d1": 1}, "q2": {"d2": 1}})
    original = DenseMtebEncoder.search

    def lossy(self, *arguments, **options):
        found = original(self, *arguments, **options)
        del found["q2"]
        return found

    monkeypatch.setattr(DenseMtebEncoder, "search", lossy)
    with pytest.raises(EvaluationError, match="only 1 of 2 examples were scored"):
        evaluate(search, make_encoder(Recorder()))


def check_levels_hold_for_all_calls():
    """A vector's 8 bits are the same alone, in company, and where levels were fitted in pieces."""
    vectors = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
    fits = []
    for size in (1, 7, 50):
        calibrator = Calibrator([8])
        for start in range(0, 50, size):
            calibrator.add(vectors[start : start + size])
        fits.append(calibrator.finish()[8])
    view = View(8, precision="int8")
    together = view.codes(vectors, fits[0])
    for fit in fits:
        np.testing.assert_array_equal(view.codes(vectors, fit), together)
        alone = np.concatenate([view.codes(row[None], fit) for row in vectors])
        np.testing.assert_array_equal(alone, together)


def check_numbers_beyond_the_levels_are_clipped():
    calibrator = Calibrator([2])
    calibrator.add(np.float32([[-1, -1], [1, 1]]))
    fit = calibrator.finish()[2]
    for precision, lowest, highest in (("int8", -128, 127), ("uint8", 0, 255)):
        found = codes(np.float32([[-2, 2], [5, -5]]), fit, precision)
        assert found.tolist() == [[lowest, highest], [highest, lowest]]


def check_read_is_near_the_numbers():
    vectors = np.random.default_rng(1).standard_normal((40, 8)).astype(np.float32)
    calibrator = Calibrator([4])
    calibrator.add(vectors)
    fit = calibrator.finish()[4]
    exact = View(4).read(vectors)
    for precision in ("int8", "uint8"):
        found = View(4, precision=precision).read(vectors, fit)
        assert np.abs(found - exact).max() <= fit.steps.max() / 2 + 1e-6


def no_clipping(patch):
    def levels(vectors, calibration):
        steps = np.where(calibration.steps > 0, calibration.steps, 1)
        return np.rint((vectors - calibration.lower) / steps).astype(np.int64).astype(np.uint8)

    patch.setattr(model.quantization, "_levels", levels)


def raw_codes(patch):
    """Codes are compared as they are stored, as if they were numbers."""
    patch.setattr(
        "model.views.dequantize", lambda stored, *_: stored.astype(np.float32, copy=False)
    )


@pytest.mark.parametrize(
    ("plant", "check"),
    [
        (int8_by_call, check_levels_hold_for_all_calls),
        (no_clipping, check_numbers_beyond_the_levels_are_clipped),
        (raw_codes, check_read_is_near_the_numbers),
    ],
)
def test_18_eight_bits_that_are_not_what_they_stand_for_are_noticed(plant, check, monkeypatch):
    check()
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        check()


def check_rescoring(width=16):
    """Rescored hits have the cosine of the query's numbers and the documents' bits."""
    backend = Recorder(width=width)
    texts = [f"text {n}" for n in range(30)]
    encoder = make_encoder(backend, view=View(width, precision="binary", rescore=2))
    corpus, queries = test_dense_search.corpus_of(texts), test_dense_search.queries_of(["x"])
    found = test_dense_search.search(encoder, corpus, queries, top_k=5)["q0"]
    query = backend.encode(["x"], Route(), lambda _: None).vectors[0]
    for name, score in found.items():
        (row,) = backend.encode([texts[int(name[1:])]], Route(), lambda _: None).vectors
        bits = np.where(row > 0, 1, -1) / np.sqrt(width)
        assert score == pytest.approx(query @ bits / np.linalg.norm(query), abs=1e-6)


def test_18_rescoring_by_codes_in_place_of_numbers_is_noticed(monkeypatch):
    check_rescoring()
    monkeypatch.setattr(
        model.dense_search.DenseMtebEncoder, "_view_of", lambda self, v, side: self.view.bits(v)
    )
    with pytest.raises(AssertionError):
        check_rescoring()


def test_19_vectors_of_another_width_are_refused():
    """The guard at run time: each call returns the model's own width."""

    class Narrow(Recorder):
        def encode(self, texts, route, progress):
            found = super().encode(texts, route, progress)
            narrow = texts[0] == "query"
            return Encoded(found.vectors[:, :4] if narrow else found.vectors)

    with pytest.raises(ModelOutputError, match="width 4; expected 8"):
        evaluate(make_search(*SEARCH), make_encoder(Narrow()))


def check_truncated_vectors_have_unit_length():
    vectors = np.random.default_rng(0).standard_normal((20, 16)).astype(np.float32)
    for dim in (1, 4, 15):
        read = View(dim).read(vectors)
        assert read.shape == (20, dim)
        np.testing.assert_allclose(np.linalg.norm(read, axis=1), 1, atol=1e-6)


def test_19_truncated_vectors_that_keep_their_length_are_noticed(monkeypatch):
    check_truncated_vectors_have_unit_length()
    monkeypatch.setattr("model.views.truncate", lambda vectors, dim, *_: vectors[:, :dim].copy())
    with pytest.raises(AssertionError):
        check_truncated_vectors_have_unit_length()
