"""What an encoder that knows nothing may score on a starter task, computed and never guessed.

Each bound is exceeded by chance with a probability of at most `FALSE_ALARM`. Where examples are
independent it is Chernoff's, over the exact distribution of one example's score; elsewhere the
metric is simulated under random rankings or labels, and the bound is `Z` standard deviations
above the mean, the same probability if the metric, a mean of many terms, is normal.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from mteb.abstasks import AbsTask
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, f1_score, v_measure_score
from sklearn.preprocessing import MultiLabelBinarizer

from tasks.texts import expected_examples

FALSE_ALARM = 1e-6
Z = NormalDist().inv_cdf(1 - FALSE_ALARM)
SIMULATIONS = 200


def chance_bound(task: AbsTask) -> float:
    """Return the highest main score that chance explains, for a loaded task."""
    return _BOUNDS[task.metadata.type](task)


def expected_ndcg(documents: int, cut: int) -> float:
    """Return the mean nDCG of random rankings with one relevant document: exact."""
    return sum(_gains(documents, cut)) / documents


def chernoff(values: Sequence[float], count: int) -> float:
    """Bound the mean of `count` independent draws from `values`, each equally likely.

    P(mean >= t) <= exp(-count * sup_l (l t - log E exp(l X))), solved for t.
    """
    points = np.asarray(values, dtype=float)

    def log_mean_exp(rate: float) -> float:
        peak = rate * points.max()
        return peak + math.log(np.exp(rate * points - peak).mean())

    def excess(threshold: float) -> float:
        found = minimize_scalar(
            lambda rate: log_mean_exp(rate) - rate * threshold, bounds=(0, 1e4), method="bounded"
        )
        return count * -found.fun - math.log(1 / FALSE_ALARM)

    top = float(points.max())
    return float(brentq(excess, points.mean(), top)) if excess(top - 1e-9) > 0 else top


def simulated(draw: Callable[[np.random.Generator], float], repeats: int = SIMULATIONS) -> float:
    """Bound a metric by its mean and standard deviation over random draws."""
    generator = np.random.default_rng(0)
    scores = [draw(generator) for _ in range(repeats)]
    return float(np.mean(scores) + Z * np.std(scores, ddof=1))


def _gains(documents: int, cut: int) -> list[float]:
    """Return the nDCG of each rank that the one relevant document may have."""
    return [1 / math.log2(rank + 1) if rank <= cut else 0.0 for rank in range(1, documents + 1)]


def _examples(task: AbsTask) -> int:
    return sum(sum(by_subset.values()) for by_subset in expected_examples(task).values())


def ranking(task: Any) -> tuple[int, int]:
    """Return how many documents are ranked, and the cut of the metric; alike in all subsets."""
    sizes = {
        len(next(iter(data["top_ranked"].values())) if data["top_ranked"] else data["corpus"])
        for splits in task.dataset.values()
        for data in splits.values()
    }
    (documents,) = sizes
    return documents, int(task.metadata.main_score.removeprefix("ndcg_at_"))


def _ranking_bound(task: AbsTask) -> float:
    return chernoff(_gains(*ranking(task)), _examples(task))


def label_counts(task: Any) -> dict[str, int]:
    """Return the number of labels of each subset, after checking that they are balanced."""
    counts = {}
    for subset in task.hf_subsets:
        texts = Counter(task.dataset.get(subset, task.dataset)["test"]["label"])
        assert len(set(texts.values())) == 1, f"{subset}: labels of different numbers of texts"
        counts[subset] = len(texts)
    return counts


def _classification_bound(task: AbsTask) -> float:
    """Bound the mean accuracy over subsets by a weighted sum of independent answers.

    With balanced labels an answer that ignores the text is right once in `labels` times. The
    experiments share their test texts, so they count once.
    """
    counts, texts = label_counts(task), expected_examples(task)["test"]
    weights = np.array([1 / (len(counts) * texts[subset]) for subset in counts])
    variance = sum(
        texts[subset] * weight**2 * (1 - 1 / number) / number
        for (subset, number), weight in zip(counts.items(), weights, strict=True)
    )
    # Bernstein's inequality: P(sum - mean >= t) <= exp(-t^2 / (2 variance + 2/3 weight t)).
    log = math.log(1 / FALSE_ALARM)
    linear = log * float(weights.max()) / 3
    return float(
        np.mean([1 / number for number in counts.values()])
        + linear
        + math.sqrt(linear**2 + 2 * variance * log)
    )


def _multilabel_bound(task: Any) -> float:
    """Bound macro F1 by what always saying yes scores, and the spread of saying yes by chance.

    Saying yes with probability q to a label of share p expects an F1 near 2pq / (p + q), which
    grows with q, so that q = 1 is the best that can be expected without regard to the text. The
    spread around an expectation is largest about q = 1/2, where it is simulated.
    """
    rows = list(task.dataset["test"]["label"])
    truth = MultiLabelBinarizer().fit_transform(rows)
    shares = truth.mean(axis=0)

    def draw(generator: np.random.Generator) -> float:
        return float(f1_score(truth, generator.integers(2, size=truth.shape), average="macro"))

    at_half = float(np.mean(shares / (shares + 0.5)))
    return float(np.mean(2 * shares / (1 + shares))) + simulated(draw) - at_half


def _clustering_bound(task: Any) -> float:
    """Simulate V-measure for texts put into clusters at random.

    Texts are drawn with replacement, as mteb does; a text drawn twice falls into one cluster both
    times, which is why chance is far above 0. The score is the mean of `n_clusters` such draws.
    """
    labels = np.unique(task.dataset["test"]["labels"], return_inverse=True)[1]

    def draw(generator: np.random.Generator) -> float:
        clusters = generator.integers(labels.max() + 1, size=len(labels))
        scores = []
        for _ in range(task.n_clusters):
            drawn = generator.integers(len(labels), size=task.max_documents_per_cluster)
            scores.append(v_measure_score(labels[drawn], clusters[drawn]))
        return float(np.mean(scores))

    return simulated(draw, repeats=50)


def _pair_bound(task: Any) -> float:
    """Simulate average precision for random similarities, and allow for the best of five."""
    labels = np.asarray(task.dataset["test"]["labels"])

    def draw(generator: np.random.Generator) -> float:
        return max(
            float(average_precision_score(labels, generator.random(len(labels)))) for _ in range(5)
        )

    return simulated(draw)


def _rating_bound(task: Any) -> float:
    """Simulate the correlation of the ratings with those of the same texts in another order."""
    data = task.dataset["test"]
    place = {
        text: i for i, text in enumerate(dict.fromkeys([*data["sentence1"], *data["sentence2"]]))
    }
    first = np.array([place[text] for text in data["sentence1"]])
    second = np.array([place[text] for text in data["sentence2"]])
    noise = np.random.default_rng(1).standard_normal((len(place), len(place)))
    noise += noise.T

    def draw(generator: np.random.Generator) -> float:
        order = generator.permutation(len(place))
        return abs(float(spearmanr(noise[order[first], order[second]], data["score"]).statistic))

    return simulated(draw)


def _bitext_bound(task: Any) -> float:
    """Bound F1 by accuracy: a sentence that many are matched with has a low precision besides."""
    (rows,) = {
        count for by_subset in expected_examples(task).values() for count in by_subset.values()
    }
    return chernoff([1.0] + [0.0] * (rows - 1), _examples(task))


_BOUNDS: dict[str, Callable[[Any], float]] = {
    "Retrieval": _ranking_bound,
    "Reranking": _ranking_bound,
    "Classification": _classification_bound,
    "MultilabelClassification": _multilabel_bound,
    "Clustering": _clustering_bound,
    "PairClassification": _pair_bound,
    "STS": _rating_bound,
    "BitextMining": _bitext_bound,
}
