"""docs/silent-failures.md has a row for each fault, and each row's tests are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "silent-failures.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d+) \| (.*) \|$", PAGE, re.MULTILINE)


def test_every_fault_has_a_row_with_its_source():
    assert [int(number) for number, _ in ROWS] == list(range(1, 37))
    for number, row in ROWS:
        fault, where, notices, proof = row.split(" | ")
        assert "](https://github.com/" in fault, number
        assert all((where, notices, proof)), number


def test_every_row_has_tests_of_its_number():
    for number, row in ROWS:
        proof = row.split(" | ")[-1]
        files = re.findall(r"\]\(\.\./(tests/silent_failures/\w+\.py)\)", proof)
        source = "".join((ROOT / file).read_text(encoding="utf-8") for file in files)
        assert re.search(rf'def test_{int(number):02}_|id="{int(number):02}-', source), number


def test_every_file_and_test_that_is_named_is_there():
    for file in re.findall(r"`((?:tests|harness)/[\w/]+\.py)`", PAGE):
        assert (ROOT / file).is_file(), file
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    for name in re.findall(r"`(test_[a-z_]+)`", PAGE):
        assert f"def {name}(" in tests, name
