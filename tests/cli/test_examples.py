"""The commands in the documentation and in the help can be called as they are written."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "src").glob("*/cli/*.py"))]
# The others would start a server, use the network or track the sample.
COMMANDS = "track|check|find|proposals|edit|export|measure|info|batch"
EXAMPLE = re.compile(rf"^(?:\$|   ) napari-sam2-video ((?:{COMMANDS}) .+?)(?<!\\)$", re.MULTILINE)
EXAMPLES = sorted({line for page in PAGES for line in EXAMPLE.findall(page.read_text(encoding="utf-8"))})


def test_there_are_examples_of_every_command():
    assert {line.split()[0] for line in EXAMPLES} == set(COMMANDS.split("|"))


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_only_lacks_its_files(line, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, said = call(*shlex.split(line, comments=True))
    assert code == 1, said
    assert re.search(r"There is no (file|session)|cannot be read \(No such file", said), said
