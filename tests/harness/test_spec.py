import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.errors import SpecError
from harness.spec import DEFAULT_MODELS, RunSpec, load_specs

names = st.text(
    st.characters(codec="utf-8", exclude_characters='"\\', exclude_categories=["Cc", "Cs"]),
    min_size=1,
)


def write(tmp_path, text):
    path = tmp_path / "spec.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(file, **flags):
    with pytest.raises(SpecError) as error:
        load_specs(file, flags)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_nothing_given_compares_a_model_with_the_lexical_baseline():
    specs = load_specs(None, {})
    assert [spec.model for spec in specs] == list(DEFAULT_MODELS)
    assert all(spec.suite == "starter" for spec in specs)


def test_flags_win_over_the_file(tmp_path):
    file = write(tmp_path, 'model = "minilm"\nsuite = "english"\nseed = 1\n')
    (spec,) = load_specs(file, {"suite": "starter", "seed": None})
    assert (spec.model, spec.suite, spec.seed) == ("minilm", "starter", 1)
    assert spec.given() == {"model": "minilm", "suite": "starter", "seed": 1}


def test_a_list_of_models_gives_a_spec_each_equal_but_for_the_model(tmp_path):
    file = write(tmp_path, 'model = ["a/b", "c/d"]\nviews = ["dim=64"]\n')
    one, other = load_specs(file, {})
    assert one.model_copy(update={"model": other.model}) == other


def test_keys_of_embedding_models_do_not_concern_a_lexical_baseline_beside_them():
    flags = {"views": ("dim=64",), "precision": "bfloat16", "seed": 7}
    embedding, lexical = load_specs(None, flags)
    assert embedding.views == ("dim=64",)
    assert lexical == RunSpec(model="lexical", seed=7)
    (alone,) = load_specs(None, {"model": ("lexical",), **flags})
    assert alone.views == ("dim=64",)


@given(model=names, tasks=st.lists(names), seed=st.integers(0, 2**32 - 1))
def test_a_toml_file_says_the_same_as_flags(tmp_path_factory, model, tasks, seed):
    listed = ", ".join(f'"{task}"' for task in tasks)
    text = f'model = "{model}"\ntasks = [{listed}]\nseed = {seed}\n'
    file = write(tmp_path_factory.mktemp("spec"), text)
    flags = {"model": model, "tasks": tuple(tasks), "seed": seed}
    assert load_specs(file, {}) == load_specs(None, flags)


def test_a_spec_cannot_be_changed():
    with pytest.raises(ValidationError):
        RunSpec().seed = 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('modle = "x"', "unknown key 'modle'; did you mean 'model'"),
        ("colour = 1", "unknown key 'colour'; allowed: model, revision, suite"),
        ('seed = "1"', "seed is '1': input should be a valid integer"),
        ("seed = true", "seed is True: input should be a valid integer"),
        ("seed = -1", "seed is -1: input should be greater than or equal to 0"),
        ("seed = 1.0", "seed is 1.0: input should be a valid integer"),
        ("batch_size = 0", "batch_size is 0"),
        ("max_length = 0", "max_length is 0"),
        ('tasks = "A"', "tasks is 'A'"),
        ("views = [1]", "views is [1]"),
        ('precision = "int8"', "precision is 'int8': allowed: auto, float32, bfloat16, float16"),
        ("model = 3", "model is 3"),
        ("model = []", "model is []"),
        ('model = ["a", "a"]', "names one twice"),
        ("model = [1]", "model is 1"),
        ("seed = ", "is not TOML"),
        ('model = ""', "model is ''"),
        ('model = ["minilm", ""]', "model is ''"),
        ('cache = ""', "cache is ''"),
        ('routing = ""', "routing is ''"),
        ('suite = ""', "suite is ''"),
        pytest.param("tasks = " + "[" * 100_000, "is not TOML: nested too deeply", id="nested"),
    ],
)
def test_every_mistake_is_refused_by_name(tmp_path, text, expected):
    message = refused(write(tmp_path, text))
    assert expected in message


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    assert "no-such.toml: No such file" in refused(tmp_path / "no-such.toml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert "is not TOML" in refused(tmp_path / "binary")
