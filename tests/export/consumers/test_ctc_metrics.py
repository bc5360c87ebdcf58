"""Cell Tracking Challenge folders validated by py-ctcmetrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_sam2_video.export.registry import export
from tests.export.made import family

if TYPE_CHECKING:
    from pathlib import Path


def test_ctc_metrics_find_a_valid_result(tmp_path: Path) -> None:
    metrics = pytest.importorskip("ctc_metrics")
    folder = export(family(), tmp_path / "01_RES", format="ctc").path
    assert metrics.validate_sequence(str(folder))["Valid"] == 1
