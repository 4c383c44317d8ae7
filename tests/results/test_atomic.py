import os
import stat
from pathlib import Path

import pytest

from results.atomic import write_atomic


def test_text_and_bytes_are_written_with_their_folders(tmp_path):
    write_atomic(tmp_path / "a/b/file", "grün")
    assert (tmp_path / "a/b/file").read_bytes() == "grün".encode()
    write_atomic(tmp_path / "a/b/file", b"\0")
    assert (tmp_path / "a/b/file").read_bytes() == b"\0"


def test_others_may_read_what_is_written(tmp_path):
    write_atomic(tmp_path / "file", "text")
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_whatever_goes_wrong_the_old_file_stays_and_nothing_else(tmp_path, monkeypatch, step):
    import pathlib

    path = tmp_path / "file"
    write_atomic(path, "old")

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (pathlib.Path, "replace")), fail)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_a_device_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_atomic(pipe, "text")
    assert os.read(reader, 10) == b"text"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_device_is_an_error_and_stays():
    with pytest.raises(OSError, match="No space"):
        write_atomic(Path("/dev/full"), "text")
    assert Path("/dev/full").is_char_device()


def test_a_name_may_be_as_long_as_the_system_allows(tmp_path):
    write_atomic(tmp_path / ("x" * 255), "text")
    assert (tmp_path / ("x" * 255)).read_text() == "text"


def test_an_interruption_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "file", "new")
    assert list(tmp_path.iterdir()) == []
