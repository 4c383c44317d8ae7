"""More mistakes to be planted: in the data as they are read, in the model's pass, in the search."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.harness.planting import Plant, after_loading, encoder_of, with_route

__all__ = ["CAUGHT", "UNSEEN"]


def withheld_distractors(patch: pytest.MonkeyPatch) -> None:
    """Half of the wrong documents of each query cannot be found: scores rise."""

    def withhold(task: Any, encoder: Any) -> None:
        if task.metadata.type not in ("Retrieval", "Reranking"):
            return
        relevant = _relevant(task)
        search = encoder.search

        def fewer(*arguments: Any, **options: Any) -> Any:
            found = search(*arguments, **options)
            return {
                query: {
                    name: score
                    for name, score in hits.items()
                    if name in relevant[query] or _coin(query + name)
                }
                for query, hits in found.items()
            }

        encoder.search = fewer

    _before_evaluating(patch, withhold)


def training_on_test(patch: pytest.MonkeyPatch) -> None:
    """Classifiers are trained on the texts that they are tested on."""

    def leak(task: Any, encoder: Any) -> None:
        if task.metadata.type == "Classification":
            task.dataset["train"] = task.dataset["test"]

    _before_evaluating(patch, leak)


def shuffled_labels(patch: pytest.MonkeyPatch) -> None:
    """A tenth of the ratings stand beside each other's pairs, after the data were hashed."""

    def shuffle(task: Any, encoder: Any) -> None:
        if task.metadata.type != "STS":
            return
        pairs = task.dataset["test"]
        ratings = np.array(pairs["score"])
        ratings[::10] = ratings[::10][::-1]
        task.dataset["test"] = pairs.remove_columns("score").add_column("score", ratings.tolist())

    _before_evaluating(patch, shuffle)


def unasked_queries(patch: pytest.MonkeyPatch) -> None:
    """Every fifth query is not searched for."""
    from model.dense_search import DenseMtebEncoder

    original = DenseMtebEncoder.search

    def search(self, queries, **options):
        return original(self, queries.select([n for n in range(len(queries)) if n % 5]), **options)

    patch.setattr(DenseMtebEncoder, "search", search)


def few_documents(patch: pytest.MonkeyPatch) -> None:
    """A search gives five documents, whatever number was asked for."""
    from model.dense_search import DenseMtebEncoder

    original = DenseMtebEncoder.search

    def search(self, queries, *, top_k, **options):
        return original(self, queries, top_k=5, **options)

    patch.setattr(DenseMtebEncoder, "search", search)


def colliding_keys(patch: pytest.MonkeyPatch) -> None:
    """Texts that begin with the same twelve characters get the vector of the first of them."""
    from model.task_vectors import TaskVectors

    original = TaskVectors.read

    def read(self, key, texts, encode):
        first: dict[str, str] = {}
        for text in texts:
            first.setdefault(text[:12], text)
        place = {text: row for row, text in enumerate(first.values())}
        found = original(self, key, list(place), encode)
        return found.select(np.array([place[first[text[:12]]] for text in texts]))

    patch.setattr(TaskVectors, "read", read)


def cls_pooling(patch: pytest.MonkeyPatch) -> None:
    """The first token's vector is taken where the mean over all tokens should be."""

    def change(backend: Any) -> None:
        backend._packed._pooling = "cls"

    after_loading(patch, change)


def skipped_layer(patch: pytest.MonkeyPatch) -> None:
    """The last layer is left out: its input is taken for its output."""

    def change(backend: Any) -> None:
        encoder_of(backend)[-1].forward = lambda hidden_states, *_, **__: hidden_states

    after_loading(patch, change)


def attention_across_texts(patch: pytest.MonkeyPatch) -> None:
    """Texts attend to the texts that are packed beside them."""
    from model.packing import PackedBatch

    def change(backend: Any) -> None:
        patch.setattr(PackedBatch, "segments", lambda self: ((0, 1, self.tokens),))

    after_loading(patch, change)


def shifted_positions(patch: pytest.MonkeyPatch) -> None:
    """Positions are counted from 2, as RoBERTa does, in a model that counts from 0."""

    from model.packing import PackedBatch

    def change(backend: Any) -> None:
        original = PackedBatch.positions
        patch.setattr(PackedBatch, "positions", lambda *arguments: original(*arguments) + 2)

    after_loading(patch, change)


def silent_padding(patch: pytest.MonkeyPatch) -> None:
    """The model falls back to padded input: slower, with the same scores."""
    from model.backends import sentence_transformers

    patch.setattr(sentence_transformers, "packed_parts", lambda model: "planted")


def padding_attended_to(patch: pytest.MonkeyPatch) -> None:
    """Padded input, and the padding is attended to."""
    import torch

    def change(backend: Any) -> None:
        module = backend.model[0].auto_model
        forward = module.forward

        def unmasked(*arguments: Any, attention_mask: Any = None, **options: Any) -> Any:
            return forward(*arguments, attention_mask=torch.ones_like(attention_mask), **options)

        module.forward = unmasked

    silent_padding(patch)
    after_loading(patch, change)


def separator_dropped(patch: pytest.MonkeyPatch) -> None:
    """The tokenizer puts no `[SEP]` after a text."""

    def change(backend: Any) -> None:
        backend.encoder.tokenizer._suffix = []

    after_loading(patch, change)


def swapped_prompts(patch: pytest.MonkeyPatch) -> None:
    """Queries get the passages' prompt, and the other way round."""
    swapped = {"query: ": "passage: ", "passage: ": "query: "}
    with_route(patch, lambda route: replace(route, prompt=swapped.get(route.prompt, route.prompt)))


def rounded_down(patch: pytest.MonkeyPatch) -> None:
    """Eight-bit levels are cut off instead of rounded."""
    from model import quantization

    def levels(vectors, calibration):
        steps = np.where(calibration.steps > 0, calibration.steps, 1)
        numbers = np.clip(vectors, calibration.lower, calibration.upper) - calibration.lower
        return np.minimum(numbers / steps, 255).astype(np.uint8)

    patch.setattr(quantization, "_levels", levels)


def separator_unread(patch: pytest.MonkeyPatch) -> None:
    """`[SEP]` is counted, but taken away before the model reads the text."""
    from model import encoder
    from model.tokenization import TokenizedTexts

    original = encoder.pack

    def pack(texts, device):
        kept = np.ones(len(texts.ids), dtype=bool)
        kept[texts.offsets[1:] - 1] = False
        return original(
            TokenizedTexts(texts.ids[kept], texts.lengths - 1, texts.full_lengths), device
        )

    after_loading(patch, lambda backend: patch.setattr(encoder, "pack", pack))


def half_scores(patch: pytest.MonkeyPatch) -> None:
    """Cosines of searches are rounded to float16, which makes ties."""
    from model import pair_scores, top_k

    original = top_k.products

    def products(*arguments):
        return original(*arguments).half().float()

    patch.setattr(top_k, "products", products)
    patch.setattr(pair_scores, "products", products)


def rounded_vectors(patch: pytest.MonkeyPatch) -> None:
    """Vectors are rounded to bfloat16 on their way, while float32 is recorded."""
    import torch

    def change(backend: Any) -> None:
        finish = backend._packed._finish
        backend._packed._finish = lambda pooled: finish(pooled).to(torch.bfloat16).float()

    after_loading(patch, change)


def other_gelu(patch: pytest.MonkeyPatch) -> None:
    """The GELU is approximated by a tanh where the exact one was trained."""
    import torch

    def change(backend: Any) -> None:
        for layer in encoder_of(backend):
            layer.intermediate.intermediate_act_fn = torch.nn.GELU("tanh")

    after_loading(patch, change)


def other_epsilon(patch: pytest.MonkeyPatch) -> None:
    """Layer norms add 1e-5 to the variance instead of 1e-12."""
    import torch

    def change(backend: Any) -> None:
        for layer in encoder_of(backend):
            for module in layer.modules():
                if isinstance(module, torch.nn.LayerNorm):
                    module.eps = 1e-5

    after_loading(patch, change)


def lowercased(patch: pytest.MonkeyPatch) -> None:
    """Texts are lowercased; an uncased tokenizer does so too, but for a final Greek sigma."""

    def change(backend: Any) -> None:
        encode = backend.encode
        backend.encode = lambda texts, *more: encode([text.lower() for text in texts], *more)

    after_loading(patch, change)


def ten_documents(patch: pytest.MonkeyPatch) -> None:
    """A search gives ten documents, where recall at 100 is a metric beside the score."""
    from model.dense_search import DenseMtebEncoder

    original = DenseMtebEncoder.search

    def search(self, queries, *, top_k, **options):
        return original(self, queries, top_k=10, **options)

    patch.setattr(DenseMtebEncoder, "search", search)


CAUGHT: tuple[Plant, ...] = (
    withheld_distractors,
    training_on_test,
    shuffled_labels,
    unasked_queries,
    few_documents,
    colliding_keys,
    cls_pooling,
    skipped_layer,
    attention_across_texts,
    shifted_positions,
    silent_padding,
    padding_attended_to,
    separator_dropped,
    separator_unread,
    lowercased,
    swapped_prompts,
)

UNSEEN: tuple[Plant, ...] = (
    half_scores,
    rounded_vectors,
    rounded_down,
    other_gelu,
    other_epsilon,
    ten_documents,
)
"""What the gate does not see, or not for sure."""


def _before_evaluating(patch: pytest.MonkeyPatch, change: Callable[[Any, Any], None]) -> None:
    """Change a task's data after they were hashed, or the encoder that mteb is given."""
    from harness import jobs

    original = jobs.evaluate_task

    def evaluate(task: Any, encoder: Any, *arguments: Any, **options: Any) -> Any:
        change(task, encoder)
        return original(task, encoder, *arguments, **options)

    patch.setattr(jobs, "evaluate_task", evaluate)


def _relevant(task: Any) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for splits in task.dataset.values():
        for data in splits.values():
            for query, documents in data["relevant_docs"].items():
                found.setdefault(query, set()).update(documents)
    return found


def _coin(text: str) -> bool:
    return hashlib.sha256(text.encode()).digest()[0] % 2 == 0
