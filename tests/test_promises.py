"""The tests that the documentation names exist, and every fault has one."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
PROMISES = re.findall(r"^## \d+\. .*?(?=^## )", TEXT, flags=re.MULTILINE | re.DOTALL)
NAMED = re.findall(r"^- `(tests/[\w/]+\.py)::(\w+)`", TEXT, flags=re.MULTILINE)


def names_defined(path):
    """Functions, classes and plain names at the top of a module."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return found


def test_every_promise_is_numbered_and_held_by_tests():
    assert [int(promise[3:].partition(".")[0]) for promise in PROMISES] == list(range(1, 13))
    for promise in PROMISES:
        assert "- `tests/" in promise, promise.splitlines()[0]


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[name for _, name in NAMED])
def test_the_named_test_exists(file, name):
    assert (ROOT / file).is_file(), file
    assert name in names_defined(ROOT / file)


def test_every_fault_is_described_and_has_a_test():
    described = [int(number) for number in re.findall(r"^\| (\d+) \|", TEXT, flags=re.MULTILINE)]
    assert described == list(range(1, 56))
    tested = {
        int(number)
        for path in (ROOT / "tests").rglob("test_*.py")
        for number in re.findall(r"^def test_fault_(\d+)_", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    }
    assert tested == set(described)
