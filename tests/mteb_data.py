"""Small data sets of our own making, in the repository layouts of real mteb tasks.

Each is what the task's class reads: the same files, configurations, splits and columns, with
few rows and invented text.
"""

import gzip
import json
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import datasets
import mteb

from tasks.fresh import task_parts
from tests.hub_server import Hub

__all__ = ["TASKS", "serve_tasks"]

_THINGS = [
    "river",
    "house",
    "tree",
    "engine",
    "bread",
    "window",
    "garden",
    "letter",
    "ship",
    "mountain",
    "clock",
    "road",
]
_ACTS = [
    "holds",
    "turns",
    "breaks",
    "follows",
    "carries",
    "finds",
    "leaves",
    "builds",
    "paints",
    "sells",
    "hides",
    "opens",
]
_KINDS = [
    "old",
    "green",
    "silent",
    "heavy",
    "small",
    "bright",
    "empty",
    "wooden",
    "distant",
    "broken",
    "warm",
    "quiet",
]
LENGTHS = (256, 512, 1024, 2048, 4096, 8192, 16384, 32768)

Rows = Sequence[dict[str, Any]]


def sentences(count: int, seed: int, *, words: int = 9) -> list[str]:
    """Different sentences, the same ones every time."""
    draw = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        parts: list[str] = []
        while len(parts) < words:
            parts += ["the", draw.choice(_KINDS), draw.choice(_THINGS), draw.choice(_ACTS)]
        found[" ".join([*parts[:words], f"no{draw.randrange(10**6)}"])] = None
    return list(found)


def write_rows(path: Path, rows: Rows) -> None:
    """A file of rows in the format that its ending says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        datasets.Dataset.from_list(list(rows)).to_parquet(path)
        return
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def write_card(folder: Path, configs: dict[str, dict[str, str]]) -> None:
    """A README whose header names each configuration's file by split."""
    lines = ["---", "configs:"]
    for name, files in configs.items():
        lines += [f"- config_name: {name}", "  data_files:"]
        for split, file in files.items():
            lines += [f"  - split: {split}", f"    path: {file}"]
    (folder / "README.md").write_text("\n".join([*lines, "---", "# A data set", ""]))


def _stsbenchmark(folder: Path) -> None:
    left, right = sentences(40, 1), sentences(40, 2)
    rows = [
        {"split": "test", "sentence1": a, "sentence2": b, "score": (n % 11) / 2}
        for n, (a, b) in enumerate(zip(left, right, strict=True))
    ]
    for split in ("train", "validation", "test"):
        write_rows(folder / f"{split}.jsonl.gz", rows)


def _sts17(folder: Path) -> None:
    rows = [
        {"sentence1": a, "sentence2": b, "score": float(n % 6), "lang": lang}
        for lang in ("en-en", "en-de")
        for n, (a, b) in enumerate(zip(sentences(12, 3), sentences(12, 4), strict=True))
    ]
    write_rows(folder / "test.jsonl.gz", rows)


def _banking77(folder: Path) -> None:
    for split, count, seed in (("train", 80, 5), ("test", 30, 6)):
        rows = [
            {"text": text, "label": n % 5, "label_text": f"kind {n % 5}"}
            for n, text in enumerate(sentences(count, seed))
        ]
        write_rows(folder / f"{split}.jsonl", rows)


def _maltese_news(folder: Path) -> None:
    for split, count, seed in (("train", 90, 7), ("test", 40, 8)):
        rows = [
            {"text": text, "label": sorted({n % 4, (n * 3 + 1) % 4})}
            for n, text in enumerate(sentences(count, seed))
        ]
        write_rows(folder / "data" / f"{split}-00000-of-00001.parquet", rows)


def _twenty_newsgroups(folder: Path) -> None:
    rows = []
    for number in range(3):
        texts = sentences(500, 20 + number)
        rows.append({"sentences": texts, "labels": [n % 6 for n in range(len(texts))]})
    write_rows(folder / "test.jsonl.gz", rows)


def _sprint(folder: Path) -> None:
    row = {
        "sent1": sentences(40, 9),
        "sent2": sentences(40, 10),
        "labels": [n % 2 for n in range(40)],
    }
    for split in ("validation", "test"):
        write_rows(folder / f"{split}.jsonl.gz", [row])


def _summeval(folder: Path) -> None:
    rows = [
        {
            "text": text,
            "human_summaries": sentences(3, 300 + n),
            "machine_summaries": sentences(4, 400 + n),
            "relevance": [1.0, 2.5, 3.0, 4.5],
            "coherence": [1.0, 2.5, 3.0, 4.5],
            "fluency": [1.0, 2.5, 3.0, 4.5],
            "consistency": [1.0, 2.5, 3.0, 4.5],
            "id": f"s{n}",
        }
        for n, text in enumerate(sentences(12, 11, words=60))
    ]
    write_rows(folder / "test.jsonl.gz", rows)


def _bitext(*subsets: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        rows = [
            {"sentence1": a, "sentence2": b, "lang": subset}
            for seed, subset in enumerate(subsets)
            for a, b in zip(sentences(15, 30 + seed), sentences(15, 50 + seed), strict=True)
        ]
        write_rows(folder / "test.jsonl.gz", rows)

    return write


def _ntrex(folder: Path) -> None:
    names = sorted(
        {name for subset in _task("NTREXBitextMining").hf_subsets for name in subset.split("-")}
    )
    columns = {name: sentences(8, 700 + n, words=4) for n, name in enumerate(names)}
    rows = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    write_rows(folder / "data" / "test-00000-of-00001.parquet", rows)


def _retrieval(seed: int, *, title: bool = True) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        corpus, queries, judged = _search(30, 8, seed, title=title)
        write_rows(folder / "corpus.jsonl", corpus)
        write_rows(folder / "queries.jsonl", queries)
        for split in ("train", "test"):
            write_rows(folder / "qrels" / f"{split}.jsonl", judged)
        write_card(
            folder,
            {
                "default": {"train": "qrels/train.jsonl", "test": "qrels/test.jsonl"},
                "corpus": {"corpus": "corpus.jsonl"},
                "queries": {"queries": "queries.jsonl"},
            },
        )

    return write


def _ask_ubuntu(folder: Path) -> None:
    corpus, queries, judged = _search(40, 10, 90, title=False)
    ranked = [
        {
            "query-id": row["query-id"],
            "corpus-ids": [row["corpus-id"], *(f"d{(n * 7 + k) % 30 + 10}" for k in range(6))],
        }
        for n, row in enumerate(judged)
    ]
    files = {"corpus": corpus, "queries": queries, "qrels": judged, "top_ranked": ranked}
    for name, rows in files.items():
        write_rows(folder / name / "test-00000-of-00001.parquet", rows)
    write_card(
        folder,
        {
            {"qrels": "default"}.get(name, name): {"test": f"{name}/test-*.parquet"}
            for name in files
        },
    )


def _core17(folder: Path) -> None:
    corpus, queries, judged = _search(40, 5, 95, title=True)
    both = [
        {"_id": f"{row['_id']}-{end}", "text": row["text"]}
        for row in queries
        for end in ("og", "changed")
    ]
    kept = [
        {"query-id": f"{row['query-id']}-{end}", "corpus-id": document, "score": 1}
        for row in judged
        for end in ("og", "changed")
        for document in (row["corpus-id"], f"d{30 + int(row['query-id'][1:])}")
        if end == "og" or document == row["corpus-id"]
    ]
    names = [row["_id"] for row in both]
    files: dict[str, tuple[str, Rows]] = {
        "corpus": ("corpus", corpus),
        "queries": ("queries", both),
        "default": ("test", kept),
        "instruction": (
            "instruction",
            [{"query-id": name, "instruction": f"Only what is old, {name}."} for name in names],
        ),
        "top_ranked": (
            "top_ranked",
            [{"query-id": name, "corpus-ids": [f"d{n}" for n in range(40)]} for name in names],
        ),
        "qrel_diff": (
            "qrel_diff",
            [{"query-id": f"q{n}", "corpus-ids": [f"d{30 + n}"]} for n in range(5)],
        ),
    }
    for name, (split, rows) in files.items():
        write_rows(folder / name / f"{split}-00000-of-00001.parquet", rows)
    write_card(
        folder,
        {name: {split: f"{name}/{split}-*.parquet"} for name, (split, _) in files.items()},
    )


def _long_embed(folder: Path) -> None:
    """Three splits a configuration, with columns of their own, as in the real repository."""
    configs: dict[str, dict[str, Rows]] = {}
    for seed, name in enumerate(("narrativeqa", "qmsum", "summ_screen_fd", "2wikimqa")):
        words = 12_000 if name == "narrativeqa" else 700
        texts, asked = sentences(6, 60 + seed, words=words), sentences(6, 80 + seed)
        configs[name] = {
            "corpus": [{"doc_id": f"d{n}", "text": text} for n, text in enumerate(texts)],
            "queries": [{"qid": f"q{n}", "text": text} for n, text in enumerate(asked)],
            "qrels": [{"qid": f"q{n}", "doc_id": f"d{n}"} for n in range(6)],
        }
    needles: dict[str, list[dict[str, Any]]] = {"corpus": [], "queries": [], "qrels": []}
    for length in LENGTHS:
        for n, text in enumerate(_long_texts(length, 0)):
            size = {"context_length": length}
            query, document = f"{length}q{n}", f"{length}-{n}"
            needles["corpus"].append({"doc_id": document, "text": text} | size)
            needles["queries"].append({"qid": query, "text": _ask_for(text)} | size)
            needles["qrels"].append({"qid": query, "doc_id": document} | size)
    configs["needle"] = dict(needles)
    for name, splits in configs.items():
        for split, rows in splits.items():
            write_rows(folder / name / f"{split}.jsonl", rows)
    write_card(
        folder,
        {
            name: {split: f"{name}/{split}.jsonl" for split in splits}
            for name, splits in configs.items()
        },
    )


def _passkey(folder: Path) -> None:
    configs: dict[str, dict[str, str]] = {"default": {}, "corpus": {}, "queries": {}}
    for length in LENGTHS:
        texts = _long_texts(length, 1)
        parts: dict[str, Rows] = {
            "corpus": [{"_id": f"d{n}", "title": "", "text": t} for n, t in enumerate(texts)],
            "queries": [{"_id": f"q{n}", "text": _ask_for(t)} for n, t in enumerate(texts)],
            "default": [
                {"query-id": f"q{n}", "corpus-id": f"d{n}", "score": 1} for n in range(len(texts))
            ],
        }
        for name, rows in parts.items():
            file = f"{name}/test_{length}-00000-of-00001.parquet"
            write_rows(folder / file, rows)
            configs[name][f"test_{length}"] = file
    write_card(folder, configs)


def _long_texts(length: int, seed: int) -> list[str]:
    """Texts of about so many tokens, four characters a token."""
    return sentences(3, length + seed, words=round(length * 0.8))


def _ask_for(text: str) -> str:
    return f"which text has number {text.rsplit('no', 1)[1]}?"


def _search(documents: int, queries: int, seed: int, *, title: bool) -> tuple[Rows, Rows, Rows]:
    corpus = [
        {"_id": f"d{n}", "title": f"About {n}" if title else "", "text": text}
        for n, text in enumerate(sentences(documents, seed, words=20))
    ]
    asked = [{"_id": f"q{n}", "text": text} for n, text in enumerate(sentences(queries, seed + 1))]
    judged = [{"query-id": f"q{n}", "corpus-id": f"d{n}", "score": 1} for n in range(queries)]
    return corpus, asked, judged


TASKS: dict[str, Callable[[Path], None]] = {
    "STSBenchmark": _stsbenchmark,
    "STS17": _sts17,
    "Banking77Classification": _banking77,
    "MalteseNewsClassification": _maltese_news,
    "TwentyNewsgroupsClustering.v2": _twenty_newsgroups,
    "SprintDuplicateQuestions": _sprint,
    "SummEvalSummarization.v2": _summeval,
    "BUCC.v2": _bitext("de-en", "fr-en"),
    "Tatoeba": _bitext("deu-eng", "fra-eng", "jpn-eng"),
    "NTREXBitextMining": _ntrex,
    "SciFact": _retrieval(70),
    "ArguAna": _retrieval(75),
    "CQADupstackRetrieval": _retrieval(77, title=False),
    "AskUbuntuDupQuestions": _ask_ubuntu,
    "Core17InstructionRetrieval": _core17,
    "LEMBNarrativeQARetrieval": _long_embed,
    "LEMBQMSumRetrieval": _long_embed,
    "LEMBSummScreenFDRetrieval": _long_embed,
    "LEMBWikimQARetrieval": _long_embed,
    "LEMBNeedleRetrieval": _long_embed,
    "LEMBPasskeyRetrieval": _passkey,
}
"""What writes each task's repository; of an aggregate, that of each part."""


def serve_tasks(hub: Hub, folder: Path, names: Iterable[str] = TASKS) -> None:
    """Write tasks' data sets and serve them at the revisions that mteb pins."""
    for name in names:
        for part in task_parts(_task(name)):
            path, revision = part.metadata.dataset["path"], part.metadata.revision
            where = folder / path.replace("/", "__")
            if not where.exists():
                where.mkdir(parents=True)
                TASKS[name](where)
            hub.add_dataset(path, where, revision)


def _task(name: str) -> Any:
    return mteb.get_task(name)
