from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

import napari_sam2_video

MANIFEST = Path(napari_sam2_video.__file__).with_name("napari.yaml")


def load():
    from npe2 import PluginManifest

    return PluginManifest.from_file(MANIFEST)


def test_every_command_exists():
    for command in load().contributions.commands:
        module, _, name = str(command.python_name).partition(":")
        __import__(module)
        assert callable(getattr(sys.modules[module], name)), command.python_name


def test_importing_the_plugins_modules_loads_nothing_heavy():
    modules = {str(command.python_name).partition(":")[0] for command in load().contributions.commands}
    code = (
        "import sys\n"
        f"for name in {sorted(modules)!r}: __import__(name)\n"
        "heavy = {'torch', 'sam2', 'dask', 'zarr', 'tifffile', 'skimage', 'hydra'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_no_module_of_the_plugin_names_torch():
    for file in MANIFEST.with_name("plugin").glob("*.py"):
        assert "import torch" not in file.read_text(), file.name


def test_settings_of_the_manifest_are_those_that_are_read():
    from dataclasses import fields

    from napari_sam2_video.plugin.settings import PluginSettings

    declared = {
        name: entry.default
        for group in load().contributions.configurations.values()
        for name, entry in group.properties.items()
    }
    assert declared == {field.name: field.default for field in fields(PluginSettings)}


def test_menus_and_samples():
    contributions = load().contributions
    assert set(contributions.menus) == {"napari/layers/segment", "napari/layers/track"}
    assert [sample.key for sample in contributions.sample_data] == ["cells", "ct", "video"]
    assert len(contributions.widgets) == 1


@pytest.mark.parametrize(
    ("name", "ndim", "rgb"), [("cells", 3, False), ("abdomen", 3, False), ("colour_video", 4, True)]
)
def test_samples_open(name, ndim, rgb):
    from napari_sam2_video.plugin import sample_data

    ((data, arguments, kind),) = getattr(sample_data, name)()
    assert (kind, data.ndim, arguments.get("rgb", False)) == ("image", ndim, rgb)


def test_napari_is_asked_for_files_that_the_plugin_opens_and_for_no_others(tmp_path):
    from npe2 import PluginManager

    frames = np.arange(4 * 32 * 40, dtype=np.uint16).reshape(4, 32, 40)
    for name in ("cells.tif", "cells.ome.tif"):
        tifffile.imwrite(tmp_path / name, frames, metadata={"axes": "TYX"})
    for name in ("a.png", "a.npy", "a.csv", "a.svg", "a.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    manager = PluginManager()
    manager.register(load())
    asked = {path.name for path in tmp_path.iterdir() if list(manager.iter_compatible_readers(str(path)))}
    assert asked == {"cells.ome.tif", "folder"}


def test_an_ome_tiff_is_read_lazily(tmp_path):
    from napari_sam2_video.plugin.reader import tiff_reader

    frames = np.arange(4 * 32 * 40, dtype=np.uint16).reshape(4, 32, 40)
    file = tmp_path / "cells.ome.tif"
    tifffile.imwrite(file, frames, metadata={"axes": "TYX"})
    ((data, arguments, _),) = tiff_reader(str(file))(str(file))
    assert np.array_equal(np.asarray(data), frames)
    assert arguments["axis_labels"] == ["t", "y", "x"]


def test_folders_of_images_and_nothing_else(tmp_path):
    from PIL import Image

    from napari_sam2_video.plugin.reader import folder_reader

    folder = tmp_path / "frames"
    folder.mkdir()
    assert folder_reader(str(folder)) is None
    for n in range(3):
        Image.fromarray(np.full((16, 20), n, np.uint8)).save(folder / f"{n}.png")
    ((data, _, _),) = folder_reader(str(folder))(str(folder))
    assert data.shape == (3, 16, 20)
    (folder / ".zgroup").write_text("{}")
    assert folder_reader(str(folder)) is None
    assert folder_reader([str(folder)]) is None


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_an_ome_zarr_image_opens_with_its_pixel_size_and_its_labels_are_left_alone(tmp_path, version):
    from napari_sam2_video.export.registry import export
    from napari_sam2_video.plugin.reader import folder_reader
    from napari_sam2_video.results import TrackingResult

    labels = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    result = TrackingResult.from_arrays(labels, labels, pixel_size=(0.5, 0.25), units=("s", "µm", "µm"))
    folder = tmp_path / "cells.ome.zarr"
    export(result, folder, options={"version": version, "image": True})
    ((data, arguments, kind),) = folder_reader(str(folder))(str(folder))
    assert kind == "image"
    np.testing.assert_array_equal(np.asarray(data), labels)
    assert arguments["scale"] == [1.0, 0.5, 0.25]
    assert folder_reader(str(folder / "labels" / "objects")) is None


def test_a_nifti_volume_opens_with_its_voxel_size(tmp_path):
    import nibabel

    from napari_sam2_video.plugin.reader import volume_reader

    voxels = np.arange(6 * 5 * 4, dtype=np.int16).reshape(6, 5, 4)
    file = tmp_path / "scan.nii.gz"
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([0.5, 0.75, 2.0, 1.0])), file)
    ((data, arguments, kind),) = volume_reader(str(file))(str(file))
    assert kind == "image"
    np.testing.assert_array_equal(np.asarray(data), voxels.T)
    assert arguments["axis_labels"] == ["z", "y", "x"]
    assert arguments["scale"] == [2.0, 0.75, 0.5]


@pytest.mark.parametrize("marked", [True, False])
def test_a_dicom_series_opens_from_its_folder(tmp_path, marked):
    from napari_sam2_video.plugin.reader import folder_reader
    from tests.frames.dicoms import remove_mark, save_series

    folder = tmp_path / "series"
    folder.mkdir()
    save_series(folder, [0.0, 2.5, 5.0, 7.5])
    for path in () if marked else folder.iterdir():
        remove_mark(path, "implicit")
    ((data, arguments, _),) = folder_reader(str(folder))(str(folder))
    assert data.ndim == 3
    assert arguments["axis_labels"] == ["z", "y", "x"]


def test_writers_go_through_the_exports(tmp_path):
    import tifffile

    from napari_sam2_video.plugin.writer import write_labels, write_overlay

    labels = np.zeros((3, 32, 40), np.int64)
    labels[1, 5:9, 5:9] = 7
    (written,) = write_labels(str(tmp_path / "labels.ome.tif"), labels, {"name": "labels"})
    assert np.array_equal(tifffile.imread(written), labels)
    image = (np.zeros((3, 32, 40), np.uint16), {"name": "image", "contrast_limits": (0, 10)}, "image")
    (video,) = write_overlay(str(tmp_path / "over.mp4"), [image, (labels, {"name": "labels"}, "labels")])
    assert Path(video).stat().st_size > 0


def test_writers_say_what_does_not_fit(tmp_path):
    from napari_sam2_video.errors import ExportError
    from napari_sam2_video.plugin.writer import write_labels, write_overlay

    with pytest.raises(ExportError, match="axes"):
        write_labels(str(tmp_path / "a.tif"), np.zeros((2, 2, 3, 3), np.uint8), {"name": "labels"})
    image = (np.zeros((3, 10, 40), np.uint8), {"name": "image"}, "image")
    with pytest.raises(ExportError, match="does not fit"):
        write_overlay(str(tmp_path / "a.mp4"), [image, (np.zeros((3, 32, 40), np.uint8), {}, "labels")])
