"""What a run stores is passed on: it does not say where the user's folders are."""

from harness.cli import main


def test_nothing_that_is_stored_names_a_folder_of_the_user(tiny_model, tmp_path):
    home = tmp_path / "anna"
    home.mkdir()
    model = home / "tiny"
    model.symlink_to(tiny_model)
    routing = home / "own.toml"
    routing.write_text('[types.STS]\nprompt = "query: "\n')
    output = home / "out"
    command = ["run", "-m", model, "-o", output, "--tasks", "LeeDocumentSTS", "-v", "dim=16"]
    command += ["--routing", routing, "--cache", home / "cache"]
    arguments = [str(part) for part in command]
    assert main(arguments) == 0
    files = [path for path in output.rglob("*") if path.is_file()]
    assert any(path.name == "provenance.json" for path in files)
    assert any(path.parent.name == "specs" for path in files)
    for path in files:
        content = path.read_bytes()
        for place in (home, tiny_model.parent):
            assert str(place).encode() not in content, path
    before = {path: path.stat().st_mtime_ns for path in output.rglob("provenance.json")}
    assert main(arguments) == 0  # the same record is found again
    assert {path: path.stat().st_mtime_ns for path in output.rglob("provenance.json")} == before
