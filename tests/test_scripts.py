"""The scripts in the documentation run, as far as a test can run them."""

import ast
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from napari_sam2_video import api
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


def liver_scan():
    """Twelve slices with a bright organ where the scripts draw their box."""
    rows, columns = np.indices((96, 96))
    noise = np.random.default_rng(0).normal(0, 10, (12, 96, 96))
    return (np.where(np.hypot(rows - 35, columns - 35) < 15, 150, 0) + noise).astype(np.int16)


def test_the_scripts_of_the_page_on_scripts_run(tmp_path, monkeypatch, capsys):
    import tifffile

    clip = make_clip("cells", seed=7, frames=6)
    tifffile.imwrite(tmp_path / "cells.tif", clip.frames, photometric="minisblack")
    tifffile.imwrite(tmp_path / "scan.tif", liver_scan(), photometric="minisblack")
    tifffile.imwrite(tmp_path / "labels.tif", clip.labels[0].astype("uint16"), photometric="minisblack")
    tifffile.imwrite(tmp_path / "all_labels.tif", clip.labels.astype("uint16"), photometric="minisblack")
    np.save(tmp_path / "film.npy", clip.frames[:, :128, :128])
    (tmp_path / "frames").mkdir()
    for number, frame in enumerate(clip.frames[:, :128, :128]):
        tifffile.imwrite(tmp_path / "frames" / f"{number}.tif", frame, photometric="minisblack")
    monkeypatch.chdir(tmp_path)
    names = {}
    for number, script in enumerate(scripts(ROOT / "docs" / "scripting.md"), start=1):
        if "napari.Viewer()" not in script:
            exec(compile(script, f"script {number} of scripting.md", "exec"), names)
    assert tifffile.imread("cells_labels.ome.tif").shape == clip.frames.shape
    assert names["first_mask_yx"].any()
    assert names["area_of_each_frame"].shape == (6,)
    assert names["labels_tyx"].shape == (6, 128, 128)
    assert len(names["lineage"]) >= len(np.unique(clip.labels)) - 1
    assert "track has no option chanel; did you mean channel?" in capsys.readouterr().out


@pytest.mark.parametrize(("page", "module", "name"), imported())
def test_what_a_script_imports_is_a_function_or_a_class(page, module, name):
    found = getattr(import_module(module), name)
    assert found is api or not isinstance(found, ModuleType), f"{page}: {name} of {module} is a module"


def test_what_a_script_takes_from_the_api_is_public():
    for page in PAGES:
        for script in scripts(page):
            for node in ast.walk(ast.parse(script)):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "api":
                    assert node.attr in api.__all__, f"{page.name}: {node.attr}"


def test_the_script_of_the_page_on_volumes_runs(tmp_path, monkeypatch, capsys):
    import tifffile

    clip = make_clip("nuclei", seed=7, frames=12, size=(64, 64))
    tifffile.imwrite(tmp_path / "volume.tif", clip.frames, photometric="minisblack")
    monkeypatch.chdir(tmp_path)
    (script,) = scripts(ROOT / "docs" / "volumes.md")
    exec(compile(script, "volumes.md", "exec"), {})
    assert tifffile.imread("volume.ome.tif").shape == clip.frames.shape
    assert "('Z', 'Y', 'X')" in capsys.readouterr().out
