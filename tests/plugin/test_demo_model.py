"""The whole way with the demo model, and how long the main thread was ever busy on it."""

from __future__ import annotations

import numpy as np
import tifffile

from napari_sam2_video.types import ModelSettings, TrackSettings
from tests.plugin.probe import Probe


def agreement(mask, truth):
    return (mask & truth).sum() / max(1, (mask | truth).sum())


def test_from_the_sample_to_a_tiff_and_a_video(bench, tmp_path, record_property):
    here = bench(fake=False)
    here.controller.model_settings = ModelSettings("demo", "cpu", image_size=128)
    here.viewer.open_sample("napari-sam2-video", "cells")
    from napari_sam2_video.synthetic import sample_time_series

    truth = sample_time_series().labels
    here.spin()
    here.start()
    here.controller.go_to(0)
    here.spin()
    rows, columns = np.nonzero(truth[0] == 1)
    here.press(here.widget.objects.tools["box"])
    corner, other = (rows.min(), columns.min()), (rows.max(), columns.max())
    with Probe() as probe:
        here.drag(here.world(0, *corner), here.world(0, *np.mean([corner, other], 0)), here.world(0, *other))
        here.idle()
        here.controller.actions.track(TrackSettings(start=0, stop=8))
        here.idle()
    record_property("longest_gap_ms", round(1000 * probe.longest))
    record_property("busiest_gap_ms", round(1000 * probe.busiest))
    print(probe.told("a preview and a run"))
    assert here.errors() == []
    assert list(here.session.masks.frames_done(1)) == list(range(8))
    assert agreement(here.session.masks.object_mask(0, 1), truth[0] == 1) > 0.3
    panel = here.widget.export
    here.widget.sections["export"].set_expanded(True)
    for kind, name in (("ome-tiff", "cells.ome.tif"), ("mp4", "cells.mp4")):
        panel.format_box.setCurrentIndex(panel.format_box.findData(kind))
        panel.export(tmp_path / name)
        here.idle()
        assert (tmp_path / name).exists(), here.told
    assert np.array_equal(tifffile.imread(tmp_path / "cells.ome.tif")[3], here.session.labels[3])
