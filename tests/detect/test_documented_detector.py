"""The detector in the documentation works as it stands there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_sam2_video.detect.registry import GROUP, detector_from_text
from napari_sam2_video.detect.run import run_detector

PAGE = Path(__file__).parents[2] / "docs" / "finding.md"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The example of the page as an installed package."""
    text = PAGE.read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    group, line = re.search(r'entry-points\."([\w.]+)"\]\n(\w+ = "[\w:]+")', text).groups()
    (tmp_path / "my_package.py").write_text(code)
    about = tmp_path / "my_package-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{group}]\n{line.replace(chr(34), '')}\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield group, code
    sys.modules.pop("my_package", None)


def test_the_documented_detector_is_found_and_finds(package, view):
    group, code = package
    assert group == GROUP
    body = code[code.index("    def detect") :]
    assert len([line for line in code.splitlines() if line.strip()]) <= 12, body
    (found,) = run_detector(detector_from_text("bright:150"), view, 0)
    assert found.origin_yx == (10, 20)
    assert found.mask.shape == (6, 8)
    assert run_detector(detector_from_text("bright"), view, 0) == []
    assert np.isclose(found.score, 0.9)
