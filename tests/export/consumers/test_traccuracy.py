"""Cell Tracking Challenge folders opened by traccuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_sam2_video.export.registry import export
from tests.export.made import family

if TYPE_CHECKING:
    from pathlib import Path


def test_traccuracy_loads_the_cell_tracking_challenge_folder(tmp_path: Path) -> None:
    loaders = pytest.importorskip("traccuracy.loaders")
    result = family()
    folder = export(result, tmp_path / "01_RES", format="ctc").path
    graph = loaders.load_ctc_data(str(folder), str(folder / "res_track.txt")).graph
    assert graph.number_of_nodes() == 14
    assert [graph.out_degree(node) for node in graph].count(2) == 1
