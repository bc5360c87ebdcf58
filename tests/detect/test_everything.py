"""*everything* finds the cells of a dish with the demo model."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_video.detect.everything import Everything
from napari_sam2_video.detect.registry import detector_from_text
from napari_sam2_video.detect.run import run_detector
from napari_sam2_video.errors import DetectionStoppedError, DetectorError
from tests.detect.conftest import same


def test_every_cell_is_found_once(dish):
    view, labels, segmenter = dish
    steps = []
    found = run_detector(Everything(), view, 0, segmenter=segmenter, progress=lambda *step: steps.append(step))
    cells = [label for label, area in enumerate(np.bincount(labels.ravel())) if label and area >= 200]
    assert [same(found, labels, cell) > 0.5 for cell in cells] == [True] * len(cells)
    assert len(found) == len(cells)
    assert all(0.6 < one.score <= 1 for one in found)
    done, total = zip(*steps, strict=True)
    assert list(done) == sorted(done)
    assert set(total) == {steps[-1][0]}


def test_stop_ends_it_between_two_batches_of_clicks(dish):
    view, _, segmenter = dish
    asked = []

    def stop():
        return bool(asked)

    class Noting:
        image_size = segmenter.image_size

        def at_points(self, *args, **options):
            asked.append(args)
            return segmenter.at_points(*args, **options)

    with pytest.raises(DetectionStoppedError):
        run_detector(Everything(), view, 0, segmenter=Noting(), stop=stop)


def test_without_a_network_it_says_what_is_missing(dish):
    with pytest.raises(DetectorError, match="needs a network; choose a model first"):
        run_detector(detector_from_text("everything"), dish[0], 0)


def test_its_settings_are_json(dish):
    assert Everything().settings["least_iou"] > 0
    with pytest.raises(DetectorError, match="takes no argument"):
        detector_from_text("everything:3")
