import io

import pytest

from harness.errors import RunError
from harness.text_input import InputText, read_texts


def write(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    return str(path)


def test_every_line_of_a_text_file_is_a_text(tmp_path):
    # Neither the line separator nor the form feed ends a line, and an empty line is a text.
    source = write(tmp_path, "t.txt", "one\r\n\ntw\u2028o\x0c\nthree".encode())

    assert [row.text for row in read_texts(source, None)] == ["one", "", "tw\u2028o\x0c", "three"]


def test_json_lines_hold_strings_or_objects(tmp_path):
    source = write(
        tmp_path, "t.jsonl", b'"one"\n\n{"text": "two", "adapter": "none", "id": 3}\n{"text": ""}\n'
    )

    assert read_texts(source, None) == [InputText("one"), InputText("two", "none"), InputText("")]


def test_the_format_may_be_named(tmp_path):
    source = write(tmp_path, "t.dat", b'"one"\n')

    assert read_texts(source, "jsonl") == [InputText("one")]
    assert read_texts(source, None) == [InputText('"one"')]


def test_a_device_that_never_ends_is_refused():
    with pytest.raises(RunError, match="/dev/zero is a device or socket, not a file"):
        read_texts("/dev/zero", None)


def test_a_line_nested_too_deeply_is_named(tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text('"a"\n' + "[" * 100_000)
    with pytest.raises(RunError, match="line 2 is not JSON"):
        read_texts(str(path), None)


def test_standard_input_is_text(monkeypatch):
    class Stdin:
        buffer = io.BytesIO("ä\nb\n".encode())

    monkeypatch.setattr("sys.stdin", Stdin())
    assert [row.text for row in read_texts("-", None)] == ["ä", "b"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"text": 3}\n', "line 1: expected a JSON string, or an object"),
        (b'"a"\n{"text": "b"\n', "line 2 is not JSON"),
        (b'{"text": "b", "adapter": 7}\n', '"adapter" is 7'),
        (b'"a"\n\xff\n', "line 2 is not UTF-8"),
        (b"", "holds no texts"),
    ],
)
def test_bad_lines_are_named(tmp_path, content, message):
    with pytest.raises(RunError, match=message):
        read_texts(write(tmp_path, "t.jsonl", content), None)


def test_a_missing_file_and_an_unknown_format_are_named(tmp_path):
    with pytest.raises(RunError, match="No such file"):
        read_texts(str(tmp_path / "none.txt"), None)
    with pytest.raises(RunError, match="unknown input format 'csv'; allowed: txt, jsonl"):
        read_texts("x", "csv")
