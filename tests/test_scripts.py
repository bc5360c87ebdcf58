"""The scripts in the documentation run, as far as a test can run them."""

import ast
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from napari_sam2_video.synthetic import make_clip

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def scripts(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def imported():
    for page in PAGES:
        for script in scripts(page):
            for node in ast.walk(ast.parse(script)):
                if isinstance(node, ast.ImportFrom) and node.module.startswith("napari_sam2_video"):
                    yield from ((page.name, node.module, alias.name) for alias in node.names)


def test_the_script_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    import tifffile

    (script,) = scripts(ROOT / "README.md")
    tifffile.imwrite(tmp_path / "cells.tif", make_clip("cells", seed=7, frames=4).frames, photometric="minisblack")
    monkeypatch.chdir(tmp_path)
    exec(compile(script, "README.md", "exec"), {})
    assert (tmp_path / "cells.sam2v").is_dir()
    assert tifffile.imread(tmp_path / "cells_labels.ome.tif").shape == (4, 256, 256)
    assert capsys.readouterr().out


@pytest.mark.parametrize(("page", "module", "name"), imported())
def test_what_a_script_imports_is_a_function_or_a_class(page, module, name):
    found = getattr(import_module(module), name)
    assert not isinstance(found, ModuleType), f"{page}: {name} of {module} is a module"
