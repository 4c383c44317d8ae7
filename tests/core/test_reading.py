"""Files of users: whatever they are, one line or data."""

import os
import threading
from pathlib import Path

import pytest

from jina_eval.core.errors import ReadError
from jina_eval.core.reading import parse_json, read_json, read_small, read_toml, shown_path

DEEP = 100_000


def refused(read, *arguments):
    with pytest.raises(ReadError) as error:
        read(*arguments)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600
    return str(error.value)


@pytest.mark.parametrize("depth", [101, 900, DEEP])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_json_nested_too_deeply_is_refused(depth, opening, closing):
    content = opening * depth + "1" + closing * depth
    assert "nested" in refused(parse_json, content, "config.json", object)


@pytest.mark.parametrize("depth", [101, 900, DEEP])
def test_toml_nested_too_deeply_is_refused(tmp_path, depth):
    path = tmp_path / "spec.toml"
    path.write_text("a = " + "[" * depth + "]" * depth)
    assert "nested" in refused(read_toml, path)


def test_what_is_nested_as_usual_is_read():
    assert parse_json("[" * 50 + "]" * 50, "x", list)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe\xfd", b"[1", b'{"a": ' + b"9" * 5000 + b"}"]
)
def test_what_is_no_json_is_named(tmp_path, content):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    assert f"{path} is not JSON" in refused(read_json, path, dict)


def test_a_number_of_thousands_of_digits_is_no_toml(tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text("seed = " + "9" * 5000)
    assert "is not TOML" in refused(read_toml, path)


def test_another_kind_of_document_is_named(tmp_path):
    path = tmp_path / "config.json"
    path.write_text("[1]")
    assert "should hold a JSON object" in refused(read_json, path, dict)


def test_a_folder_is_named(tmp_path):
    assert "is a folder, not a file" in refused(read_small, tmp_path)


def test_a_device_is_not_read():
    assert "is a device or socket" in refused(read_small, Path("/dev/zero"))


def test_a_pipe_is_read(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    threading.Thread(target=lambda: path.write_text("a = 1"), daemon=True).start()
    assert read_toml(path) == {"a": 1}


def test_a_large_file_is_not_read_whole(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(b"0" * 1001)
    assert "more than 1000 bytes" in refused(read_small, path, 1000)
    assert len(read_small(path, 1001)) == 1001


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_an_impossible_name_is_one_short_line(tmp_path, name):
    refused(read_small, tmp_path / name)


def test_a_path_is_shown_on_one_line():
    assert shown_path("a\nb\x1bc") == "a?b?c"
    assert len(shown_path("x" * 5000)) == 121
