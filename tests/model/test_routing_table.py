"""Routing profiles as tables: complete over mteb's text tasks, and as the paper says."""

import mteb
import pytest
from mteb.get_tasks import _TASKS_REGISTRY
from mteb.types import PromptType

from model.checkpoint import ADAPTERS, PROMPTS
from model.errors import ModelError
from model.routing import PROFILES, PromptConfiguration, Route, make_routing
from model.routing_table import built_in_tables

JINA = PromptConfiguration(prompts=PROMPTS, adapters=ADAPTERS)
PLAIN = PromptConfiguration(prompts={"query": "q: "})
BENCHMARKS = ("MTEB(eng, v1)", "MTEB(eng, v2)", "MTEB(Multilingual, v1)", "LongEmbed", "FollowIR")


@pytest.fixture(scope="module")
def tasks():
    found = {}
    for name in (*BENCHMARKS, "MTEB(Multilingual, v2)", "MTEB(rus, v1.1)"):
        for task in mteb.get_benchmark(name).tasks:
            found[task.metadata.name] = task.metadata
            for part in getattr(task.metadata, "tasks", None) or ():
                found[part.metadata.name] = part.metadata
    return found


def sides_of(task):
    retrieval = ("Retrieval", "Reranking", "InstructionRetrieval", "InstructionReranking")
    return (PromptType.query, PromptType.document) if task.type in retrieval else (None,)


def test_the_papers_profile_routes_every_task_of_the_large_benchmarks(tasks):
    routing = make_routing("paper", JINA)
    for task in tasks.values():
        for side in sides_of(task):
            route = routing.route(task, side)
            assert route.adapter in ADAPTERS
            assert route.prompt == PROMPTS[route.adapter]


def test_the_papers_exceptions_are_these_tasks_and_no_others(tasks):
    """Section 5.2 and table 5: three symmetric retrieval tasks, and LongEmbed."""
    routing = make_routing("paper", JINA)
    matching = {
        name
        for name, task in tasks.items()
        if task.type == "Retrieval"
        and routing.route(task, PromptType.query).adapter == "text-matching"
    }
    forums = {name for name in tasks if name.startswith("CQADupstack")}
    long = {task.metadata.name for task in mteb.get_benchmark("LongEmbed").tasks}
    assert len(forums) == 13
    assert len(long) == 6
    assert matching == {"ArguAna", "QuoraRetrieval", *forums, *long}


def origins(task):
    """A task and those that it was made from, in one step or several, by what mteb says."""
    names, waiting = set(), [task.name]
    while waiting:
        name = waiting.pop()
        if name not in names:
            names.add(name)
            found = _TASKS_REGISTRY.get(name)
            waiting += (found.metadata.adapted_from or []) if found else []
    return names


def test_what_is_made_from_a_symmetric_task_is_routed_as_that_task():
    """Translations, samples and cleaned copies: one rule for all three of the paper's data sets."""
    routing = make_routing("paper", JINA)
    searches = [
        each.metadata for each in _TASKS_REGISTRY.values() if each.metadata.type == "Retrieval"
    ]
    matching = {
        task.name
        for task in searches
        if routing.route(task, PromptType.document).adapter == "text-matching"
    }
    symmetric = {
        task.name
        for task in searches
        if origins(task) & {"ArguAna", "QuoraRetrieval", "Quora"}
        or any(name.startswith("CQADupstack") for name in origins(task))
    }
    assert {"ArguAna-PL", "Quora-NL", "NanoQuoraRetrieval", "CQADupstack-Tex-PL"} <= symmetric
    long = {task.metadata.name for task in mteb.get_benchmark("LongEmbed").tasks}
    assert matching == symmetric | long


@pytest.mark.parametrize(
    ("name", "side", "adapter"),
    [
        ("SciFact", PromptType.query, "retrieval.query"),
        ("SciFact", PromptType.document, "retrieval.passage"),
        ("ArguAna", PromptType.query, "text-matching"),
        ("ArguAna", PromptType.document, "text-matching"),
        ("LEMBPasskeyRetrieval", PromptType.document, "text-matching"),
        ("AskUbuntuDupQuestions", PromptType.query, "separation"),
        ("TwentyNewsgroupsClustering", None, "separation"),
        ("Banking77Classification", None, "classification"),
        ("SprintDuplicateQuestions", None, "classification"),
        ("STSBenchmark", None, "text-matching"),
        ("SummEval", None, "text-matching"),
        ("BUCC.v2", None, "text-matching"),
        ("Core17InstructionRetrieval", PromptType.query, "retrieval.query"),
    ],
)
def test_the_papers_routes(tasks, name, side, adapter):
    assert make_routing("paper", JINA).route(tasks[name], side) == Route(adapter, PROMPTS[adapter])


def test_every_row_says_where_it_comes_from():
    for table in built_in_tables().values():
        for row in (*table.types.values(), *table.tasks.values()):
            assert row.source
        assert table.adapters() == set(ADAPTERS)
    assert set(PROFILES) == {*built_in_tables(), "registry", "none"}


@pytest.mark.parametrize("adapter", [*ADAPTERS, "none"])
def test_one_adapter_for_everything(tasks, adapter):
    if adapter == "none":
        with pytest.raises(ModelError, match="asks for adapter 'none'"):
            make_routing("adapter=none", JINA)
        return
    routing = make_routing(f"adapter={adapter}", JINA)
    assert routing.name == f"adapter={adapter}"
    for name in ("SciFact", "STSBenchmark", "Core17InstructionRetrieval"):
        for side in sides_of(tasks[name]):
            assert routing.route(tasks[name], side) == Route(adapter, PROMPTS[adapter])


def test_a_model_without_adapters_has_no_such_profiles():
    for name in ("paper", "adapter=separation"):
        with pytest.raises(ModelError, match=f"routing '{name}' asks for adapter"):
            make_routing(name, PLAIN)
    message = "allowed: paper, compact, mteb, registry, none, adapter=NAME, or a .toml file"
    with pytest.raises(ModelError, match=message):
        make_routing("papers", JINA)


FILE = """
base = "paper"
description = "claims look like documents"

[tasks.SciFact]
query = { adapter = "retrieval.passage", prompt = "Claim: " }
document = "retrieval.passage"

[tasks."Arg*"]
adapter = "separation"

[types.STS]
adapter = "none"
prompt = ""
"""


@pytest.fixture
def write(tmp_path):
    def call(text, name="own.toml"):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return call


def test_a_users_table_stands_over_its_base(tasks, write):
    routing = make_routing(write(FILE), JINA)
    query, document = PromptType.query, PromptType.document

    assert routing.route(tasks["SciFact"], query) == Route("retrieval.passage", "Claim: ")
    assert routing.route(tasks["SciFact"], document) == Route(
        "retrieval.passage", PROMPTS["retrieval.passage"]
    )
    # Named exactly by the base, which a pattern does not undo.
    assert routing.route(tasks["ArguAna"], query).adapter == "text-matching"
    assert routing.route(tasks["STSBenchmark"], None) == Route()
    assert routing.route(tasks["NFCorpus"], query).adapter == "retrieval.query"


def test_a_table_is_known_by_its_content(write):
    one, same, other = (
        make_routing(write(text), JINA).name for text in (FILE, FILE, FILE + "# a remark")
    )
    assert one == same != other
    assert one.startswith("own-")


def test_a_table_without_adapters_gives_any_model_prompts(tasks, write):
    text = '[types.Retrieval]\nquery = { prompt = "search: " }\ndocument = { prompt = "" }\n'
    routing = make_routing(write(text), PLAIN)

    assert routing.route(tasks["SciFact"], PromptType.query) == Route(prompt="search: ")
    assert routing.route(tasks["SciFact"], PromptType.document) == Route()
    with pytest.raises(ModelError, match="has no row for task type 'STS'; allowed: Retrieval"):
        routing.route(tasks["STSBenchmark"], None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("types = 3", "types should be a table"),
        ("[type.STS]", "unknown key 'type'; did you mean 'types'"),
        ("[types.STS]\nadaptor = 'x'", "unknown key 'adaptor'; did you mean 'adapter'"),
        ("[types.STS]\nadapter = 3", "adapter is 3; expected a string"),
        ("[types.Retrieval]\nquery = 'separation'", "nor both query and document"),
        ("[types.STS]\nadapter = 'ranking'", "asks for adapter 'ranking'; this model's adapters"),
        ("base = 'papers'", "base is 'papers'; allowed: paper, compact, mteb"),
        ("[types", "is not TOML"),
    ],
)
def test_mistakes_in_a_table_are_named(write, text, message):
    with pytest.raises(ModelError, match=message):
        make_routing(write(text), JINA)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(ModelError, match="No such file"):
        make_routing(str(tmp_path / "none.toml"), JINA)


def test_a_dimension_is_the_tasks_own_or_its_types(tasks, write):
    text = 'base = "paper"\n[types.Retrieval]\ndim = 128\n[tasks.ArguAna]\ndim = 64\n'
    routing = make_routing(write(text), JINA)
    assert [routing.dim(tasks[name]) for name in ("NFCorpus", "ArguAna")] == [128, 64]
    assert routing.dim(tasks["STSBenchmark"]) is None
    # What a row does not name is the base's.
    paper = make_routing("paper", JINA)
    for name in ("NFCorpus", "ArguAna"):
        query = PromptType.query
        assert routing.route(tasks[name], query) == paper.route(tasks[name], query)
    assert (routing.has_dims, paper.has_dims) == (True, False)


def test_the_compact_profile_is_the_papers_with_dimensions(tasks):
    compact, paper = make_routing("compact", JINA), make_routing("paper", JINA)
    dims = {"NFCorpus": 256, "ArguAna": 256, "STSBenchmark": 64}
    for name, dim in dims.items():
        assert compact.dim(tasks[name]) == dim
        assert compact.route(tasks[name], None) == paper.route(tasks[name], None)
    table = built_in_tables()["compact"]
    assert set(table.types) == set(built_in_tables()["paper"].types)
    assert all(row.source for row in table.types.values())


@pytest.mark.parametrize("dim", ["0", "-3", "1.5", "true", "'64'"])
def test_a_dimension_that_is_none_is_refused(write, dim):
    with pytest.raises(ModelError, match=r"types\.STS: dim is .*; expected a whole number"):
        make_routing(write(f"[types.STS]\nadapter = 'text-matching'\ndim = {dim}"), JINA)
