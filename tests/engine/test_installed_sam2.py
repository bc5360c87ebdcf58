"""The network code that runs is the one that Meta published, whichever package brought it."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import napari_sam2_video.engine.networks.sam2.installed as installed


def modules_of_the_network():
    import sam2.modeling.backbones.hieradet
    import sam2.modeling.backbones.image_encoder
    import sam2.modeling.memory_attention
    import sam2.modeling.memory_encoder
    import sam2.modeling.sam2_base  # noqa: F401

    return {
        Path(module.__file__) for name, module in sys.modules.items() if name == "sam2" or name.startswith("sam2.model")
    }


def test_network_code_is_metas():
    found = installed.installed_sam2()
    assert found["differs"] == []
    assert found["revision"] == "2b90b9f"
    assert found["packages"]


def test_every_module_of_the_network_is_compared():
    folder = Path(find_spec("sam2").submodule_search_locations[0])
    used = {path.relative_to(folder).as_posix() for path in modules_of_the_network()}
    assert used <= installed.META_SHA256.keys()


def test_changed_network_code_is_named(tmp_path, monkeypatch):
    folder = Path(find_spec("sam2").submodule_search_locations[0])
    for name in installed.META_SHA256:
        (tmp_path / "sam2" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sam2" / name).write_bytes((folder / name).read_bytes().replace(b"\n", b"\r\n"))
    monkeypatch.setattr(installed, "find_spec", lambda name: find_spec_in(tmp_path))
    assert installed.installed_sam2()["revision"] == "2b90b9f"
    with (tmp_path / "sam2" / "modeling" / "sam2_base.py").open("a") as file:
        file.write("\n# changed\n")
    found = installed.installed_sam2()
    assert (found["revision"], found["differs"]) == (None, ["modeling/sam2_base.py"])


def find_spec_in(folder):
    from importlib.machinery import PathFinder

    return PathFinder.find_spec("sam2", [str(folder)])
