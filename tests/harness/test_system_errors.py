"""What the system refuses is one line; an empty argument never means the current folder."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import cli
from harness.cli import main
from harness.system_errors import explain_system_error

ROOT = Path(__file__).parents[2]


def call(*arguments, stdout):
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_standard_output_is_one_line():
    with Path("/dev/full").open("w") as full:
        done = call("--help", stdout=full)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: a file or standard output cannot be written: No space left on device"
    ]


def test_a_reader_that_has_had_enough_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    done = call("--help", stdout=writer)
    os.close(writer)
    assert done.returncode == 141
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--model", ""], "argument 3 after --model is empty"),
        (["run", "--model="], "--model has an empty value"),
        (["run", "-m", "minilm", "-o", ""], "argument 5 after -o is empty"),
        (["report", ""], "argument 2 after report is empty"),
    ],
)
def test_an_empty_argument_is_refused(arguments, said, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert said in capfd.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_system_error_below_is_one_line(monkeypatch, capfd):
    def fail(*_, **__):
        raise OSError(errno.ENAMETOOLONG, "File name too long", "x" * 5000)

    monkeypatch.setattr(cli, "app", fail)
    assert main(["suites", "list"]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("error: xxx")
    assert line.endswith("File name too long")
    assert len(line) < 200


def test_a_mistake_of_the_program_keeps_its_traceback(monkeypatch):
    def fail(*_, **__):
        raise FileNotFoundError(errno.ENOENT, "No such file", "our-own")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(FileNotFoundError):
        main(["suites", "list"])
    assert explain_system_error(OSError("without a number")) is None


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", "--model", "x" * 5000],
        ["plan", "--model", "/" + "x" * 5000],
        ["plan", "--routing", "x" * 5000],
        ["plan", "--suite", "x" * 5000],
        ["plan", "--view", "x" * 5000],
        ["plan", "x" * 5000],
        ["plan", "--cache", "x" * 5000],
        ["plan", "--output", "x" * 5000],
        ["plan", "/dev/zero"],
        ["plan", "--routing", "/dev/zero"],
        ["encode", "-m", "minilm", "-i", "x" * 5000, "-o", "a.npy"],
        ["encode", "-m", "minilm", "-i", "/dev/zero", "-o", "a.npy"],
    ],
    ids=lambda arguments: " ".join(argument[:12] for argument in arguments),
)
def test_very_long_names_and_devices_are_one_line(arguments, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = main(arguments)
    said = capfd.readouterr()
    assert "Traceback" not in said.err
    if code:
        assert code == 2
        assert said.err.count("error:") == 1
        assert len(said.err) < 6000
