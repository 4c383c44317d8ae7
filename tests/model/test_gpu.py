"""What only a CUDA device can show: its kernels, bfloat16, memory, adapters in milliseconds."""

import logging

import numpy as np
import pytest
import torch

from model.attention.kernels import usable_kernels
from model.backends import load_backend
from model.routing import Route
from model.source import resolve_model
from tests.tiny_jina import ADAPTERS, make_jina_checkpoints

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
TEXTS = [
    "",
    "a",
    "one text",
    "the query " * 40,
    "東京 text",
    *(f"text {n} " * n for n in range(60)),
]
CUDA = torch.device("cuda:0")


def random_packed(lengths, heads=4, head_dim=64, dtype=torch.bfloat16):
    generator = torch.Generator(CUDA).manual_seed(0)
    shape = (sum(lengths), heads, head_dim)
    q, k, v = (torch.randn(shape, device=CUDA, generator=generator) for _ in range(3))
    cumulative = torch.tensor([0, *np.cumsum(lengths)], device=CUDA, dtype=torch.int32)
    return q.to(dtype), k.to(dtype), v.to(dtype), cumulative


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("head_dim", [32, 64])
@pytest.mark.parametrize("longest", [1, 16, 31, 128, 150, 513, 3000])
def test_every_kernel_attends_within_each_text(longest, head_dim, dtype):
    lengths = [longest, 1, max(1, longest // 2), max(1, longest // 3), 7 % longest + 1]
    q, k, v, cumulative = random_packed(lengths, head_dim=head_dim, dtype=dtype)
    expected = torch.cat(
        [
            torch.nn.functional.scaled_dot_product_attention(
                *(part.double().transpose(0, 1)[None] for part in parts), scale=0.2
            )[0].transpose(0, 1)
            for parts in zip(q.split(lengths), k.split(lengths), v.split(lengths), strict=True)
        ]
    )
    usable, _ = usable_kernels(CUDA, dtype, head_dim)
    assert {"triton", "torch-varlen"} <= set(usable)
    for name, kernel in usable.items():
        out = kernel.run(q, k, v, cumulative, longest, 0.2)
        error = (out.double() - expected).norm() / expected.norm()
        assert error < 1e-2, name


def test_kernels_take_strided_heads():
    """As they come out of a layer that makes queries, keys and values at once."""
    lengths = [40, 90]
    q, k, v, cumulative = random_packed(lengths)
    joined = torch.stack([q, k, v], dim=1)
    usable, _ = usable_kernels(CUDA, torch.bfloat16, 64)
    for kernel in usable.values():
        strided = kernel.run(*joined.unbind(1), cumulative, 90, 0.125)
        torch.testing.assert_close(strided, kernel.run(q, k, v, cumulative, 90, 0.125))


@pytest.mark.parametrize("tokens", [1, 127, 128, 1000, 4097])
def test_linear_and_gelu_in_one_kernel(tokens):
    if torch.cuda.get_device_capability()[0] != 9:
        pytest.skip("the kernel is for Hopper GPUs")
    from model.linear_gelu_kernel import linear_gelu

    generator = torch.Generator(CUDA).manual_seed(tokens)
    shapes = ((tokens, 192), (512, 192), (512,))
    x, weight, bias = (
        torch.randn(shape, device=CUDA, generator=generator).bfloat16() for shape in shapes
    )
    exact = torch.nn.functional.gelu(x.double() @ weight.double().T + bias.double())
    out = linear_gelu(x, weight, bias)

    assert (out.double() - exact).norm() / exact.norm() < 3e-3
    assert (out.double() - exact).abs().max() < 2**-8 * exact.abs().max()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    sizes = {"hidden": 256, "heads": 4, "intermediate": 512, "max_positions": 514}
    return make_jina_checkpoints(tmp_path_factory.mktemp("gpu"), dtype=torch.bfloat16, **sizes)


def encode(backend, texts, adapter=None):
    return backend.encode(texts, Route(adapter), lambda _: None).vectors


@pytest.fixture(scope="module")
def exact(folders):
    backend = load_backend(resolve_model(str(folders.original)), device="cpu")
    return {adapter: encode(backend, TEXTS, adapter) for adapter in (None, *ADAPTERS)}


@pytest.mark.parametrize("layout", ["original", "native"])
def test_float32_is_that_of_the_cpu(folders, exact, layout):
    source = resolve_model(str(getattr(folders, layout)))
    backend = load_backend(source, device="cuda", precision="float32")

    assert backend.device == "cuda:0"
    assert backend.attention == "sdpa"
    for adapter, vectors in exact.items():
        np.testing.assert_allclose(encode(backend, TEXTS, adapter), vectors, atol=1e-5)


@pytest.fixture(scope="module")
def half(folders):
    source = resolve_model(str(folders.original))
    return load_backend(source, device="cuda", precision="bfloat16")


def test_bfloat16_agrees_with_float32_at_any_budget(half, exact):
    assert half.compiled
    for budget in (100_000, 700, 40):
        half.encoder.token_budget = budget
        for adapter, vectors in exact.items():
            cosines = (encode(half, TEXTS, adapter) * vectors).sum(axis=1)
            assert cosines.min() > 0.9999, (budget, adapter)


def test_switching_adapters_never_drifts(half):
    half.encoder.token_budget = 100_000
    first = {adapter: encode(half, TEXTS, adapter) for adapter in (*ADAPTERS, None)}
    for _ in range(20):
        for adapter in ADAPTERS:
            half.activate(adapter)
    for adapter, vectors in first.items():
        np.testing.assert_array_equal(encode(half, TEXTS, adapter), vectors)


def test_each_kernel_can_be_asked_for(folders, exact):
    source = resolve_model(str(folders.native))
    usable, _ = usable_kernels(CUDA, torch.bfloat16, 64)
    for name in ("sdpa", *usable):
        backend = load_backend(source, device="cuda", precision="bfloat16", attention=name)
        assert backend.attention == name
        assert (encode(backend, TEXTS) * exact[None]).sum(axis=1).min() > 0.9999, name


def test_float8_is_near_and_says_its_name(folders, exact):
    backend = load_backend(resolve_model(str(folders.native)), device="cuda", precision="float8")

    assert backend.precision == "float8"
    for adapter in (None, "separation", "classification"):
        assert (encode(backend, TEXTS, adapter) * exact[adapter]).sum(axis=1).min() > 0.98


def test_out_of_memory_halves_the_budget(half, exact, caplog):
    texts = TEXTS * 40
    total, _ = torch.cuda.mem_get_info()
    used = torch.cuda.memory_reserved()
    torch.cuda.empty_cache()
    half.encoder.token_budget = 1_000_000
    # Little more than what is in use already.
    torch.cuda.set_per_process_memory_fraction((used + 120 * 2**20) / total)
    try:
        with caplog.at_level(logging.WARNING):
            vectors = encode(half, texts)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)

    assert "out of memory: going on with" in caplog.text
    assert half.encoder.token_budget < 1_000_000
    assert (vectors * np.tile(exact[None], (40, 1))).sum(axis=1).min() > 0.9999


def test_a_sentence_transformers_model_runs_packed(tmp_path):
    from tests.tiny_models import make_sentence_transformer

    folder = make_sentence_transformer(tmp_path / "bert", width=64)
    source = resolve_model(str(folder))
    expected = encode(load_backend(source, device="cpu"), TEXTS)
    backend = load_backend(source, device="cuda", precision="bfloat16")

    assert backend.encoder is not None
    assert backend.compiled
    assert "triton" in backend.attention
    assert (encode(backend, TEXTS) * expected).sum(axis=1).min() > 0.999


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean", "manhattan"])
def test_every_similarity_searches_as_on_the_cpu(similarity):
    from model.pair_scores import pair_scores
    from model.top_k import ExactSearch

    generator = np.random.default_rng(0)
    queries, documents = (
        (generator.normal(size=(count, 96)) * generator.uniform(0.2, 5, (count, 1))).astype("f4")
        for count in (2100, 9000)
    )
    documents[8999] = documents[3]  # a tie, far apart
    found = {}
    for device in ("cpu", "cuda:0"):
        search = ExactSearch(queries, 20, device, similarity)
        search.add(documents[:8192])
        search.add(documents[8192:])
        scores, places = search.best()
        order = np.argsort(-scores, axis=1, kind="stable")
        found[device] = np.take_along_axis(scores, order, 1), np.take_along_axis(places, order, 1)
    np.testing.assert_allclose(found["cuda:0"][0], found["cpu"][0], rtol=1e-4, atol=1e-4)
    assert (found["cuda:0"][1] == found["cpu"][1]).mean() > 0.999
    asked, columns = np.arange(50), np.arange(50) * 100
    pairs = [
        pair_scores(queries, documents, asked, columns, device, None, similarity)
        for device in found
    ]
    np.testing.assert_allclose(pairs[0], pairs[1], rtol=1e-4, atol=1e-4)


def test_auto_runs_in_the_checkpoints_own_format(tmp_path):
    folders = make_jina_checkpoints(tmp_path, dtype=torch.bfloat16)
    source = resolve_model(str(folders.native))
    assert load_backend(source).precision == "bfloat16"
    assert load_backend(source, device="cpu").precision == "float32"
