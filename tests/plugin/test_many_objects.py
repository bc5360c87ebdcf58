"""Hundreds of objects: nothing on the main thread grows with what all of them hold."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_sam2_video.session import prompts
from tests.plugin.probe import Probe

pytestmark = pytest.mark.drawn

ROWS, COLUMNS, CELL = 15, 20, 24
COUNT = ROWS * COLUMNS


@pytest.fixture
def unpacked(monkeypatch):
    """Masks of prompts that the main thread unpacked."""
    found = []
    plain = prompts.decode_mask

    def watched(data, shape_yx):
        if threading.current_thread() is threading.main_thread():
            found.append(shape_yx)
        return plain(data, shape_yx)

    monkeypatch.setattr(prompts, "decode_mask", watched)
    return found


@pytest.fixture
def crowd(bench):
    """A bench with a Labels layer of 300 objects on one frame, and a session that has none of them yet."""
    shape = (ROWS * CELL, COLUMNS * CELL)
    labels = np.zeros(shape, np.uint16)
    for number in range(COUNT):
        y, x = (number // COLUMNS) * CELL, (number % COLUMNS) * CELL
        labels[y + 4 : y + 20, x + 4 : x + 20] = number + 2
    image = np.zeros((4, *shape), np.uint8)
    image[:, labels > 0] = 180
    here = bench(image, image={"name": "crowd"})
    here.start()
    here.controller.go_to(0)
    layer = here.viewer.add_labels(labels, name="cells")
    panel = here.widget.objects
    panel.seeds_box.setCurrentIndex(panel.seeds_box.findData(layer))
    here.spin()
    return here


def seed(here):
    here.press(here.widget.objects.seeds_button)
    here.idle()
    here.settle()


def test_seeds_are_made_in_the_background(crowd, unpacked):
    with Probe() as probe:
        seed(crowd)
    print(probe.told(f"seeding {COUNT} objects"))
    assert len(crowd.session.objects) == COUNT + 1
    assert crowd.controller.active == 2
    assert crowd.widget.objects.table.objects.rowCount() == COUNT + 1
    assert crowd.errors() == []
    assert unpacked == []


def test_no_call_on_the_main_thread_unpacks_the_masks_of_all_objects(crowd, unpacked):
    seed(crowd)
    crowd.widget.sections["review"].set_expanded(True)
    crowd.spin()
    with Probe() as probe:
        for number in (5, 150, 299):
            crowd.controller.set_active(number)
            crowd.spin()
    print(probe.told("choosing objects"))
    with Probe() as probe:
        for frame in (1, 2, 3, 0):
            crowd.controller.go_to(frame)
            crowd.spin()
    print(probe.told("switching frames"))
    assert unpacked == []
    crowd.controller.go_to(2)
    crowd.press(crowd.widget.objects.tools["point"])
    with Probe() as probe:
        crowd.click(30, 30)
        crowd.idle()
        crowd.settle()
    print(probe.told("a click"))
    assert len(crowd.session.prompts(299, 2)) == 1
    assert unpacked == []
    with Probe() as probe:
        crowd.controller.actions.undo()
        crowd.controller.actions.undo()
        crowd.idle()
        crowd.settle()
    print(probe.told("taking back the seeds"))
    assert len(crowd.session.objects) == 1
    assert unpacked == []
