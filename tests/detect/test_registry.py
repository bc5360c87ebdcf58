"""Detectors are found by name, in the box and in other packages."""

from __future__ import annotations

import sys

import pytest

from napari_sam2_video.detect.registry import detector_from_text, detector_names, unquoted
from napari_sam2_video.errors import DetectorError

MODULE = """
from napari_sam2_video.detect.protocol import Detection


class Bright:
    name = "bright"

    def __init__(self, level="128"):
        self.settings = {"level": int(level)}

    def detect(self, frame):
        return [Detection(1.0, frame.raw_yx >= self.settings["level"])]


def broken():
    raise ImportError("no such library")


def empty():
    return object()
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with three entry points on the path."""
    (tmp_path / "bright_detector.py").write_text(MODULE)
    about = tmp_path / "bright_detector-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: bright-detector\nVersion: 1.0\n")
    lines = ["bright = bright_detector:Bright", "broken = bright_detector:broken", "empty = bright_detector:empty"]
    (about / "entry_points.txt").write_text("\n".join(["[napari_sam2_video.detectors]", *lines]))
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("bright_detector", None)


def test_a_detector_of_another_package_is_found(package):
    assert {"bright", "broken", "empty"} <= set(detector_names())
    assert detector_from_text("bright").settings == {"level": 128}
    assert detector_from_text('bright: "200"').settings == {"level": 200}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nothing", "There is no detector 'nothing'; choose one of "),
        ("broken", "The detector broken of the package bright-detector cannot be made .ImportError: no such library."),
        ("bright:high", "The detector bright of the package bright-detector cannot be made .ValueError"),
        ("empty", "The detector empty of the package bright-detector has no method detect"),
    ],
)
def test_what_cannot_be_made_is_reported(package, text, said):
    with pytest.raises(DetectorError, match=said):
        detector_from_text(text)


@pytest.mark.parametrize("text", ["red cell", '"red cell"', " 'red cell' ", "“red cell”", '" red cell "'])
def test_quotes_around_a_text_are_removed(text):
    assert unquoted(text) == "red cell"
