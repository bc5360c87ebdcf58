"""The documentation of measurements and review says what the code does."""

from pathlib import Path

import numpy as np
import pytest

from napari_sam2_video.analysis.measure import measure
from napari_sam2_video.analysis.review import COMPONENTS
from napari_sam2_video.analysis.volume import measure_volumes
from napari_sam2_video.results import TrackingResult

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def result():
    labels = np.ones((2, 3, 3), np.uint8)
    return TrackingResult.from_arrays(labels, raw=labels, walk_axis="Z")


def test_every_column_is_documented(result):
    text = (DOCS / "measurements.md").read_text(encoding="utf-8")
    for name in measure(result).names:
        assert f"`{name}`" in text, name
    for name in measure_volumes(result).names:
        assert f"`{name}`" in text or name.startswith(("centroid_", "bbox_")), name


def test_documented_columns_exist(result):
    text = (DOCS / "measurements.md").read_text(encoding="utf-8")
    section = text.split("## Columns of the table")[1].split("##")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    documented = [name.strip(" `") for cell in cells for name in cell.split(",")]
    assert documented == list(measure(result).names)


def test_documented_weights_are_those_of_the_code():
    text = (DOCS / "review.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
    assert {row[1].strip(" `"): float(row[2]) for row in rows} == COMPONENTS
