"""The parts import each other one way, and what scripts import is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import napari_sam2_video

ROOT = Path(napari_sam2_video.__file__).parent
LOW = {"__version__", "errors", "types", "geometry", "spans"}
MAY_IMPORT = {
    "errors": set(),
    "geometry": set(),
    "spans": set(),
    "types": {"errors", "units"},
    "units": set(),
    "torch_environment": set(),
    "storage": LOW,
    "frames": LOW | {"units"},
    "models": LOW | {"storage"},
    "synthetic": LOW,
    "linking": LOW,
    "engine": LOW | {"torch_environment", "storage", "models"},
    "masks": LOW | {"storage"},
    "results": LOW | {"units"},
    "analysis": LOW | {"units", "masks", "results"},
    "export": LOW | {"units", "storage", "frames", "analysis", "results"},
    "server": LOW | {"storage", "models", "engine", "masks", "torch_environment"},
    "detect": LOW | {"linking", "storage", "frames", "models", "engine", "masks"},
    "session": LOW
    | {"server", "detect", "linking"}
    | {"units", "storage", "frames", "models", "engine", "masks", "analysis", "results"},
    "prompt_text": LOW | {"frames"},
    "api": LOW
    | {
        "units",
        "prompt_text",
        "frames",
        "models",
        "engine",
        "masks",
        "analysis",
        "results",
        "export",
        "session",
        "detect",
    },
    "batch": LOW | {"storage", "prompt_text", "engine", "export", "session", "api"},
    "budget": LOW | {"frames", "models", "engine", "masks", "session"},
    "demo": LOW | {"synthetic", "analysis", "masks", "session", "api"},
    "regions": LOW,
    "preload": {"types", "torch_environment"},
    "devices": {"preload"},
}
# puts a session into a viewer that a script opened, and imports the plugin when it is called
INTO_A_VIEWER = (ROOT / "api" / "viewer.py",)
PARTS = sorted(
    {path.stem for path in ROOT.glob("[!_]*.py")} | {path.parent.name for path in ROOT.glob("*/__init__.py")}
)


def imported_parts(part):
    found = {}
    files = [ROOT / f"{part}.py"] if (ROOT / f"{part}.py").exists() else sorted((ROOT / part).rglob("*.py"))
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                assert node.level == 0, f"{path} imports relatively"
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            for name in names:
                package, _, rest = name.partition(".")
                if package == "napari_sam2_video" and rest:
                    found.setdefault(rest.split(".")[0], path)
    found.pop(part, None)
    return found


def test_no_module_is_longer_than_400_lines():
    tools = Path(__file__).parents[1] / "tools"
    modules = [*ROOT.rglob("*.py"), *tools.rglob("*.py")]
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in modules}
    assert not {path: length for path, length in lengths.items() if length > 400}


def test_every_part_has_its_place():
    assert set(PARTS) - {"plugin", "cli"} == set(MAY_IMPORT)


@pytest.mark.parametrize("part", sorted(MAY_IMPORT))
def test_imports_go_one_way(part):
    parts = {name: path for name, path in imported_parts(part).items() if path not in INTO_A_VIEWER}
    wrong = {name: path for name, path in parts.items() if name not in MAY_IMPORT[part]}
    assert not wrong


@pytest.mark.parametrize("part", [part for part in PARTS if part != "plugin"])
def test_nothing_imports_the_plugin(part):
    assert imported_parts(part).get("plugin") in (None, *INTO_A_VIEWER)


@pytest.mark.parametrize(
    "module",
    [
        "napari_sam2_video",
        "napari_sam2_video.api",
        "napari_sam2_video.batch",
        "napari_sam2_video.cli",
        "napari_sam2_video.export.registry",
        "napari_sam2_video.frames.open",
        "napari_sam2_video.models.resolve",
        "napari_sam2_video.session",
    ],
)
def test_importing_the_core_loads_neither_torch_nor_a_viewer(module):
    heavy = ("torch", "sam2", "napari", "qtpy", "magicgui", "matplotlib", "pandas", "nibabel", "pydicom")
    program = f"import sys, {module}\nprint([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_two_kinds_of_settings_have_one_name():
    found = [
        node.name
        for path in ROOT.rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name.endswith("Settings")
    ]
    assert "FindSettings" in found
    assert len(found) == len(set(found))
