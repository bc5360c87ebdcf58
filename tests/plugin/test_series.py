"""Files of several series, and windows that leave no contrast, in the viewer."""

from __future__ import annotations

import numpy as np
import tifffile

from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.window import HOUNSFIELD
from napari_sam2_video.plugin.layer_source import Choices, view_of
from napari_sam2_video.plugin.reader import tiff_reader
from napari_sam2_video.types.contrast import PERCENTILE
from tests.plugin.conftest import make_frames


def two_series(path):
    rng = np.random.default_rng(0)
    with tifffile.TiffWriter(path, ome=True) as file:
        for shape in ((5, 48, 64), (7, 32, 40)):
            file.write(rng.integers(0, 4000, shape, np.uint16), metadata={"axes": "TYX"}, photometric="minisblack")


def test_each_series_of_a_file_is_a_layer_to_choose(new_viewer, tmp_path):
    path = tmp_path / "two.ome.tif"
    two_series(path)
    viewer = new_viewer()
    for data, arguments, _ in tiff_reader(path)(path):
        viewer.add_image(data, **arguments)
    assert [layer.data.shape for layer in viewer.layers] == [(5, 48, 64), (7, 32, 40)]
    _, widget = viewer.window.add_plugin_dock_widget("napari-sam2-video")
    box = widget.recording.layer_box
    assert [box.itemData(i) for i in range(box.count())] == list(viewer.layers)
    read = [np.asarray(layer.data[2]) for layer in viewer.layers]
    for number, frame in enumerate(read):
        np.testing.assert_array_equal(frame, tifffile.imread(path, series=number)[2])
    widget.close_down()


def test_window_that_leaves_no_contrast_is_noted_before_the_run(bench):
    here = bench(make_frames())
    layer = here.viewer.layers[0]
    layer.contrast_limits = (float(layer.data.max()) + 1000, float(layer.data.max()) + 2000)
    here.widget.handle.new_object("cell")
    here.idle()
    assert "turns nearly all pixels black" in here.widget.recording.warning.text()


def test_percentiles_chosen_for_a_ct_scan_are_percentiles():
    with open_recording(np.arange(-1000, 1000, dtype=np.int16).reshape(5, 20, 20), axes="ZYX") as recording:
        recording.metadata[HOUNSFIELD] = True
        window = view_of(recording, Choices("ZYX", "Z", None, {}, PERCENTILE)).window
    assert (window.source, round(window.low)) == ("percentile", -998)
