"""From three clicks to all cells, tracked and with their lineage, with the demo model."""

from __future__ import annotations

import numpy as np
from qtpy.QtTest import QTest
from scipy.ndimage import center_of_mass

from napari_sam2_video.plugin.detector_fields import LIKE
from napari_sam2_video.plugin.widgets import choose
from napari_sam2_video.synthetic import make_clip
from napari_sam2_video.types import ModelSettings

SEED, FRAMES, EVERY, CLICKED = 2, 16, 3, (2, 3, 4)


def test_from_three_clicks_to_all_cells_with_their_lineage(bench):
    clip = make_clip("dish", SEED, frames=FRAMES)
    here = bench(clip.frames, image={"name": "dish"}, fake=False)
    here.controller.model_settings = ModelSettings("demo", "cpu")
    panel = here.widget.finding
    for cell in CLICKED:
        here.start()
        here.controller.go_to(0)
        here.spin()
        here.click(*center_of_mass(clip.labels[0] == cell))
        here.idle()
    here.track()
    here.widget.sections["objects"].set_expanded(False)
    here.widget.sections["find"].set_expanded(True)
    choose(panel.fields.box, LIKE)
    QTest.keyClicks(panel.fields.argument, "1,2,3")
    panel.every_box.setValue(EVERY)
    here.press(panel.find_button)
    here.idle()
    here.spin(lambda: not here.controller.running)
    here.idle()
    assert panel.list.topLevelItemCount() >= 4
    panel.score_box.setValue(0.5)
    here.press(panel.accept_all_button)
    here.idle()
    here.track()
    assert here.errors() == []
    session = here.session
    right = seen = 0
    for frame, truth in enumerate(clip.labels):
        found = session.masks.read_labels(frame)
        for cell in np.unique(truth[truth > 0]):
            mask = truth == cell
            best = np.bincount(found[mask]).argmax()
            right += bool(best) and (mask & (found == best)).sum() > 0.5 * (mask | (found == best)).sum()
            seen += 1
    assert right > 0.8 * seen, f"{right} of {seen} masks"
    born = [one for one in session.objects if one.parent is not None]
    assert len(born) >= 2
    assert all(not session.mask(one.id, one.parent_frame - 1).any() for one in born)
